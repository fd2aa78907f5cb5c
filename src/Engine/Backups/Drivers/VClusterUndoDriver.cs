using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>
/// The way back from a restore of objects that had come to its end (<c>undo=R-12</c>): planned, confirmed and approved as what it is, a
/// restore over something that lives. Its journal lives as long as its restore point.
/// </summary>
public sealed class VClusterUndoDriver(RunStore runs, VClusterRestoreDriver restores, TimeProvider time) : IRestoreDriver
{
    /// <summary>The kind of its plans.</summary>
    public const string Kind = "vcluster-undo";

    private const int NamedObjects = 200;

    /// <inheritdoc/>
    public string PlanKind => Kind;

    /// <summary>The restore point and the target of the way back from a run.</summary>
    /// <exception cref="EngineException"><c>undo-not-possible</c>: it is no restore of objects, or did not come to its end.</exception>
    public static (string RestorePoint, string Target) Of(Run run)
    {
        var plan = PlanOf(run);
        var target = (VClusterTarget)RestoreTarget.Parse(plan.Target, "/");
        return (plan.RestorePointId, new VClusterTarget(target.Namespace, target.Name, target.Kubeconfig, target.Server, null, new VClusters.Restoring.RestoreSelection()) { Undo = run.Id.ToString() }.ToText());
    }

    /// <inheritdoc/>
    public bool Takes(RestoreTarget target, Manifest manifest) => target is VClusterTarget { Undo: not null } && manifest is { Kind: VClusterBackup.Kind };

    /// <inheritdoc/>
    public async Task<RestorePlan> PlanAsync(BackupRepository repository, Manifest manifest, RestoreTarget target, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        var at = (VClusterTarget)target;
        var (run, restored) = await FindAsync(at, manifest, cancellationToken);
        var operation = RestoreRun.OperationOf(run);
        var effects = await restores.FindEffectsAsync(repository, manifest, restored, operation, at, cancellationToken) ?? throw NotPossible(run, "nothing of it is left to take back");
        var (created, changed) = (effects.Count(one => one.WasCreated), effects.Count(one => !one.WasCreated));
        List<string> notes =
        [
            $"takes {run.Id} back, which {Counted.Of(created, "object")} created and {Counted.Of(changed, "object")} changed: what it created is deleted, with what that owns, and what it changed becomes what it was before",
            "what somebody has changed since, what holds something that the restore did not make, and a claim that has got a volume since is left as it is and named",
        ];
        if (ClaimDataRestore.WritesAny(restored.Notes))
        {
            notes.Add("the data of its claims become what they were, but for what was written since, where nothing is left that may use them");
        }

        // In the order of the way back.
        var lines = effects.Reverse().Select(one => $"{(one.WasCreated ? "deleted" : "put back")}: {one.Target}").ToList();
        return new RestorePlan
        {
            FormatVersion = RestorePlan.CurrentVersion,
            RestorePointId = manifest.Id.Value,
            ManifestHash = LogicalRestore.HashOf(manifest),
            Source = manifest.Source,
            Kind = Kind,
            Target = target.ToText(),
            Artifacts = [],
            Notes = [.. notes, .. lines.Take(NamedObjects), .. lines.Count > NamedObjects ? (string[])[$"and {lines.Count - NamedObjects} more"] : []],
            Difference = RestorePlan.DigestOf([operation, .. lines]),
        };
    }

    /// <inheritdoc/>
    public async Task<RestoreOutcome> ExecuteAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        LogicalRestore.RequireSame(work.Plan, work.ConfirmedHash, work.Manifest);
        var began = time.GetTimestamp();
        var target = (VClusterTarget)RestoreTarget.Parse(work.Plan.Target, "/");
        var (run, restored) = await FindAsync(target, work.Manifest, cancellationToken);
        var (found, left) = await restores.TakeBackCompletedAsync(restored, RestoreRun.OperationOf(run), target, cancellationToken);
        foreach (var line in found)
        {
            work.Log?.Invoke("restore", line);
        }

        return new RestoreOutcome(0, time.GetElapsedTime(began).TotalSeconds, [.. left.Select(line => "not taken back: " + line)]) { NotRestored = left.Count };
    }

    /// <inheritdoc/>
    /// <remarks>What was taken back is in the journal no more: done again, the rest is.</remarks>
    public Task<RestoreOutcome?> FindFinishedAsync(RestoreWork work, CancellationToken cancellationToken) => Task.FromResult<RestoreOutcome?>(null);

    /// <inheritdoc/>
    /// <remarks>Half a way back is no worse than none: what is left of it can be asked for again.</remarks>
    public Task<string?> AbandonAsync(RestorePlan plan, string operation, CancellationToken cancellationToken) => Task.FromResult<string?>(null);

    private async Task<(Run Run, RestorePlan Plan)> FindAsync(VClusterTarget target, Manifest manifest, CancellationToken cancellationToken)
    {
        var id = RunId.TryParse(target.Undo) ?? throw new System.Diagnostics.UnreachableException("a target's run is checked when it is read");
        var run = await runs.FindAsync(id, cancellationToken) ?? throw new EngineException("run-unknown", ErrorKind.NotFound, $"there is no run {id}", "All runs are on the Runs page.");
        var plan = PlanOf(run);
        var of = (VClusterTarget)RestoreTarget.Parse(plan.Target, "/");
        return plan.RestorePointId != manifest.Id.Value ? throw NotPossible(run, $"it restored {RestorePointId.ShortOf(plan.RestorePointId)}, not {manifest.Id.Short}")
            : (of.Namespace, of.Name) != (target.Namespace, target.Name) ? throw NotPossible(run, $"it restored into {of.Namespace}/{of.Name}, not into {target.Namespace}/{target.Name}")
            : (run, plan);
    }

    private static RestorePlan PlanOf(Run run)
    {
        ArgumentNullException.ThrowIfNull(run);
        return run.Kind != RunKinds.Restore || RestoreRequest.Of(run).Plan is not { Kind: VClusterRestoreDriver.Kind } plan ? throw NotPossible(run, "it is no restore of objects into a virtual cluster")
            : run.State != RunState.Completed ? throw NotPossible(run, "it has not completed; one that fails or is cancelled takes back by itself what it did")
            : plan;
    }

    private static EngineException NotPossible(Run run, string why) => new(
        "undo-not-possible", ErrorKind.Input, $"{run.Id} cannot be taken back: {why}", "name the run of a completed restore of objects, with its restore point and its cluster; nothing was changed");
}
