using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.RedisProtocol;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// Whether a restore goes to another place than the one where its source lives. What cannot be told counts as the same: a backup that was
/// ended for nothing is made again, one that holds a mixture is believed.
/// </summary>
internal static class RestorePlaces
{
    /// <param name="source">Null where it is declared no longer.</param>
    /// <param name="target">Where the restore goes.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task<bool> IsElsewhereAsync(Source? source, RestoreTarget target, CancellationToken cancellationToken) => (source, target) switch
    {
        ({ Volume: { Node: null, Path: { } path } }, DirectoryTarget directory) => VolumePlace.AreApart(directory.Path, path),
        // The data of a claim, or of the store, is a directory too.
        ({ VCluster: { VolumesDirectory: { } volumes } cluster }, DirectoryTarget directory) =>
            VolumePlace.AreApart(directory.Path, volumes) && (cluster.DataDirectory is null || VolumePlace.AreApart(directory.Path, cluster.DataDirectory)),
        ({ VCluster: { } cluster }, VClusterTarget other) => IsElsewhere(cluster, other),
        ({ Redis.DataDirectory: { } data }, RedisDirectoryTarget directory) => VolumePlace.AreApart(directory.Path, data),
        ({ Redis: { } redis }, RedisTarget server) => await AreOthersAsync(RedisBackup.EndpointOf(redis), server.Endpoint, cancellationToken),
        // Into PostgreSQL nothing is restored that lives there already.
        _ => false,
    };

    /// <summary>Two namespaces of the same name may be one, by two addresses of its host; and a store is replaced by its directory.</summary>
    private static bool IsElsewhere(VClusterSettings cluster, VClusterTarget other) =>
        (cluster.Namespace != other.Namespace || (cluster.Name is { } name && name != other.Name))
        && (other.Store is null || (cluster.DataDirectory is { } own && VolumePlace.AreApart(own, other.Store)));

    /// <summary>What nobody can tell is no other server.</summary>
    private static async Task<bool> AreOthersAsync(RedisEndpoint one, RedisEndpoint other, CancellationToken cancellationToken) =>
        await AreOneAsync(one, other, cancellationToken) == false;

    /// <summary>
    /// Whether two addresses lead to one server, or to two that replicate: one has many addresses, and one that replicates another changes
    /// with it, so that only they themselves know. Null where they do not say.
    /// </summary>
    internal static async Task<bool?> AreOneAsync(RedisEndpoint one, RedisEndpoint other, CancellationToken cancellationToken)
    {
        try
        {
            var (first, second) = (await IdentityAsync(one, cancellationToken), await IdentityAsync(other, cancellationToken));
            return first is { Run: not null, History: not null } && second is { Run: not null, History: not null } ? first.Run == second.Run || first.History == second.History : null;
        }
        catch (EngineException)
        {
            // It does not answer, or not to this user: then nobody knows.
            return null;
        }
    }

    private static async Task<(string? Run, string? History)> IdentityAsync(RedisEndpoint endpoint, CancellationToken cancellationToken)
    {
        await using var connection = await RedisConnection.OpenAsync(endpoint, cancellationToken);
        var info = await RedisServerInfo.ReadAsync(connection, cancellationToken);
        return (info.Text("run_id"), info.Text("master_replid"));
    }
}
