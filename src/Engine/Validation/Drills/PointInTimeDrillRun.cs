using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Validation.Drills;

/// <summary>What a drill to a moment ends with.</summary>
/// <param name="Outcome">One of <see cref="DrillOutcomes"/>.</param>
/// <param name="Reason">What was found, as a sentence.</param>
/// <param name="Seconds">From the first byte to a server that answers; null where it did not come to that.</param>
public sealed record PointInTimeDrillResult(
    DateTimeOffset Moment, string RestorePoint, string Tier, string Outcome, string Reason, DateTimeOffset? HeartbeatAt, DateTimeOffset? LastCommitAt, IReadOnlyList<DrillPhase> Phases,
    double? Seconds);

/// <summary>
/// A drill as a durable run: a random second of the recoverable window is recovered in scratch, and the copy must be of that
/// second. One that fails is a completed run with a result that says so; only what could not be tried is a failed run.
/// </summary>
public sealed class PointInTimeDrillRun(
    RecoverableWindows windows, TierRepositories tiers, ProtectedEstate estate, DrillCatalog drills, ValidationOptions options, ProcessRegistry registry, TimeProvider time) : IRunHandler
{
    /// <inheritdoc/>
    public string Kind => RunKinds.PointInTimeDrill;

    /// <inheritdoc/>
    public async Task<object> ExecuteAsync(RunContext context)
    {
        var request = context.Request<PointInTimeDrillRequest>();
        var source = estate.SourceNamed(request.Source);

        // A step of its own: what was chosen is durable before anything is done, and a resumed run does not draw again.
        var chosen = await context.StepAsync("choose", async step =>
        {
            var window = await windows.ReadForAsync(source, request.Moment, context.Cancellation) ?? throw new EngineException(
                "no-wal", ErrorKind.Unsupported, $"{source.Name} has no physical backups", "set Postgres:Mode to physical or both");
            var moment = DrillMoment.Choose(window, request.Moment);
            context.Log("choose", $"{moment.Moment.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC along timeline {moment.Timeline}, from base backup {RestorePointId.ShortOf(moment.RestorePoint)} in tier {moment.Tier}");
            // Retention leaves a point alone that an open run names.
            step.OnCommit(transaction => transaction.Command("UPDATE run SET restore_point = $2 WHERE id = $1", context.Run.Id.Value, moment.RestorePoint).RunAsync(CancellationToken.None));
            return moment;
        });
        return await context.StepAsync("drill", async step =>
        {
            var result = await DrillAsync(context, source, chosen);
            context.Log("drill", $"{result.Outcome}: {result.Reason}");
            step.OnCommit(async transaction =>
            {
                await DrillCatalog.RecordAsync(transaction, new DrillRow(
                    context.Run.Id.Value, source.Name, result.RestorePoint, result.Tier, result.Moment, result.Outcome, result.Reason, result.HeartbeatAt, result.LastCommitAt,
                    result.NextCommitAt, result.Phases, result.Seconds, time.GetUtcNow()), CancellationToken.None);
                if (result.Outcome == DrillOutcomes.Failed)
                {
                    await NotificationOutbox.WriteAsync(transaction, new Notice(
                        NotificationEvent.DrillFailed, NotificationSeverity.Critical, context.Run.Id.ToString(), FormattableString.Invariant($"/runs/{context.Run.Id.Value}"),
                        new NotificationFacts { Sources = [source.Name], Run = context.Run.Id.ToString(), KeepsUntil = result.Moment, Reason = result.Reason }), CancellationToken.None);
                }
            });
            return result.ToResult();
        });
    }

    private async Task<Drilled> DrillAsync(RunContext context, Source source, DrillMoment chosen)
    {
        await using var repository = await tiers.OpenAsync(estate.TierNamed(chosen.Tier), source.Workspace, context.Cancellation);
        var proof = new PointInTimeProof(options, registry, time, repository, source.Postgres!.Database, context.Progress, context.Log);
        try
        {
            var manifest = await repository.ReadManifestAsync(new RestorePointId(chosen.RestorePoint), context.Cancellation);
            var found = await proof.RunAsync(manifest, chosen, context.Cancellation);
            var lapse = await drills.LapseAtAsync(source.Name, chosen.Moment, context.Cancellation);
            var (outcome, reason) = DrillJudgement.Judge(chosen.Moment, found, source.Postgres.Heartbeat is not null, lapse);
            return new Drilled(chosen, outcome, reason, proof) { Found = found };
        }
        catch (DrillNotProvableException why)
        {
            return new Drilled(chosen, DrillOutcomes.NotProvable, why.Message, proof);
        }
        catch (EngineException fault) when (fault.Kind is not (ErrorKind.Unavailable or ErrorKind.OutOfSpace or ErrorKind.Denied) || fault.Code == "postgres-start-failed")
        {
            // The window promised this moment. That it cannot be reached is what a drill is there to find; WAL that does not open it promises no more.
            await TierRequests.NoteDamagedWalAsync(context, repository, chosen.Tier, fault);
            return new Drilled(chosen, DrillOutcomes.Failed, fault.Message, proof);
        }
    }

    private sealed record Drilled(DrillMoment Chosen, string Outcome, string Reason, PointInTimeProof Proof)
    {
        public RecoveredMoment? Found { get; init; }

        public DateTimeOffset Moment => Chosen.Moment;

        public string RestorePoint => Chosen.RestorePoint;

        public string Tier => Chosen.Tier;

        public DateTimeOffset? HeartbeatAt => Found?.Heartbeat?.At;

        public DateTimeOffset? LastCommitAt => Found?.LastCommit;

        public DateTimeOffset? NextCommitAt => Found?.NextCommit;

        public IReadOnlyList<DrillPhase> Phases => Proof.Phases;

        public double? Seconds => Proof.RestoreSeconds;

        public PointInTimeDrillResult ToResult() => new(Moment, RestorePoint, Tier, Outcome, Reason, HeartbeatAt, LastCommitAt, Phases, Seconds);
    }
}
