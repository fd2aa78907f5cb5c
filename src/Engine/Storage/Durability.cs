using System.Runtime.InteropServices;

namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>Makes names durable. .NET can fsync a file but not a directory, and a rename is lost in a crash without that.</summary>
internal static partial class Durability
{
    private const int ReadOnlyDirectory = 0x80000; // O_RDONLY | O_CLOEXEC
    private const int OperationNotSupported = 95;
    private const int InvalidArgument = 22;

    public static void SyncDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        var descriptor = Open(path, ReadOnlyDirectory);
        if (descriptor < 0)
        {
            throw StoreFaults.FromErrno(Marshal.GetLastPInvokeError(), path);
        }

        try
        {
            // Some network file systems refuse to sync a directory; their server decides then.
            if (Sync(descriptor) != 0 && Marshal.GetLastPInvokeError() is var errno and not (OperationNotSupported or InvalidArgument))
            {
                throw StoreFaults.FromErrno(errno, path);
            }
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Sync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}
