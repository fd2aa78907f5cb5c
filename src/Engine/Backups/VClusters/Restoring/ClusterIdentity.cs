using Hexabase.DrConsole.Engine.Backups.VClusters.Api;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>
/// Which cluster answers. Two have namespaces and names in common, and one has many addresses; the identity of the namespace that the
/// API server makes at its first start, and nobody can delete, is one cluster's alone and stays with its store.
/// </summary>
internal static class ClusterIdentity
{
    /// <summary>Its identity; null where this account may not look, or it has none yet.</summary>
    public static async Task<string?> FindAsync(KubeApi api, CancellationToken cancellationToken)
    {
        var answer = await api.SendAsync(HttpMethod.Get, "/api/v1/namespaces/kube-system", null, null, cancellationToken).ConfigureAwait(false);
        return answer.IsSuccess ? answer.Body?["metadata"]?["uid"]?.GetValue<string>()
            : answer.Status is 403 or 404 ? null
            : throw answer.ToFault($"asking {api.Address} which cluster it is");
    }

    /// <summary>Refuses what was recorded of one cluster at another one.</summary>
    /// <param name="recorded">Of the cluster that the restore went into; null where its record does not say.</param>
    /// <param name="found">Of the cluster that is reached now; null where it does not say.</param>
    /// <param name="isReachedAlike">Whether it is reached as it was then: where neither can be compared, that has to do.</param>
    /// <param name="operation">The restore.</param>
    /// <param name="address">Of the cluster that is reached now.</param>
    /// <exception cref="EngineException"><c>undo-other-cluster</c>.</exception>
    public static void RequireSame(string? recorded, string? found, bool isReachedAlike, string operation, string address)
    {
        if (recorded is not null && found is not null ? recorded == found : isReachedAlike)
        {
            return;
        }

        throw new EngineException(
            "undo-other-cluster", ErrorKind.Conflict,
            recorded is not null && found is not null
                ? $"{address} is another cluster than the one that {operation} restored into"
                : $"nobody can tell whether {address} is the cluster that {operation} restored into",
            "name the kubeconfig, and where it had one the server, of that restore; nothing was changed");
    }
}
