using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>
/// Restores the cluster to the plan's moment at the place that its data directory has left. The directory gets its name only when
/// it is recovered, checked by pg_amcheck and shut down. Undone by moving it away: once its service took writes, those go with it.
/// </summary>
public sealed class RestoreFromBackup(RestorePointCatalog points, RestorePointAccess access, PostgresRestores restores, TimeProvider time) : IRecoveryAction
{
    public const string ActionName = "restore_from_backup";

    public string Name => ActionName;

    public StepSafety Safety => StepSafety.Probeable;

    public WayBack WayBack => WayBack.UntilFirstWrite;

    public IReadOnlyList<string> Describe(RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, string> parameters) =>
    [
        $"unpack restore point {new RestorePointId(basis.RestorePoint).Short} (content {basis.ManifestHash[..12]}) into {target.DataDirectory}",
        $"recover it to {TargetOf(target, basis).MomentText}",
        "give it the configuration of the data directory that it replaces",
    ];

    /// <remarks>
    /// Opens the tier that it would restore from, too, and looks for the WAL in it: one that is away, or WAL that was given up while the
    /// plan waited, is found while the service still runs.
    /// </remarks>
    public async Task RequireAsync(RecoveryTarget target, RecoveryBasis basis, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(basis);
        var wanted = TargetOf(target, basis);
        var (point, _, repository) = await OpenAsync(wanted, basis, null, cancellationToken);
        await using (repository)
        {
            var manifest = await repository.ReadManifestAsync(point.PointId, cancellationToken);
            ApprovedContent.Require(LogicalRestore.HashOf(manifest), basis);
            DataDirectoryMount.Require(target.DataDirectory, manifest);
            if (wanted.IsPointInTime)
            {
                await PhysicalRestore.FindPathAsync(repository, manifest, await ClusterFacts.ReadAsync(repository, manifest, cancellationToken), wanted, cancellationToken);
            }
        }
    }

    public Task<JsonElement> CaptureAsync(ActionContext context) => Task.FromResult(ActionContext.Data(new { directory = context.Target.DataDirectory }));

    public async Task<StepEffect> ActAsync(ActionContext context)
    {
        var target = TargetOf(context.Target, context.Plan.Basis);
        var (point, tier, repository) = await OpenAsync(target, context.Plan.Basis, context.Log, context.Cancellation);
        context.Log($"restore point {point.PointId.Short} from tier {tier.Name}");
        await using (repository)
        {
            var manifest = await repository.ReadManifestAsync(point.PointId, context.Cancellation);
            DataDirectoryMount.Require(context.Target.DataDirectory, manifest);
            await RequireAllAsync(context, target, manifest, tier, repository);
            var plan = await restores.Physical.PlanAsync(repository, manifest, target, context.Cancellation, context.Servers);
            ApprovedContent.Require(plan.ManifestHash, context.Plan.Basis);
            var result = await restores.Physical.ExecuteAsync(
                repository, manifest, plan, plan.Hash, context.Operation, context.Progress, (phase, text) => context.Log($"{phase}: {text}"), context.Cancellation, context.Servers);
            TakePlace(context);
            return new StepEffect(
                $"recovered in {result.Seconds:0.0} s: {string.Join(", ", result.Phases.Select(phase => $"{phase.Name} {phase.Seconds:0.0} s"))}"
                + (result.LastTransaction is { } last ? $"; last commit {last}" : "") + Warned(result),
                ActionContext.Data(new RestoredCluster(result.Phases, result.LastTransaction, result.ReplayedUntil)));
        }
    }

    /// <summary>The tier with the most WAL when the plan was made may not answer now: what was approved to come back must not end before that.</summary>
    private static async Task RequireAllAsync(ActionContext context, PgDataTarget target, Manifest manifest, StorageTier tier, BackupRepository repository)
    {
        if (!target.ToEnd)
        {
            return;
        }

        var path = await PhysicalRestore.FindPathAsync(repository, manifest, await ClusterFacts.ReadAsync(repository, manifest, context.Cancellation), target, context.Cancellation);
        if (path.UntilTime < context.Plan.Loss.From)
        {
            throw new EngineException("wal-not-reached", ErrorKind.Unavailable,
                $"the WAL in tier {tier.Name} ends at {path.UntilTime.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC, before {context.Plan.Loss.From.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC, to which it was approved to come back",
                "bring the tier back that has the rest, and let the step try again") { IsTransient = true };
        }
    }

    public Task<EffectProbe> ProbeAsync(ActionContext context)
    {
        if (!IsOurs(context))
        {
            return Task.FromResult<EffectProbe>(new EffectProbe.NotDone());
        }

        TakePlace(context);
        var measured = PhysicalRestore.MeasuredBy(context.Target.DataDirectory, context.Operation);
        return Task.FromResult<EffectProbe>(new EffectProbe.Done(new StepEffect(
            "an interrupted attempt had recovered it" + Warned(measured),
            ActionContext.Data(new RestoredCluster(measured?.Phases ?? [], measured?.LastTransaction, measured?.ReplayedUntil)))));
    }

    private static string Warned(PhysicalRestoreResult? result) => string.Concat((result?.Warnings ?? []).Select(warning => $"; {warning}"));

    public Task<StepVerification> VerifyAsync(ActionContext context) => Task.FromResult(
        IsOurs(context) && File.Exists(Path.Combine(context.Target.DataDirectory, "PG_VERSION"))
            ? new StepVerification(true, $"{context.Target.DataDirectory} holds the recovered cluster, shut down in good order")
            : new StepVerification(false, $"{context.Target.DataDirectory} is not what this run recovered"));

    public async Task<string> RollBackAsync(ActionContext context)
    {
        var directory = context.Target.DataDirectory;
        var (kept, removed) = ($"{directory}.recovered-{context.Tag}", $"{directory}.removed-{context.Tag}");
        var hasServed = context.Snapshots.ContainsKey(RestartServices.ActionName) || context.ByHand.Contains(RestartServices.ActionName);
        if (PostmasterFile.FindLiving(directory) is not null)
        {
            throw new EngineException("service-running", ErrorKind.Conflict, $"a server runs on {directory}", "stop it first");
        }

        if (IsOurs(context))
        {
            // One rename frees the name for the original: whoever deletes afterwards, also a process that was frozen meanwhile,
            // knows only the other name.
            var beside = hasServed ? kept : removed;
            Directory.Move(directory, beside);
            if (!PhysicalRestore.IsMarked(beside, context.Operation))
            {
                // This process was frozen between the look and the rename, and another has put the original back meanwhile.
                Directory.Move(beside, directory);
                throw new EngineException("directory-taken", ErrorKind.Conflict, $"{directory} is not what this run recovered any more", "look at it; it was left as it is");
            }

            LocalFolder.Flush(Path.GetDirectoryName(directory)!);
        }
        else if (!Directory.Exists(kept) && !Directory.Exists(removed))
        {
            return await restores.Physical.AbandonAsync(TargetOf(context.Target, context.Plan.Basis), context.Operation, context.Cancellation)
                ?? "nothing had been restored yet";
        }

        if (Directory.Exists(kept))
        {
            return $"the recovered cluster is kept as {kept}: it may hold writes that were made since";
        }

        // Nobody has written to it: the same can be recovered again from the same restore point.
        await LocalFolder.RemoveAsync(removed, time, context.Cancellation);
        return "removed the recovered cluster, which had served nobody yet";
    }

    /// <summary>In a drill nothing is aside: then the configuration is the one of the backup, and the scratch server is told its own.</summary>
    private static void TakePlace(ActionContext context) => RecoveredConfiguration.TakePlace(
        context.Target.DataDirectory, IsolateCorruptedData.AsideOf(context.Target.DataDirectory, context.Tag), context.Servers.User);

    private static bool IsOurs(ActionContext context) => PhysicalRestore.IsMarked(context.Target.DataDirectory, context.Operation);

    private static PgDataTarget TargetOf(RecoveryTarget target, RecoveryBasis basis) => new(target.DataDirectory, null, basis.Moment, ToEnd: basis.ToEnd, Timeline: basis.Timeline);

    private async Task<(RestorePointRow Point, StorageTier Tier, BackupRepository Repository)> OpenAsync(PgDataTarget target, RecoveryBasis basis, Action<string>? passedOver, CancellationToken cancellationToken)
    {
        var point = await points.ResolveAsync(basis.RestorePoint, cancellationToken);
        var (tier, repository) = await access.OpenForAsync(point, target, passedOver, cancellationToken);
        return (point, tier, repository);
    }
}

/// <summary>What a recovered cluster came with.</summary>
/// <param name="ReplayedUntil">As <see cref="PhysicalRestoreResult.ReplayedUntil"/>.</param>
public sealed record RestoredCluster(IReadOnlyList<RestorePhase> Phases, string? LastTransaction, DateTimeOffset? ReplayedUntil = null);
