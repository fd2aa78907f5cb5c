using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>A whole virtual cluster back in its place, by its etcd.</summary>
public sealed class VClusterInPlaceDriver(InPlaceRestore restore, TimeProvider time) : IInPlaceDriver
{
    /// <summary>The kind of its plans.</summary>
    public const string Kind = "vcluster-in-place";

    private const string LivingNote = "living cluster: ";
    private const int NamedObjects = 100;

    /// <inheritdoc/>
    public string PlanKind => Kind;

    /// <inheritdoc/>
    public bool Takes(RestoreTarget target, Manifest manifest) => target is VClusterTarget { Store: not null } && manifest is { Kind: VClusterBackup.Kind };

    /// <inheritdoc/>
    public async Task<RestorePlan> PlanAsync(BackupRepository repository, Manifest manifest, RestoreTarget target, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        var cluster = (VClusterTarget)target;
        var inventory = await ClusterInventory.ReadAsync(repository, manifest, cancellationToken);
        if (inventory.Etcd is not { PeerUrls.Count: > 0 })
        {
            throw manifest.Artifacts.Any(one => StoreFileCapture.Files.Contains(one.Name))
                ? new EngineException("restore-target-unsupported", ErrorKind.Unsupported,
                    $"the store in restore point {manifest.Id.Short} is a file of SQLite ({StoreFileCapture.Files[0]}), which is not put back in place: nothing here opens it, so that nobody could tell whether the cluster came back",
                    $"restore its objects instead, without store=; or take {string.Join(" and ", StoreFileCapture.Files)} out with dir:/new/directory, stop the cluster, and exchange the files by hand")
                : new EngineException("restore-target-unsupported", ErrorKind.Unsupported,
                    $"restore point {manifest.Id.Short} has no snapshot of an etcd with one member", "restore its objects instead, without store=");
        }

        if (!Directory.Exists(Path.Combine(cluster.Store!, "etcd")))
        {
            throw new EngineException("store-missing", ErrorKind.NotFound, $"there is no etcd in {cluster.Store}", "name the directory of the cluster's volume, as this machine sees it, in store=");
        }

        using var access = await VClusterAccess.OpenAsync(cluster.Settings, time, cancellationToken);
        if (access.Name != inventory.Cluster || access.Namespace != inventory.HostNamespace)
        {
            throw new EngineException("restore-target-unsupported", ErrorKind.Conflict,
                $"the snapshot is of {inventory.HostNamespace}/{inventory.Cluster}, and its members and volumes are that one's", "restore its objects into another cluster, without store=");
        }

        var unowned = await StoreOwner.RequireAsync(access, cluster.Store!, cancellationToken);
        var behind = await restore.WhyBehindAsync(inventory.Etcd, cancellationToken);
        var endangered = await InPlaceRestore.EndangeredAsync(access, await new StoredObjects(repository, manifest).ReadIndexAsync(cancellationToken), cancellationToken);
        // Without its digest among the notes, a sketch is refused by whoever would carry it out.
        var living = cluster.IsSketch ? null : await LivingState.ReadAsync(repository, manifest, cluster, time, cancellationToken);
        IReadOnlyList<string> notes =
        [
            $"{access.Name} is stopped, its etcd becomes what it was at revision {inventory.Etcd.Revision}, and it is started again: {inventory.Objects} objects with the identity that they had",
            "everything that was changed in it since is gone from it; the former store stays beside the new one, as etcd.before-…, until somebody removes it",
            behind is null
                ? "its revision goes ahead of all that was seen of it, so that whatever watches objects in it lists them anew"
                : $"its revision goes back, since {behind}: {FreshStore.Advice}",
            .. unowned is null ? Array.Empty<string>() : [unowned],
            VolumesNote(inventory.Volumes?.Count ?? 0),
            .. endangered.Select(claim => claim.Volume.Length == 0
                ? $"claim {claim.Claim} on the host is not in the restore point and will be deleted by the syncer; it is bound to no volume"
                : $"claim {claim.Claim} on the host is not in the restore point and will be deleted by the syncer; its volume {claim.Volume} is kept: its reclaim policy {claim.ReclaimPolicy} becomes Retain"),
            .. living is null ? ["the living cluster is not compared for a sketch"] : Lines(living).Append(LivingNote + living.Digest),
        ];
        return new RestorePlan
        {
            FormatVersion = RestorePlan.CurrentVersion,
            RestorePointId = manifest.Id.Value,
            ManifestHash = LogicalRestore.HashOf(manifest),
            Source = manifest.Source,
            Kind = Kind,
            Target = target.ToText(),
            Artifacts = [.. manifest.Artifacts.Where(one => one.Name == VClusterArtifacts.Etcd).Select(one => new PlannedArtifact(one.Name, one.Kind, one.Length))],
            Notes = notes,
            // The whole store is exchanged; the living cluster's digest among the notes covers all that is in it.
            Difference = RestorePlan.DigestOf(notes),
        };
    }

    /// <inheritdoc/>
    public async Task<RestoreOutcome> ExecuteAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        work.Plan.RequireHash(work.ConfirmedHash);
        var began = time.GetTimestamp();
        var target = (VClusterTarget)RestoreTarget.Parse(work.Plan.Target, "/");
        // What an attempt that was interrupted then had begun may have gone on for hours: LeftPauses starts a cluster that has its store.
        var hasRun = InPlaceRestore.IsExchanged(target, work.Operation);
        try
        {
            var (phases, warnings, notes) = await restore.ExecuteAsync(work, target, () => RequireSameAsync(work, target, cancellationToken), cancellationToken);
            return new RestoreOutcome(work.Plan.Artifacts.Sum(one => one.Bytes), time.GetElapsedTime(began).TotalSeconds, warnings) { Phases = phases, Notes = notes };
        }
        catch (Exception fault) when (IsOfTheWork(fault) && hasRun)
        {
            throw new NeedsDecisionException("restore",
                $"{fault.Message}; an interrupted attempt had put the restored store of {target.Namespace}/{target.Name} in its place, and tenants may have written into it since: it stays there. Its former store is beside it in {target.Store}, as etcd.before-…");
        }
        catch (Exception fault) when (IsOfTheWork(fault))
        {
            // A cluster that was stopped must not stay so, and a store that is not the planned one must not stay in its place.
            var undone = await UndoAsync(target, work.Plan.Source, work.Operation);
            work.Log?.Invoke("restore", $"{fault.Message}; {undone}");
            throw;
        }
    }

    /// <summary>Store and volumes are of two times after it, which a database in a volume may not forgive.</summary>
    private static string VolumesNote(int captured) => captured == 0
        ? "the data in its claims' volumes stays as it is; this restore point has none of it"
        : $"the data in its claims' volumes stays as it is; that of {Counted.Of(captured, "claim")} is in this restore point, and is restored by itself: dir:/path/of/its/volume?part=NAMESPACE/CLAIM&inPlace=true";

    /// <summary>What a person must see of the living cluster: what is lost in it first.</summary>
    private static IEnumerable<string> Lines(LivingState living)
    {
        if (living.Digest == LivingState.Unknown)
        {
            return [$"its API server does not answer: what was changed in it since is not known, and is not looked at again before it is stopped ({living.Unread[0]})"];
        }

        var ordered = living.Differences;
        return
        [
            ordered.Count == 0 ? "the living cluster has what the restore point has" : $"{Counted.Of(ordered.Count, "object", "differs", "differ")} in the living cluster from the restore point",
            .. ordered.Take(NamedObjects),
            .. ordered.Count > NamedObjects ? [$"and {ordered.Count - NamedObjects} more"] : Array.Empty<string>(),
            .. living.Unread.Select(NotCompared),
        ];
    }

    private static string NotCompared(string part) => $"not compared: {part}";

    /// <summary>What was changed in the cluster since the plan was looked at would be lost, and nobody has confirmed that.</summary>
    /// <returns>The living cluster as it is; null where the plan did not know it either.</returns>
    private async Task<LivingState?> RequireSameAsync(RestoreWork work, VClusterTarget target, CancellationToken cancellationToken)
    {
        var confirmed = work.Plan.Notes.FirstOrDefault(note => note.StartsWith(LivingNote, StringComparison.Ordinal))?[LivingNote.Length..];
        if (confirmed is LivingState.Unknown)
        {
            return null;
        }

        var now = await LivingState.ReadAsync(work.Repository, work.Manifest, target, time, cancellationToken);
        if (now.Digest == confirmed)
        {
            return now;
        }

        // A server that had just started may not have answered for every kind when the plan was made.
        var unread = now.Unread.Select(NotCompared);
        List<string> named =
        [
            .. unread.Except(work.Plan.Notes).Take(5),
            .. work.Plan.Notes.Where(note => note.StartsWith(NotCompared(""), StringComparison.Ordinal)).Except(unread).Take(5).Select(note => $"no longer so: {note}"),
            .. now.Differences.Except(work.Plan.Notes).Take(5),
        ];
        throw new EngineException(
            "target-drifted", ErrorKind.Conflict,
            $"{target.Namespace}/{target.Name} is no longer as the plan saw it: {(now.Digest == LivingState.Unknown ? now.Unread[0] : named.Count > 0 ? string.Join(", ", named) : "objects that differed were changed again")}",
            "nothing was stopped; make the plan again, look at it and confirm it as it is now. Where something writes into the cluster all the time, stop that first");
    }

    /// <summary>A store that cannot be read or written fails the run as much as a cluster that does not answer; a cancel does not, the run may go on.</summary>
    private static bool IsOfTheWork(Exception fault) => fault is EngineException or IOException or UnauthorizedAccessException;

    private async Task<string> UndoAsync(VClusterTarget target, string source, string operation)
    {
        try
        {
            return await restore.UndoAsync(target, source, operation, CancellationToken.None) ?? "nothing was changed";
        }
        catch (Exception fault) when (IsOfTheWork(fault))
        {
            // What the run fails of is the first fault.
            return $"it could not be taken back: {fault.Message}";
        }
    }

    /// <inheritdoc/>
    /// <remarks>The directories' names say how far it came: done again, it goes on.</remarks>
    public Task<RestoreOutcome?> FindFinishedAsync(RestoreWork work, CancellationToken cancellationToken) => Task.FromResult<RestoreOutcome?>(null);

    /// <inheritdoc/>
    /// <exception cref="NeedsDecisionException">The cluster is stopped, or has the restored store, and could not be brought back.</exception>
    public async Task<string?> AbandonAsync(RestorePlan plan, string operation, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var target = (VClusterTarget)RestoreTarget.Parse(plan.Target, "/");
        try
        {
            return await TakeBackAsync(plan, operation, cancellationToken);
        }
        // Where nothing of it is left, the run ends with what it met itself: a host that is away is no reason to ask a person.
        catch (OperationCanceledException) when (InPlaceRestore.IsLeft(target, operation))
        {
            throw Undecided(target, "in the time that there is for it");
        }
        catch (Exception fault) when (IsOfTheWork(fault) && InPlaceRestore.IsLeft(target, operation))
        {
            throw Undecided(target, $"({fault.Message})");
        }
    }

    private static NeedsDecisionException Undecided(VClusterTarget target, string why) =>
        new("cleanup", $"the restore of {target.Namespace}/{target.Name} could not be taken back {why}; look whether the cluster runs, and whether its store in {target.Store} is the former one (etcd.before-…) or the restored one");

    /// <inheritdoc/>
    public Task<InPlaceFinding> CheckAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        return restore.CheckAsync(work, (VClusterTarget)RestoreTarget.Parse(work.Plan.Target, "/"), cancellationToken);
    }

    /// <inheritdoc/>
    /// <remarks>The former store stays beside the new one whether the restore came to its end or not: the way is the same.</remarks>
    public Task<string?> TakeBackAsync(RestorePlan plan, string operation, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return restore.UndoAsync((VClusterTarget)RestoreTarget.Parse(plan.Target, "/"), plan.Source, operation, cancellationToken);
    }
}
