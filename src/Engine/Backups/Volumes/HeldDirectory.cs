using System.Globalization;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>
/// The directory that a restore in place changes, held open: whatever its path leads to by now, this is the one that was looked at.
/// The way to a volume is the operator's and may go over symbolic links; below it whoever writes there could lead it anywhere, and
/// none is followed.
/// </summary>
internal sealed class HeldDirectory : IDisposable
{
    private HeldDirectory(string path, SafeFileHandle handle)
    {
        (Path, Handle) = (path, handle);
        RealPath = Posix.Show(Posix.ReadLink(Posix.LiveName(handle)));
        var stat = Posix.Stat(handle, Posix.ToPath(path));
        Identity = string.Create(CultureInfo.InvariantCulture, $"{RealPath} ({FileSystemIdentity.Of(handle, RealPath, stat.Device)}, inode {stat.Inode})");
    }

    /// <summary>As it was named.</summary>
    public string Path { get; }

    /// <summary>Where it was when it was opened, with no link on the way.</summary>
    public string RealPath { get; }

    /// <summary>What tells it from any other directory that could take its place, for a person too.</summary>
    public string Identity { get; }

    /// <summary>The line of a plan that binds it to this directory.</summary>
    public string Note => $"the directory is {Identity}";

    public SafeFileHandle Handle { get; }

    /// <summary>Opens one; null where there is no directory.</summary>
    /// <param name="path">As a target names it.</param>
    /// <param name="roots">Where volumes begin.</param>
    /// <exception cref="EngineException"><c>restore-target-refused</c> where a symbolic link below a volume's root leads there.</exception>
    public static HeldDirectory? TryOpen(string path, IReadOnlyList<string> roots)
    {
        // Only where none of them is above it as it is named: the way to another source's volume may hang in the kernel.
        var root = Above(path, roots) ?? Above(path, roots.Select(TryRealPath).OfType<string>()) ?? path;
        try
        {
            using var top = Posix.OpenDirectoryHandle(Posix.ToPath(root));
            var below = path[root.Length..].Trim('/');
            return new HeldDirectory(path, Posix.OpenDirectoryBelow(top, Posix.ToPath(below.Length > 0 ? below : ".")));
        }
        catch (PosixException fault) when (fault.Errno is PosixException.NoEntry or PosixException.NotDirectory)
        {
            return null;
        }
        catch (PosixException fault) when (fault.Errno is PosixException.Loop or PosixException.CrossDevice)
        {
            throw new EngineException("restore-target-refused", ErrorKind.Denied, $"a symbolic link below {root} leads to {path}: whoever writes there could lead the restore anywhere",
                "Name the directory itself, by a path without links below the volume's. Nothing was changed.", fault);
        }
    }

    private static string? Above(string path, IEnumerable<string> roots) => roots.Where(one => Lies(path, one)).MaxBy(one => one.Length);

    private static string? TryRealPath(string path)
    {
        try
        {
            return VolumePlace.RealPath(path);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // Nobody gets through there, so that it leads nowhere.
            return null;
        }
    }

    /// <summary>Where the volumes of an estate begin: their paths, and the directories below which those of claims are.</summary>
    public static IReadOnlyList<string> RootsOf(ProtectedEstate estate) =>
    [
        .. estate.Sources.SelectMany(source => new[]
        {
            source.Volume?.Path, source.Volume?.Claim?.VolumesDirectory, source.Volume?.Claim?.KubeletDirectory, source.VCluster?.VolumesDirectory,
        }).OfType<string>().Select(path => System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path))).Distinct(StringComparer.Ordinal),
    ];

    /// <summary>The same directory, or a file in it, as a restore takes its target.</summary>
    /// <param name="root">The directory's path, or that of the file.</param>
    public HeldTarget TargetOf(string root) => HeldTarget.Of(Handle, Path, root);

    /// <summary>Waits until everything written to its file system is on the disk.</summary>
    public void Sync()
    {
        using var opened = Posix.OpenDirectoryAt(Handle, Posix.ToPath("."));
        Posix.Sync(opened, Posix.ToPath(Path));
    }

    public void Dispose() => Handle.Dispose();

    private static bool Lies(string path, string root) => path == root || path.StartsWith(root.TrimEnd('/') + '/', StringComparison.Ordinal);
}
