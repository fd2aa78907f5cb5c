using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>
/// Calls relative to an open directory. A restore into a directory where others write, and a backup of one, must not be led elsewhere
/// by a symbolic link that appears on its way, and short names are also faster than long paths.
/// </summary>
internal static unsafe partial class Posix
{
    private const int DirectoryFlag = 0x10000;
    private const int PathOnly = 0x200000;
    private const int RemoveDirectoryFlag = 0x200;
    private const nint OpenAt2Number = 437;
    private const ulong Beneath = 0x08;
    private const ulong NoSymbolicLinks = 0x04;

    /// <summary>FS_IOC_GETFSUUID, since Linux 6.9: a byte with the length, then up to 16 bytes.</summary>
    private const nuint GetFileSystemUuid = 0x8011_1500;
    private const int UuidLength = 16;

    private static int DirectoryOnly => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x4000 : DirectoryFlag;

    /// <summary>Opens a directory by its path, links followed.</summary>
    public static SafeFileHandle OpenDirectoryHandle(byte[] path) => Open(path, CloseOnExec | DirectoryOnly, 0);

    /// <summary>Opens a directory below another; refuses a way that leaves it or goes over a symbolic link.</summary>
    public static SafeFileHandle OpenDirectoryBelow(SafeFileHandle root, byte[] path)
    {
        var how = stackalloc ulong[3] { (ulong)(uint)(CloseOnExec | DirectoryOnly | PathOnly), 0, Beneath | NoSymbolicLinks };
        var descriptor = OpenAt2(OpenAt2Number, root, path, how, 3 * sizeof(ulong));
        return descriptor < 0 ? throw new PosixException(Marshal.GetLastPInvokeError(), Show(path)) : new SafeFileHandle((nint)descriptor, ownsHandle: true);
    }

    /// <summary>The UUID of the file system that a directory lies on, 16 bytes as they are written; null where the kernel or the file system has none to tell.</summary>
    public static byte[]? FileSystemUuid(SafeFileHandle directory)
    {
        var buffer = stackalloc byte[1 + UuidLength];
        return Control(directory, GetFileSystemUuid, buffer) == 0 && buffer[0] == UuidLength ? new Span<byte>(buffer + 1, UuidLength).ToArray() : null;
    }

    /// <summary>Opens a directory in a directory to list it; refuses a symbolic link.</summary>
    public static SafeFileHandle OpenDirectoryAt(SafeFileHandle directory, byte[] name)
    {
        var descriptor = OpenAt(directory, name, CloseOnExec | DirectoryOnly | NoFollow, 0);
        return descriptor < 0 ? throw new PosixException(Marshal.GetLastPInvokeError(), Show(name)) : new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>Makes a new file in a directory.</summary>
    public static SafeFileHandle CreateNewAt(SafeFileHandle directory, byte[] name, uint mode)
    {
        var descriptor = OpenAt(directory, name, WriteOnly | CreateExclusive | CloseOnExec | NoFollow, mode);
        return descriptor < 0 ? throw new PosixException(Marshal.GetLastPInvokeError(), Show(name)) : new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>Opens a regular file in a directory for reading; refuses a symbolic link.</summary>
    public static SafeFileHandle OpenReadAt(SafeFileHandle directory, byte[] name)
    {
        var descriptor = OpenAt(directory, name, CloseOnExec | NoFollow | NonBlock, 0);
        return descriptor < 0 ? throw new PosixException(Marshal.GetLastPInvokeError(), Show(name)) : new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>What an item of a directory is, or null where there is none. Links are not followed.</summary>
    public static FileStat? TryStatAt(SafeFileHandle directory, byte[] name)
    {
        var buffer = stackalloc byte[256];
        if (StatXAt(directory, name, NoFollowFlag, FileStat.Mask, buffer) == 0)
        {
            return FileStat.From(new ReadOnlySpan<byte>(buffer, 256));
        }

        return Marshal.GetLastPInvokeError() is var errno and not PosixException.NoEntry ? throw new PosixException(errno, Show(name)) : null;
    }

    public static byte[] ReadLinkAt(SafeFileHandle directory, byte[] name)
    {
        var buffer = new byte[4096];
        var length = ReadLinkAtDirectory(directory, name, buffer, buffer.Length);
        return length < 0 ? throw new PosixException(Marshal.GetLastPInvokeError(), Show(name)) : buffer[..(int)length];
    }

    /// <summary>Writes all bytes at an offset.</summary>
    public static void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset, byte[] name)
    {
        fixed (byte* start = bytes)
        {
            for (var written = 0; written < bytes.Length;)
            {
                var count = WriteAt(file, start + written, bytes.Length - written, offset + written);
                written += count < 0 ? throw new PosixException(Marshal.GetLastPInvokeError(), Show(name)) : (int)count;
            }
        }
    }

    public static void MakeDirectoryAt(SafeFileHandle directory, byte[] name) => Check(MkDirAt(directory, name, 0x1C0), name);

    public static void MakeSymbolicLinkAt(byte[] target, SafeFileHandle directory, byte[] name) => Check(SymLinkAt(target, directory, name), name);

    public static void MakeHardLinkAt(SafeFileHandle fromDirectory, byte[] from, SafeFileHandle toDirectory, byte[] to) =>
        Check(LinkAt(fromDirectory, from, toDirectory, to, 0), to);

    public static void MakeNodeAt(SafeFileHandle directory, byte[] name, uint modeWithType, ulong nodeDevice) =>
        Check(MkNodAt(directory, name, modeWithType, DeviceNumber((uint)(nodeDevice >> 32), (uint)nodeDevice)), name);

    public static void RemoveAt(SafeFileHandle directory, byte[] name, bool isDirectory) =>
        Check(UnlinkAt(directory, name, isDirectory ? RemoveDirectoryFlag : 0), name);

    public static void MoveAt(SafeFileHandle fromDirectory, byte[] from, SafeFileHandle toDirectory, byte[] to) =>
        Check(RenameAt(fromDirectory, from, toDirectory, to), to);

    /// <summary>An open file's, or an item's, path that leads to it whatever its directory is called by now.</summary>
    public static byte[] LiveName(SafeFileHandle handle, ReadOnlySpan<byte> name = default)
    {
        var self = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{(int)handle.DangerousGetHandle()}"));
        return name.IsEmpty ? [.. self, 0] : [.. self, (byte)'/', .. name];
    }

    /// <summary>Opens an item of any kind, a symbolic link itself, to work on its metadata by <see cref="LiveName"/>.</summary>
    public static SafeFileHandle OpenItemAt(SafeFileHandle directory, byte[] name)
    {
        var descriptor = OpenAt(directory, name, CloseOnExec | NoFollow | PathOnly, 0);
        return descriptor < 0 ? throw new PosixException(Marshal.GetLastPInvokeError(), Show(name)) : new SafeFileHandle(descriptor, ownsHandle: true);
    }

    public static void SetOwner(SafeFileHandle file, uint user, uint group, byte[] name) => Check(FChOwn(file, user, group), name);

    public static void SetMode(SafeFileHandle file, uint mode, byte[] name) => Check(FChMod(file, mode), name);

    public static void SetAttribute(SafeFileHandle file, ExtendedAttribute attribute, byte[] name) =>
        Check(FSetAttribute(file, [.. attribute.Name, 0], attribute.Value, attribute.Value.Length, 0), name);

    public static void SetTime(SafeFileHandle file, FileTime time, byte[] name)
    {
        var times = stackalloc long[4] { time.Seconds, time.Nanoseconds, time.Seconds, time.Nanoseconds };
        Check(FUtimens(file, times), name);
    }

    public static void SetOwnerOf(byte[] liveName, uint user, uint group) => Check(ChOwnFollowing(liveName, user, group), liveName);

    public static void SetAttributeOf(byte[] liveName, ExtendedAttribute attribute) =>
        Check(SetAttributeFollowing(liveName, [.. attribute.Name, 0], attribute.Value, attribute.Value.Length, 0), liveName);

    public static void RemoveAttributeOf(byte[] liveName, byte[] attribute) => Check(RemoveAttributeFollowing(liveName, [.. attribute, 0]), liveName);

    public static void SetTimeOf(byte[] liveName, FileTime time)
    {
        var times = stackalloc long[4] { time.Seconds, time.Nanoseconds, time.Seconds, time.Nanoseconds };
        Check(UtimensAt(CurrentDirectory, liveName, times, 0), liveName);
    }

    /// <summary>Waits until everything written to the file system is on its disk.</summary>
    public static void Sync(SafeFileHandle anyFile, byte[] path) => Check(SyncFs(anyFile), path);

    /// <summary>The same for the file system of a directory.</summary>
    public static void Sync(string directory)
    {
        using var handle = OpenDirectoryHandle(ToPath(directory));
        Sync(handle, ToPath(directory));
    }

    private static ulong DeviceNumber(uint major, uint minor) =>
        (minor & 0xFFul) | ((major & 0xFFFul) << 8) | ((minor & ~0xFFul) << 12) | ((major & ~0xFFFul) << 32);
}
