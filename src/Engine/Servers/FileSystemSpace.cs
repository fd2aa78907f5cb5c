using System.Runtime.InteropServices;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>What is left on a file system for this user.</summary>
/// <param name="FreeBytes">Bytes that can still be written.</param>
/// <param name="TotalBytes">Its size.</param>
/// <param name="FreeInodes">Files that can still be made; null where the file system does not count them.</param>
/// <param name="TotalInodes">All that it has; 0 where it does not count them.</param>
public sealed partial record FileSystemSpace(long FreeBytes, long TotalBytes, long? FreeInodes, long TotalInodes)
{
    private const int Words = 32;

    /// <summary>Asks the file system of a path, which exists or of which a parent does.</summary>
    /// <exception cref="IOException">It does not answer.</exception>
    public static FileSystemSpace Of(string path)
    {
        var existing = Path.GetFullPath(path);
        while (!Path.Exists(existing) && Path.GetDirectoryName(existing) is { } parent)
        {
            existing = parent;
        }

        // struct statvfs on 64-bit Linux: block size, fragment size, blocks, free, available, inodes, free, available, …
        var statistics = new ulong[Words];
        if (StatVfs(existing, statistics) != 0)
        {
            throw new IOException($"{existing}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        }

        var unit = (long)statistics[1];
        return new FileSystemSpace((long)statistics[4] * unit, (long)statistics[2] * unit, statistics[5] == 0 ? null : (long)statistics[7], (long)statistics[5]);
    }

    [LibraryImport("libc", EntryPoint = "statvfs", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatVfs(string path, [Out] ulong[] statistics);
}
