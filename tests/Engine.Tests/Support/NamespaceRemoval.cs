using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;

namespace Hexabase.DrConsole.Engine.Tests.Support;

/// <summary>
/// Removes a namespace with all that is in it, and returns when it is gone. What the namespace controller does is done here: it
/// begins after five seconds, and waits longer for what is held by a finalizer.
/// </summary>
internal static class NamespaceRemoval
{
    public static async Task RemoveAsync(KubeApi api, string ns, CancellationToken cancellationToken)
    {
        var path = $"/api/v1/namespaces/{ns}";
        var answer = await api.DeleteAsync(path, null, cancellationToken);
        Assert.True(answer.IsSuccess || answer.Status is 404 or 409, $"{path}: {answer.Message}");
        var kinds = (await KubeDiscovery.DiscoverAsync(api, cancellationToken, "list", "delete")).Resources.Where(kind => kind.IsNamespaced).ToList();
        List<string> left = [];
        await Eventually.UntilAsync(
            async () =>
            {
                left = [.. (await Task.WhenAll(kinds.Select(kind => EmptyAsync(api, kind, ns, cancellationToken)))).SelectMany(names => names)];
                return left.Count == 0;
            },
            () => $"the end of {ns}: {string.Join(", ", left.Take(10))}", cancellationToken);
        if (await api.FindAsync(path, cancellationToken) is { } empty)
        {
            empty["spec"] = new JsonObject { ["finalizers"] = new JsonArray() };
            await api.ReplaceAsync(path + "/finalize", empty, false, cancellationToken);
        }

        await Eventually.UntilAsync(async () => await api.FindAsync(path, cancellationToken) is null, () => $"the end of {ns}", cancellationToken);
    }

    /// <summary>Deletes all objects of a kind, whatever holds them.</summary>
    /// <returns>Those that were there.</returns>
    private static async Task<IEnumerable<string>> EmptyAsync(KubeApi api, KubeResource kind, string ns, CancellationToken cancellationToken)
    {
        var there = ((await api.FindAsync(kind.PathOf(ns), cancellationToken))?["items"] as JsonArray ?? []).Select(one => one!["metadata"]!).ToList();
        foreach (var one in there)
        {
            var path = kind.PathOf(ns, one["name"]!.GetValue<string>());
            await api.DeleteAsync(path + "?gracePeriodSeconds=0", null, cancellationToken);
            if (one["finalizers"] is not null)
            {
                await api.PatchAsync(path, ClusterClient.Json("""{"metadata":{"finalizers":null}}"""), cancellationToken);
            }
        }

        return there.Select(one => $"{kind.Name}/{one["name"]}");
    }
}
