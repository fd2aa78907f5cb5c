using System.Globalization;
using Hexabase.DrConsole.Engine.Repository.Trees;
using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Backups.Volumes;

/// <summary>
/// What tells a file system from any other, also after a restart of its machine: device numbers are given anew then, as they are when a
/// disk is attached in another order. Where nothing better is known the number is it, and a directory there is another one after that.
/// </summary>
internal static class FileSystemIdentity
{
    private const string ByUuid = "/dev/disk/by-uuid";

    /// <summary>File systems of servers: what they are mounted from says which they are.</summary>
    private static readonly HashSet<string> s_remote = new(["nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "fuse.glusterfs"], StringComparer.Ordinal);

    /// <summary>For a person too: <c>file system 6f2c…</c>, <c>nfs4 from nas:/export</c>, <c>device 8:1</c>.</summary>
    /// <param name="directory">It.</param>
    /// <param name="realPath">Where it lies, with no link on the way.</param>
    /// <param name="device">The number of its file system.</param>
    public static string Of(SafeFileHandle directory, string realPath, ulong device)
    {
        var mount = VolumePlace.MountOf(realPath, File.ReadLines(VolumePlace.MountTable));
        if (UuidOf(directory) is { } uuid)
        {
            // Subvolumes share it, and count their inodes each from the same number on.
            return mount.Type == "btrfs" ? $"file system {uuid}, subvolume {mount.Root}" : $"file system {uuid}";
        }

        return s_remote.Contains(mount.Type) ? $"{mount.Type} from {mount.Source}"
            : mount.Type != "btrfs" && ListedUuidOf(mount.Device) is { } listed ? $"file system {listed}"
            : string.Create(CultureInfo.InvariantCulture, $"device {device >> 32}:{(uint)device}");
    }

    private static string? UuidOf(SafeFileHandle directory)
    {
        using var opened = Posix.OpenDirectoryAt(directory, Posix.ToPath("."));
        return Posix.FileSystemUuid(opened) is { } uuid ? new Guid(uuid, bigEndian: true).ToString() : null;
    }

    /// <summary>As udev lists it, where the kernel does not say it itself (before 6.9).</summary>
    /// <param name="device">As the mount table writes it: <c>8:1</c>.</param>
    private static string? ListedUuidOf(string device)
    {
        try
        {
            return Directory.Exists(ByUuid)
                ? Directory.EnumerateFileSystemEntries(ByUuid).Where(link => NumberOf(link) == device).Select(Path.GetFileName).Order(StringComparer.Ordinal).FirstOrDefault()
                : null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // A disk that goes while it is listed.
            return null;
        }
    }

    private static string? NumberOf(string link) =>
        File.ResolveLinkTarget(link, returnFinalTarget: true) is { Name: var name } && $"/sys/class/block/{name}/dev" is var file && File.Exists(file) ? File.ReadAllText(file).Trim() : null;
}
