using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>
/// Tells one object that a disk does not give from a disk that gives nothing: both are EIO. So is a server that went away, on most mounts of
/// a network's file systems and of programs (NFS with soft, sshfs, s3fs, rclone); there nothing can be told apart, and nothing is damage.
/// </summary>
internal static partial class LocalDisk
{
    private const int DontNeed = 4; // POSIX_FADV_DONTNEED
    private const int ProofBytes = 4096;

    /// <summary>Types of file systems that another machine, or a program, stands behind; those of programs also as <c>fuse.NAME</c>.</summary>
    private static readonly HashSet<string> s_remote = new(StringComparer.Ordinal)
    {
        "nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "fuse", "9p", "virtiofs", "ceph", "glusterfs", "lustre", "afs", "gfs2", "ocfs2", "beegfs", "davfs", "vboxsf", "prl_fs", "vmhgfs",
    };

    /// <summary>True where the file that was not given lies on a disk of this machine that gives other files now.</summary>
    /// <param name="path">The file that could not be read.</param>
    /// <param name="known">One that could be; where it is the same, or null, another in its folder is tried.</param>
    public static bool GivesOthers(string path, string? known)
    {
        try
        {
            return !IsRemote(path) && (known is not null && known != path ? known : AnotherBeside(path)) is { } other && Gives(other);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // Whatever is wrong with the other one, or with the folder: it proves nothing.
            return false;
        }
    }

    /// <summary>True of a type of file systems behind which is no disk of this machine.</summary>
    public static bool IsRemoteType(string type) => s_remote.Contains(type) || type.StartsWith("fuse.", StringComparison.Ordinal);

    private static bool IsRemote(string path) => IsRemoteType(new DriveInfo(Path.GetDirectoryName(path)!).DriveFormat);

    private static string? AnotherBeside(string path) => Directory.EnumerateFiles(Path.GetDirectoryName(path)!).FirstOrDefault(file => file != path);

    private static bool Gives(string path)
    {
        using var handle = File.OpenHandle(path);
        if (OperatingSystem.IsLinux())
        {
            // What lies in memory says nothing of the disk.
            _ = Advise(handle, 0, 0, DontNeed);
        }

        return RandomAccess.Read(handle, new byte[ProofBytes], 0) >= 0;
    }

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Advise(SafeFileHandle file, long offset, long length, int advice);
}
