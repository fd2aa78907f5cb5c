using Hexabase.DrConsole.Engine.Audit;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>What people decided of rescued tables, for the runs that wait for it.</summary>
public sealed class RescueCatalog(NpgsqlDataSource catalog)
{
    /// <summary>The decision on a run; null while there is none.</summary>
    public Task<string?> DecisionAsync(long run, CancellationToken cancellationToken) =>
        catalog.Command("SELECT decision FROM table_rescue_decision WHERE run_id = $1", run).FirstAsync(row => row.GetString(0), cancellationToken);

    /// <summary>Records a person's decision with its audit event. The first one stands.</summary>
    /// <exception cref="EngineException"><c>rescue-not-open</c>: the run waits for none; <c>rescue-decided</c>.</exception>
    public async Task DecideAsync(long run, string decision, string actor, CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var source = await transaction.Command("SELECT source FROM run WHERE id = $1 AND kind = 'table-rescue' AND state IN ('queued', 'running') FOR SHARE", run)
            .FirstAsync(row => row.GetString(0), cancellationToken)
            ?? throw new EngineException("rescue-not-open", ErrorKind.Conflict, $"R-{run} waits for no decision", "its copy is gone: ask for the rescue again");
        var changed = await transaction.Command("INSERT INTO table_rescue_decision (run_id, decision, decided_by) VALUES ($1, $2, $3) ON CONFLICT (run_id) DO NOTHING", run, decision, actor)
            .RunAsync(cancellationToken);
        if (changed == 0)
        {
            throw new EngineException("rescue-decided", ErrorKind.Conflict, $"it was decided already what R-{run} does", "look at the run");
        }

        await AuditLog.AppendAsync(transaction, actor, "rescue.decided", source, new { run, decision }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }
}
