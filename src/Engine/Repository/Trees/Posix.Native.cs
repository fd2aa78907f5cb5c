using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>The system calls themselves.</summary>
internal static unsafe partial class Posix
{
    [LibraryImport(Library, EntryPoint = "statx", SetLastError = true)]
    private static partial int StatX(int directory, byte[] path, int flags, uint mask, byte* buffer);

    [LibraryImport(Library, EntryPoint = "opendir", SetLastError = true)]
    private static partial nint OpenDirectory(byte[] path);

    [LibraryImport(Library, EntryPoint = "fdopendir", SetLastError = true)]
    private static partial nint OpenDirectoryOf(int descriptor);

    [LibraryImport(Library, EntryPoint = "readdir", SetLastError = true)]
    private static partial nint ReadDirectory(nint directory);

    [LibraryImport(Library, EntryPoint = "closedir")]
    private static partial int CloseDirectory(nint directory);

    [LibraryImport(Library, EntryPoint = "readlink", SetLastError = true)]
    private static partial nint ReadLinkAt(byte[] path, byte[] buffer, nint size);

    [LibraryImport(Library, EntryPoint = "llistxattr", SetLastError = true)]
    private static partial nint LListAttributes(byte[] path, byte[]? list, nint size);

    [LibraryImport(Library, EntryPoint = "lgetxattr", SetLastError = true)]
    private static partial nint LGetAttribute(byte[] path, byte[] name, byte[]? value, nint size);

    [LibraryImport(Library, EntryPoint = "lsetxattr", SetLastError = true)]
    private static partial int LSetAttribute(byte[] path, byte[] name, byte[] value, nint size, int flags);

    [LibraryImport(Library, EntryPoint = "open", SetLastError = true)]
    private static partial int OpenFile(byte[] path, int flags, uint mode);

    [LibraryImport(Library, EntryPoint = "lseek", SetLastError = true)]
    private static partial long Seek(SafeFileHandle file, long offset, int whence);

    [LibraryImport(Library, EntryPoint = "mkdir", SetLastError = true)]
    private static partial int MkDir(byte[] path, uint mode);

    [LibraryImport(Library, EntryPoint = "symlink", SetLastError = true)]
    private static partial int SymLink(byte[] target, byte[] path);

    [LibraryImport(Library, EntryPoint = "link", SetLastError = true)]
    private static partial int Link(byte[] existing, byte[] path);

    [LibraryImport(Library, EntryPoint = "mknod", SetLastError = true)]
    private static partial int MkNod(byte[] path, uint mode, ulong device);

    [LibraryImport(Library, EntryPoint = "lchown", SetLastError = true)]
    private static partial int LChOwn(byte[] path, uint user, uint group);

    [LibraryImport(Library, EntryPoint = "chmod", SetLastError = true)]
    private static partial int ChMod(byte[] path, uint mode);

    [LibraryImport(Library, EntryPoint = "utimensat", SetLastError = true)]
    private static partial int UtimensAt(int directory, byte[] path, long* times, int flags);

    [LibraryImport(Library, EntryPoint = "geteuid")]
    private static partial uint GetEUid();

    [LibraryImport(Library, EntryPoint = "getegid")]
    private static partial uint GetEGid();

    [LibraryImport(Library, EntryPoint = "flistxattr", SetLastError = true)]
    private static partial nint FListAttributes(SafeFileHandle file, byte[]? list, nint size);

    [LibraryImport(Library, EntryPoint = "fgetxattr", SetLastError = true)]
    private static partial nint FGetAttribute(SafeFileHandle file, byte[] name, byte[]? value, nint size);

    [LibraryImport(Library, EntryPoint = "pread", SetLastError = true)]
    private static partial nint ReadAt(SafeFileHandle file, byte* buffer, nint count, long offset);

    [LibraryImport(Library, EntryPoint = "pwrite", SetLastError = true)]
    private static partial nint WriteAt(SafeFileHandle file, byte* buffer, nint count, long offset);

    [LibraryImport(Library, EntryPoint = "openat", SetLastError = true)]
    private static partial int OpenAt(SafeFileHandle directory, byte[] name, int flags, uint mode);

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    private static partial nint OpenAt2(nint number, SafeFileHandle directory, byte[] path, ulong* how, nint size);

    [LibraryImport(Library, EntryPoint = "statx", SetLastError = true)]
    private static partial int StatXAt(SafeFileHandle directory, byte[] path, int flags, uint mask, byte* buffer);

    [LibraryImport(Library, EntryPoint = "mkdirat", SetLastError = true)]
    private static partial int MkDirAt(SafeFileHandle directory, byte[] name, uint mode);

    [LibraryImport(Library, EntryPoint = "symlinkat", SetLastError = true)]
    private static partial int SymLinkAt(byte[] target, SafeFileHandle directory, byte[] name);

    [LibraryImport(Library, EntryPoint = "linkat", SetLastError = true)]
    private static partial int LinkAt(SafeFileHandle fromDirectory, byte[] from, SafeFileHandle toDirectory, byte[] to, int flags);

    [LibraryImport(Library, EntryPoint = "mknodat", SetLastError = true)]
    private static partial int MkNodAt(SafeFileHandle directory, byte[] name, uint mode, ulong device);

    [LibraryImport(Library, EntryPoint = "unlinkat", SetLastError = true)]
    private static partial int UnlinkAt(SafeFileHandle directory, byte[] name, int flags);

    [LibraryImport(Library, EntryPoint = "renameat", SetLastError = true)]
    private static partial int RenameAt(SafeFileHandle fromDirectory, byte[] from, SafeFileHandle toDirectory, byte[] to);

    [LibraryImport(Library, EntryPoint = "readlinkat", SetLastError = true)]
    private static partial nint ReadLinkAtDirectory(SafeFileHandle directory, byte[] name, byte[] buffer, nint size);

    [LibraryImport(Library, EntryPoint = "fchown", SetLastError = true)]
    private static partial int FChOwn(SafeFileHandle file, uint user, uint group);

    [LibraryImport(Library, EntryPoint = "fchmod", SetLastError = true)]
    private static partial int FChMod(SafeFileHandle file, uint mode);

    [LibraryImport(Library, EntryPoint = "futimens", SetLastError = true)]
    private static partial int FUtimens(SafeFileHandle file, long* times);

    [LibraryImport(Library, EntryPoint = "fsetxattr", SetLastError = true)]
    private static partial int FSetAttribute(SafeFileHandle file, byte[] name, byte[] value, nint size, int flags);

    [LibraryImport(Library, EntryPoint = "setxattr", SetLastError = true)]
    private static partial int SetAttributeFollowing(byte[] path, byte[] name, byte[] value, nint size, int flags);

    [LibraryImport(Library, EntryPoint = "removexattr", SetLastError = true)]
    private static partial int RemoveAttributeFollowing(byte[] path, byte[] name);

    [LibraryImport(Library, EntryPoint = "chown", SetLastError = true)]
    private static partial int ChOwnFollowing(byte[] path, uint user, uint group);

    [LibraryImport(Library, EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(SafeFileHandle file, nuint request, byte* argument);

    [LibraryImport(Library, EntryPoint = "syncfs", SetLastError = true)]
    private static partial int SyncFs(SafeFileHandle file);
}
