using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>A system call that failed at a path.</summary>
internal sealed class PosixException(int errno, string path)
    : IOException($"{path}: {Marshal.GetPInvokeErrorMessage(errno).ToLowerInvariant()}", errno)
{
    public const int NoEntry = 2;
    public const int NotSupported = 95;
    public const int NoData = 61;
    public const int NotPermitted = 1;
    public const int AccessDenied = 13;
    public const int Exists = 17;
    public const int NoSpace = 28;
    public const int QuotaExceeded = 122;

    public const int NotDirectory = 20;
    public const int CrossDevice = 18;
    public const int Loop = 40;
    public const int NoDataBehind = 6;
    public const int NameTooLong = 36;

    public int Errno { get; } = errno;

    /// <summary>What went wrong, without the path.</summary>
    public string Reason => Marshal.GetPInvokeErrorMessage(Errno).ToLowerInvariant();
}

/// <summary>
/// The file system in bytes. .NET's own calls decode names as UTF-8 and lose what is not, and know neither extended
/// attributes, owners, device nodes nor holes. Paths are null-terminated byte arrays. Linux only.
/// </summary>
internal static unsafe partial class Posix
{
    private const string Library = "libc";
    private const int CurrentDirectory = -100;
    private const int NoFollowFlag = 0x100;
    private const int EmptyPathFlag = 0x1000;
    private const int SeekData = 3;
    private const int SeekHole = 4;
    private const int CloseOnExec = 0x80000;
    private const int NonBlock = 0x800;
    private const int WriteOnly = 1;
    private const int CreateExclusive = 0x40 | 0x80;

    private static readonly int NoFollow = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x8000 : 0x20000;

    /// <summary>The path as a person reads it; bytes that are no UTF-8 show as replacement characters.</summary>
    public static string Show(ReadOnlySpan<byte> path)
    {
        var text = Encoding.UTF8.GetString(path.TrimEnd((byte)0));
        return text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? $"\\x{(int)c:x2}" : c.ToString())) : text;
    }

    /// <summary>A string as a null-terminated path.</summary>
    public static byte[] ToPath(string path) => [.. Encoding.UTF8.GetBytes(path), 0];

    /// <summary>Directory and name joined, null-terminated.</summary>
    public static byte[] Join(ReadOnlySpan<byte> directory, ReadOnlySpan<byte> name)
    {
        directory = directory.TrimEnd((byte)0);
        name = name.TrimEnd((byte)0);
        if (name.IsEmpty)
        {
            return [.. directory, 0];
        }

        return directory.EndsWith("/"u8) ? [.. directory, .. name, 0] : [.. directory, (byte)'/', .. name, 0];
    }

    public static FileStat Stat(byte[] path, bool follow = false)
    {
        var buffer = stackalloc byte[256];
        Check(StatX(CurrentDirectory, path, follow ? 0 : NoFollowFlag, FileStat.Mask, buffer), path);
        return FileStat.From(new ReadOnlySpan<byte>(buffer, 256));
    }

    /// <summary>What an open file is now; the path is for messages.</summary>
    public static FileStat Stat(SafeFileHandle file, byte[] path)
    {
        var buffer = stackalloc byte[256];
        Check(StatX((int)file.DangerousGetHandle(), [0], EmptyPathFlag, FileStat.Mask, buffer), path);
        GC.KeepAlive(file);
        return FileStat.From(new ReadOnlySpan<byte>(buffer, 256));
    }

    /// <summary>Reads once at an offset, without the runtime's own questions about the file; 0 at its end.</summary>
    public static int Read(SafeFileHandle file, Span<byte> buffer, long offset, byte[] path)
    {
        fixed (byte* bytes = buffer)
        {
            var read = ReadAt(file, bytes, buffer.Length, offset);
            return read < 0 ? throw new PosixException(Marshal.GetLastPInvokeError(), Show(path)) : (int)read;
        }
    }

    /// <summary>Names in a directory, unordered, without . and ..</summary>
    public static List<byte[]> List(byte[] path)
    {
        var directory = OpenDirectory(path);
        return directory == 0 ? throw new PosixException(Marshal.GetLastPInvokeError(), Show(path)) : ReadNames(directory, path);
    }

    /// <summary>The same of an open directory, whatever its path leads to by now; the path is for messages.</summary>
    public static List<byte[]> List(SafeFileHandle directory, byte[] path)
    {
        // Opened anew: the end of the listing closes what it was read through.
        using var again = OpenDirectoryAt(directory, [(byte)'.', 0]);
        var listing = OpenDirectoryOf((int)again.DangerousGetHandle());
        if (listing == 0)
        {
            throw new PosixException(Marshal.GetLastPInvokeError(), Show(path));
        }

        again.SetHandleAsInvalid();
        return ReadNames(listing, path);
    }

    private static List<byte[]> ReadNames(nint directory, byte[] path)
    {
        try
        {
            var names = new List<byte[]>();
            while (ReadDirectory(directory) is var entry && entry != 0)
            {
                // struct dirent of 64-bit Linux: inode 8, offset 8, record length 2, type 1, then the name.
                var name = MemoryMarshal.CreateReadOnlySpanFromNullTerminated((byte*)entry + 19);
                if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
                {
                    names.Add(name.ToArray());
                }
            }

            return Marshal.GetLastPInvokeError() is var errno and not 0 ? throw new PosixException(errno, Show(path)) : names;
        }
        finally
        {
            _ = CloseDirectory(directory);
        }
    }

    public static byte[] ReadLink(byte[] path)
    {
        var buffer = new byte[4096];
        var length = ReadLinkAt(path, buffer, buffer.Length);
        return length < 0 ? throw new PosixException(Marshal.GetLastPInvokeError(), Show(path)) : buffer[..(int)length];
    }

    /// <summary>Extended attributes, access lists among them; none where the file system has none. Links are not followed.</summary>
    public static IReadOnlyList<ExtendedAttribute> Attributes(byte[] path) => Attributes(null, path);

    /// <summary>Those of an open file; the path is for messages.</summary>
    public static IReadOnlyList<ExtendedAttribute> Attributes(SafeFileHandle? file, byte[] path)
    {
        var length = ListAttributes(file, path, null);
        if (length <= 0)
        {
            return length == 0 || Marshal.GetLastPInvokeError() is PosixException.NotSupported
                ? [] : throw new PosixException(Marshal.GetLastPInvokeError(), Show(path));
        }

        var names = new byte[length];
        length = ListAttributes(file, path, names);
        var found = new List<ExtendedAttribute>();
        for (var rest = names.AsSpan(0, (int)Math.Max(0, length)); rest.Length > 0;)
        {
            var end = rest.IndexOf((byte)0);
            var name = rest[..(end + 1)].ToArray();
            rest = rest[(end + 1)..];
            var size = GetAttribute(file, path, name, null);
            var value = new byte[Math.Max(0, size)];
            size = size > 0 ? GetAttribute(file, path, name, value) : size;
            if (size >= 0)
            {
                found.Add(new ExtendedAttribute(name[..^1], value[..(int)size]));
            }
            else if (Marshal.GetLastPInvokeError() is var errno and not (PosixException.NoData or PosixException.NotSupported))
            {
                throw new PosixException(errno, Show(path));
            }
        }

        found.Sort((left, right) => left.Name.AsSpan().SequenceCompareTo(right.Name));
        return found;
    }

    /// <summary>Opens a regular file for reading; refuses a symbolic link that took its place.</summary>
    public static SafeFileHandle OpenRead(byte[] path) => Open(path, CloseOnExec | NoFollow | NonBlock, 0);

    /// <summary>Makes a new file, readable by its owner only until its mode is set.</summary>
    public static SafeFileHandle CreateNew(byte[] path) => Open(path, WriteOnly | CreateExclusive | CloseOnExec | NoFollow, 0x180);

    /// <summary>The parts of a file that hold data; what lies between them is holes. The path is for messages.</summary>
    public static List<Extent> DataExtents(SafeFileHandle file, long size, byte[] path)
    {
        var extents = new List<Extent>();
        var at = 0L;
        while (at < size)
        {
            var start = Seek(file, at, SeekData);
            if (start < 0 && Marshal.GetLastPInvokeError() is var errno)
            {
                // Any other answer says nothing of what is there, and a hole in its place would be zeros that nobody wrote.
                return errno == PosixException.NoDataBehind ? extents : throw new PosixException(errno, Show(path));
            }

            var end = Seek(file, start, SeekHole);
            end = end < 0 ? size : Math.Min(end, size);
            extents.Add(new Extent(start, end - start));
            at = end;
        }

        return extents;
    }

    public static void MakeDirectory(byte[] path) => Check(MkDir(path, 0x1C0), path);

    public static void MakeSymbolicLink(byte[] target, byte[] path) => Check(SymLink(target, path), path);

    public static void MakeHardLink(byte[] existing, byte[] path) => Check(Link(existing, path), path);

    /// <summary>Makes a fifo, socket or device node.</summary>
    public static void MakeNode(byte[] path, uint modeWithType, uint major, uint minor) =>
        Check(MkNod(path, modeWithType, DeviceNumber(major, minor)), path);

    public static void SetOwner(byte[] path, uint user, uint group) => Check(LChOwn(path, user, group), path);

    public static void SetMode(byte[] path, uint mode) => Check(ChMod(path, mode), path);

    public static void SetAttribute(byte[] path, ExtendedAttribute attribute) =>
        Check(LSetAttribute(path, [.. attribute.Name, 0], attribute.Value, attribute.Value.Length, 0), path);

    /// <summary>Sets the time of the last change of content, and the access time to the same.</summary>
    public static void SetTime(byte[] path, FileTime time)
    {
        var times = stackalloc long[4] { time.Seconds, time.Nanoseconds, time.Seconds, time.Nanoseconds };
        Check(UtimensAt(CurrentDirectory, path, times, NoFollowFlag), path);
    }

    public static uint EffectiveUser => GetEUid();

    public static uint EffectiveGroup => GetEGid();

    private static SafeFileHandle Open(byte[] path, int flags, uint mode)
    {
        var descriptor = OpenFile(path, flags, mode);
        return descriptor < 0 ? throw new PosixException(Marshal.GetLastPInvokeError(), Show(path)) : new SafeFileHandle(descriptor, ownsHandle: true);
    }

    private static nint ListAttributes(SafeFileHandle? file, byte[] path, byte[]? list) =>
        file is null ? LListAttributes(path, list, list?.Length ?? 0) : FListAttributes(file, list, list?.Length ?? 0);

    private static nint GetAttribute(SafeFileHandle? file, byte[] path, byte[] name, byte[]? value) =>
        file is null ? LGetAttribute(path, name, value, value?.Length ?? 0) : FGetAttribute(file, name, value, value?.Length ?? 0);

    private static void Check(int result, byte[] path)
    {
        if (result != 0)
        {
            throw new PosixException(Marshal.GetLastPInvokeError(), Show(path));
        }
    }
}
