using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>
/// Objects of a restore point into a running virtual cluster. The plan is made again before the first effect and must be the
/// one that was confirmed; from then on the record beside the restore point and the notes in the catalog carry it.
/// </summary>
public sealed class VClusterRestoreDriver(ObjectRestoreCatalog notes, RestorePointCatalog points, RestorePointAccess access, ClaimDataRestore data, TimeProvider time) : IRestoreDriver
{
    /// <summary>The kind of its plans.</summary>
    public const string Kind = "vcluster-objects";

    private const string HashNote = "objects: ";

    /// <summary>The note that the work on the objects has begun; no object has this position.</summary>
    private const int Begun = -1;

    private const int NamedObjects = 100;
    private readonly NewClaimData _newData = data.NewOnes(notes, time);

    /// <inheritdoc/>
    public string PlanKind => Kind;

    /// <inheritdoc/>
    public bool Takes(RestoreTarget target, Manifest manifest) => target is VClusterTarget { Store: null, Undo: null } && manifest is { Kind: VClusterBackup.Kind };

    /// <summary>What a restore would do: what is confirmed, and every object of it.</summary>
    public async Task<PlannedObjects> PlanInFullAsync(BackupRepository repository, Manifest manifest, VClusterTarget target, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(target);
        using var cluster = await VClusterAccess.OpenAsync(target.Settings, time, cancellationToken);
        using var api = await cluster.OpenVirtualAsync(target.Settings, time, cancellationToken);
        var objects = await new RestorePlanner(api).PlanAsync(new StoredObjects(repository, manifest), target.Selection, cancellationToken);
        return new PlannedObjects(Of(objects, await data.PlanAsync(repository, manifest, target, objects, cluster, cancellationToken), manifest, target), objects);
    }

    /// <inheritdoc/>
    public async Task<RestorePlan> PlanAsync(BackupRepository repository, Manifest manifest, RestoreTarget target, CancellationToken cancellationToken) =>
        (await PlanInFullAsync(repository, manifest, (VClusterTarget)target, cancellationToken)).Plan;

    /// <summary>The plan that a person confirms, of the plan object by object and what is said of the claims' data.</summary>
    internal static RestorePlan Of(ObjectRestorePlan objects, ClaimDataRestore.ClaimNotes claims, Manifest manifest, VClusterTarget target) =>
        new()
        {
            FormatVersion = RestorePlan.CurrentVersion,
            RestorePointId = manifest.Id.Value,
            ManifestHash = LogicalRestore.HashOf(manifest),
            Source = manifest.Source,
            Kind = Kind,
            Target = target.ToText(),
            Artifacts = [.. manifest.Artifacts.Where(one => VClusterArtifacts.OfObjects.Contains(one.Name)).Select(one => new PlannedArtifact(one.Name, one.Kind, one.Length))],
            Notes = [HashNote + objects.Hash, $"{objects.Summary}, at {objects.Cluster}", .. objects.Notes, .. claims.Heads, .. Lines(objects), .. claims.Rest],
            Remarks = [.. objects.Objects.Where(one => one.RefusedWith is not null || one.ReasonWithoutWords is not null).Take(NamedObjects).Select(one => $"{one.Target}: {one.Reason}")],
            Difference = objects.Count(ObjectAction.Change) > 0 || ClaimDataRestore.WritesAny(claims.Rest) ? RestorePlan.DigestOf([objects.Hash, .. claims.All]) : null,
        };

    /// <inheritdoc/>
    public async Task<RestoreOutcome> ExecuteAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        work.Plan.RequireHash(work.ConfirmedHash);
        var target = (VClusterTarget)RestoreTarget.Parse(work.Plan.Target, "/");
        var began = time.GetTimestamp();
        using var api = await OpenPatientlyAsync(target, cancellationToken);
        var plan = await RestoreRecord.FindAsync(work.Repository, work.Manifest, work.Operation, target.Selection, cancellationToken);
        if (plan is null)
        {
            plan = await new RestorePlanner(api).PlanAsync(new StoredObjects(work.Repository, work.Manifest), target.Selection, cancellationToken);
            ObjectRestore.RequireHash(plan, ApprovedHash(work.Plan));
            plan = plan with { Identity = await new ServerPatience(time).AskAsync(() => ClusterIdentity.FindAsync(api, cancellationToken), cancellationToken) };
            await RestoreRecord.WriteAsync(work.Repository, work.Manifest, work.Operation, plan, cancellationToken);
        }
        else
        {
            work.Log?.Invoke("restore", "going on with what an interrupted attempt had begun");
        }

        work.Log?.Invoke("restore", plan.Summary);
        IReadOnlyList<string> unfilled = [];
        var restore = new ObjectRestore(api, new Journal(notes, work.Operation), time)
        {
            Operation = work.Operation,
            BeforeUse = async token => unfilled = await _newData.FillAsync(work, plan, api, token),
        };
        ObjectRestoreResult result;
        try
        {
            // Before the objects: whatever uses a volume begins with its data.
            await data.ExecuteAsync(work, cancellationToken);
            // Without this note no object was touched, whatever becomes of the tier that the record is in.
            await notes.NoteAsync(work.Operation, Begun, "", CancellationToken.None);
            result = await restore.ExecuteAsync(plan, plan.Hash, work.Progress, cancellationToken);
        }
        catch (EngineException fault) when (fault.Kind == ErrorKind.Conflict)
        {
            // Half a restore into a target that somebody else changes is nobody's plan.
            await TakeBackNowAsync(work, api, restore, plan, fault, cancellationToken);
            throw;
        }

        if (result.Created + result.Changed == 0 && result.Failed.Count > 0)
        {
            throw new EngineException(
                "nothing-restored", ErrorKind.Conflict, $"the server took none of {Counted.Of(result.Failed.Count, "object")} that the plan said it would; the first: {result.Failed[0]}",
                "look at what refuses them, make the plan again, look at it and confirm it as it is now");
        }

        return new RestoreOutcome(
            work.Plan.Artifacts.Sum(one => one.Bytes), time.GetElapsedTime(began).TotalSeconds, [.. result.Failed.Select(one => "not restored: " + one), .. unfilled, .. result.Warnings])
        {
            NotRestored = result.Failed.Count + unfilled.Count,
        };
    }

    private async Task TakeBackNowAsync(RestoreWork work, KubeApi api, ObjectRestore restore, ObjectRestorePlan plan, EngineException because, CancellationToken cancellationToken)
    {
        try
        {
            foreach (var line in await TakeBackAsync(work.Plan, work.Operation, () => UndoAsync(api, restore, plan, work.Plan, cancellationToken), cancellationToken))
            {
                work.Log?.Invoke("restore", line);
            }
        }
        catch (NeedsDecisionException undecided)
        {
            throw new NeedsDecisionException(undecided.Step, $"{because.Message}; {undecided.Message}");
        }
    }

    /// <inheritdoc/>
    /// <remarks>Each object says whether it is there: done again, what is done is skipped.</remarks>
    public Task<RestoreOutcome?> FindFinishedAsync(RestoreWork work, CancellationToken cancellationToken) => Task.FromResult<RestoreOutcome?>(null);

    /// <inheritdoc/>
    public async Task<string?> AbandonAsync(RestorePlan plan, string operation, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        try
        {
            var found = await TakeBackAsync(plan, operation, () => UndoRecordedAsync(plan, operation, cancellationToken), cancellationToken);
            return found.Count > 0 ? string.Join("; ", found) : null;
        }
        catch (OperationCanceledException)
        {
            throw Undecided(plan, "the restore could not be taken back in the time that there is for it");
        }
    }

    /// <summary>
    /// Takes a restore back, the last first: what was created uses the volumes, and would go on writing into what is brought back under it.
    /// Where it is still there, the data of the claims stay as they are.
    /// </summary>
    /// <returns>A sentence for each part that was taken back, or could not be.</returns>
    /// <exception cref="NeedsDecisionException">Objects, or the data of a claim, could not be taken back.</exception>
    private async Task<IReadOnlyList<string>> TakeBackAsync(RestorePlan plan, string operation, Func<Task<Undone>> objects, CancellationToken cancellationToken)
    {
        var back = await GoBackAsync(plan, operation, ToldAsync, cancellationToken);
        if (back.Objects.Count > 0)
        {
            throw Undecided(plan, $"{string.Join("; ", back.Found.Append($"not taken back: {string.Join("; ", back.Objects.Take(10))}"))}" + (back.Objects.Count > 10 ? $" and {back.Objects.Count - 10} more" : ""));
        }

        // Half a way back is no end that a person may overlook: which volume has what is told here alone.
        return back.Claims.Count == 0 ? back.Found : throw new NeedsDecisionException(
            "cleanup", string.Join("; ", back.Found.Prepend($"the data of {Counted.Of(back.Claims.Count, "claim")} could not be taken back: {string.Join("; ", back.Claims)}")));

        async Task<Undone> ToldAsync()
        {
            try
            {
                return await objects();
            }
            catch (EngineException fault)
            {
                throw Undecided(plan, $"the objects could not be taken back: {fault.Message}");
            }
        }
    }

    /// <summary>What a way back came to.</summary>
    /// <param name="Found">A sentence for each part that was taken back.</param>
    /// <param name="Objects">One for each object that is still there.</param>
    /// <param name="Claims">One for each claim whose data stayed.</param>
    private sealed record WayBack(IReadOnlyList<string> Found, IReadOnlyList<string> Objects, IReadOnlyList<string> Claims);

    /// <summary>Objects first, then the data that they used; the restore is forgotten when all of it is taken back.</summary>
    private async Task<WayBack> GoBackAsync(RestorePlan plan, string operation, Func<Task<Undone>> objects, CancellationToken cancellationToken)
    {
        var undone = await objects();
        List<string> found = undone.Taken == 0 ? [] : [$"{Counted.Of(undone.Taken, "restored object", "was", "were")} taken back"];
        if (undone.Left.Count > 0)
        {
            return new WayBack(found, undone.Left, []);
        }

        var (back, left) = await data.TakeBackAsync(plan, operation, cancellationToken);
        found.AddRange(back);
        if (left.Count == 0)
        {
            await _newData.ForgetAsync(operation);
            await notes.ForgetAsync(operation, Begun, CancellationToken.None);
        }

        return new WayBack(found, [], left);
    }

    private static NeedsDecisionException Undecided(RestorePlan plan, string why) =>
        new("cleanup", ClaimDataRestore.WritesAny(plan.Notes) ? $"{why}; what was restored into the claims stays as it is, since what is left may use it" : why);

    /// <summary>What became of the way back of the objects.</summary>
    private sealed record Undone(int Taken, IReadOnlyList<string> Left)
    {
        public static Undone Nothing { get; } = new(0, []);
    }

    /// <summary>Takes the objects back, and waits for the Pods that they brought about.</summary>
    private async Task<Undone> UndoAsync(KubeApi api, ObjectRestore restore, ObjectRestorePlan objects, RestorePlan plan, CancellationToken cancellationToken)
    {
        // A claim does not go before the Pods that use it, nor a namespace that holds one of them.
        await _newData.RemovePodsAsync(api, plan.Notes, objects, restore.Operation!, cancellationToken);
        var (taken, left) = await restore.UndoAsync(objects, cancellationToken);
        var claims = ClaimDataRestore.ClaimsIn(plan.Notes);
        // Long after its end all that uses the volumes counts, whoever brought it about.
        var from = restore.SparesWhatWasChanged ? DateTimeOffset.MinValue : restore.FirstMadeAt;
        return left.Count > 0 || claims.Count == 0 || from is not { } since
            ? new Undone(taken, left)
            : new Undone(taken, await ClaimUse.WaitFreeAsync(api, claims, since, time, cancellationToken));
    }

    private async Task RequireSameAsync(KubeApi api, ObjectRestorePlan record, VClusterTarget restored, VClusterTarget at, string operation, CancellationToken cancellationToken) =>
        ClusterIdentity.RequireSame(
            record.Identity, await new ServerPatience(time).AskAsync(() => ClusterIdentity.FindAsync(api, cancellationToken), cancellationToken),
            (restored.Kubeconfig, restored.Server) == (at.Kubeconfig, at.Server), operation.Split(' ')[0], api.Address);

    /// <summary>What a completed restore of a run did, from its notes and its record: each effect, and whether it created the object.</summary>
    /// <param name="at">Where the cluster is reached now; it has to be the one that was restored into.</param>
    /// <returns>Null where nothing of it is left to take back.</returns>
    /// <exception cref="EngineException"><c>undo-record-missing</c>, <c>undo-other-cluster</c>, or the cluster does not answer.</exception>
    internal async Task<IReadOnlyList<(KubeObjectKey Target, bool WasCreated)>?> FindEffectsAsync(
        BackupRepository repository, Manifest manifest, RestorePlan plan, string operation, VClusterTarget at, CancellationToken cancellationToken)
    {
        var done = (await new Journal(notes, operation).ReadAsync(cancellationToken)).Where(one => !one.IsRefused).ToList();
        if (done.Count == 0)
        {
            // The objects may be taken back already, and a volume not.
            return ClaimDataRestore.WritesAny(plan.Notes) && (await notes.ReadAsync(operation, cancellationToken)).Count > 0 ? [] : null;
        }

        var target = (VClusterTarget)RestoreTarget.Parse(plan.Target, "/");
        var record = await RestoreRecord.FindAsync(repository, manifest, operation, target.Selection, cancellationToken) ?? throw new EngineException(
            "undo-record-missing", ErrorKind.NotFound, $"the record of what was there before {operation.Split(' ')[0]} is not beside its restore point in this tier", "bring the tier up to date with a copy, or repair it; nothing was changed");
        using var api = await OpenAsync(at, cancellationToken);
        await RequireSameAsync(api, record, target, at, operation, cancellationToken);
        return [.. done.Select(one => (record.Objects[one.Position].Target, record.Objects[one.Position].Action == ObjectAction.Create))];
    }

    /// <summary>Takes a completed restore back: what others changed since, and what they put into what it made, is left and named.</summary>
    /// <param name="plan">The plan of the restore.</param>
    /// <param name="operation">The restore's run.</param>
    /// <param name="at">Where the cluster is reached now.</param>
    /// <param name="cancellationToken">Ends it; what is left can be taken back later.</param>
    /// <returns>What was taken back, and a sentence for each object and volume that was not.</returns>
    internal async Task<(IReadOnlyList<string> Found, IReadOnlyList<string> Left)> TakeBackCompletedAsync(RestorePlan plan, string operation, VClusterTarget at, CancellationToken cancellationToken)
    {
        var back = await GoBackAsync(plan, operation, () => UndoRecordedAsync(plan, operation, cancellationToken, at), cancellationToken);
        return (back.Found, back.Objects.Count > 0 && ClaimDataRestore.WritesAny(plan.Notes)
            ? [.. back.Objects, "what was restored into the claims stays as it is, since what is left may use it"]
            : [.. back.Objects, .. back.Claims]);
    }

    /// <summary>Takes back what the notes say, by the record of what was there before.</summary>
    /// <param name="plan">The plan of the restore.</param>
    /// <param name="operation">Its run.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <param name="completed">Of a restore that had come to its end: where the cluster is reached now.</param>
    private async Task<Undone> UndoRecordedAsync(RestorePlan plan, string operation, CancellationToken cancellationToken, VClusterTarget? completed = null)
    {
        var target = (VClusterTarget)RestoreTarget.Parse(plan.Target, "/");
        if ((await notes.ReadAsync(operation, cancellationToken)).Count == 0)
        {
            return Undone.Nothing;
        }

        var journal = new Journal(notes, operation);
        var (_, repository) = await access.OpenAsync(await points.ResolveAsync(plan.RestorePointId, cancellationToken), null, cancellationToken);
        await using (repository)
        {
            var manifest = await repository.ReadManifestAsync(new RestorePointId(plan.RestorePointId), cancellationToken);
            if (await RestoreRecord.FindAsync(repository, manifest, operation, target.Selection, cancellationToken) is not { } record)
            {
                // It is written before the first effect.
                var done = (await journal.ReadAsync(cancellationToken)).Count(one => !one.IsRefused);
                return done == 0 ? Undone.Nothing : new Undone(0, [$"{done} objects were restored, and the record of what they were before is not in this tier; they stay"]);
            }

            using var api = await OpenPatientlyAsync(completed ?? target, cancellationToken);
            if (completed is not null)
            {
                // What is not found in another cluster would be taken for gone, and forgotten.
                await RequireSameAsync(api, record, target, completed, operation, cancellationToken);
            }

            return await UndoAsync(api, new ObjectRestore(api, journal, time) { Operation = operation, SparesWhatWasChanged = completed is not null }, record, plan, cancellationToken);
        }
    }

    private static string ApprovedHash(RestorePlan plan) =>
        plan.Notes.FirstOrDefault(note => note.StartsWith(HashNote, StringComparison.Ordinal)) is { } note ? note[HashNote.Length..] : "";

    /// <summary>What a person must see is named first: what stands in the way, then what is changed.</summary>
    private static IEnumerable<string> Lines(ObjectRestorePlan plan)
    {
        var told = plan.Objects.Where(one => one.Action is ObjectAction.Refuse or ObjectAction.Conflict or ObjectAction.Change || (one.Action == ObjectAction.Leave && one.Differences.Count > 0))
            .OrderBy(one => one.Action switch { ObjectAction.Refuse => 0, ObjectAction.Conflict => 1, ObjectAction.Change => 2, _ => 3 }).ToList();
        foreach (var one in told.Take(NamedObjects))
        {
            var fields = one.Differences.Count == 0 ? "" : $": {string.Join(", ", one.Differences.Take(5).Select(field => field.Path))}{(one.Differences.Count > 5 ? $" and {one.Differences.Count - 5} more" : "")}";
            yield return $"{Word(one.Action)} {one.Target}{fields}{(one.SteadyReason is null ? "" : $" ({one.SteadyReason})")}";
        }

        if (told.Count > NamedObjects)
        {
            yield return $"and {told.Count - NamedObjects} more";
        }
    }

    private static string Word(ObjectAction action) => action switch
    {
        ObjectAction.Refuse => "refused:",
        ObjectAction.Conflict => "conflict:",
        ObjectAction.Change => "changed:",
        _ => "left alone:",
    };

    private async Task<KubeApi> OpenAsync(VClusterTarget target, CancellationToken cancellationToken)
    {
        using var cluster = await VClusterAccess.OpenAsync(target.Settings, time, cancellationToken);
        return await cluster.OpenVirtualAsync(target.Settings, time, cancellationToken);
    }

    /// <summary>The way to the virtual cluster is by its host, which may be away for a moment too.</summary>
    private Task<KubeApi> OpenPatientlyAsync(VClusterTarget target, CancellationToken cancellationToken) =>
        new ServerPatience(time).AskAsync(() => OpenAsync(target, cancellationToken), cancellationToken);

    private sealed class Journal(ObjectRestoreCatalog notes, string operation) : IObjectJournal
    {
        public async Task<IReadOnlyList<AppliedObject>> ReadAsync(CancellationToken cancellationToken) =>
            [.. (await notes.ReadAsync(operation, cancellationToken)).Where(one => one.Position >= 0).Select(one => Parse(one.Position, one.Uid))];

        // The effect has taken place: a cancel that comes now must not lose its note.
        public Task NoteAsync(AppliedObject applied, CancellationToken cancellationToken) =>
            notes.NoteAsync(operation, applied.Position, applied.Digest is { } digest ? $"{applied.Uid} {digest}" : applied.Uid, CancellationToken.None);

        /// <summary>Behind the identity of a changed object stands what it is known by; no identity has a space.</summary>
        private static AppliedObject Parse(int position, string noted) =>
            noted.Split(' ') is [var uid, var digest] ? new AppliedObject(position, uid) { Digest = digest } : new AppliedObject(position, noted);

        public Task ForgetAsync(int position, CancellationToken cancellationToken) => notes.ForgetAsync(operation, position, CancellationToken.None);
    }
}
