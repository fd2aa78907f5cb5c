using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>What a process does with the data folder that it has taken.</summary>
public enum FolderUse
{
    /// <summary>It executes everybody's runs until it is stopped.</summary>
    Console,

    /// <summary>It does one thing and gives the folder back; nobody else's run is executed by it.</summary>
    Command,
}

/// <summary>The process that has a data folder.</summary>
public sealed record FolderHolder(int Pid, FolderUse Use);

/// <summary>
/// The console's data folder: its lock, its secrets (each a file of mode 0600), and where its private servers live.
/// </summary>
public sealed class DataFolder
{
    // ENOSPC and EDQUOT as .NET shows them on Linux.
    private const int NoSpace = 28;
    private const int QuotaExceeded = 122;

    private DataFolder(string path) => Root = path;

    /// <summary>Absolute path.</summary>
    public string Root { get; }

    /// <summary>Secrets that the console made itself. Mode 0700.</summary>
    public string Keys => Path.Combine(Root, "keys");

    /// <summary>Records of the processes that the console started.</summary>
    public string Processes => Path.Combine(Root, "processes");

    /// <summary>Keys that seal cookies.</summary>
    public string CookieKeys => Path.Combine(Root, "keys", "cookies");

    /// <summary>Log files of the private servers.</summary>
    public string Logs => Path.Combine(Root, "logs");

    /// <summary>Folders of scratch servers; empty unless one runs.</summary>
    public string Scratch => Path.Combine(Root, "scratch");

    /// <summary>Creates what is missing and gives the folder; nothing of it is locked yet.</summary>
    /// <exception cref="EngineException"><c>data-folder</c>: it cannot be created or written; <c>data-folder-full</c>.</exception>
    public static DataFolder Open(string path)
    {
        var folder = new DataFolder(Path.GetFullPath(path));
        try
        {
            LocalFolder.CreatePassageFor(folder.Root, ServerUser.ForPostgres());
            LocalFolder.CreatePrivate(folder.Keys);
            LocalFolder.CreatePrivate(folder.CookieKeys);
            LocalFolder.CreatePrivate(folder.Processes);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw folder.Unwritable(fault);
        }

        return folder;
    }

    /// <summary>Takes the folder for this process until the result is disposed; the kernel gives it back when the process dies.</summary>
    /// <returns>Null where another process has it.</returns>
    /// <exception cref="EngineException">It cannot be written.</exception>
    public IDisposable? TryLock(FolderUse use)
    {
        FileStream file;
        try
        {
            file = new FileStream(LockFile, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException fault) when (fault.HResult is not (NoSpace or QuotaExceeded) && File.Exists(LockFile))
        {
            return null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(fault);
        }

        try
        {
            var me = ProcessIdentity.Current;
            File.WriteAllText(HolderFile, string.Create(CultureInfo.InvariantCulture, $"{me.Pid} {me.StartTicks} {use}\n"));
            return new FolderLock(file, HolderFile);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            file.Dispose();
            throw Unwritable(fault);
        }
    }

    /// <summary>Who has the folder; null where nobody has, or where that process is only just taking it.</summary>
    public FolderHolder? Holder()
    {
        try
        {
            return File.ReadAllText(HolderFile).Trim().Split(' ') is [var pid, var ticks, var use]
                && int.TryParse(pid, CultureInfo.InvariantCulture, out var number)
                && long.TryParse(ticks, CultureInfo.InvariantCulture, out var start)
                && Enum.TryParse<FolderUse>(use, out var what)
                && ProcessIdentity.Read(number) is { } living && living.StartTicks == start
                ? new FolderHolder(number, what)
                : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>What to say where another console has the folder.</summary>
    public EngineException InUse() => new("data-folder-in-use", ErrorKind.Conflict,
        $"another console{(Holder() is { } holder ? $" (process {holder.Pid})" : "")} uses the data folder {Root}",
        "Use that one, stop it first, or give this one a folder of its own with --data DIR.");

    /// <summary>What to say where something cannot be written into the folder.</summary>
    internal EngineException Unwritable(Exception fault) => fault is IOException { HResult: NoSpace or QuotaExceeded }
        ? new EngineException("data-folder-full", ErrorKind.OutOfSpace, $"no space is left for the data folder {Root}",
            "Free space there and start again; nothing was lost.", fault)
        : new EngineException("data-folder", ErrorKind.Denied, $"the data folder {Root} cannot be written: {fault.Message}",
            "Give a folder that this user may write, with --data DIR or DrConsole:DataDirectory.", fault);

    /// <summary>A secret of the console's own: read, or made at random (32 bytes as hex) and stored durably at its first use.</summary>
    public string Secret(string name)
    {
        var path = Path.Combine(Keys, name);
        try
        {
            if (!File.Exists(path))
            {
                LocalFolder.WritePrivateFile(path, Encoding.ASCII.GetBytes(RandomNumberGenerator.GetHexString(64, lowercase: true) + "\n"));
            }

            return File.ReadAllText(path).Trim();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(fault);
        }
    }

    private string LockFile => Path.Combine(Root, "console.lock");

    private string HolderFile => Path.Combine(Root, "console.pid");

    private sealed class FolderLock(FileStream file, string holderFile) : IDisposable
    {
        public void Dispose()
        {
            // The name goes first: afterwards it may be the next holder's.
            File.Delete(holderFile);
            file.Dispose();
        }
    }
}
