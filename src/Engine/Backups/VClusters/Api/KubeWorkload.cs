using System.Text.Json.Nodes;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Api;

/// <summary>A StatefulSet or Deployment on its API server: how many replicas it is to have, and what of it runs.</summary>
/// <param name="api">The server; who made it disposes of it.</param>
/// <param name="resource"><see cref="StatefulSets"/> or <see cref="Deployments"/>.</param>
/// <param name="ns">Its namespace.</param>
/// <param name="name">Its name.</param>
public sealed class KubeWorkload(KubeApi api, KubeResource resource, string ns, string name)
{
    private static readonly KubeResource s_pods = new("", "v1", "pods", "Pod", true);

    public static KubeResource StatefulSets { get; } = new("apps", "v1", "statefulsets", "StatefulSet", true);

    public static KubeResource Deployments { get; } = new("apps", "v1", "deployments", "Deployment", true);

    /// <summary>Its path on the server.</summary>
    public string Path { get; } = resource.PathOf(ns, name);

    /// <summary>The workload as it is now.</summary>
    /// <exception cref="EngineException"><c>api-object-missing</c>, <c>api-forbidden</c>, <c>api-unreachable</c>.</exception>
    public Task<JsonObject> ReadAsync(CancellationToken cancellationToken) => api.GetAsync(Path, cancellationToken);

    /// <summary>Asks for so many replicas through the scale subresource, which needs no right to anything else of the workload. Waits for nothing.</summary>
    public Task ScaleAsync(int replicas, CancellationToken cancellationToken) =>
        PatchAsync(Path + "/scale", new JsonObject { ["spec"] = new JsonObject { ["replicas"] = replicas } }, cancellationToken);

    /// <summary>Merges a patch into the workload itself.</summary>
    public Task PatchAsync(JsonObject patch, CancellationToken cancellationToken) => PatchAsync(Path, patch, cancellationToken);

    /// <summary>Its Pods that have not ended, of whatever replica: one that is ending is not ready any more, and writes all the same.</summary>
    public Task<IReadOnlyList<JsonObject>> PodsAsync(JsonObject found, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(found);
        return PodsAsync(api, ns, KubeLabels.SelectorOf(found["spec"]?["selector"]), cancellationToken);
    }

    /// <summary>The Pods of a namespace with such labels that have not ended.</summary>
    public static async Task<IReadOnlyList<JsonObject>> PodsAsync(KubeApi api, string ns, string selector, CancellationToken cancellationToken)
    {
        var pods = await KubeListing.AllAsync(api, s_pods, "labelSelector=" + Uri.EscapeDataString(selector), ns, cancellationToken).ConfigureAwait(false);
        return [.. pods.Where(pod => pod["status"]?["phase"]?.GetValue<string>() is not ("Succeeded" or "Failed"))];
    }

    /// <summary>True where nothing of it runs: its controller has seen what it is to be, says so, and no Pod of it is left.</summary>
    public async Task<bool> IsStoppedAsync(JsonObject found, CancellationToken cancellationToken) =>
        IsObserved(found) && (found["status"]?["replicas"]?.GetValue<int>() ?? 0) == 0 && (await PodsAsync(found, cancellationToken).ConfigureAwait(false)).Count == 0;

    /// <summary>How many replicas it is to have.</summary>
    public static int ReplicasOf(JsonObject found) => (found ?? throw new ArgumentNullException(nameof(found)))["spec"]?["replicas"]?.GetValue<int>() ?? 1;

    /// <summary>How many of them are ready, as its controller says.</summary>
    public static int ReadyOf(JsonObject found) => (found ?? throw new ArgumentNullException(nameof(found)))["status"]?["readyReplicas"]?.GetValue<int>() ?? 0;

    /// <summary>True where the status is of what the workload says now.</summary>
    public static bool IsObserved(JsonObject found) =>
        (found ?? throw new ArgumentNullException(nameof(found)))["status"]?["observedGeneration"]?.ToJsonString() == found["metadata"]?["generation"]?.ToJsonString();

    private async Task PatchAsync(string path, JsonObject patch, CancellationToken cancellationToken)
    {
        var answer = await api.PatchAsync(path, patch, cancellationToken).ConfigureAwait(false);
        if (!answer.IsSuccess)
        {
            throw answer.ToFault($"PATCH {path}");
        }
    }
}
