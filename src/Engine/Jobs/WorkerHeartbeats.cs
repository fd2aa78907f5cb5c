using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Jobs;

/// <summary>Tells from the job servers' heartbeats, on the catalog's clock, which nodes have a worker. One that stops orderly takes its row with it.</summary>
public sealed class WorkerHeartbeats(NpgsqlDataSource catalog) : INodeAgents
{
    /// <summary>How often a worker says that it lives.</summary>
    internal static readonly TimeSpan Every = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public async Task<IReadOnlyDictionary<string, TimeSpan>?> SilencesAsync(IReadOnlyCollection<string> nodes, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(nodes);
        var names = nodes.ToArray();
        var heard = await catalog.Command(
            $"""
            SELECT n.node, min(extract(epoch FROM clock_timestamp() - s.lastheartbeat))::double precision
            FROM unnest($1::text[], $2::text[]) AS n (node, queue) JOIN {CatalogConnection.JobsSchema}.server s ON s.data->'Queues' ? n.queue
            GROUP BY n.node
            """, names, names.Select(JobQueues.QueueOfNode).ToArray()).ListAsync(row => (Node: row.GetString(0), Seconds: row.GetDouble(1)), cancellationToken);
        return heard.ToDictionary(one => one.Node, one => TimeSpan.FromSeconds(Math.Max(0, one.Seconds)));
    }
}
