using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;

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
    private const int NamedObjects = 100;

    /// <inheritdoc/>
    public string PlanKind => Kind;

    /// <inheritdoc/>
    public bool Takes(RestoreTarget target, Manifest manifest) => target is VClusterTarget { Store: null } && manifest is { Kind: VClusterBackup.Kind };

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
    internal static RestorePlan Of(ObjectRestorePlan objects, IReadOnlyList<string> claims, Manifest manifest, VClusterTarget target) =>
        new()
        {
            FormatVersion = RestorePlan.CurrentVersion,
            RestorePointId = manifest.Id.Value,
            ManifestHash = LogicalRestore.HashOf(manifest),
            Source = manifest.Source,
            Kind = Kind,
            Target = target.ToText(),
            Artifacts = [.. manifest.Artifacts.Where(one => VClusterArtifacts.OfObjects.Contains(one.Name)).Select(one => new PlannedArtifact(one.Name, one.Kind, one.Length))],
            Notes = [HashNote + objects.Hash, $"{objects.Summary}, at {objects.Cluster}", .. objects.Notes, .. Lines(objects), .. claims],
            Difference = objects.Count(ObjectAction.Change) > 0 || ClaimDataRestore.WritesAny(claims) ? RestorePlan.DigestOf([objects.Hash, .. claims]) : null,
        };

    /// <inheritdoc/>
    public async Task<RestoreOutcome> ExecuteAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        work.Plan.RequireHash(work.ConfirmedHash);
        var target = (VClusterTarget)RestoreTarget.Parse(work.Plan.Target, "/");
        var began = time.GetTimestamp();
        using var api = await OpenAsync(target, cancellationToken);
        var plan = await RestoreRecord.FindAsync(work.Repository, work.Manifest, work.Operation, target.Selection, cancellationToken);
        if (plan is null)
        {
            plan = await new RestorePlanner(api).PlanAsync(new StoredObjects(work.Repository, work.Manifest), target.Selection, cancellationToken);
            ObjectRestore.RequireHash(plan, ApprovedHash(work.Plan));
            await RestoreRecord.WriteAsync(work.Repository, work.Manifest, work.Operation, plan, cancellationToken);
        }
        else
        {
            work.Log?.Invoke("restore", "going on with what an interrupted attempt had begun");
        }

        work.Log?.Invoke("restore", plan.Summary);
        var restore = new ObjectRestore(api, new Journal(notes, work.Operation), time);
        ObjectRestoreResult result;
        try
        {
            // Before the objects: whatever uses a volume begins with its data.
            await data.ExecuteAsync(work, cancellationToken);
            result = await restore.ExecuteAsync(plan, plan.Hash, work.Progress, cancellationToken);
        }
        catch (EngineException fault) when (fault.Kind == ErrorKind.Conflict)
        {
            // Half a restore into a target that somebody else changes is nobody's plan.
            foreach (var line in await TakeBackAsync(work.Plan, work.Operation, () => UndoAsync(restore, plan, cancellationToken), cancellationToken))
            {
                work.Log?.Invoke("restore", line);
            }

            throw;
        }

        return new RestoreOutcome(
            work.Plan.Artifacts.Sum(one => one.Bytes), time.GetElapsedTime(began).TotalSeconds, [.. result.Failed.Select(one => "not restored: " + one), .. result.Warnings]);
    }

    /// <inheritdoc/>
    /// <remarks>Each object says whether it is there: done again, what is done is skipped.</remarks>
    public Task<RestoreOutcome?> FindFinishedAsync(RestoreWork work, CancellationToken cancellationToken) => Task.FromResult<RestoreOutcome?>(null);

    /// <inheritdoc/>
    public async Task<string?> AbandonAsync(RestorePlan plan, string operation, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var found = await TakeBackAsync(plan, operation, () => UndoRecordedAsync(plan, operation, cancellationToken), cancellationToken);
        return found.Count > 0 ? string.Join("; ", found) : null;
    }

    /// <summary>
    /// Takes a restore back, the last first: what was created uses the volumes, and would go on writing into what is brought back under it.
    /// The data come back whatever becomes of the objects, whose record may be in a tier that is away; it needs none.
    /// </summary>
    /// <returns>A sentence for each part that was taken back, or could not be.</returns>
    private async Task<IReadOnlyList<string>> TakeBackAsync(RestorePlan plan, string operation, Func<Task<string?>> objects, CancellationToken cancellationToken)
    {
        var found = new List<string>();
        try
        {
            if (await objects() is { } text)
            {
                found.Add(text);
            }
        }
        catch (EngineException fault)
        {
            found.Add($"the objects could not be taken back: {fault.Message}");
        }
        finally
        {
            found.AddRange(await data.TakeBackAsync(plan, operation, cancellationToken));
        }

        return found;
    }

    private static async Task<string?> UndoAsync(ObjectRestore restore, ObjectRestorePlan plan, CancellationToken cancellationToken)
    {
        var (_, left) = await restore.UndoAsync(plan, cancellationToken);
        return left.Count == 0 ? "what was done has been taken back" : $"not taken back: {string.Join("; ", left)}";
    }

    /// <summary>Takes back what the notes say, by the record of what was there before.</summary>
    private async Task<string?> UndoRecordedAsync(RestorePlan plan, string operation, CancellationToken cancellationToken)
    {
        var target = (VClusterTarget)RestoreTarget.Parse(plan.Target, "/");
        var journal = new Journal(notes, operation);
        var done = await journal.ReadAsync(cancellationToken);
        var (_, repository) = await access.OpenAsync(await points.ResolveAsync(plan.RestorePointId, cancellationToken), null, cancellationToken);
        await using (repository)
        {
            var manifest = await repository.ReadManifestAsync(new RestorePointId(plan.RestorePointId), cancellationToken);
            if (await RestoreRecord.FindAsync(repository, manifest, operation, target.Selection, cancellationToken) is not { } record)
            {
                // It is written before the first effect.
                return done.Count == 0 ? null : $"{done.Count} objects were restored, and the record of what they were before is not in this tier; they stay";
            }

            using var api = await OpenAsync(target, cancellationToken);
            var (taken, left) = await new ObjectRestore(api, journal, time).UndoAsync(record, cancellationToken);
            return taken + left.Count == 0 ? null
                : string.Create(CultureInfo.InvariantCulture, $"{taken} restored objects were taken back") + (left.Count == 0 ? "" : $"; not taken back: {string.Join("; ", left.Take(10))}");
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
            yield return $"{Word(one.Action)} {one.Target}{fields}{(one.Reason is null ? "" : $" ({one.Reason})")}";
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

    private sealed class Journal(ObjectRestoreCatalog notes, string operation) : IObjectJournal
    {
        public async Task<IReadOnlyList<AppliedObject>> ReadAsync(CancellationToken cancellationToken) =>
            [.. (await notes.ReadAsync(operation, cancellationToken)).Select(one => new AppliedObject(one.Position, one.Uid))];

        // The effect has taken place: a cancel that comes now must not lose its note.
        public Task NoteAsync(AppliedObject applied, CancellationToken cancellationToken) => notes.NoteAsync(operation, applied.Position, applied.Uid, CancellationToken.None);

        public Task ForgetAsync(int position, CancellationToken cancellationToken) => notes.ForgetAsync(operation, position, CancellationToken.None);
    }
}
