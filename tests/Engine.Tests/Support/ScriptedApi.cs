using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Tests.Repository;

namespace Hexabase.DrConsole.Engine.Tests.Support;

/// <summary>
/// An API server with a few kinds in memory that answers as a test wants it: what real ones answer in moments that no test can choose.
/// It knows identity, resource versions, finalizers and who wrote an object last, and nothing else.
/// </summary>
internal sealed class ScriptedApi : IAsyncDisposable
{
    private static readonly string[] s_verbs = ["create", "delete", "get", "list", "patch", "update"];
    private readonly TemporaryFolder _folder = new();
    private readonly HttpListener _listener;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, JsonObject> _objects = new(StringComparer.Ordinal);
    private readonly List<(string Method, string Path, JsonObject? Body)> _asked = [];
    private readonly Task _serving;
    private int _versions;

    public ScriptedApi()
    {
        for (var port = Random.Shared.Next(20_000, 50_000); ; port++)
        {
            // One that could not listen is closed by that: each attempt has its own.
            _listener = new HttpListener();
            _listener.Prefixes.Add($"http://127.0.0.1:{port}/");
            try
            {
                _listener.Start();
            }
            catch (HttpListenerException)
            {
                // Somebody else's.
                continue;
            }

            var kubeconfig = _folder.Write("kubeconfig", Encoding.UTF8.GetBytes("""
                apiVersion: v1
                kind: Config
                clusters: [{name: c, cluster: {server: "http://127.0.0.1:PORT"}}]
                users: [{name: u, user: {token: none}}]
                contexts: [{name: x, context: {cluster: c, user: u}}]
                current-context: x
                """.Replace("PORT", $"{port}", StringComparison.Ordinal)));
            Api = new KubeApi(KubeEndpoint.FromKubeconfig(kubeconfig), null, new HastyTime());
            break;
        }

        _serving = ServeAsync();
    }

    public KubeApi Api { get; }

    /// <summary>Asked before each request: a status that it is answered with, 0 for an answer that breaks off, -1 for a success without a word, null to be answered as it should be.</summary>
    public Func<string, string, int?> Answers { get; set; } = (_, _) => null;

    /// <summary>What a scripted status says besides; null for nothing of interest.</summary>
    public string? Says { get; set; }

    /// <summary>What the server makes of an object that it is sent.</summary>
    public Action<JsonObject> Admits { get; set; } = _ => { };

    public IReadOnlyList<(string Method, string Path, JsonObject? Body)> Asked
    {
        get
        {
            lock (_gate)
            {
                return [.. _asked];
            }
        }
    }

    public JsonObject? Find(string path)
    {
        lock (_gate)
        {
            return _objects.GetValueOrDefault(path)?.DeepClone().AsObject();
        }
    }

    /// <summary>Puts an object there, or another content into the one that is there.</summary>
    public string Put(string path, JsonObject value)
    {
        lock (_gate)
        {
            var uid = _objects.GetValueOrDefault(path)?["metadata"]!["uid"]!.GetValue<string>() ?? Guid.NewGuid().ToString();
            var copy = value.DeepClone().AsObject();
            copy["metadata"]!["uid"] = uid;
            copy["metadata"]!["resourceVersion"] = $"{++_versions}";
            _objects[path] = copy;
            return uid;
        }
    }

    /// <summary>As a controller writes its status.</summary>
    public void Touch(string path)
    {
        var value = Find(path)!;
        value["status"] = new JsonObject { ["seen"] = Guid.NewGuid().ToString() };
        Put(path, value);
    }

    public async ValueTask DisposeAsync()
    {
        Api.Dispose();
        _listener.Close();
        await _serving;
        _folder.Dispose();
    }

    private async Task ServeAsync()
    {
        while (_listener.IsListening)
        {
            try
            {
                await AnswerAsync(await _listener.GetContextAsync());
            }
            catch (Exception fault) when (fault is HttpListenerException or ObjectDisposedException or IOException)
            {
                // Closed by the test, or hung up by the other side.
            }
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        var (method, path) = (context.Request.HttpMethod, context.Request.Url!.AbsolutePath);
        var text = await new StreamReader(context.Request.InputStream).ReadToEndAsync();
        var body = text.Length > 0 ? (JsonObject?)JsonNode.Parse(text) : null;
        lock (_gate)
        {
            _asked.Add((method, path, body));
        }

        var scripted = Answers(method, path);
        if (scripted is 0 or -1)
        {
            // Without a length the other side would take what there is for all of it.
            context.Response.ContentLength64 = scripted == 0 ? 100 : 0;
            if (scripted == 0)
            {
                await context.Response.OutputStream.WriteAsync("{"u8.ToArray());
            }

            context.Response.Abort();
            return;
        }

        var query = System.Web.HttpUtility.ParseQueryString(context.Request.Url.Query);
        if (method is "POST" or "PUT" && body?["metadata"] is not null)
        {
            Admits(body);
            Sign(method, path, body, query["fieldManager"]);
        }

        var (status, answer) = scripted is { } wanted ? (wanted, Refusal(wanted, wanted == 409 ? "Conflict" : "Scripted")) : Act(method, path, body, query["dryRun"] is not null);
        context.Response.StatusCode = status;
        var bytes = Encoding.UTF8.GetBytes(answer.ToJsonString());
        context.Response.ContentLength64 = bytes.Length;
        await context.Response.OutputStream.WriteAsync(bytes);
        context.Response.Close();
    }

    private (int Status, JsonObject Answer) Act(string method, string path, JsonObject? body, bool isDryRun)
    {
        switch (path)
        {
            case "/version":
                return (200, new JsonObject { ["gitVersion"] = "v1.0.0-scripted" });
            case "/apis":
                return (200, Json("""{"groups":[{"name":"example.org","preferredVersion":{"version":"v1"},"versions":[{"version":"v1"}]},{"name":"admissionregistration.k8s.io","preferredVersion":{"version":"v1"},"versions":[{"version":"v1"}]}]}"""));
            case "/api/v1":
                return (200, new JsonObject { ["resources"] = new JsonArray(Kind("configmaps", "ConfigMap", true), Kind("namespaces", "Namespace", false), Kind("pods", "Pod", true)) });
            case "/apis/example.org/v1":
                return (200, new JsonObject { ["resources"] = new JsonArray(Kind("widgets", "Widget", true)) });
            case "/apis/admissionregistration.k8s.io/v1":
                return (200, new JsonObject { ["resources"] = new JsonArray(Kind("validatingwebhookconfigurations", "ValidatingWebhookConfiguration", false)) });
        }

        lock (_gate)
        {
            return (method, _objects.GetValueOrDefault(path)) switch
            {
                ("GET", null) when path.Split('/') is [.., "configmaps" or "namespaces" or "pods" or "widgets" or "validatingwebhookconfigurations"] => (200, new JsonObject { ["items"] = new JsonArray([.. _objects.Where(one => IsListed(path, one.Key)).Select(one => one.Value.DeepClone())]) }),
                ("GET", { } found) => (200, found.DeepClone().AsObject()),
                ("POST", _) => Create($"{path}/{body!["metadata"]!["name"]}", body, isDryRun),
                (_, null) => (404, Refusal(404, "NotFound")),
                ("PUT", { } found) => Replace(path, found, body!, isDryRun),
                ("PATCH", { } found) => Patch(path, found, body!),
                ("DELETE", { } found) => Delete(path, found, body),
                _ => (405, Refusal(405, "MethodNotAllowed")),
            };
        }
    }

    private (int, JsonObject) Create(string path, JsonObject body, bool isDryRun)
    {
        if (_objects.ContainsKey(path))
        {
            return (409, Refusal(409, "AlreadyExists"));
        }

        if (!isDryRun)
        {
            Put(path, body);
        }

        return (201, (isDryRun ? body : _objects[path]).DeepClone().AsObject());
    }

    /// <summary>As newer servers note who wrote an object, and when.</summary>
    private void Sign(string method, string path, JsonObject body, string? manager)
    {
        if (manager is null)
        {
            return;
        }

        lock (_gate)
        {
            var entries = method == "PUT" && _objects.GetValueOrDefault(path)?["metadata"]!["managedFields"] is JsonArray before ? before.DeepClone().AsArray() : [];
            entries.Add(new JsonObject { ["manager"] = manager, ["time"] = TimeProvider.System.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ssZ", System.Globalization.CultureInfo.InvariantCulture) });
            body["metadata"]!["managedFields"] = entries;
        }
    }

    private (int, JsonObject) Replace(string path, JsonObject found, JsonObject body, bool isDryRun)
    {
        if (body["metadata"]!["resourceVersion"]?.GetValue<string>() is { } version && version != found["metadata"]!["resourceVersion"]!.GetValue<string>())
        {
            return (409, Refusal(409, "Conflict"));
        }

        if (isDryRun)
        {
            return (200, body.DeepClone().AsObject());
        }

        Put(path, body);
        return (200, _objects[path].DeepClone().AsObject());
    }

    /// <summary>Of the metadata only.</summary>
    private (int, JsonObject) Patch(string path, JsonObject found, JsonObject body)
    {
        foreach (var (key, value) in body["metadata"]!.AsObject())
        {
            found["metadata"]![key] = value?.DeepClone();
        }

        if (found["metadata"]!["deletionTimestamp"] is not null && found["metadata"]!["finalizers"] is not JsonArray { Count: > 0 })
        {
            _objects.Remove(path);
        }

        return (200, found.DeepClone().AsObject());
    }

    private (int, JsonObject) Delete(string path, JsonObject found, JsonObject? body)
    {
        if (body?["preconditions"]?["uid"]?.GetValue<string>() is { } uid && uid != found["metadata"]!["uid"]!.GetValue<string>())
        {
            return (409, Refusal(409, "Conflict"));
        }

        if (found["metadata"]!["finalizers"] is JsonArray { Count: > 0 })
        {
            found["metadata"]!["deletionTimestamp"] = "2026-01-01T00:00:00Z";
            return (200, found.DeepClone().AsObject());
        }

        _objects.Remove(path);
        return (200, Json("""{"kind":"Status","apiVersion":"v1","status":"Success"}"""));
    }

    /// <summary>In all namespaces too.</summary>
    private static bool IsListed(string list, string path) =>
        (path.StartsWith(list + "/", StringComparison.Ordinal) && !path[(list.Length + 1)..].Contains('/', StringComparison.Ordinal)) || (path.StartsWith("/api/v1/namespaces/", StringComparison.Ordinal) && list.Split('/') is ["", "api", "v1", var plural] && path.Split('/') is [_, _, _, _, _, var kind, _] && kind == plural);

    private static JsonObject Kind(string plural, string kind, bool isNamespaced) => new()
    {
        ["name"] = plural,
        ["kind"] = kind,
        ["namespaced"] = isNamespaced,
        ["verbs"] = new JsonArray([.. s_verbs.Select(verb => JsonValue.Create(verb))]),
    };

    private JsonObject Refusal(int status, string reason) => new() { ["kind"] = "Status", ["reason"] = reason, ["message"] = Says ?? $"the script says {status}", ["code"] = status };

    private static JsonObject Json(string text) => (JsonObject)JsonNode.Parse(text)!;
}
