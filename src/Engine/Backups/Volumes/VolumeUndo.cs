using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Servers;
using TreeTarget = Hexabase.DrConsole.Engine.Repository.Trees.RestoreTarget;

namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>
/// The way back from a restore in place: a folder in the restored directory, on the same file system, that holds what was
/// replaced or taken away, and a journal of all changes that is durable before the first of them.
/// </summary>
internal sealed class VolumeUndo : IDisposable
{
    /// <summary>What a backup leaves out, since it is no content of the volume.</summary>
    public const string FolderPattern = ".drconsole-before-*/";

    private const string KeptMark = "kept";
    private const string FinishedMark = "finished";

    private readonly UndoFolder _folder;
    private readonly TreeTarget _live;
    private readonly TreeTarget _old;
    private readonly TreeTarget.DirectoryCursor _liveCursor;
    private readonly Dictionary<string, UndoEntry> _byPath;

    private VolumeUndo(UndoFolder folder, UndoJournal journal)
    {
        (_folder, Header, Entries) = (folder, journal.Header, journal.Entries);
        _byPath = Entries.GroupBy(entry => entry.Path, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.First(), StringComparer.Ordinal);
        _live = folder.TargetOf(Header.Root);
        _old = new TreeTarget(folder.OldPath);
        _liveCursor = _live.Cursor();
    }

    public string Folder => _folder.Path;

    public UndoHeader Header { get; }

    public IReadOnlyList<UndoEntry> Entries { get; }

    /// <summary>True where the restore has come to its end.</summary>
    public bool IsFinished => _folder.Has(FinishedMark);

    /// <summary>True where something of the old state is kept.</summary>
    public bool KeepsAnything => Entries.Any(entry => entry.Was != UndoEntry.Nothing && entry.Change != UndoEntry.Touched);

    /// <summary>The folder of an operation.</summary>
    public static string FolderOf(string directory, string operation) => Path.Combine(directory, NameOf(operation));

    /// <summary>Its name in the directory.</summary>
    public static string NameOf(string operation) =>
        Encoding.ASCII.GetString(TreeTarget.KeptPrefix) + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(operation)))[..16];

    /// <summary>SHA-256 of the restore's own marks, lower-case hex: tells one way back from another.</summary>
    public string Digest => Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(Header, VolumeJson.Default.UndoHeader)));

    /// <summary>The journal in a folder of a directory, or null where no restore began there.</summary>
    /// <exception cref="EngineException"><c>undo-untrusted</c>, <c>undo-damaged</c>.</exception>
    public static VolumeUndo? Open(HeldDirectory directory, string folder)
    {
        if (UndoFolder.TryOpen(directory, folder) is not { } opened)
        {
            return null;
        }

        try
        {
            if (opened.HasJournal)
            {
                return new VolumeUndo(opened, UndoJournal.Read(opened));
            }
        }
        catch
        {
            opened.Dispose();
            throw;
        }

        opened.Dispose();
        return null;
    }

    /// <summary>The newest restore in place of a directory that can be taken back, or null.</summary>
    /// <exception cref="EngineException"><c>undo-untrusted</c> where there is none but one that others made; <c>undo-damaged</c>.</exception>
    public static VolumeUndo? Newest(HeldDirectory directory)
    {
        VolumeUndo? newest = null;
        EngineException? untrusted = null;
        foreach (var folder in UndoFolder.In(directory))
        {
            try
            {
                var undo = Open(directory, folder);
                if (undo is not null && (newest is null || undo.Header.BeganAt > newest.Header.BeganAt))
                {
                    (newest, undo) = (undo, newest);
                }

                undo?.Dispose();
            }
            catch (EngineException fault) when (fault.Code == "undo-untrusted")
            {
                // What others put there must not hinder the way back that is the console's own.
                untrusted = fault;
            }
        }

        return newest ?? (untrusted is null ? null : throw untrusted);
    }

    /// <summary>True while the directory keeps the way back that bears a digest.</summary>
    public static bool IsKept(HeldDirectory directory, string digest)
    {
        foreach (var folder in UndoFolder.In(directory))
        {
            try
            {
                using var undo = Open(directory, folder);
                if (undo?.Digest == digest)
                {
                    return true;
                }
            }
            catch (EngineException fault) when (fault.Code == "undo-untrusted")
            {
                // Another's, which is not asked for.
            }
        }

        return false;
    }

    /// <summary>Writes the journal, durable before anything is changed; an attempt that died before that left nothing that counts.</summary>
    public static VolumeUndo Begin(HeldDirectory directory, UndoHeader header, IReadOnlyList<RestoreChange> changes)
    {
        string journal;
        using (var live = new TreeTarget(header.Root, directory.TargetOf(header.Root)))
        {
            journal = UndoJournal.Of(header, live, changes);
        }

        var made = UndoFolder.Make(directory, NameOf(header.Operation));
        try
        {
            made.WriteJournal(journal);
            return new VolumeUndo(made, UndoJournal.Read(made));
        }
        catch
        {
            made.Dispose();
            throw;
        }
    }

    /// <summary>Keeps what will be replaced or taken away: files by a second name, so that they stay until they are replaced, directories by moving them.</summary>
    public void Keep()
    {
        if (_folder.Has(KeptMark))
        {
            return;
        }

        foreach (var entry in Entries.Where(entry => entry.Change is not (UndoEntry.Touched or nameof(RestoreChangeKind.Metadata)) && entry.Was != UndoEntry.Nothing))
        {
            var path = PathText.Parse(entry.Path);
            using var cursor = _old.Cursor();
            MakeParents(path);
            var (oldDirectory, oldName) = FindOld(cursor, path);
            var (directory, name) = _liveCursor.Find(path);
            if (Posix.TryStatAt(oldDirectory, oldName) is not null || Posix.TryStatAt(directory, name) is not { } there)
            {
                continue;
            }

            if (there.Kind == TreeNodeKind.Directory || entry.Change == nameof(RestoreChangeKind.Delete))
            {
                Posix.MoveAt(directory, name, oldDirectory, oldName);
                _liveCursor.Forget();
            }
            else
            {
                Posix.MakeHardLinkAt(directory, name, oldDirectory, oldName);
            }
        }

        _folder.Mark(KeptMark);
    }

    /// <summary>Of what an interrupted restore still has to do: the items that are not as the journal, or the restore, left them.</summary>
    public IEnumerable<string> WrittenMeanwhile(IReadOnlyList<RestoreChange> remaining) =>
        remaining.Where(change => change.Kind != RestoreChangeKind.Blocked && (!_byPath.ContainsKey(change.Path) || IsWrittenMeanwhile(change.Path))).Select(change => change.Path);

    /// <summary>True for an item that somebody wrote after the journal was begun: it is not what was kept aside.</summary>
    /// <remarks>Told by its time: what was given an older one with its new content is not known from what was there.</remarks>
    public bool IsWrittenMeanwhile(string path)
    {
        try
        {
            var (directory, name) = _liveCursor.Find(PathText.Parse(path));
            return Posix.TryStatAt(directory, name) is { } there && IsWrittenSince(there)
                && (_byPath.GetValueOrDefault(path) is not { } entry || there.Modified != new FileTime(entry.Seconds, entry.Nanoseconds));
        }
        catch (PosixException fault) when (fault.Errno is PosixException.NoEntry or PosixException.NotDirectory or PosixException.Loop)
        {
            // Its directory is yet to be made.
            return false;
        }
    }

    /// <summary>The restore has come to its end.</summary>
    public void Finish() => _folder.Mark(FinishedMark);

    /// <summary>Brings the old state back, and removes the folder where nothing had to stay in it.</summary>
    /// <returns>What could not be taken back, since it was changed after the restore.</returns>
    public IReadOnlyList<string> TakeBack()
    {
        // Should this die half way and the restore be done again, it must keep aside again what was brought back already.
        _folder.Unmark(KeptMark);
        var left = new List<string>();
        foreach (var entry in Entries.Where(entry => entry.Change != UndoEntry.Touched).Reverse())
        {
            try
            {
                TakeBack(entry, left);
            }
            catch (PosixException fault) when (fault.Errno is PosixException.NoEntry or PosixException.NotDirectory or PosixException.Loop)
            {
                left.Add($"{entry.Path}: {fault.Reason}");
            }
        }

        var touched = Entries.Where(entry => entry.Change == UndoEntry.Touched).Reverse().ToList();
        touched.ForEach(SetTime);
        if (left.Count == 0)
        {
            _folder.Remove();
            // Its going has moved the time of the directory that it was in.
            touched.Where(entry => entry.Path.Length == 0).ToList().ForEach(SetTime);
        }

        return left;
    }

    public void Dispose()
    {
        _liveCursor.Dispose();
        _live.Dispose();
        _old.Dispose();
        _folder.Dispose();
    }

    private void TakeBack(UndoEntry entry, List<string> left)
    {
        var path = PathText.Parse(entry.Path);
        var (directory, name) = _liveCursor.Find(path);
        var there = Posix.TryStatAt(directory, name);
        if (entry.Change == nameof(RestoreChangeKind.Metadata))
        {
            if (there is { } item && IsWrittenSince(item))
            {
                left.Add($"{entry.Path}: written after the restore; it keeps its owner, mode and time");
            }
            else if (there is not null)
            {
                entry.GiveBack(directory, name, there.Value.Kind);
            }

            return;
        }

        using var cursor = _old.Cursor();
        var kept = entry.Was == UndoEntry.Nothing ? null : FindKept(cursor, path);
        if (entry.Was != UndoEntry.Nothing && kept is null)
        {
            // The restore died before it came to this one: it is as it was.
            return;
        }

        if (there is { } now && !Clear(entry, now, (directory, name), kept, left))
        {
            return;
        }

        if (entry.Was != UndoEntry.Nothing)
        {
            var (oldDirectory, oldName) = FindOld(cursor, path);
            Posix.MoveAt(oldDirectory, oldName, directory, name);
        }
    }

    /// <summary>Makes way for the old state of an item; what was written after the restore is nobody's to take away.</summary>
    /// <returns>False where there is nothing to do, or it stays and was named.</returns>
    private bool Clear(UndoEntry entry, in FileStat there, (Microsoft.Win32.SafeHandles.SafeFileHandle Directory, byte[] Name) at, FileStat? kept, List<string> left)
    {
        const int NotEmpty = 39;
        if (there.Kind == TreeNodeKind.Directory)
        {
            try
            {
                Posix.RemoveAt(at.Directory, at.Name, isDirectory: true);
                _liveCursor.Forget();
                return true;
            }
            catch (PosixException fault) when (fault.Errno == NotEmpty)
            {
                left.Add($"{entry.Path}: holds what was written after the restore");
                return false;
            }
        }

        if (kept is { } old && (old.Inode, old.Device) == (there.Inode, there.Device))
        {
            // It was kept by a second name, and the restore died before it replaced the first.
            return false;
        }

        if (entry.Change == nameof(RestoreChangeKind.Delete) || IsWrittenSince(there))
        {
            var oldState = kept is null ? "" : $"; the old one stays in {Folder}";
            left.Add($"{entry.Path}: {(entry.Change == nameof(RestoreChangeKind.Delete) ? "made anew" : "written")} after the restore{oldState}");
            return false;
        }

        if (entry.Was != UndoEntry.File)
        {
            // A directory cannot be given the name of a file that is there.
            Posix.RemoveAt(at.Directory, at.Name, isDirectory: false);
        }

        return true;
    }

    private void SetTime(UndoEntry entry)
    {
        try
        {
            var (directory, name) = _liveCursor.Find(PathText.Parse(entry.Path));
            if (Posix.TryStatAt(directory, name) is { Kind: TreeNodeKind.Directory })
            {
                using var item = Posix.OpenItemAt(directory, name);
                Posix.SetTimeOf(Posix.LiveName(item), new FileTime(entry.Seconds, entry.Nanoseconds));
            }
        }
        catch (PosixException fault) when (fault.Errno is PosixException.NoEntry or PosixException.NotDirectory or PosixException.Loop)
        {
            // Somebody took the directory away since, or what it lies in: it has no time to give back.
        }
    }

    /// <summary>What a restore writes bears the times of the restore point. A directory's own time moves with whatever is done in it.</summary>
    private bool IsWrittenSince(in FileStat there) => there.Kind != TreeNodeKind.Directory && there.Modified.ToTime() >= Header.BeganAt;

    /// <summary>A single file's path is empty; it is kept under a name all the same.</summary>
    private static (Microsoft.Win32.SafeHandles.SafeFileHandle Directory, byte[] Name) FindOld(TreeTarget.DirectoryCursor cursor, byte[] path) =>
        cursor.Find(path.Length == 0 ? "item"u8 : path);

    private static FileStat? FindKept(TreeTarget.DirectoryCursor cursor, byte[] path)
    {
        try
        {
            var (directory, name) = FindOld(cursor, path);
            return Posix.TryStatAt(directory, name);
        }
        catch (PosixException fault) when (fault.Errno == PosixException.NoEntry)
        {
            return null;
        }
    }

    private void MakeParents(byte[] path)
    {
        for (var slash = path.AsSpan().IndexOf((byte)'/'); slash > 0;)
        {
            using var cursor = _old.Cursor();
            var (directory, name) = cursor.Find(path.AsSpan(0, slash));
            if (Posix.TryStatAt(directory, name) is null)
            {
                Posix.MakeDirectoryAt(directory, name);
            }

            var next = path.AsSpan(slash + 1).IndexOf((byte)'/');
            slash = next < 0 ? -1 : slash + 1 + next;
        }
    }
}
