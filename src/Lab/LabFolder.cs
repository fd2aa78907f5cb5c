using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Lab;

/// <summary>The folder of one lab: its servers' data, its keys, the tiers of its repositories, and the file it writes for the console.</summary>
public sealed class LabFolder
{
    private const string MarkerName = "lab-folder";
    private static readonly string[] s_parts = ["mail", "postgres", "redis", "ssh", "s3", "kubernetes", "keys", "tiers", "uploads", "process-records"];

    /// <summary>Names a folder; touches nothing.</summary>
    public LabFolder(string path)
    {
        Path = System.IO.Path.GetFullPath(path);
        Registry = new ProcessRegistry(Combine("process-records"));
    }

    /// <summary>Where a lab lives when nothing else is said.</summary>
    public static string DefaultPath => System.IO.Path.Combine(LocalFolder.DefaultStateRoot(), "lab");

    /// <summary>The folder itself.</summary>
    public string Path { get; }

    /// <summary>Knows the lab's processes.</summary>
    public ProcessRegistry Registry { get; }

    /// <summary>The configuration file that the lab writes for the console.</summary>
    public string ConfigurationFile => Combine("drconsole.json");

    /// <summary>Passphrases and passwords, each in a file of its own, mode 0600.</summary>
    public string Keys => Combine("keys");

    /// <summary>The source server's data, socket and log.</summary>
    public string Postgres => Combine("postgres");

    /// <summary>True where a lab was made here.</summary>
    public bool Exists => File.Exists(Combine(MarkerName));

    /// <summary>A path below the folder.</summary>
    public string Combine(params ReadOnlySpan<string> parts) => System.IO.Path.Combine([Path, .. parts]);

    /// <summary>Makes the folder, with a passphrase for the repositories, or takes an existing lab as it is.</summary>
    /// <exception cref="EngineException"><c>not-a-lab</c>: the folder holds something else.</exception>
    public void Create()
    {
        if (!Exists && Directory.Exists(Path) && Directory.EnumerateFileSystemEntries(Path).Any())
        {
            throw NotALab();
        }

        LocalFolder.CreatePassage(Path);
        File.WriteAllText(Combine(MarkerName), "A lab of Hexabase.DrConsole: `drconsole-lab wipe` removes it.\n");
        LocalFolder.CreatePrivate(Keys);
        LocalFolder.CreatePrivate(Combine("tiers"));
        _ = Secret("repository.key");
    }

    /// <summary>The secret of that name: read, or made now of 192 random bits.</summary>
    public string Secret(string name)
    {
        var path = System.IO.Path.Combine(Keys, name);
        if (!File.Exists(path))
        {
            LocalFolder.CreatePrivate(Keys);
            LocalFolder.WritePrivateFile(path, Encoding.ASCII.GetBytes(RandomNumberGenerator.GetHexString(48, lowercase: true)));
        }

        return File.ReadAllText(path);
    }

    /// <summary>
    /// Removes what the lab made, and nothing else: what a console keeps below the folder stays. What outlived a killed lab is
    /// ended first.
    /// </summary>
    /// <exception cref="EngineException"><c>not-a-lab</c>; <c>lab-running</c>: another process runs it.</exception>
    public async Task WipeAsync(CancellationToken cancellationToken)
    {
        if (!Exists)
        {
            throw NotALab();
        }

        EnsureNotRunning();
        foreach (var part in s_parts)
        {
            await LocalFolder.RemoveAsync(Combine(part), TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }

        File.Delete(ConfigurationFile);
        File.Delete(Combine(MarkerName));
        if (!Directory.EnumerateFileSystemEntries(Path).Any())
        {
            Directory.Delete(Path);
        }
    }

    /// <summary>Throws <c>lab-running</c> where another living process runs this lab.</summary>
    public void EnsureNotRunning()
    {
        if (Registry.List().FirstOrDefault(record => Registry.IsHeldByAnother(record.Name)) is { } held)
        {
            throw new EngineException(
                "lab-running", ErrorKind.Conflict, $"the lab in {Path} is run by process {held.Owner.Pid}",
                "stop that one first (Ctrl-C or TERM), or name another folder with --dir");
        }
    }

    private EngineException NotALab() => new(
        "not-a-lab", ErrorKind.Conflict, $"{Path} is not a lab's folder{(Directory.Exists(Path) ? " and not empty" : "")}",
        "name the folder of a lab, or a new one, with --dir");
}
