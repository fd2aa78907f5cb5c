using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Trust;

namespace Hexabase.DrConsole.Engine.Notifications.Channels;

/// <summary>
/// Posts JSON to a webhook. Redirects are not followed: a message must not go where nobody configured. Of an answer no more
/// than its beginning is read, and nothing of the address, which may hold a token, is in any message, also where the answer repeats it.
/// </summary>
internal static class HttpPost
{
    private const int BodyShown = 512;

    /// <summary>Shorter parts of an address are words of the receiver's API and no secrets.</summary>
    private const int ShortestSecret = 6;

    public static async Task<SendResult> SendAsync(WebhookSettings settings, byte[] body, IReadOnlyDictionary<string, string> headers, TimeProvider time, CancellationToken ct)
    {
        try
        {
            var url = settings.Url ?? new Uri(await SecretFile.ReadAsync(settings.UrlFile!, ct));
            // A client of its own for each try: a notification is rare, and names and certificates are looked up anew.
            using var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, MaxResponseHeadersLength = 64 };
            if (settings.CaFile is { } authorities)
            {
                handler.SslOptions.CertificateChainPolicy = TrustedRoots.Of(authorities);
            }

            using var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
            using var request = new HttpRequestMessage(HttpMethod.Post, url) { Content = new ByteArrayContent(body) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json", "utf-8");
            request.Headers.UserAgent.ParseAdd("DrConsole");
            foreach (var (name, value) in headers)
            {
                request.Headers.Add(name, value);
            }

            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct);
            return await JudgeAsync(response, url, time, ct);
        }
        catch (HttpRequestException fault)
        {
            return SendResult.Failed(ReasonOf(fault));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException or UriFormatException)
        {
            return SendResult.Failed(fault is UriFormatException ? "the file with the address holds none" : fault.Message);
        }
    }

    private static async Task<SendResult> JudgeAsync(HttpResponseMessage response, Uri url, TimeProvider time, CancellationToken ct)
    {
        var status = (int)response.StatusCode;
        if (response.IsSuccessStatusCode)
        {
            return SendResult.Delivered;
        }

        if (status is >= 300 and < 400)
        {
            return SendResult.Failed($"it answers with a redirect ({status}), which is not followed: configure the address that it leads to");
        }

        var said = await BeginningAsync(response, url, ct);
        return SendResult.Failed(string.Create(CultureInfo.InvariantCulture, $"it answers {status} {Without(response.ReasonPhrase ?? "", url)}{(said.Length > 0 ? $": {said}" : "")}")) with
        {
            // It says that the message itself is wrong, or that nobody is there any more: the next try would hear the same.
            IsFinal = response.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.Gone or HttpStatusCode.RequestEntityTooLarge or HttpStatusCode.UnprocessableContent,
            // A moment is by the receiver's clock, which its answer tells.
            RetryAfter = response.Headers.RetryAfter is { } wish ? wish.Delta ?? (wish.Date - (response.Headers.Date ?? time.GetUtcNow())) : null,
        };
    }

    private static async Task<string> BeginningAsync(HttpResponseMessage response, Uri url, CancellationToken ct)
    {
        try
        {
            await using var stream = await response.Content.ReadAsStreamAsync(ct);
            // So much more than is shown that no part of the address can be cut in two at its end.
            var buffer = new byte[BodyShown + (3 * url.OriginalString.Length)];
            var read = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, ct);
            var text = Encoding.UTF8.GetString(buffer, 0, read);
            var safe = Without(string.Concat(text.Select(letter => char.IsControl(letter) ? ' ' : letter)), url).Trim();
            return safe.Length > BodyShown ? safe[..BodyShown] : safe;
        }
        catch (Exception fault) when (fault is IOException or HttpRequestException)
        {
            return "";
        }
    }

    /// <summary>A text of the receiver's without any part of the address, plain or escaped.</summary>
    private static string Without(string text, Uri url)
    {
        var parts = $"{url.UserInfo}/{url.AbsolutePath}/{url.Query}/{url.Fragment}".Split('/', '?', '&', '=', ':', '#', ';', ',');
        var secrets = parts.SelectMany(part => new[] { part, Uri.UnescapeDataString(part) }).Where(part => part.Length >= ShortestSecret).Distinct().OrderByDescending(part => part.Length);
        return secrets.Aggregate(text, (left, secret) => left.Replace(secret, "…", StringComparison.OrdinalIgnoreCase));
    }

    private static string ReasonOf(HttpRequestException fault) => fault switch
    {
        { InnerException: AuthenticationException tls } => $"its certificate is not accepted: {tls.Message}",
        { InnerException: { } inner } => inner.Message,
        _ => fault.Message,
    };
}
