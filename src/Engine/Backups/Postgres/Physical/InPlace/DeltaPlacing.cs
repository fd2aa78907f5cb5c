using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical.InPlace;

/// <summary>
/// Brings the files of an existing data directory to a restore point and back. Order: compare, journal, control file aside,
/// everything else that is not right aside, write, control file. A directory without a control file is started by nobody, so a
/// killed restore leaves nothing that runs half-made; done again it goes on, and an undo at any point puts the old files back.
/// </summary>
internal sealed class DeltaPlacing(InPlaceOrder order, ClusterFacts facts, TimeProvider time)
{
    private static readonly HashSet<string> s_configuration = new(InPlaceRestore.Configuration, StringComparer.Ordinal);
    private readonly ServerUser _owner = ServerUser.ForPostgres();
    private readonly string _data = order.Target.Path;

    /// <summary>Called before each change, for tests that end the process there.</summary>
    public Action<string>? OnStep { get; init; }

    private string Aside => Path.Combine(order.AsidePath, "files");

    /// <summary>Looks at every file; changes nothing.</summary>
    public async Task<IReadOnlyList<ComparedItem>> CompareAsync(IProgress<TransferProgress>? progress, CancellationToken ct)
    {
        var found = await order.Repository.CompareTreeAsync(order.RestorePoint, PhysicalBackup.DataArtifactName, _data, progress, ct);
        // The control file always comes anew and last. No link is right, however equal: what it leads to, the old WAL or the old
        // tablespaces, stays as it is, and nothing may be written through it.
        return
        [
            .. found.Items.Where(item => !s_configuration.Contains(item.Path)).Select(item => item.State is TreeItemState.Right && (IsAlwaysNew(item.Path) || DirectoryMoves.IsLink(_data, item.Path))
                ? item with { State = TreeItemState.Wrong } : item),
        ];
    }

    /// <summary>Compares, moves aside and writes; done again after a crash it goes on.</summary>
    public async Task PlaceAsync(IProgress<TransferProgress>? progress, CancellationToken ct)
    {
        var items = await CompareAsync(progress, ct);
        DirectoryUse.RequireStopped(_data);
        var journal = DeltaJournal.Load(order.AsidePath);
        if (journal is null)
        {
            journal = Describe(items);
            Step("journal");
            journal.Save(order.AsidePath);
        }

        MoveAside(journal);
        RemoveOwn(items);
        var right = items.Where(item => item.State == TreeItemState.Right).Select(item => item.Path).ToHashSet(StringComparer.Ordinal);
        await LocalFolder.RemoveAsync(order.TablespacesPath, time, ct);
        Step("write");
        await new ClusterUnpack(order.Repository, order.RestorePoint, facts).WriteMissingAsync(
            _data, order.TablespacesPath, path => !right.Contains(path) && !s_configuration.Contains(path), _owner, progress, ct);
        Step("written");
        DirectoryMoves.Sync(_data);
    }

    /// <summary>Notes that a server is about to be started on the directory.</summary>
    public void BeforeReplay()
    {
        Step("replay");
        (DeltaJournal.Load(order.AsidePath)! with { IsWritten = true }).Save(order.AsidePath);
    }

    /// <summary>Puts the old files back; done again after a crash it goes on. False where there was nothing.</summary>
    public async Task<bool> UndoAsync(IProgress<TransferProgress>? progress, CancellationToken ct)
    {
        if (DeltaJournal.Load(order.AsidePath) is not { } journal)
        {
            await LocalFolder.RemoveAsync(order.AsidePath, time, ct);
            return false;
        }

        Directory.CreateDirectory(order.UndonePath);
        Step("undo");
        if (DirectoryMoves.Exists(Aside, ClusterFiles.Control))
        {
            MoveOut(ClusterFiles.Control);
        }

        var kept = journal.Kept.ToHashSet(StringComparer.Ordinal);
        if (journal.IsWritten)
        {
            // What was kept had the restore point's content, so what a server changed of it can be had again.
            await order.Repository.RestoreTreeAsync(
                order.RestorePoint, PhysicalBackup.DataArtifactName, _data, new TreeRestoreOptions { Delta = true, VerifyContent = true, Only = kept.Contains }, progress, ct);
            OwnedFolder.Give(_data, _owner);
            DirectoryMoves.Sync(_data);
            Step("repaired");
            // Never twice: once old items are back, the restore point's tree would take the place of some of them.
            (journal with { IsWritten = false }).Save(order.AsidePath);
        }

        MoveOutWhatCame("", kept, journal.Moved.ToHashSet(StringComparer.Ordinal), journal.Directories.ToHashSet(StringComparer.Ordinal));
        foreach (var path in journal.Moved.Reverse().Where(path => DirectoryMoves.Exists(Aside, path)))
        {
            Step($"back {path}");
            DirectoryMoves.Move(Aside, _data, path);
        }

        DirectoryMoves.Sync(_data);
        Step("forget");
        DeltaJournal.Remove(order.AsidePath);
        await LocalFolder.RemoveAsync(order.AsidePath, time, ct);
        return true;
    }

    private static bool IsAlwaysNew(string path) => path == ClusterFiles.Control || path.StartsWith("pg_tblspc/", StringComparison.Ordinal);

    private DeltaJournal Describe(IReadOnlyList<ComparedItem> items)
    {
        var moved = items.Where(item => item.State is TreeItemState.Wrong or TreeItemState.Extra).Select(item => item.Path)
            .OrderByDescending(path => path == ClusterFiles.Control).ThenBy(path => path, StringComparer.Ordinal).ToList();
        var gone = moved.ToHashSet(StringComparer.Ordinal);
        return new DeltaJournal
        {
            Version = DeltaJournal.CurrentVersion,
            RestorePoint = order.RestorePoint.Id.Value,
            Kept = [.. items.Where(item => item.State == TreeItemState.Right).Select(item => item.Path).Order(StringComparer.Ordinal)],
            Moved = moved,
            Directories = [.. DirectoriesBelow("", gone)],
        };
    }

    private IEnumerable<string> DirectoriesBelow(string path, HashSet<string> gone)
    {
        foreach (var (name, _) in DirectoryMoves.List(_data, path).Where(item => item.IsDirectory))
        {
            var below = path.Length == 0 ? name : $"{path}/{name}";
            if (!gone.Contains(below))
            {
                yield return below;
                foreach (var deeper in DirectoriesBelow(below, gone))
                {
                    yield return deeper;
                }
            }
        }
    }

    /// <summary>What is aside already stays there: what has its place now is of this restore.</summary>
    private void MoveAside(DeltaJournal journal)
    {
        foreach (var path in journal.Moved.Where(path => !DirectoryMoves.Exists(Aside, path) && DirectoryMoves.Exists(_data, path)))
        {
            Step($"aside {path}");
            DirectoryMoves.Move(_data, Aside, path);
        }

        DirectoryMoves.Sync(_data);
    }

    /// <summary>An earlier attempt, or the server that it started, left files that are in nobody's list.</summary>
    private void RemoveOwn(IReadOnlyList<ComparedItem> items)
    {
        // All that is in the list is aside by now: what stands in its place, or in no list, is ours.
        var own = items.Where(item => item.State == TreeItemState.Extra || item.Path == ClusterFiles.Control).OrderByDescending(item => item.Path == ClusterFiles.Control);
        foreach (var item in own.Where(item => DirectoryMoves.Exists(_data, item.Path)))
        {
            Step($"remove {item.Path}");
            DirectoryMoves.Remove(_data, item.Path);
        }
    }

    private void MoveOutWhatCame(string path, HashSet<string> kept, HashSet<string> moved, HashSet<string> directories)
    {
        foreach (var (name, isDirectory) in DirectoryMoves.List(_data, path))
        {
            var item = path.Length == 0 ? name : $"{path}/{name}";
            if (moved.Contains(item))
            {
                if (DirectoryMoves.Exists(Aside, item))
                {
                    MoveOut(item);
                }
            }
            else if (isDirectory && directories.Contains(item))
            {
                MoveOutWhatCame(item, kept, moved, directories);
            }
            else if (!kept.Contains(item) && !s_configuration.Contains(item))
            {
                MoveOut(item);
            }
        }
    }

    private void MoveOut(string path)
    {
        if (DirectoryMoves.Exists(_data, path))
        {
            Step($"out {path}");
            if (DirectoryMoves.Exists(order.UndonePath, path))
            {
                // An undo that was followed by the same restore again.
                DirectoryMoves.Remove(order.UndonePath, path);
            }

            DirectoryMoves.Move(_data, order.UndonePath, path);
        }
    }

    private void Step(string name) => OnStep?.Invoke(name);
}
