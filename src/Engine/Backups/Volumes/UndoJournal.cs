using System.Text;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Microsoft.Win32.SafeHandles;
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

    /// <summary>Gives an item its owner, mode, time and attributes of before.</summary>
    internal void GiveBack(SafeFileHandle directory, byte[] name, TreeNodeKind kind)
    {
        using var item = Posix.OpenItemAt(directory, name);
        var live = Posix.LiveName(item);
        if (Posix.EffectiveUser == 0)
        {
            Posix.SetOwnerOf(live, User, Group);
        }

        var wanted = Attributes.Select(pair => new ExtendedAttribute(Convert.FromHexString(pair[0]), Convert.FromHexString(pair[1]))).ToList();
        foreach (var extra in Posix.Attributes(Posix.LiveName(directory, name)).Where(there => !wanted.Any(one => one.Name.AsSpan().SequenceEqual(there.Name))))
        {
            Posix.RemoveAttributeOf(live, extra.Name);
        }

        wanted.ForEach(attribute => Posix.SetAttributeOf(live, attribute));
        if (kind != TreeNodeKind.SymbolicLink)
        {
            Posix.SetMode(live, Mode);
        }

        Posix.SetTimeOf(live, new FileTime(Seconds, Nanoseconds));
    }
}

/// <summary>What a restore in place will change, and what each item was before: one line of JSON for the restore, and one for each item.</summary>
internal sealed record UndoJournal(UndoHeader Header, IReadOnlyList<UndoEntry> Entries)
{
    /// <summary>Looks at everything that will change, and writes the journal's text.</summary>
    public static string Of(UndoHeader header, TreeTarget live, IReadOnlyList<RestoreChange> changes)
    {
        var text = new StringBuilder(JsonSerializer.Serialize(header, VolumeJson.Default.UndoHeader)).Append('\n');
        foreach (var entry in Describe(live, changes))
        {
            text.Append(JsonSerializer.Serialize(entry, VolumeJson.Default.UndoEntry)).Append('\n');
        }

        return text.ToString();
    }

    /// <summary>Reads one back.</summary>
    /// <exception cref="EngineException"><c>undo-untrusted</c>, <c>undo-damaged</c>.</exception>
    public static UndoJournal Read(UndoFolder folder)
    {
        using var lines = folder.ReadJournal().GetEnumerator();
        try
        {
            var header = lines.MoveNext() ? JsonSerializer.Deserialize(lines.Current, VolumeJson.Default.UndoHeader) : null;
            if (header?.Root is null)
            {
                throw folder.Damaged(null);
            }

            // Of a single file the root is that file.
            var directory = Path.GetDirectoryName(folder.Path)!;
            var root = Path.TrimEndingDirectorySeparator(header.Root);
            if (root != directory && Path.GetDirectoryName(root) != directory)
            {
                throw folder.Foreign(header.Root);
            }

            var entries = new List<UndoEntry>();
            while (lines.MoveNext())
            {
                entries.Add(JsonSerializer.Deserialize(lines.Current, VolumeJson.Default.UndoEntry) is { Path: not null, Change: not null, Was: not null } entry ? entry : throw folder.Damaged(null));
            }

            return new UndoJournal(header, entries);
        }
        catch (JsonException fault)
        {
            throw folder.Damaged(fault);
        }
    }

    private static List<UndoEntry> Describe(TreeTarget live, IReadOnlyList<RestoreChange> changes)
    {
        using var cursor = live.Cursor();
        var entries = new List<UndoEntry>(changes.Count);
        var touched = new Dictionary<string, UndoEntry>(StringComparer.Ordinal);
        if (Describe(cursor, "", UndoEntry.Touched) is { Was: UndoEntry.Directory } itself)
        {
            // The folder of this journal is made in it, whatever else is done.
            touched[""] = itself;
        }

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
}
