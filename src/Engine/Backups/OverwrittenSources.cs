using System.Net;
using System.Net.Sockets;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Backups.Volumes.Claims;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// What a restore writes over besides its own source: other sources, whose backups would hold a mixture, and whose recoveries would be
/// undone by it; and the places of other restores.
/// Of a directory that may be theirs, and of a namespace of the same name, what cannot be told counts as theirs; a server that does not
/// answer is another one, unless it has the same address, so that one outage does not stop the restores of all others.
/// </summary>
internal static class OverwrittenSources
{
    /// <param name="sources">All that are declared.</param>
    /// <param name="plan">The restore; its own source is none of them (<see cref="RestorePlaces"/>).</param>
    /// <param name="time">For the servers that are asked.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Their names, in order.</returns>
    public static async Task<IReadOnlyList<string>> FindAsync(IEnumerable<Source> sources, RestorePlan plan, TimeProvider time, CancellationToken cancellationToken)
    {
        var target = RestoreTarget.Parse(plan.Target, "/");
        var found = new List<string>();
        foreach (var source in sources.Where(one => one.Name != plan.Source).OrderBy(one => one.Name, StringComparer.Ordinal))
        {
            if (await IsAtAsync(source, target, cancellationToken).ConfigureAwait(false)
                || await HasAnyAsync(source, DirectoriesOf(target, plan), time, cancellationToken).ConfigureAwait(false))
            {
                found.Add(source.Name);
            }
        }

        return found;
    }

    /// <summary>Whether two restores write to one place, or to places within one another, however each names it. What cannot be told counts as one.</summary>
    public static async Task<bool> MeetAsync(RestorePlan one, RestorePlan other, CancellationToken cancellationToken)
    {
        var (first, second) = (RestoreTarget.Parse(one.Target, "/"), RestoreTarget.Parse(other.Target, "/"));
        return one.Target == other.Target || (first, second) switch
        {
            (RedisTarget a, RedisTarget b) => (a.Database is null || b.Database is null || a.Database == b.Database)
                && await IsServerAsync(a.Endpoint, b.Endpoint, cancellationToken).ConfigureAwait(false),
            (VClusterTarget a, VClusterTarget b) when a.Namespace == b.Namespace && a.Name == b.Name => !await AreOfTwoHostsAsync(a.Settings, b.Settings, cancellationToken).ConfigureAwait(false),
            _ => DirectoriesOf(first, one).Any(path => DirectoriesOf(second, other).Any(place => !VolumePlace.AreApart(path, place))),
        };
    }

    private static async Task<bool> IsAtAsync(Source source, RestoreTarget target, CancellationToken cancellationToken) => (source, target) switch
    {
        ({ VCluster: { } cluster }, VClusterTarget other) => cluster.Namespace == other.Namespace && (cluster.Name is null || cluster.Name == other.Name)
            && !await AreOfTwoHostsAsync(cluster, other.Settings, cancellationToken).ConfigureAwait(false),
        ({ Redis: { } redis }, RedisTarget server) => await IsServerAsync(RedisBackup.EndpointOf(redis), server.Endpoint, cancellationToken).ConfigureAwait(false),
        _ => false,
    };

    /// <summary>What is written on this machine's disks. Of a claim's data only its own volume, not the directory that has those of all.</summary>
    private static IReadOnlyList<string> DirectoriesOf(RestoreTarget target, RestorePlan plan) => target switch
    {
        DirectoryTarget directory => [directory.Path],
        RedisDirectoryTarget directory => [directory.Path],
        PgDataTarget { InPlace: not null } cluster => [cluster.Path],
        VClusterTarget cluster => [.. new[] { cluster.Store }.OfType<string>(), .. ClaimDataRestore.PlacesIn(plan)],
        _ => [],
    };

    private static async Task<bool> HasAnyAsync(Source source, IReadOnlyList<string> written, TimeProvider time, CancellationToken cancellationToken)
    {
        if (written.Count == 0)
        {
            return false;
        }

        return source switch
        {
            { Volume: { Claim: not null, Path: null } volume } => AnyAt(await PlaceOfAsync(volume, time, cancellationToken).ConfigureAwait(false)),
            { Volume: { Path: { } path } volume } => IsHere(volume.Node) && AnyAt(path),
            { Redis.DataDirectory: { } data } => AnyAt(data),
            { Postgres: { DataDirectory: { } data } server } => IsHere(server.Node) && AnyAt(data),
            { VCluster: { } cluster } => AnyAt(cluster.DataDirectory) || (AnyAt(cluster.VolumesDirectory) && await HasClaimAtAsync(cluster, written, time, cancellationToken).ConfigureAwait(false)),
            _ => false,
        };

        bool AnyAt(string? place) => place is not null && written.Any(path => !VolumePlace.AreApart(path, place));

        static bool IsHere(string? node) => node is null || node == Environment.MachineName;
    }

    /// <summary>Where a claim's volume is, or all that may be it.</summary>
    private static async Task<string?> PlaceOfAsync(VolumeSettings volume, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            return (await ClaimPlace.FindAsync(volume, time, cancellationToken).ConfigureAwait(false)).Path;
        }
        catch (EngineException)
        {
            return volume.Claim!.VolumesDirectory;
        }
    }

    /// <summary>The clusters of one host have their volumes side by side in one directory: its claims say which are whose.</summary>
    private static async Task<bool> HasClaimAtAsync(VClusterSettings cluster, IReadOnlyList<string> written, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            using var access = await VClusterAccess.OpenAsync(cluster, time, cancellationToken).ConfigureAwait(false);
            foreach (var claim in await VolumeRetention.ClaimsAsync(access, cancellationToken).ConfigureAwait(false))
            {
                var volume = await BoundVolume.FindAsync(access.Host, claim, cancellationToken).ConfigureAwait(false);
                if (volume.Directory is { } directory && written.Any(path => !VolumePlace.AreApart(path, directory)))
                {
                    return true;
                }
            }

            return false;
        }
        catch (EngineException)
        {
            // The host does not say.
            return true;
        }
    }

    /// <summary>True where both hosts say who they are, and are two.</summary>
    private static async Task<bool> AreOfTwoHostsAsync(VClusterSettings one, VClusterSettings other, CancellationToken cancellationToken)
    {
        if (one.Kubeconfig == other.Kubeconfig)
        {
            return false;
        }

        try
        {
            using var first = new KubeApi(KubeEndpoint.FromKubeconfig(one.Kubeconfig, one.RunsCommands));
            using var second = new KubeApi(KubeEndpoint.FromKubeconfig(other.Kubeconfig, other.RunsCommands));
            var (a, b) = (await ClusterIdentity.FindAsync(first, cancellationToken).ConfigureAwait(false), await ClusterIdentity.FindAsync(second, cancellationToken).ConfigureAwait(false));
            return a is not null && b is not null && a != b;
        }
        catch (EngineException)
        {
            return false;
        }
    }

    private static async Task<bool> IsServerAsync(RedisProtocol.RedisEndpoint one, RedisProtocol.RedisEndpoint other, CancellationToken cancellationToken) =>
        await RestorePlaces.AreOneAsync(one, other, cancellationToken).ConfigureAwait(false)
        ?? (one.Port == other.Port && (await AddressesOfAsync(one.Host, cancellationToken).ConfigureAwait(false)).Overlaps(await AddressesOfAsync(other.Host, cancellationToken).ConfigureAwait(false)));

    private static async Task<HashSet<string>> AddressesOfAsync(string host, CancellationToken cancellationToken)
    {
        try
        {
            return [host, .. (await Dns.GetHostAddressesAsync(host, cancellationToken).ConfigureAwait(false)).Select(address => address.ToString())];
        }
        catch (SocketException)
        {
            return [host];
        }
    }
}
