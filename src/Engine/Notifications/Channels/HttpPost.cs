using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Authentication;
using System.Text;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Notifications.Channels;

/// <summary>
/// Posts JSON to a webhook. Redirects are not followed: a message must not go where nobody configured. Of an answer's body no more
/// than its beginning is read, and its address, which may hold a token, is in no message.
/// </summary>
internal static class HttpPost
{
    private const int BodyRead = 512;

    public static async Task<SendResult> SendAsync(WebhookSettings settings, byte[] body, IReadOnlyDictionary<string, string> headers, CancellationToken ct)
    {
        try
        {
            var url = settings.Url ?? new Uri(await FirstLine.OfAsync(settings.UrlFile!, ct));
            // A client of its own for each try: a notification is rare, and names and certificates are looked up anew.
            using var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, MaxResponseHeadersLength = 64 };
            if (TrustedRoots.Of(settings.CaFile) is { } check)
            {
                handler.SslOptions.RemoteCertificateValidationCallback = check;
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
            return await JudgeAsync(response, ct);
        }
        catch (HttpRequestException fault)
        {
            return SendResult.Failed(ReasonOf(fault));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or UriFormatException)
        {
            return SendResult.Failed(fault is UriFormatException ? "the file with the address holds none" : fault.Message);
        }
    }

    private static async Task<SendResult> JudgeAsync(HttpResponseMessage response, CancellationToken ct)
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

        var said = await BeginningAsync(response, ct);
        return SendResult.Failed(string.Create(CultureInfo.InvariantCulture, $"it answers {status} {response.ReasonPhrase}{(said.Length > 0 ? $": {said}" : "")}")) with
        {
            // It says that the message itself is wrong, or that nobody is there any more: the next try would hear the same.
            IsFinal = response.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.Gone or HttpStatusCode.RequestEntityTooLarge or HttpStatusCode.UnprocessableContent,
            RetryAfter = response.Headers.RetryAfter?.Delta,
        };
    }

    private static async Task<string> BeginningAsync(HttpResponseMessage response, CancellationToken ct)
    {
        try
        {
            await using var stream = await response.Content.ReadAsStreamAsync(ct);
            var buffer = new byte[BodyRead];
            var read = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, ct);
            var text = Encoding.UTF8.GetString(buffer, 0, read);
            return string.Concat(text.Select(letter => char.IsControl(letter) ? ' ' : letter)).Trim();
        }
        catch (Exception fault) when (fault is IOException or HttpRequestException)
        {
            return "";
        }
    }

    private static string ReasonOf(HttpRequestException fault) => fault switch
    {
        { InnerException: AuthenticationException tls } => $"its certificate is not accepted: {tls.Message}",
        { InnerException: { } inner } => inner.Message,
        _ => fault.Message,
    };
}
