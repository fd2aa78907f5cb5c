using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.EndToEnd.Support;

/// <summary>
/// A folder below /tmp that server users may pass through. It names the test run that owns it, so that the next run can end and
/// remove what a killed one left.
/// </summary>
internal sealed class TestFolder : IAsyncDisposable
{
    private const string Prefix = "drconsole-e2e-";
    private const string OwnerFile = "owner";
    private static readonly string[] s_recordFolders = ["lab/process-records", "data/processes"];

    private TestFolder(string path) => Root = path;

    public string Root { get; }

    public static async Task<TestFolder> CreateAsync()
    {
        await RemoveAbandonedAsync();
        var folder = new TestFolder(Path.Combine("/tmp", Prefix + RandomNumberGenerator.GetHexString(8, lowercase: true)));
        LocalFolder.CreatePassage(folder.Root);
        var self = ProcessIdentity.Current;
        await File.WriteAllTextAsync(folder.Combine(OwnerFile), string.Create(CultureInfo.InvariantCulture, $"{self.Pid} {self.StartTicks}"));
        return folder;
    }

    public string Combine(string name) => Path.Combine(Root, name);

    public async ValueTask DisposeAsync()
    {
        EndChildren();
        await LocalFolder.RemoveAsync(Root, TimeProvider.System, CancellationToken.None);
    }

    private static async Task RemoveAbandonedAsync()
    {
        foreach (var path in Directory.EnumerateDirectories("/tmp", Prefix + "*"))
        {
            if (File.Exists(Path.Combine(path, OwnerFile)) && !IsOwned(await File.ReadAllTextAsync(Path.Combine(path, OwnerFile))))
            {
                await new TestFolder(path).DisposeAsync();
            }
        }
    }

    private static bool IsOwned(string owner) =>
        owner.Split(' ') is [var pid, var ticks]
        && ProcessIdentity.Read(int.Parse(pid, CultureInfo.InvariantCulture)) is { } living
        && living.StartTicks == long.Parse(ticks, CultureInfo.InvariantCulture);

    /// <summary>Whatever the console or the lab recorded and did not stop; nothing where both ended in order.</summary>
    private void EndChildren()
    {
        var records = s_recordFolders.Select(Combine).Where(Directory.Exists).SelectMany(folder => new ProcessRegistry(folder).List());
        foreach (var identity in records.SelectMany(record => new[] { record.Owner, record.Child ?? record.Owner }))
        {
            if (identity != ProcessIdentity.Current && identity.IsAlive())
            {
                using var process = Process.GetProcessById(identity.Pid);
                process.Kill(entireProcessTree: true);
            }
        }
    }
}
