using System.Text;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Servers;
using Microsoft.Win32.SafeHandles;
using TreeTarget = Hexabase.DrConsole.Engine.Repository.Trees.RestoreTarget;

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
    private readonly SafeFileHandle _home;
    private readonly string _directory;

    private UndoFolder(HeldDirectory directory, string name, SafeFileHandle handle)
    {
        (Path, _directory, _handle) = (System.IO.Path.Combine(directory.Path, name), directory.Path, handle);
        _home = Posix.OpenDirectoryBelow(directory.Handle, Posix.ToPath("."));
    }

    /// <summary>As a person finds it.</summary>
    public string Path { get; }

    /// <summary>Where the old state is kept, by a name that leads to this folder only.</summary>
    public string OldPath => LivePath(OldName);

    /// <summary>True where the intent is written down: from then on something may have been changed.</summary>
    public bool HasJournal => Posix.TryStatAt(_handle, Posix.ToPath(JournalName)) is not null;

    /// <summary>The names of what seem to be such folders in a directory, whoever made them.</summary>
    public static IEnumerable<string> In(HeldDirectory directory) =>
        Posix.List(directory.Handle, Posix.ToPath(directory.Path)).Where(name => name.AsSpan().StartsWith(TreeTarget.KeptPrefix)).Select(name => Encoding.UTF8.GetString(name)).Order(StringComparer.Ordinal);

    /// <summary>Opens one, or gives null where there is none.</summary>
    /// <exception cref="EngineException"><c>undo-untrusted</c>.</exception>
    public static UndoFolder? TryOpen(HeldDirectory directory, string folder)
    {
        var (path, name) = (System.IO.Path.Combine(directory.Path, folder), Posix.ToPath(folder));
        try
        {
            if (Posix.TryStatAt(directory.Handle, name) is not { } found)
            {
                return null;
            }

            if (found.Kind != TreeNodeKind.Directory)
            {
                throw Untrusted(path, "it is no folder");
            }

            var opened = new UndoFolder(directory, folder, Posix.OpenDirectoryBelow(directory.Handle, name));
            try
            {
                RequireOwn(Posix.Stat(Posix.LiveName(opened._handle), follow: true), FolderMode, path);
                return opened;
            }
            catch
            {
                opened.Dispose();
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

    /// <summary>Makes one, or takes one without a journal: of an attempt that died before it wrote its intent down, or when it had taken all back.</summary>
    /// <exception cref="EngineException"><c>undo-untrusted</c>.</exception>
    public static UndoFolder Make(HeldDirectory directory, string folder)
    {
        var path = System.IO.Path.Combine(directory.Path, folder);
        if (TryOpen(directory, folder) is { } there)
        {
            if (there.HasJournal)
            {
                there.Dispose();
                throw Untrusted(path, "somebody put it there at this moment");
            }

            // Marks and names that are left in it would be taken for this attempt's own.
            Posix.List(there._handle, Posix.ToPath(path)).ForEach(item => TreeRemoval.Remove(there._handle, [.. item, 0]));
            there.MakeOld();
            return there;
        }

        try
        {
            Posix.MakeDirectoryAt(directory.Handle, Posix.ToPath(folder));
        }
        catch (PosixException fault) when (fault.Errno == PosixException.Exists)
        {
            throw Untrusted(path, "somebody made it at this moment");
        }

        var made = TryOpen(directory, folder) ?? throw Untrusted(path, "it went away at this moment");
        made.MakeOld();
        LocalFolder.Flush(LiveOf(made._home, ""));
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

    /// <summary>Removes it, when all is taken back.</summary>
    public void Remove()
    {
        // First, and durably: without anything else that is in it a journal would say what is no longer so, and could not be ended.
        Unmark(JournalName);
        TreeRemoval.Remove(_home, Posix.ToPath(System.IO.Path.GetFileName(Path)));
    }

    /// <summary>What the restore of a journal changed, or changes, in the directory that this folder is in.</summary>
    public TreeTarget TargetOf(string root) => new(root, HeldTarget.Of(_home, _directory, root));

    /// <summary>Of a journal that is no journal.</summary>
    public EngineException Damaged(JsonException? fault) => new(
        "undo-damaged", ErrorKind.Damaged, $"the journal in {Path} cannot be read{(fault is null ? "" : $": {fault.Message}")}",
        $"It says what a restore in place changed. What was replaced lies in {System.IO.Path.Combine(Path, OldName)}: copy from there what is needed, then remove the folder.", fault);

    /// <summary>Of a journal of another directory.</summary>
    public EngineException Foreign(string root) => Untrusted(Path, $"its journal is of {root}");

    public void Dispose()
    {
        _handle.Dispose();
        _home.Dispose();
    }

    private void MakeOld()
    {
        if (!Has(OldName))
        {
            Posix.MakeDirectoryAt(_handle, Posix.ToPath(OldName));
        }
    }

    private string LivePath(string name) => LiveOf(_handle, name);

    private static string LiveOf(SafeFileHandle handle, string name)
    {
        var live = Encoding.UTF8.GetString(Posix.LiveName(handle)[..^1]);
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
