using System.Text.Json;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Sets;

/// <summary>The backups that a recovery set began, and how far they are.</summary>
internal sealed class SetParts(NpgsqlDataSource catalog, RunStore runs, RunRequests requests)
{
    /// <summary>True while another backup of one of the sources is open: the set's own would be refused.</summary>
    public async Task<bool> AreBusyAsync(RunId set, IReadOnlyList<Source> sources, CancellationToken cancellationToken) =>
        await catalog.Command(
            "SELECT count(*) FROM run WHERE kind = 'backup' AND source = ANY($1) AND state IN ('queued', 'running', 'waiting') AND parent IS DISTINCT FROM $2",
            sources.Select(source => source.Name).ToArray(), set.Value).FirstAsync(row => (object)row.GetInt64(0), cancellationToken) is > 0L;

    /// <summary>Begins a backup for each source that has none of this set yet; done again after a crash it begins what is missing.</summary>
    public async Task<IReadOnlyList<SetPart>> BeginAsync(Run set, IReadOnlyList<Source> sources, CancellationToken cancellationToken)
    {
        var begun = (await runs.OfParentAsync(set.Id, RunKinds.Backup, cancellationToken)).ToDictionary(run => run.Source);
        var parts = new List<SetPart>();
        foreach (var source in sources)
        {
            try
            {
                var run = begun.GetValueOrDefault(source.Name) ?? await BackUpAsync(set, source, cancellationToken);
                parts.Add(new SetPart(source.Name, run.Id.Value, null, null, null));
            }
            catch (EngineException refused)
            {
                // The others are still worth having; the set says that it is not complete, and why.
                parts.Add(new SetPart(source.Name, null, null, null, refused.Message));
            }
        }

        return parts;
    }

    /// <summary>One that the schedule asked for in this very moment serves as well as the set's own.</summary>
    private async Task<Run> BackUpAsync(Run set, Source source, CancellationToken cancellationToken)
    {
        try
        {
            return await requests.BackupAsync(source.Name, set.RequestedBy, cancellationToken, set.Id);
        }
        catch (EngineException busy) when (busy.Code == "run-already-open")
        {
            return (await runs.ListAsync(source.Name, RunKinds.Backup, null, 10, cancellationToken)).FirstOrDefault(run => run.IsOpen)
                ?? await requests.BackupAsync(source.Name, set.RequestedBy, cancellationToken, set.Id);
        }
    }

    /// <summary>True where each backup was begun by the set: one that another asked for may have read its source before the application was held still.</summary>
    public async Task<bool> AreOwnAsync(RunId set, IReadOnlyList<SetPart> begun, CancellationToken cancellationToken) =>
        await catalog.Command("SELECT count(*) FROM run WHERE id = ANY($1) AND parent IS DISTINCT FROM $2", IdsOf(begun), set.Value)
            .FirstAsync(row => (object)row.GetInt64(0), cancellationToken) is 0L;

    /// <summary>True once each backup has its content, or has ended without.</summary>
    public async Task<bool> AreCapturedAsync(IReadOnlyList<SetPart> begun, CancellationToken cancellationToken) =>
        await catalog.Command(
            """
            SELECT count(*) FROM run r WHERE r.id = ANY($1) AND r.state IN ('queued', 'running', 'waiting')
              AND NOT EXISTS (SELECT 1 FROM run_step s WHERE s.run_id = r.id AND s.name = 'capture' AND s.state = 'done')
            """, IdsOf(begun)).FirstAsync(row => (object)row.GetInt64(0), cancellationToken) is 0L;

    /// <summary>True once each backup has ended.</summary>
    public async Task<bool> HaveEndedAsync(IReadOnlyList<SetPart> begun, CancellationToken cancellationToken) =>
        await catalog.Command("SELECT count(*) FROM run WHERE id = ANY($1) AND state IN ('queued', 'running', 'waiting')", IdsOf(begun))
            .FirstAsync(row => (object)row.GetInt64(0), cancellationToken) is 0L;

    /// <summary>What became of the parts, once their backups have ended.</summary>
    public async Task<IReadOnlyList<SetPart>> ReadAsync(IReadOnlyList<SetPart> begun, CancellationToken cancellationToken)
    {
        var parts = new List<SetPart>();
        foreach (var part in begun)
        {
            parts.Add(part.BackupRun is { } id ? Judge(part, (await runs.FindAsync(new RunId(id), cancellationToken))!) : part);
        }

        return parts;
    }

    private static long[] IdsOf(IReadOnlyList<SetPart> begun) => [.. begun.Select(part => part.BackupRun).OfType<long>()];

    private static SetPart Judge(SetPart part, Run run)
    {
        if (run.ResultJson is { } json && run.State == RunState.Completed)
        {
            var backup = JsonSerializer.Deserialize<BackupRunResult>(json, JsonSerializerOptions.Web)!.Backup;
            return part with { RestorePoint = backup.BackupId.Value, SnapshotAt = backup.SnapshotAt };
        }

        var error = run.ErrorJson is null ? null : JsonSerializer.Deserialize<RunError>(run.ErrorJson, JsonSerializerOptions.Web);
        return part with { Fault = error?.Message ?? $"{run.Id} ended as {run.State.ToString().ToLowerInvariant()}" };
    }
}
