using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>
/// The console's data folder: its lock, its secrets (each a file of mode 0600), and where its private servers live.
/// </summary>
public sealed class DataFolder
{
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
    /// <exception cref="EngineException">It cannot be created or written.</exception>
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
            throw new EngineException("data-folder", ErrorKind.Denied, $"the data folder {folder.Root} cannot be written: {fault.Message}",
                "Give a folder that this user may write, with --data DIR or DrConsole:DataDirectory.", fault);
        }

        return folder;
    }

    /// <summary>Takes the folder for this process until the result is disposed; the kernel gives it back when the process dies.</summary>
    /// <returns>Null where another process has it.</returns>
    public IDisposable? TryLock()
    {
        try
        {
            var file = new FileStream(Path.Combine(Root, "console.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            File.WriteAllText(HolderFile, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
            return file;
        }
        catch (IOException) when (File.Exists(Path.Combine(Root, "console.lock")))
        {
            return null;
        }
    }

    /// <summary>Takes the folder, or says who has it.</summary>
    /// <exception cref="EngineException">Code <c>data-folder-in-use</c>.</exception>
    public IDisposable Lock() => TryLock() ?? throw new EngineException("data-folder-in-use", ErrorKind.Conflict,
        $"another console{(File.Exists(HolderFile) ? $" (process {File.ReadAllText(HolderFile).Trim()})" : "")} uses the data folder {Root}",
        "Use that one, stop it first, or give this one a folder of its own with --data DIR.");

    /// <summary>A secret of the console's own: read, or made at random (32 bytes as hex) and stored durably at its first use.</summary>
    public string Secret(string name)
    {
        var path = Path.Combine(Keys, name);
        if (!File.Exists(path))
        {
            LocalFolder.WritePrivateFile(path, Encoding.ASCII.GetBytes(RandomNumberGenerator.GetHexString(64, lowercase: true) + "\n"));
        }

        return File.ReadAllText(path).Trim();
    }

    private string HolderFile => Path.Combine(Root, "console.pid");
}
