using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Tests.Support;

/// <summary>A folder below /tmp that server users may pass through, with a process registry; all of it ends with the test.</summary>
public sealed class ServerFolder : IAsyncDisposable
{
    /// <summary>A console that died: no process has this identity.</summary>
    public static readonly ProcessIdentity DeadConsole = new(int.MaxValue, 1, "an earlier boot");

    private const string Prefix = "drconsole-tests-";

    public ServerFolder()
    {
        Path = System.IO.Path.Combine("/tmp", Prefix + RandomNumberGenerator.GetHexString(8, lowercase: true));
        LocalFolder.CreatePassage(Path);
        Registry = new ProcessRegistry(Combine("process-records"));
    }

    public string Path { get; }

    public ProcessRegistry Registry { get; }

    public string Combine(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>The registry as a console that is dead by now used it.</summary>
    public ProcessRegistry RegistryOfDeadConsole() => new(Registry.Folder, owner: DeadConsole);

    public PostgresClusterOptions ClusterOptions(string name = "catalog") => new()
    {
        Name = name,
        DataFolder = Combine(name),
        SocketFolder = Combine(name + "-run"),
        LogFile = Combine(name + ".log"),
        Password = "a password",
        IsDurable = false,
        Settings = new Dictionary<string, string> { ["fsync"] = "off" },
    };

    /// <summary>
    /// Removes the folders that killed test runs left, with the servers that still run in them. A folder whose records name a
    /// living test run is left alone, and so is one without records: its run may be about to write the first.
    /// </summary>
    public static async Task RemoveAbandonedAsync()
    {
        foreach (var path in Directory.EnumerateDirectories("/tmp", Prefix + "*"))
        {
            List<ProcessRecord> records;
            try
            {
                // A test's own list, and those of the consoles that tests started.
                records =
                [
                    .. new[] { "process-records", "processes" }
                        .SelectMany(name => Directory.EnumerateDirectories(path, name, SearchOption.AllDirectories))
                        .SelectMany(folder => new ProcessRegistry(folder).List()),
                ];
            }
            catch (DirectoryNotFoundException)
            {
                // A test beside this one has ended and removed its folder.
                continue;
            }

            if (records.Count > 0 && !records.Any(ProcessRegistry.IsHeld))
            {
                await EndAsync(records);
                await LocalFolder.RemoveAsync(path, TimeProvider.System, CancellationToken.None);
            }
        }
    }

    /// <summary>
    /// Marks the folder as this test run's: another one that clears up leaves it alone also while the console that a test
    /// killed in it has not been started again.
    /// </summary>
    public void Hold() => Registry.Write(Registry.NewRecord("test-run", "a test", Afterlife.Ended, folder: null, isServer: false));

    public async ValueTask DisposeAsync()
    {
        // Whatever a failed test left running is ended as a crashed console's leftovers would be.
        await EndAsync(Registry.List());
        await LocalFolder.RemoveAsync(Path, TimeProvider.System, CancellationToken.None);
    }

    internal static async Task EndAsync(IEnumerable<ProcessRecord> records)
    {
        foreach (var record in records)
        {
            if (record.Child is { } child)
            {
                await ProcessEnding.EndAsync(child, ProcessEnding.ScratchServer, TimeProvider.System, CancellationToken.None);
            }
        }
    }
}
