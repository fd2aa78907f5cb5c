using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>
/// Volumes, and those of virtual clusters' claims, into directories: new ones, or in place by their difference, which a person saw before, with a way back that
/// outlives a crash.
/// </summary>
public sealed class VolumeRestoreDriver(VolumeRestore restore, ProtectedEstate estate, DataFolder data, TimeProvider time) : IInPlaceDriver
{
    /// <summary>So many changes are named in a run's log.</summary>
    private const int ReallyShown = 50;

    /// <summary>A file gets its time from the kernel's coarse clock, which stands still for one tick, of 10 ms at most.</summary>
    private static readonly TimeSpan s_coarseClock = TimeSpan.FromMilliseconds(20);

    /// <inheritdoc/>
    public string PlanKind => VolumeDriver.ManifestKind;

    /// <inheritdoc/>
    public bool Takes(RestoreTarget target, Manifest manifest) => target is DirectoryTarget directory
        && (manifest is { Kind: VolumeDriver.ManifestKind } || (manifest is { Kind: VClusterBackup.Kind } && directory.HasOptions));

    /// <inheritdoc/>
    public Task<RestorePlan> PlanAsync(BackupRepository repository, Manifest manifest, RestoreTarget target, CancellationToken cancellationToken) =>
        PlanAsync(repository, manifest, target, VolumeDifference.Shown, cancellationToken);

    /// <summary>The same with another number of changes by name: a plan of several volumes has to leave room for each.</summary>
    internal async Task<RestorePlan> PlanAsync(BackupRepository repository, Manifest manifest, RestoreTarget target, int shown, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(target);
        var directory = (DirectoryTarget)target;
        if (directory.Undo)
        {
            return PlanUndo(manifest, directory);
        }

        var part = await VolumePart.FindAsync(repository, manifest, directory.Part, cancellationToken);
        List<string> notes = [string.Create(CultureInfo.InvariantCulture, $"{part.Items} files and folders, up to {part.ContentBytes} bytes")];
        if (part.Artifact.Unreadable > 0)
        {
            notes.Add(string.Create(CultureInfo.InvariantCulture, $"{part.Artifact.Unreadable} items are missing from this restore point: they could not be read at the backup"));
        }

        if (!IsInPlace(directory))
        {
            ArtifactRestore.RequireNew(directory);
            VolumeRestore.RequireSpace(directory, part);
            return Plan(manifest, directory, part, notes);
        }

        using var held = RequireInPlace(directory, part);
        var difference = await VolumeDifference.ReadAsync(repository, manifest, part, directory, held, null, cancellationToken);
        // Above the changes: whoever confirms them sees where they are made, links and all.
        notes.Add(held.Note);
        if (directory.Exchange)
        {
            // First, since whoever reads only the first lines must know that the rest is how it was then.
            notes.Add($"What differs when it is restored is replaced or deleted, whatever it is by then; all of that is kept in {directory.Path}/.drconsole-before-…, and undo=true brings it back until somebody writes there.");
            notes.Add("What is written while it is restored is left as it is. This is how it differed when the plan was made:");
            notes.AddRange(difference.Notes(shown));
            return Plan(manifest, directory, part, notes) with { Difference = difference.Digest };
        }

        notes.AddRange(difference.Notes(shown));
        notes.Add(directory.InPlace
            ? $"What is replaced or deleted is kept in {directory.Path}/.drconsole-before-…; undo=true brings it back until somebody writes there. Stop what uses the volume first."
            : $"{directory.Path} is a mount point: files appear in it one by one, and are taken away again where the restore is cancelled.");
        return Plan(manifest, directory, part, notes) with { Difference = difference.Digest, FillsEmpty = !directory.InPlace };
    }

    /// <inheritdoc/>
    public async Task<RestoreOutcome> ExecuteAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        LogicalRestore.RequireSame(work.Plan, work.ConfirmedHash, work.Manifest);
        var target = TargetOf(work.Plan);
        if (target.Undo)
        {
            return TakeBack(work, target);
        }

        var part = await VolumePart.FindAsync(work.Repository, work.Manifest, target.Part, cancellationToken);
        return work.Plan.Difference is null
            ? await restore.WriteNewAsync(work, target, part, cancellationToken)
            : await WriteInPlaceAsync(work, target, part, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<RestoreOutcome?> FindFinishedAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        var target = TargetOf(work.Plan);
        if (target.Undo)
        {
            // Without the folder that it was planned for there is nothing to take back any more; an older one is not its own.
            using var taken = Hold(target);
            return taken is not null && VolumeUndo.IsKept(taken, work.Plan.Difference!) ? null : new RestoreOutcome(0, null, []);
        }

        if (work.Plan.Difference is not null)
        {
            using var held = Hold(target);
            using var undo = held is null ? null : VolumeUndo.Open(held, VolumeUndo.NameOf(work.Operation));
            return undo is { IsFinished: true } ? new RestoreOutcome(work.Manifest.Bytes, null, []) : null;
        }

        var part = await VolumePart.FindAsync(work.Repository, work.Manifest, target.Part, cancellationToken);
        return await HasAllAsync(work, target, part, cancellationToken) ? new RestoreOutcome(part.ContentBytes, null, []) : null;
    }

    /// <inheritdoc/>
    /// <remarks>An empty disk has no old state: its folder only says that the restore is finished.</remarks>
    public Task SettleAsync(RestorePlan plan, string operation, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        if (plan.Difference is not null && TargetOf(plan) is { InPlace: false, Undo: false } target)
        {
            using var held = Hold(target);
            using var undo = held is null ? null : UndoFolder.TryOpen(held, VolumeUndo.NameOf(operation));
            undo?.Remove();
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<string?> AbandonAsync(RestorePlan plan, string operation, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var target = TargetOf(plan);
        if (target.Undo)
        {
            return Task.FromResult<string?>(null);
        }

        if (plan.Difference is null)
        {
            return Task.FromResult(ArtifactRestore.Abandon(plan, operation));
        }

        using var held = Hold(target);
        using var undo = held is null ? null : VolumeUndo.Open(held, VolumeUndo.NameOf(operation));
        if (undo is null or { IsFinished: true })
        {
            return Task.FromResult<string?>(null);
        }

        var left = undo.TakeBack();
        return Task.FromResult<string?>(left.Count == 0 ? BroughtBack(target) : NotBroughtBack(target, undo, left));
    }

    /// <inheritdoc/>
    public async Task<InPlaceFinding> CheckAsync(RestoreWork work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(work);
        var target = TargetOf(work.Plan);
        var part = await VolumePart.FindAsync(work.Repository, work.Manifest, target.Part, cancellationToken);
        using var held = Hold(target) ?? throw Missing(target);
        var difference = await VolumeDifference.ReadAsync(work.Repository, work.Manifest, part, target, held, work.Progress, cancellationToken);
        var (changes, result) = (difference.Changes, difference.Result);
        var how = target.Verify ? "compared by content" : "compared by size and time";
        return changes.Count == 0
            ? new InPlaceFinding(true, string.Create(CultureInfo.InvariantCulture,
                $"{result.Unchanged} items are as in the restore point, {how}{(result.LeftAlone > 0 ? $"; {result.LeftAlone} that it has not were left alone" : "")}"))
            : new InPlaceFinding(false, string.Create(CultureInfo.InvariantCulture,
                $"{changes.Count} items are not as in the restore point, {how}: {string.Join(", ", changes.Take(5).Select(change => change.Path.Length > 0 ? change.Path : "."))}"));
    }

    /// <inheritdoc/>
    public Task<string?> TakeBackAsync(RestorePlan plan, string operation, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var target = TargetOf(plan);
        using var held = Hold(target);
        using var undo = held is null ? null : VolumeUndo.Open(held, VolumeUndo.NameOf(operation));
        if (undo is null)
        {
            return Task.FromResult<string?>(null);
        }

        var left = undo.TakeBack();
        return left.Count == 0 ? Task.FromResult<string?>(BroughtBack(target)) : throw new EngineException(
            "volume-not-brought-back", ErrorKind.Conflict, NotBroughtBack(target, undo, left), "look at these items, and bring the rest back by hand or with undo=true");
    }

    private static string BroughtBack(DirectoryTarget target) => $"{target.Path} is again what it was before the restore";

    private static string NotBroughtBack(DirectoryTarget target, VolumeUndo undo, IReadOnlyList<string> left) =>
        $"{target.Path} could not be brought back in all: {string.Join("; ", left.Take(5))}; the old state is in {undo.Folder}";

    private async Task<RestoreOutcome> WriteInPlaceAsync(RestoreWork work, DirectoryTarget target, VolumePart part, CancellationToken cancellationToken)
    {
        using var held = RequireInPlace(target, part);
        var began = time.GetTimestamp();
        using var undo = await GoOnAsync(work, target, part, held, cancellationToken) ?? await BeginAsync(work, target, part, held, cancellationToken);
        undo.Keep();
        var left = new List<string>();
        var root = part.RootIn(target.Path);
        var result = await work.Repository.RestoreTreeAsync(work.Manifest, part.Artifact.Name, root, new TreeRestoreOptions
        {
            Held = held.TargetOf(root),
            Path = part.Part,
            Delta = true,
            VerifyContent = target.Verify,
            // What somebody writes from now on is kept nowhere, so that nothing may take its place.
            Only = path => !IsWrittenMeanwhile(undo, path, left),
        }, work.Progress, cancellationToken);
        // Whoever finds it finished does nothing more: it must be so after a power cut too.
        held.Sync();
        undo.Finish();
        if (left.Count > 0)
        {
            work.Log?.Invoke("restore", $"{Counted.Of(left.Count, "item")} left as written while it was restored: {string.Join(", ", left.Take(5))}");
        }

        var kept = undo.KeepsAnything ? $"; the old state is kept in {undo.Folder}" : "";
        work.Log?.Invoke("restore", string.Create(CultureInfo.InvariantCulture,
            $"{result.Created} created, {result.Replaced} changed, {result.Adjusted} adjusted, {undo.Entries.Count(entry => entry.Change == nameof(RestoreChangeKind.Delete))} deleted, {result.Unchanged} were right{kept}"));
        return new RestoreOutcome(result.Bytes, time.GetElapsedTime(began).TotalSeconds, result.Warnings);
    }

    private static bool IsWrittenMeanwhile(VolumeUndo undo, string path, List<string> left)
    {
        var isWritten = undo.IsWrittenMeanwhile(path);
        if (isWritten)
        {
            left.Add(path.Length > 0 ? path : ".");
        }

        return isWritten;
    }

    /// <summary>What an attempt that died began, or null. What somebody wrote meanwhile is in no journal, and would be lost.</summary>
    private static async Task<VolumeUndo?> GoOnAsync(RestoreWork work, DirectoryTarget target, VolumePart part, HeldDirectory held, CancellationToken cancellationToken)
    {
        var undo = VolumeUndo.Open(held, VolumeUndo.NameOf(work.Operation));
        if (undo is null)
        {
            return null;
        }

        try
        {
            var difference = await VolumeDifference.ReadAsync(work.Repository, work.Manifest, part, target, held, work.Progress, cancellationToken);
            return undo.WrittenMeanwhile(difference.Changes).FirstOrDefault() is { } path
                ? throw new EngineException("target-changed", ErrorKind.Conflict, $"{(path.Length > 0 ? path : ".")} in {target.Path} was changed while the restore was interrupted",
                    "Stop what writes there, look at the difference again and confirm it as it is now. What the restore had changed is brought back.")
                : undo;
        }
        catch
        {
            undo.Dispose();
            throw;
        }
    }

    private async Task<VolumeUndo> BeginAsync(RestoreWork work, DirectoryTarget target, VolumePart part, HeldDirectory held, CancellationToken cancellationToken)
    {
        // Before anything is looked at: what is written after it was looked at must be known from what was there.
        var began = time.GetUtcNow() - s_coarseClock;
        var difference = await VolumeDifference.ReadAsync(work.Repository, work.Manifest, part, target, held, work.Progress, cancellationToken);
        if (target.Exchange)
        {
            if (!work.Plan.Notes.Contains(held.Note))
            {
                // Whatever it holds may be replaced, but nothing that is another directory.
                throw new EngineException("target-changed", ErrorKind.Conflict, $"{target.Path} is not the directory that the plan saw; now {held.Note}",
                    "Look who put another one in its place, or mounted its disk anew, and make the plan again. Nothing was changed.");
            }

            if (difference.Digest != work.Plan.Difference)
            {
                work.Log?.Invoke("restore", $"{target.Path} has changed since the plan was made; this is replaced, and kept in {VolumeUndo.FolderOf(target.Path, work.Operation)}:");
            }

            difference.Notes(ReallyShown).ToList().ForEach(note => work.Log?.Invoke("restore", note));
        }
        else if (difference.Digest != work.Plan.Difference)
        {
            throw new EngineException("target-changed", ErrorKind.Conflict, $"{target.Path} was changed since the difference was shown: {difference.Notes().First()}; {held.Note}",
                "Stop what writes there, look at the difference again and confirm it as it is now. Nothing was changed.");
        }

        return VolumeUndo.Begin(held, new UndoHeader(work.Manifest.Id.Value, work.Operation, part.RootIn(target.Path), began), difference.Changes);
    }

    private RestoreOutcome TakeBack(RestoreWork work, DirectoryTarget target)
    {
        var began = time.GetTimestamp();
        using var held = Hold(target) ?? throw NothingToUndo(target);
        using var undo = VolumeUndo.Newest(held) ?? throw NothingToUndo(target);
        if (undo.Digest != work.Plan.Difference)
        {
            throw new EngineException("target-changed", ErrorKind.Conflict, $"another restore in place came to {target.Path} since", "Make the plan again.");
        }

        var left = undo.TakeBack();
        return new RestoreOutcome(0, time.GetElapsedTime(began).TotalSeconds, left);
    }

    private RestorePlan PlanUndo(Manifest manifest, DirectoryTarget target)
    {
        using var held = Hold(target) ?? throw NothingToUndo(target);
        using var undo = VolumeUndo.Newest(held) ?? throw NothingToUndo(target);
        return Plan(manifest, target, null, [UndoNote(undo), "Only what nobody wrote since is taken back; the rest is named and left."]) with { Difference = undo.Digest };
    }

    private static string UndoNote(VolumeUndo undo) => string.Create(CultureInfo.InvariantCulture,
        $"takes back the restore of {RestorePointId.ShortOf(undo.Header.RestorePoint)} in place that began {undo.Header.BeganAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC: {undo.Entries.Count(entry => entry.Change != UndoEntry.Touched)} changes, from {undo.Folder}");

    private static EngineException NothingToUndo(DirectoryTarget target) => new(
        "nothing-to-undo", ErrorKind.NotFound, $"{target.Path} keeps nothing of a restore in place", "Name the directory that was restored; what was taken back once is gone.");

    private static RestorePlan Plan(Manifest manifest, DirectoryTarget target, VolumePart? part, IReadOnlyList<string> notes)
    {
        var plan = LogicalRestore.Plan(manifest, target, VolumeDriver.ManifestKind, notes);
        return part is null ? plan with { Artifacts = [] } : plan with { Artifacts = [new PlannedArtifact(part.Artifact.Name, part.Artifact.Kind, part.ContentBytes)] };
    }

    /// <summary>An empty disk that is mounted already keeps its mount: it cannot be replaced by a directory of another name.</summary>
    private static bool IsInPlace(DirectoryTarget target) => target.InPlace || (Directory.Exists(target.Path)
        && !Directory.EnumerateFileSystemEntries(target.Path).Any(entry => Path.GetFileName(entry) != "lost+found") && VolumePlace.Look(target.Path).MountPoint == VolumePlace.RealPath(target.Path));

    private HeldDirectory? Hold(DirectoryTarget target) => HeldDirectory.TryOpen(target.Path, HeldDirectory.RootsOf(estate));

    private static EngineException Missing(DirectoryTarget target) => new(
        "directory-missing", ErrorKind.NotFound, $"there is no directory {target.Path}", "Mount its disk, or restore into a new directory without inPlace.");

    private HeldDirectory RequireInPlace(DirectoryTarget target, VolumePart part)
    {
        var held = Hold(target) ?? throw Missing(target);
        try
        {
            RequireFit(target, held.RealPath, part);
            return held;
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    private void RequireFit(DirectoryTarget target, string real, VolumePart part)
    {
        if (part.IsStream)
        {
            throw new EngineException("restore-target-invalid", ErrorKind.Unsupported, "a block device cannot be restored in place", "Restore the image into a new directory, and write it to the device with dd.");
        }

        var own = estate.Tiers.Select(tier => StoreUrl.Parse(tier.Store).LocalFolder).OfType<string>().Append(data.Root).Select(VolumePlace.RealPath);
        if (own.FirstOrDefault(path => path == real || path.StartsWith(real.TrimEnd('/') + '/', StringComparison.Ordinal) || real.StartsWith(path + '/', StringComparison.Ordinal)) is { } console)
        {
            throw new EngineException("restore-target-refused", ErrorKind.Denied, $"{target.Path} holds {console}, which is the console's own", "Restore into a new directory.");
        }
    }

    private static async Task<bool> HasAllAsync(RestoreWork work, DirectoryTarget target, VolumePart part, CancellationToken cancellationToken)
    {
        var root = part.RootIn(target.Path);
        if (!Path.Exists(root))
        {
            return false;
        }

        if (part.IsStream)
        {
            await using var file = File.OpenRead(root);
            return file.Length == part.Artifact.Length
                && Convert.ToHexStringLower(await System.Security.Cryptography.SHA256.HashDataAsync(file, cancellationToken)) == part.Artifact.Sha256;
        }

        // A new directory: its path is as free as when it was made.
        using var held = HeldDirectory.TryOpen(target.Path, []);
        if (held is null)
        {
            return false;
        }

        var difference = await VolumeDifference.ReadAsync(work.Repository, work.Manifest, part, target, held, null, cancellationToken);
        return difference.Changes.Count == 0 && difference.Result.LeftAlone == 0;
    }

    private static DirectoryTarget TargetOf(RestorePlan plan) => RestoreTarget.Parse(plan.Target, "/") as DirectoryTarget ?? throw new EngineException(
        "restore-target-unsupported", ErrorKind.Unsupported, $"{plan.Target} is no directory", "make the plan again");
}
