using System.Text;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Hexabase.DrConsole.Engine.Servers;
using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>
/// A directory that is held open. What is in it is reached by its name in there and over no link, whatever somebody puts in the place
/// of the directory's own path meanwhile.
/// </summary>
internal sealed class HeldFolder : IDisposable
{
    private const uint OthersMayWrite = 0x12;
    private readonly string _path;

    private HeldFolder(SafeFileHandle handle, string path) => (Handle, _path) = (handle, path);

    public SafeFileHandle Handle { get; }

    /// <summary>A path that leads into it and nowhere else, as long as it is held.</summary>
    public string Live => Encoding.ASCII.GetString(Posix.LiveName(Handle)[..^1]);

    public FileStat Stat => Posix.Stat(Handle, Posix.ToPath(_path));

    /// <summary>True where it is this process's own, and nobody else can write into it.</summary>
    public bool IsOwn => Stat is { } stat && stat.User == Posix.EffectiveUser && (stat.Mode & OthersMayWrite) == 0;

    public IEnumerable<string> Names => Posix.List(Handle, Posix.ToPath(_path)).Select(name => Posix.Show(name));

    public static HeldFolder Open(string path) => new(Posix.OpenDirectoryHandle(Posix.ToPath(path)), path);

    public bool Has(string name) => TryStat(name) is not null;

    public FileStat? TryStat(string name) => Posix.TryStatAt(Handle, Posix.ToPath(name));

    /// <summary>A folder in it; null where there is none, or something else of this name.</summary>
    public HeldFolder? TryOpen(string name) =>
        TryStat(name) is { Kind: TreeNodeKind.Directory } ? new HeldFolder(Posix.OpenDirectoryAt(Handle, Posix.ToPath(name)), Path.Combine(_path, name)) : null;

    /// <summary>Makes a folder in it (0700), which must not be there.</summary>
    public HeldFolder Make(string name)
    {
        Posix.MakeDirectoryAt(Handle, Posix.ToPath(name));
        return TryOpen(name) ?? throw Exchanged(name);
    }

    /// <summary>Moves an item to another folder of the same file system.</summary>
    /// <exception cref="IOException">There is one of this name.</exception>
    public void Move(string name, HeldFolder to, string? newName = null)
    {
        if (to.Has(newName ?? name))
        {
            throw new IOException($"{newName ?? name} is there twice in {to._path}");
        }

        Posix.MoveAt(Handle, Posix.ToPath(name), to.Handle, Posix.ToPath(newName ?? name));
    }

    /// <summary>Removes an item with all that is below it, if it is there.</summary>
    public void Remove(string name) => TreeRemoval.Remove(Handle, Posix.ToPath(name));

    /// <summary>Writes a file that says something by being there; durable before it returns.</summary>
    public void Mark(string name, ReadOnlySpan<byte> text) => LocalFolder.WritePrivateFile(Path.Combine(Live, name), text);

    public void Flush() => LocalFolder.Flush(Live);

    public IOException Exchanged(string name) => new($"{Path.Combine(_path, name)} was exchanged at this moment");

    public void Dispose() => Handle.Dispose();
}
