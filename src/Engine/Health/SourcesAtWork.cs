using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>Sources that this product itself has stopped, to put them back: what a probe misses of them meanwhile is no outage.</summary>
internal sealed class SourcesAtWork(NpgsqlDataSource catalog, ProtectedEstate estate)
{
    /// <summary>
    /// So long a recovery may wait for a person with its source stopped. What nobody takes up by then is down, whoever stopped it,
    /// and is told to those who are told of outages.
    /// </summary>
    public static readonly TimeSpan MayWait = TimeSpan.FromHours(1);

    /// <summary>Their names, now.</summary>
    public async Task<HashSet<string>> ReadAsync(CancellationToken cancellationToken)
    {
        var recovering = await RecoveringAsync(cancellationToken);
        return [.. recovering, .. recovering.SelectMany(BesideOf), .. await RestoredAsync(cancellationToken)];
    }

    /// <summary>The other databases of the same PostgreSQL: they stop with it.</summary>
    private IEnumerable<string> BesideOf(string name) => estate.Sources.FirstOrDefault(source => source.Name == name)?.Postgres is { } server
        ? estate.Sources.Where(source => source.Postgres is { } other && other.Port == server.Port && string.Equals(other.Host, server.Host, StringComparison.OrdinalIgnoreCase)).Select(source => source.Name)
        : [];

    private Task<IReadOnlyList<string>> RecoveringAsync(CancellationToken cancellationToken) => catalog.Command(
        $"""
        SELECT o.source FROM run r JOIN recovery c ON c.run_id = r.id JOIN run_source o ON o.run_id = r.id
          JOIN LATERAL (
            SELECT max(greatest(s.started_at, s.acted_at, s.ended_at, s.rollback_started_at, s.rollback_ended_at)) AS at
            FROM recovery_step s WHERE s.run_id = r.id AND {SourceClaims.Changes}) last ON last.at IS NOT NULL
        WHERE NOT c.is_drill AND (r.state IN ('queued', 'running') OR (r.state = 'waiting' AND last.at > clock_timestamp() - $1))
        """, MayWait).ListAsync(row => row.GetString(0), cancellationToken);

    /// <summary>Virtual clusters whose store is put back in place outside of a plan: their control plane is scaled to nothing for it.</summary>
    private async Task<IEnumerable<string>> RestoredAsync(CancellationToken cancellationToken)
    {
        var targets = await catalog.Command(
            "SELECT r.request #>> '{plan,target}' FROM run r WHERE r.kind = 'restore' AND r.state = 'running' AND EXISTS (SELECT FROM approval_gate g WHERE g.run_id = r.id AND g.state = 'used')")
            .ListAsync(row => RestoreTarget.Parse(row.GetString(0), "/"), cancellationToken);
        var stopped = targets.OfType<VClusterTarget>().Where(target => target.Store is not null).ToList();
        return estate.Sources
            .Where(source => source.VCluster is { } cluster && stopped.Any(target => target.Namespace == cluster.Namespace && target.Store == cluster.DataDirectory))
            .Select(source => source.Name);
    }
}
