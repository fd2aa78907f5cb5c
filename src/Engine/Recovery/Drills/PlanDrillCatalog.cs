using System.Text.Json;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Drills;

/// <summary>What was looked for when a drill had ended.</summary>
/// <param name="Places">Its scratch folders, each with the machine that it was on.</param>
/// <param name="Left">What was still there, each a sentence; empty where nothing was.</param>
/// <param name="At">When it was looked.</param>
public sealed record DrillCleanup(IReadOnlyList<string> Places, IReadOnlyList<string> Left, DateTimeOffset At)
{
    /// <summary>True where nothing was left.</summary>
    public bool IsProven => Left.Count == 0;
}

/// <summary>A drill of a plan as the catalog holds it.</summary>
/// <param name="Recovery">Its walk through the plan.</param>
/// <param name="State">Of its run.</param>
/// <param name="ConfigurationHash">Of how the source was declared to be recovered.</param>
/// <param name="Places">The scratch folders of its attempts, each as <see cref="DrillPlace"/> writes it.</param>
/// <param name="Cleanup">Null until it was looked whether anything was left.</param>
public sealed record PlanDrillRow(
    RecoveryRow Recovery, RunState State, string RequestedBy, DateTimeOffset CreatedAt, DateTimeOffset? EndedAt, string ConfigurationHash, IReadOnlyList<string> Places,
    DrillCleanup? Cleanup)
{
    public RunId Run => Recovery.Run;

    /// <summary>True where every step that a drill does was done and verified, something was restored, and nothing was left behind.</summary>
    public bool Passed => Recovery.Outcome == RecoveryOutcome.Completed && HasRestored && Cleanup is { IsProven: true };

    /// <summary>False for one of an older build that came to its end without restoring anything: it shows nothing.</summary>
    public bool HasRestored { get; init; }

    /// <summary>From the first step to the last, measured; null where it has not passed.</summary>
    public double? Seconds { get; init; }

    /// <summary>The step that failed with its error; null where none did.</summary>
    public string? Failure { get; init; }
}

/// <summary>Reads and writes drills of plans.</summary>
public sealed class PlanDrillCatalog(NpgsqlDataSource catalog)
{
    /// <summary>A drill that dies again and again would take the machine for ever.</summary>
    private const int MostAttempts = 5;

    private const string Columns =
        $"""
        d.run_id, r.state, r.requested_by, r.created_at, r.ended_at, d.configuration_hash, d.places, d.cleanup::text,
        (SELECT extract(epoch FROM max(s.ended_at) - min(s.started_at))::double precision FROM recovery_step s WHERE s.run_id = d.run_id AND s.state = 'done'),
        coalesce((SELECT s.name || ': ' || s.error FROM recovery_step s WHERE s.run_id = d.run_id AND s.error IS NOT NULL ORDER BY s.position LIMIT 1), r.error->>'message'),
        EXISTS (SELECT 1 FROM recovery_step s WHERE s.run_id = d.run_id AND s.state = 'done' AND s.action IN {RestoringActions.Sql})
        """;

    /// <summary>Newest first; the filters that are null do not filter.</summary>
    public async Task<IReadOnlyList<PlanDrillRow>> ListAsync(string? source, string? plan, int limit, CancellationToken cancellationToken)
    {
        var rows = await catalog.Command(
            $"""
            SELECT {RecoveryCatalog.ColumnsOf("c")}, {Columns} FROM plan_drill d JOIN recovery c ON c.run_id = d.run_id JOIN run r ON r.id = d.run_id
            WHERE ($1::text IS NULL OR c.source = $1) AND ($2::text IS NULL OR c.plan = $2) ORDER BY d.run_id DESC LIMIT $3
            """, source, plan, limit).ListAsync(Map, cancellationToken);
        return rows;
    }

    /// <summary>The newest drill of each plan for each source that has any; those that ended cancelled do not count.</summary>
    public Task<IReadOnlyList<PlanDrillRow>> NewestAsync(CancellationToken cancellationToken) => catalog.Command(
        $"""
        WITH newest AS (
          SELECT DISTINCT ON (c.plan, c.source) d.run_id FROM plan_drill d JOIN recovery c ON c.run_id = d.run_id JOIN run r ON r.id = d.run_id
          WHERE r.state <> 'cancelled' ORDER BY c.plan, c.source, d.run_id DESC)
        SELECT {RecoveryCatalog.ColumnsOf("c")}, {Columns} FROM newest n JOIN plan_drill d ON d.run_id = n.run_id JOIN recovery c ON c.run_id = d.run_id JOIN run r ON r.id = d.run_id
        """).ListAsync(Map, cancellationToken);

    /// <summary>The drill of a run, or null.</summary>
    public Task<PlanDrillRow?> FindAsync(RunId run, CancellationToken cancellationToken) => catalog.Command(
        $"SELECT {RecoveryCatalog.ColumnsOf("c")}, {Columns} FROM plan_drill d JOIN recovery c ON c.run_id = d.run_id JOIN run r ON r.id = d.run_id WHERE d.run_id = $1", run.Value)
        .FirstAsync(Map, cancellationToken);

    /// <summary>Begins an attempt: its folder's name is written down before it is made, and what an earlier attempt measured is forgotten.</summary>
    /// <returns>The folders of earlier attempts.</returns>
    /// <exception cref="EngineException"><c>drill-interrupted</c>: too many attempts died.</exception>
    internal static async Task<IReadOnlyList<DrillPlace>> BeginAsync(RunContext context, DrillPlace place)
    {
        IReadOnlyList<DrillPlace> earlier = [];
        await context.CommitAsync(async transaction =>
        {
            earlier = await PlacesAsync(transaction, context.Run.Id);
            if (earlier.Count >= MostAttempts)
            {
                return;
            }

            await transaction.Command("UPDATE plan_drill SET places = array_append(places, $2) WHERE run_id = $1", context.Run.Id.Value, place.ToString()).RunAsync(CancellationToken.None);
            if (earlier.Count > 0)
            {
                await transaction.Command(
                    """
                    UPDATE recovery_step SET state = 'pending', attempt = 0, snapshot = NULL, effect = NULL, verification = NULL, error = NULL, started_at = NULL, attempted_at = NULL, acted_at = NULL,
                      ended_at = NULL, rollback_started_at = NULL, rollback_ended_at = NULL, rollback_error = NULL WHERE run_id = $1 AND reason IS NULL
                    """, context.Run.Id.Value).RunAsync(CancellationToken.None);
                await AuditLog.AppendAsync(transaction, "engine", "drill.begun-anew", context.Run.Id.ToString(), new { place = place.ToString(), earlier = earlier.Select(one => one.ToString()) }, CancellationToken.None);
            }
        });
        return earlier.Count < MostAttempts ? earlier : throw new EngineException(
            "drill-interrupted", ErrorKind.Unavailable, $"{earlier.Count} attempts of the drill were interrupted before they ended", "look why the console stopped, then drill again");
    }

    /// <summary>The folders of all attempts, behind the run's fence: a process that was frozen must not remove a later one's.</summary>
    internal static async Task<IReadOnlyList<DrillPlace>> PlacesAsync(RunContext context)
    {
        IReadOnlyList<DrillPlace> places = [];
        await context.CommitAsync(async transaction => places = await PlacesAsync(transaction, context.Run.Id));
        return places;
    }

    /// <summary>Writes down what was found when it had ended.</summary>
    internal static Task CleanedAsync(RunContext context, DrillCleanup cleanup) => context.CommitAsync(async transaction =>
    {
        await transaction.Command("UPDATE plan_drill SET cleanup = $2, cleaned_at = clock_timestamp() WHERE run_id = $1",
            context.Run.Id.Value, new Jsonb(JsonSerializer.Serialize(cleanup, JsonSerializerOptions.Web))).RunAsync(CancellationToken.None);
        await AuditLog.AppendAsync(
            transaction, "engine", cleanup.IsProven ? "drill.cleaned" : "drill.not-cleaned", context.Run.Id.ToString(), new { cleanup.Places, cleanup.Left }, CancellationToken.None);
    });

    private static async Task<IReadOnlyList<DrillPlace>> PlacesAsync(NpgsqlTransaction transaction, RunId run) =>
        [.. (await transaction.Command("SELECT places FROM plan_drill WHERE run_id = $1", run.Value).FirstAsync(row => row.GetFieldValue<string[]>(0), CancellationToken.None) ?? [])
            .Select(DrillPlace.Parse)];

    private static PlanDrillRow Map(NpgsqlDataReader row)
    {
        const int First = RecoveryCatalog.ColumnCount;
        var recovery = RecoveryCatalog.Map(row);
        var cleanup = row.TextOrNull(First + 7) is { } json ? JsonSerializer.Deserialize<DrillCleanup>(json, JsonSerializerOptions.Web) : null;
        return new PlanDrillRow(
            recovery, RunStore.Parse(row.GetString(First + 1)), row.GetString(First + 2), row.Time(First + 3), row.TimeOrNull(First + 4), row.GetString(First + 5),
            row.GetFieldValue<string[]>(First + 6), cleanup)
        {
            Seconds = recovery.Outcome == RecoveryOutcome.Completed ? row.DoubleOrNull(First + 8) : null,
            HasRestored = row.GetBoolean(First + 10),
            Failure = recovery.Outcome is null or RecoveryOutcome.Completed ? null : row.TextOrNull(First + 9),
        };
    }
}
