using System.Text;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Servers;
using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>
/// The folder of a way back, held open: whatever its name leads to by now, this is the one that was looked at. It lies in a
/// volume that others write to, and what it says is done with the console's rights; so it must be the console's own, and
/// nobody else may be able to write into it.
/// </summary>
internal sealed class UndoFolder : IDisposable
{
    private const string JournalName = "journal";
    private const string OldName = "old";
    private const uint FolderMode = 0x1C0;
    private const uint FileMode = 0x180;

    private readonly SafeFileHandle _handle;

    private UndoFolder(string path, SafeFileHandle handle) => (Path, _handle) = (path, handle);

    /// <summary>As a person finds it.</summary>
    public string Path { get; }

    /// <summary>Where the old state is kept, by a name that leads to this folder only.</summary>
    public string OldPath => LivePath(OldName);

    /// <summary>True where the intent is written down: from then on something may have been changed.</summary>
    public bool HasJournal => Posix.TryStatAt(_handle, Posix.ToPath(JournalName)) is not null;

    /// <summary>Where such folders seem to be in a directory, whoever made them.</summary>
    public static IEnumerable<string> In(string directory) => Directory.Exists(directory)
        ? Directory.EnumerateFileSystemEntries(directory, Encoding.ASCII.GetString(Repository.Trees.RestoreTarget.KeptPrefix) + "*")
        : [];

    /// <summary>Opens one, or gives null where there is none.</summary>
    /// <exception cref="EngineException"><c>undo-untrusted</c>.</exception>
    public static UndoFolder? TryOpen(string path)
    {
        try
        {
            using var parent = Posix.OpenDirectoryHandle(Posix.ToPath(System.IO.Path.GetDirectoryName(path)!));
            var name = Posix.ToPath(System.IO.Path.GetFileName(path));
            if (Posix.TryStatAt(parent, name) is not { } found)
            {
                return null;
            }

            if (found.Kind != TreeNodeKind.Directory)
            {
                throw Untrusted(path, "it is no folder");
            }

            var folder = new UndoFolder(path, Posix.OpenDirectoryBelow(parent, name));
            try
            {
                RequireOwn(Posix.Stat(Posix.LiveName(folder._handle), follow: true), FolderMode, path);
                return folder;
            }
            catch
            {
                folder.Dispose();
                throw;
            }
        }
        catch (PosixException fault) when (fault.Errno is PosixException.NoEntry or PosixException.NotDirectory)
        {
            return null;
        }
        catch (PosixException fault) when (fault.Errno is PosixException.Loop)
        {
            throw Untrusted(path, fault.Reason);
        }
    }

    /// <summary>Makes one, or takes one that an attempt made which died before it wrote its intent down.</summary>
    /// <exception cref="EngineException"><c>undo-untrusted</c>.</exception>
    public static UndoFolder Make(string path)
    {
        if (TryOpen(path) is { } there)
        {
            there.MakeOld();
            return there;
        }

        try
        {
            Posix.MakeDirectory(Posix.ToPath(path));
        }
        catch (PosixException fault) when (fault.Errno == PosixException.Exists)
        {
            throw Untrusted(path, "somebody made it at this moment");
        }

        var made = TryOpen(path) ?? throw Untrusted(path, "it went away at this moment");
        made.MakeOld();
        LocalFolder.Flush(System.IO.Path.GetDirectoryName(path)!);
        return made;
    }

    /// <summary>The journal's lines.</summary>
    /// <exception cref="EngineException"><c>undo-untrusted</c>.</exception>
    public IEnumerable<string> ReadJournal()
    {
        var journal = System.IO.Path.Combine(Path, JournalName);
        RequireOwn(Posix.TryStatAt(_handle, Posix.ToPath(JournalName)) ?? throw Untrusted(journal, "it is gone"), FileMode, journal);
        RequireOwn(Posix.TryStatAt(_handle, Posix.ToPath(OldName)) ?? throw Untrusted(Path, $"{OldName} is gone"), FolderMode, System.IO.Path.Combine(Path, OldName));
        return File.ReadLines(LivePath(JournalName));
    }

    /// <summary>Writes the journal; durable when it returns.</summary>
    public void WriteJournal(string text) => LocalFolder.WritePrivateFile(LivePath(JournalName), Encoding.UTF8.GetBytes(text));

    public bool Has(string mark) => Posix.TryStatAt(_handle, Posix.ToPath(mark)) is not null;

    /// <summary>Marks how far it came; durable when it returns.</summary>
    public void Mark(string mark) => LocalFolder.WritePrivateFile(LivePath(mark), []);

    /// <summary>Takes a mark away; durable when it returns.</summary>
    public void Unmark(string mark)
    {
        if (Has(mark))
        {
            Posix.RemoveAt(_handle, Posix.ToPath(mark), isDirectory: false);
            LocalFolder.Flush(LivePath(""));
        }
    }

    /// <summary>Of a journal that is no journal.</summary>
    public EngineException Damaged(JsonException? fault) => new(
        "undo-damaged", ErrorKind.Damaged, $"the journal in {Path} cannot be read{(fault is null ? "" : $": {fault.Message}")}",
        $"It says what a restore in place changed. What was replaced lies in {System.IO.Path.Combine(Path, OldName)}: copy from there what is needed, then remove the folder.", fault);

    /// <summary>Of a journal of another directory.</summary>
    public EngineException Foreign(string root) => Untrusted(Path, $"its journal is of {root}");

    public void Dispose() => _handle.Dispose();

    private void MakeOld()
    {
        if (!Has(OldName))
        {
            Posix.MakeDirectoryAt(_handle, Posix.ToPath(OldName));
        }
    }

    private string LivePath(string name)
    {
        var live = Encoding.UTF8.GetString(Posix.LiveName(_handle)[..^1]);
        return name.Length > 0 ? System.IO.Path.Combine(live, name) : live + "/.";
    }

    private static void RequireOwn(in FileStat stat, uint mode, string path)
    {
        if (stat.Kind != (mode == FolderMode ? TreeNodeKind.Directory : TreeNodeKind.File))
        {
            throw Untrusted(path, mode == FolderMode ? "it is no folder" : "it is no file");
        }

        if (stat.User != Posix.EffectiveUser || stat.Mode != mode)
        {
            throw Untrusted(path, $"it belongs to user {stat.User} and has mode {Convert.ToString(stat.Mode, 8)}, not to user {Posix.EffectiveUser} alone");
        }
    }

    private static EngineException Untrusted(string path, string why) => new(
        "undo-untrusted", ErrorKind.Denied, $"{path} was not made by this console, or was changed since: {why}",
        "Look who made it; nothing was changed. A restore in place writes its way back there, and obeys no other's.");
}
