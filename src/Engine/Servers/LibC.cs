using System.Runtime.InteropServices;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>The few system calls that the framework does not offer: signals to one process, owners, and folders made durable.</summary>
internal static partial class LibC
{
    private const long PidfdSendSignal = 424;
    private const long PidfdOpen = 434;
    private const int OpenDirectory = 0x10000 | 0x80000;
    private const int NoSuchProcess = 3;
    private const int NotImplemented = 38;

    private static readonly Lock s_passwordDatabase = new();

    /// <summary>
    /// Sends a signal to exactly the process that <paramref name="identity"/> names. A pidfd is opened before the start
    /// time is compared, so that a process id given out again in between cannot be hit. False where it is gone.
    /// </summary>
    internal static bool Signal(ProcessIdentity identity, UnixSignal signal)
    {
        var descriptor = (int)SystemCall(PidfdOpen, identity.Pid, 0, 0, 0);
        if (descriptor < 0)
        {
            var error = Marshal.GetLastPInvokeError();
            return error == NotImplemented
                ? identity.IsAlive() && Kill(identity.Pid, (int)signal) == 0
                : error == NoSuchProcess ? false : throw SignalRefused(identity, error);
        }

        try
        {
            if (!identity.IsAlive())
            {
                return false;
            }

            if (SystemCall(PidfdSendSignal, descriptor, (int)signal, 0, 0) == 0)
            {
                return true;
            }

            var error = Marshal.GetLastPInvokeError();
            return error == NoSuchProcess ? false : throw SignalRefused(identity, error);
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    /// <summary>Sends a signal to what is left of a process group; nothing left is no error.</summary>
    internal static void SignalGroup(int group, UnixSignal signal) => _ = Kill(-group, (int)signal);

    /// <summary>Gives a file or folder to a user. Symbolic links are not followed.</summary>
    internal static void ChangeOwner(string path, uint user, uint group)
    {
        if (LinkChangeOwner(path, user, group) != 0)
        {
            throw new EngineException(
                "folder-owner", ErrorKind.Denied, $"{path}: cannot be given to user id {user}: {Marshal.GetLastPInvokeErrorMessage()}",
                "run the console as root, or let one user own everything");
        }
    }

    /// <summary>Gives a file a second name on the same file system.</summary>
    internal static void HardLink(string existing, string name)
    {
        if (Link(existing, name) != 0)
        {
            throw new IOException($"{name}: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    /// <summary>Makes the names in a folder durable: after it a rename or a new file survives a power failure.</summary>
    internal static void FlushFolder(string path)
    {
        var descriptor = Open(path, OpenDirectory);
        if (descriptor < 0)
        {
            throw new IOException($"{path}: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        try
        {
            if (FileSync(descriptor) != 0)
            {
                throw new IOException($"{path}: {Marshal.GetLastPInvokeErrorMessage()}");
            }
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    /// <summary>The password database's entry of a user, or null where it has none.</summary>
    internal static unsafe ServerUser? FindUser(string name)
    {
        // The answer lives in a buffer that the next call overwrites.
        lock (s_passwordDatabase)
        {
            return ToUser((PasswordEntry*)GetUserByName(name));
        }
    }

    /// <summary>The entry of the user this process runs as, or null where it has none.</summary>
    internal static unsafe ServerUser? FindCurrentUser()
    {
        lock (s_passwordDatabase)
        {
            return ToUser((PasswordEntry*)GetUserById(EffectiveUser()));
        }
    }

    [LibraryImport("libc", EntryPoint = "geteuid")]
    internal static partial uint EffectiveUser();

    [LibraryImport("libc", EntryPoint = "getegid")]
    internal static partial uint EffectiveGroup();

    private static unsafe ServerUser? ToUser(PasswordEntry* entry) => entry is null
        ? null
        : new ServerUser(
            Marshal.PtrToStringUTF8(entry->Name) ?? "", entry->UserId, entry->GroupId, Marshal.PtrToStringUTF8(entry->Folder) ?? "/");

    private static EngineException SignalRefused(ProcessIdentity identity, int error) => new(
        "signal-refused", ErrorKind.Denied, $"process {identity.Pid} cannot be signalled: {Marshal.GetPInvokeErrorMessage(error)}",
        "it belongs to another user: end it by hand, or run the console as the user that started it");

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long SystemCall(long number, nint first, nint second, nint third, nint fourth);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int processId, int signal);

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int LinkChangeOwner(string path, uint user, uint group);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string existing, string name);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FileSync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "getpwnam", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint GetUserByName(string name);

    [LibraryImport("libc", EntryPoint = "getpwuid")]
    private static partial nint GetUserById(uint user);

    [StructLayout(LayoutKind.Sequential)]
    private struct PasswordEntry
    {
        public nint Name;
        public nint Password;
        public uint UserId;
        public uint GroupId;
        public nint Comment;
        public nint Folder;
        public nint Shell;
    }
}

/// <summary>The signals that end server processes and tools.</summary>
internal enum UnixSignal
{
    /// <summary>SIGINT; for a postmaster the fast shutdown: open transactions are rolled back.</summary>
    Interrupt = 2,

    /// <summary>SIGQUIT; for a postmaster the immediate shutdown: recovery at the next start.</summary>
    Quit = 3,

    /// <summary>SIGKILL.</summary>
    Kill = 9,

    /// <summary>SIGTERM.</summary>
    Terminate = 15,
}
