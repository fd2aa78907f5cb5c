using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Servers;
using TreeTarget = Hexabase.DrConsole.Engine.Repository.Trees.RestoreTarget;

namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>What a restore in place is about to do, on the first line of its journal.</summary>
public sealed record UndoHeader(string RestorePoint, string Operation, string Root, DateTimeOffset BeganAt);

/// <summary>One item that will change.</summary>
/// <param name="Path">Below the root, as <see cref="PathText"/>.</param>
/// <param name="Change">What is done to it; <c>Touched</c> for a directory in which something is done.</param>
/// <param name="Was">What it was before: <c>nothing</c>, <c>directory</c> or <c>file</c> (which stands for links and special files too).</param>
public sealed record UndoEntry(string Path, string Change, string Was)
{
    public const string Touched = "Touched";
    public const string Nothing = "nothing";
    public const string Directory = "directory";
    public const string File = "file";

    public uint Mode { get; init; }

    public uint User { get; init; }

    public uint Group { get; init; }

    public long Seconds { get; init; }

    public uint Nanoseconds { get; init; }

    /// <summary>Extended attributes, name and value as hex.</summary>
    public IReadOnlyList<string[]> Attributes { get; init; } = [];
}

/// <summary>
/// The way back from a restore in place: a folder in the restored directory, on the same file system, that holds what was
/// replaced or taken away, and a journal of all changes that is durable before the first of them.
/// </summary>
internal sealed class VolumeUndo : IDisposable
{
    /// <summary>What a backup leaves out, since it is no content of the volume.</summary>
    public const string FolderPattern = ".drconsole-before-*/";

    private const string JournalName = "journal";
    private const string KeptMark = "kept";
    private const string FinishedMark = "finished";
    private const string OldName = "old";

    private readonly TreeTarget _live;
    private readonly TreeTarget _old;
    private readonly TreeTarget.DirectoryCursor _liveCursor;

    private VolumeUndo(string folder, UndoHeader header, IReadOnlyList<UndoEntry> entries)
    {
        (Folder, Header, Entries) = (folder, header, entries);
        _live = new TreeTarget(header.Root);
        _old = new TreeTarget(Path.Combine(folder, OldName));
        _liveCursor = _live.Cursor();
    }

    public string Folder { get; }

    public UndoHeader Header { get; }

    public IReadOnlyList<UndoEntry> Entries { get; }

    /// <summary>True where the restore has come to its end.</summary>
    public bool IsFinished => File.Exists(Path.Combine(Folder, FinishedMark));

    /// <summary>True where something of the old state is kept.</summary>
    public bool KeepsAnything => Entries.Any(entry => entry.Was != UndoEntry.Nothing && entry.Change != UndoEntry.Touched);

    /// <summary>The folder of an operation.</summary>
    public static string FolderOf(string directory, string operation) => Path.Combine(
        directory, Encoding.ASCII.GetString(TreeTarget.KeptPrefix) + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(operation)))[..16]);

    /// <summary>The journal in a folder, or null where no restore began there.</summary>
    public static VolumeUndo? Open(string folder)
    {
        var journal = Path.Combine(folder, JournalName);
        if (!File.Exists(journal))
        {
            return null;
        }

        using var lines = File.ReadLines(journal).GetEnumerator();
        lines.MoveNext();
        var header = JsonSerializer.Deserialize(lines.Current, VolumeJson.Default.UndoHeader)!;
        var entries = new List<UndoEntry>();
        while (lines.MoveNext())
        {
            entries.Add(JsonSerializer.Deserialize(lines.Current, VolumeJson.Default.UndoEntry)!);
        }

        return new VolumeUndo(folder, header, entries);
    }

    /// <summary>The newest restore in place of a directory that can be taken back, or null.</summary>
    public static VolumeUndo? Newest(string directory) => !Directory.Exists(directory) ? null
        : Directory.EnumerateDirectories(directory, Encoding.ASCII.GetString(TreeTarget.KeptPrefix) + "*").Select(Open).OfType<VolumeUndo>()
            .OrderByDescending(undo => undo.Header.BeganAt).FirstOrDefault();

    /// <summary>Writes the journal, durable before anything is changed; an attempt that died before that left nothing that counts.</summary>
    public static VolumeUndo Begin(string folder, UndoHeader header, IReadOnlyList<RestoreChange> changes)
    {
        var entries = Describe(header.Root, changes);
        LocalFolder.CreatePrivate(folder);
        LocalFolder.CreatePrivate(Path.Combine(folder, OldName));
        var text = new StringBuilder(JsonSerializer.Serialize(header, VolumeJson.Default.UndoHeader)).Append('\n');
        foreach (var entry in entries)
        {
            text.Append(JsonSerializer.Serialize(entry, VolumeJson.Default.UndoEntry)).Append('\n');
        }

        LocalFolder.WritePrivateFile(Path.Combine(folder, JournalName), Encoding.UTF8.GetBytes(text.ToString()));
        return Open(folder)!;
    }

    /// <summary>Keeps what will be replaced or taken away: files by a second name, so that they stay until they are replaced, directories by moving them.</summary>
    public void Keep()
    {
        if (File.Exists(Path.Combine(Folder, KeptMark)))
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

        Mark(KeptMark);
    }

    /// <summary>The restore has come to its end.</summary>
    public void Finish() => Mark(FinishedMark);

    /// <summary>Brings the old state back, and removes the folder where nothing had to stay in it.</summary>
    /// <returns>What could not be taken back, since it was changed after the restore.</returns>
    public IReadOnlyList<string> TakeBack()
    {
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

        foreach (var entry in Entries.Where(entry => entry.Change == UndoEntry.Touched).Reverse())
        {
            var (directory, name) = _liveCursor.Find(PathText.Parse(entry.Path));
            if (Posix.TryStatAt(directory, name) is { Kind: TreeNodeKind.Directory })
            {
                using var item = Posix.OpenItemAt(directory, name);
                Posix.SetTimeOf(Posix.LiveName(item), new FileTime(entry.Seconds, entry.Nanoseconds));
            }
        }

        if (left.Count == 0)
        {
            BackupRepository.RemoveTree(Folder);
        }

        return left;
    }

    public void Dispose()
    {
        _liveCursor.Dispose();
        _live.Dispose();
        _old.Dispose();
    }

    private void TakeBack(UndoEntry entry, List<string> left)
    {
        const int NotEmpty = 39;
        var path = PathText.Parse(entry.Path);
        var (directory, name) = _liveCursor.Find(path);
        var there = Posix.TryStatAt(directory, name);
        if (entry.Change == nameof(RestoreChangeKind.Metadata))
        {
            if (there is not null)
            {
                SetMetadata(directory, name, entry, there.Value.Kind);
            }

            return;
        }

        using var cursor = _old.Cursor();
        if (entry.Was != UndoEntry.Nothing && !IsKept(cursor, path))
        {
            // The restore died before it came to this one: it is as it was.
            return;
        }

        if (there is { Kind: TreeNodeKind.Directory })
        {
            try
            {
                Posix.RemoveAt(directory, name, isDirectory: true);
                _liveCursor.Forget();
            }
            catch (PosixException fault) when (fault.Errno == NotEmpty)
            {
                left.Add($"{entry.Path}: holds what was written after the restore");
                return;
            }
        }
        else if (there is not null && entry.Was == UndoEntry.Nothing)
        {
            Posix.RemoveAt(directory, name, isDirectory: false);
        }
        else if (there is not null && entry.Change == nameof(RestoreChangeKind.Delete))
        {
            left.Add($"{entry.Path}: made anew after the restore; the old one stays in {Folder}");
            return;
        }

        if (entry.Was != UndoEntry.Nothing)
        {
            var (oldDirectory, oldName) = FindOld(cursor, path);
            Posix.MoveAt(oldDirectory, oldName, directory, name);
        }
    }

    private static void SetMetadata(Microsoft.Win32.SafeHandles.SafeFileHandle directory, byte[] name, UndoEntry entry, TreeNodeKind kind)
    {
        using var item = Posix.OpenItemAt(directory, name);
        var live = Posix.LiveName(item);
        if (Posix.EffectiveUser == 0)
        {
            Posix.SetOwnerOf(live, entry.User, entry.Group);
        }

        var wanted = entry.Attributes.Select(pair => new ExtendedAttribute(Convert.FromHexString(pair[0]), Convert.FromHexString(pair[1]))).ToList();
        foreach (var extra in Posix.Attributes(Posix.LiveName(directory, name)).Where(there => !wanted.Any(one => one.Name.AsSpan().SequenceEqual(there.Name))))
        {
            Posix.RemoveAttributeOf(live, extra.Name);
        }

        wanted.ForEach(attribute => Posix.SetAttributeOf(live, attribute));
        if (kind != TreeNodeKind.SymbolicLink)
        {
            Posix.SetMode(live, entry.Mode);
        }

        Posix.SetTimeOf(live, new FileTime(entry.Seconds, entry.Nanoseconds));
    }

    private static List<UndoEntry> Describe(string root, IReadOnlyList<RestoreChange> changes)
    {
        using var live = new TreeTarget(root);
        using var cursor = live.Cursor();
        var entries = new List<UndoEntry>(changes.Count);
        var touched = new Dictionary<string, UndoEntry>(StringComparer.Ordinal);
        foreach (var change in changes.Where(change => change.Kind != RestoreChangeKind.Blocked))
        {
            entries.Add(Describe(cursor, change.Path, change.Kind.ToString()));
            var parent = change.Path.LastIndexOf('/') is > 0 and var slash ? change.Path[..slash] : "";
            if (change.Path.Length > 0 && change.Kind != RestoreChangeKind.Metadata && !touched.ContainsKey(parent)
                && Describe(cursor, parent, UndoEntry.Touched) is { Was: UndoEntry.Directory } directory)
            {
                touched[parent] = directory;
            }
        }

        return [.. entries, .. touched.Values.OrderBy(entry => entry.Path, StringComparer.Ordinal)];
    }

    private static UndoEntry Describe(TreeTarget.DirectoryCursor cursor, string path, string change)
    {
        try
        {
            var (directory, name) = cursor.Find(PathText.Parse(path));
            return Posix.TryStatAt(directory, name) is not { } stat ? new UndoEntry(path, change, UndoEntry.Nothing)
                : new UndoEntry(path, change, stat.Kind == TreeNodeKind.Directory ? UndoEntry.Directory : UndoEntry.File)
                {
                    Mode = stat.Mode,
                    User = stat.User,
                    Group = stat.Group,
                    Seconds = stat.Modified.Seconds,
                    Nanoseconds = stat.Modified.Nanoseconds,
                    Attributes = [.. Posix.Attributes(Posix.LiveName(directory, name)).Select(one => new[] { Convert.ToHexString(one.Name), Convert.ToHexString(one.Value) })],
                };
        }
        catch (PosixException fault) when (fault.Errno is PosixException.NoEntry or PosixException.NotDirectory or PosixException.Loop)
        {
            // Its directory is yet to be made, or stands where something else is now.
            return new UndoEntry(path, change, UndoEntry.Nothing);
        }
    }

    /// <summary>A single file's path is empty; it is kept under a name all the same.</summary>
    private static (Microsoft.Win32.SafeHandles.SafeFileHandle Directory, byte[] Name) FindOld(TreeTarget.DirectoryCursor cursor, byte[] path) =>
        cursor.Find(path.Length == 0 ? "item"u8 : path);

    private static bool IsKept(TreeTarget.DirectoryCursor cursor, byte[] path)
    {
        try
        {
            var (directory, name) = FindOld(cursor, path);
            return Posix.TryStatAt(directory, name) is not null;
        }
        catch (PosixException fault) when (fault.Errno == PosixException.NoEntry)
        {
            return false;
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

    private void Mark(string name) => LocalFolder.WritePrivateFile(Path.Combine(Folder, name), []);
}
