using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Api;

/// <summary>How hard an API server may be asked.</summary>
/// <param name="Parallel">Requests at the same time.</param>
/// <param name="PageBytes">What one page of a list should hold at most; the page's length follows the objects' size.</param>
/// <param name="PageItems">Objects of a page at most.</param>
public sealed record KubeBudget(int Parallel = 4, int PageBytes = 8 * 1024 * 1024, int PageItems = 500);

/// <summary>
/// An API server by raw JSON: typed models drop what they do not know, and know other versions than the server. Requests
/// keep to a budget; 429 and 503 with Retry-After are honoured, for a bounded time. Safe for calls at the same time.
/// </summary>
public sealed class KubeApi : IDisposable
{
    private const int Attempts = 6;
    private const int LongestAnswerBytes = 256 * 1024 * 1024;
    private static readonly TimeSpan s_longestWait = TimeSpan.FromSeconds(30);
    private static readonly JsonDocumentOptions s_json = new() { MaxDepth = 256 };
    private readonly KubeEndpoint _endpoint;
    private readonly string _root;
    private readonly HttpClient _client;
    private readonly SemaphoreSlim _slots;
    private readonly TimeProvider _time;

    /// <summary>Opens nothing yet.</summary>
    public KubeApi(KubeEndpoint endpoint, KubeBudget? budget = null, TimeProvider? time = null)
    {
        _endpoint = endpoint ?? throw new ArgumentNullException(nameof(endpoint));
        // Behind a gateway: a path that begins with a slash would lose it.
        _root = endpoint.Server.AbsolutePath.TrimEnd('/');
        Budget = budget ?? new KubeBudget();
        _time = time ?? TimeProvider.System;
        _slots = new SemaphoreSlim(Budget.Parallel, Budget.Parallel);
        _client = new HttpClient(endpoint.CreateHandler(Budget.Parallel))
        {
            BaseAddress = endpoint.Server,
            Timeout = TimeSpan.FromMinutes(3),
            MaxResponseContentBufferSize = LongestAnswerBytes,
        };
    }

    /// <summary>What this server may be asked.</summary>
    public KubeBudget Budget { get; }

    /// <summary>Its address, for messages.</summary>
    public string Address => _endpoint.Server.GetLeftPart(UriPartial.Path).TrimEnd('/');

    internal TimeProvider Time => _time;

    /// <summary>Requests that were sent.</summary>
    public long Requests => Interlocked.Read(ref _requests);

    private long _requests;

    /// <summary>Reads an object or list.</summary>
    /// <exception cref="EngineException"><c>api-unreachable</c>, or what the server refused.</exception>
    public async Task<JsonObject> GetAsync(string path, CancellationToken cancellationToken)
    {
        var answer = await SendAsync(HttpMethod.Get, path, null, null, cancellationToken).ConfigureAwait(false);
        return answer is { IsSuccess: true, Body: { } body } ? body : throw answer.ToFault($"GET {path} at {Address}");
    }

    /// <summary>Reads an object that may be missing.</summary>
    public async Task<JsonObject?> FindAsync(string path, CancellationToken cancellationToken)
    {
        var answer = await SendAsync(HttpMethod.Get, path, null, null, cancellationToken).ConfigureAwait(false);
        return answer switch
        {
            { IsSuccess: true } => answer.Body,
            { Status: 404 } => null,
            _ => throw answer.ToFault($"GET {path} at {Address}"),
        };
    }

    /// <summary>Creates an object.</summary>
    /// <param name="path">Of the kind, in its namespace.</param>
    /// <param name="body">The object.</param>
    /// <param name="isDryRun">True to be told only whether it would be taken.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    /// <param name="manager">Whom the server shall name as its maker; null to leave that to the server.</param>
    public Task<KubeAnswer> CreateAsync(string path, JsonObject body, bool isDryRun, CancellationToken cancellationToken, string? manager = null) =>
        SendAsync(HttpMethod.Post, path + QueryOf(isDryRun, manager), body, "application/json", cancellationToken);

    /// <summary>Replaces an object; its resourceVersion, where it has one, must be the server's.</summary>
    /// <param name="path">Of the object.</param>
    /// <param name="body">What it becomes.</param>
    /// <param name="isDryRun">True to be told only whether it would be taken.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    /// <param name="manager">Whom the server shall name as the one who changed it; null to leave that to the server.</param>
    public Task<KubeAnswer> ReplaceAsync(string path, JsonObject body, bool isDryRun, CancellationToken cancellationToken, string? manager = null) =>
        SendAsync(HttpMethod.Put, path + QueryOf(isDryRun, manager), body, "application/json", cancellationToken);

    /// <summary>Merges a patch into an object (RFC 7396).</summary>
    public Task<KubeAnswer> PatchAsync(string path, JsonObject patch, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Patch, path, patch, "application/merge-patch+json", cancellationToken);

    /// <summary>
    /// Deletes an object; where <paramref name="uid"/> is given, only that very one, and what it owns goes after it: by the default of its
    /// kind a Job's Pods, for one, would stay.
    /// </summary>
    public Task<KubeAnswer> DeleteAsync(string path, string? uid, CancellationToken cancellationToken) =>
        SendAsync(
            HttpMethod.Delete, path,
            uid is null ? null : new JsonObject { ["apiVersion"] = "v1", ["kind"] = "DeleteOptions", ["propagationPolicy"] = "Background", ["preconditions"] = new JsonObject { ["uid"] = uid } },
            "application/json", cancellationToken);

    /// <summary>Sends a request and returns what the server said, whatever it was.</summary>
    /// <exception cref="EngineException"><c>api-unreachable</c>: no answer came.</exception>
    public async Task<KubeAnswer> SendAsync(HttpMethod method, string path, JsonObject? body, string? contentType, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            TimeSpan? wait;
            KubeAnswer answer;
            await _slots.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                (answer, wait) = await SendOnceAsync(method, path, body, contentType, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException || (exception is TaskCanceledException && !cancellationToken.IsCancellationRequested))
            {
                throw new EngineException(
                    "api-unreachable", ErrorKind.Unavailable, $"the API server {Address} does not answer: {exception.InnerException?.Message ?? exception.Message}",
                    "check that the cluster runs and that its address can be reached from here", exception) { IsTransient = true };
            }
            finally
            {
                _slots.Release();
            }

            if (wait is not { } pause || attempt == Attempts)
            {
                return answer;
            }

            // Outside of the slot: who waits for the server holds up nobody.
            await Task.Delay(pause < s_longestWait ? pause : s_longestWait, _time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _client.Dispose();
        _slots.Dispose();
    }

    private static string QueryOf(bool isDryRun, string? manager) => isDryRun ? "?dryRun=All" : manager is null ? "" : "?fieldManager=" + Uri.EscapeDataString(manager);

    private async Task<(KubeAnswer Answer, TimeSpan? Wait)> SendOnceAsync(HttpMethod method, string path, JsonObject? body, string? contentType, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, _root + path);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        if (_endpoint.Tokens is { } tokens)
        {
            request.Headers.Authorization = await tokens.GetAuthenticationHeaderAsync(cancellationToken).ConfigureAwait(false);
        }

        if (body is not null)
        {
            request.Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body));
            request.Content.Headers.ContentType = new MediaTypeHeaderValue(contentType!);
        }

        Interlocked.Increment(ref _requests);
        // With its body: the time-out ends with what is awaited here, and a body that stalls must not be waited for without one.
        using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseContentRead, cancellationToken).ConfigureAwait(false);
        var bytes = await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
        var answer = new KubeAnswer((int)response.StatusCode, Parse(bytes), bytes.Length);
        var isBusy = response.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable && response.Headers.RetryAfter is not null;
        return (answer, isBusy ? response.Headers.RetryAfter!.Delta ?? TimeSpan.FromSeconds(1) : null);
    }

    private static JsonObject? Parse(byte[] bytes)
    {
        try
        {
            return JsonNode.Parse(bytes, documentOptions: s_json) as JsonObject;
        }
        catch (JsonException)
        {
            // A gateway's error page: the status code says what there is to say.
            return null;
        }
    }
}
