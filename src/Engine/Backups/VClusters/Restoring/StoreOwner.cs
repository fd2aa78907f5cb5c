using Hexabase.DrConsole.Engine.Backups.Volumes;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>Whether a directory belongs to a cluster's own volume, as far as its host says where that is: another's would be replaced without anybody asking.</summary>
internal static class StoreOwner
{
    /// <summary>Refuses a directory of another volume.</summary>
    /// <returns>Why it cannot be told, for whoever confirms a plan; null where it is the cluster's own.</returns>
    /// <exception cref="EngineException"><c>store-of-another</c>; <c>api-unreachable</c>.</exception>
    public static async Task<string?> RequireAsync(VClusterAccess access, string store, CancellationToken cancellationToken)
    {
        var claim = $"data-{access.Name}-0";
        return await WhyUnknownAsync().ConfigureAwait(false) is { } why ? $"NOT checked: whether {store} is the store of {access.Name}, and not another cluster's: {why}; look at it before you confirm" : null;

        async Task<string?> WhyUnknownAsync()
        {
            try
            {
                var found = await access.Host.FindAsync($"/api/v1/namespaces/{access.Namespace}/persistentvolumeclaims/{claim}", cancellationToken).ConfigureAwait(false);
                return found is null
                    ? $"there is no claim {claim} on the host"
                    : Judge(access.Name, store, await BoundVolume.FindAsync(access.Host, found, cancellationToken).ConfigureAwait(false), claim);
            }
            catch (EngineException fault) when (fault.Kind == ErrorKind.Denied)
            {
                return fault.Message;
            }
        }
    }

    /// <summary>The same for a volume that was found.</summary>
    internal static string? Judge(string cluster, string store, BoundVolume volume, string claim)
    {
        if (volume.Directory is not { } directory)
        {
            return volume.Spec is null ? $"of claim {claim}, {volume.Problem}" : $"volume {volume.Name} of claim {claim} is no directory of a node ({volume.Driver})";
        }

        if (!Directory.Exists(directory))
        {
            return $"{directory} of volume {volume.Name} is not on this machine";
        }

        var (own, named) = (VolumePlace.RealPath(directory), VolumePlace.RealPath(store));
        return named == own || VolumePlace.IsBelow(named, own)
            ? null
            : throw new EngineException("store-of-another", ErrorKind.Conflict, $"{store} is not the directory of {cluster}'s volume {volume.Name}, which is {directory}", $"name {directory}, or the directory in it that etcd is in, in store=");
    }
}
