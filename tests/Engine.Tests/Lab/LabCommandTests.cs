using System.Globalization;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab;
using Microsoft.Extensions.Configuration;

namespace Hexabase.DrConsole.Engine.Tests.Lab;

/// <summary>The lab's executable as a user meets it: its own process, signals, exit codes.</summary>
public sealed class LabCommandTests : IAsyncDisposable
{
    private static readonly string s_program = Path.Combine(AppContext.BaseDirectory, "drconsole-lab.dll");
    private readonly ServerFolder _folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Lab => _folder.Combine("lab");

    private string Ready => _folder.Combine("ready");

    public ValueTask DisposeAsync() => _folder.DisposeAsync();

    [Fact]
    public async Task Up_after_a_kill_takes_the_server_over_and_terminate_stops_it_all()
    {
        await using var first = await UpAsync();
        var postmaster = Postmaster();
        var refused = await RunAsync("up", "--dir", Lab, "--size", "small");
        LibC.Signal(ProcessIdentity.Read(first.Pid)!.Value, UnixSignal.Kill);
        await first.WaitAsync(Cancel);
        var survives = postmaster.IsAlive();

        await using var second = await UpAsync();
        var adopted = Postmaster();
        LibC.Signal(ProcessIdentity.Read(second.Pid)!.Value, UnixSignal.Terminate);
        var exitCode = await second.WaitAsync(Cancel);

        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("is run by process", refused.ErrorTail, StringComparison.Ordinal);
        Assert.True(survives);
        Assert.Equal(postmaster, adopted);
        Assert.Equal(0, exitCode);
        Assert.False(postmaster.IsAlive());
        Assert.False(File.Exists(Ready));

        var wiped = await RunAsync("wipe", "--dir", Lab);
        Assert.Equal(0, wiped.ExitCode);
        Assert.False(Directory.Exists(Lab));
    }

    [Fact]
    public async Task Up_unknown_size_is_a_usage_error()
    {
        var result = await RunAsync("up", "--dir", Lab, "--size", "huge");

        Assert.Equal(2, result.ExitCode);
        Assert.Contains("huge", result.ErrorTail, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Lab));
    }

    [Fact]
    public async Task Up_with_all_tiers_keeps_backups_in_a_bucket_and_on_a_remote_site_over_a_restart()
    {
        await using (var first = await UpAsync("all"))
        {
            var tiers = ReadTiers();
            Assert.Equal(["hot file", "warm s3", "cold sftp"], tiers.Select(tier => $"{tier.Name} {StoreUrl.Parse(tier.Store).Scheme}"));
            foreach (var tier in tiers)
            {
                await using var store = StoreUrl.Parse(tier.Store).Open();
                await store.PutAsync("shop/kept", System.Text.Encoding.ASCII.GetBytes(tier.Name), Cancel);
            }

            LibC.Signal(ProcessIdentity.Read(first.Pid)!.Value, UnixSignal.Terminate);
            Assert.Equal(0, await first.WaitAsync(Cancel));
            Assert.Empty(new LabFolder(Lab).Registry.List());
        }

        await using var second = await UpAsync("all");
        foreach (var tier in ReadTiers())
        {
            await using var store = StoreUrl.Parse(tier.Store).Open();
            Assert.Equal(tier.Name, System.Text.Encoding.ASCII.GetString(await store.ReadAllAsync("shop/kept", Cancel)));
        }

        LibC.Signal(ProcessIdentity.Read(second.Pid)!.Value, UnixSignal.Terminate);
        Assert.Equal(0, await second.WaitAsync(Cancel));
        Assert.Equal(0, (await RunAsync("wipe", "--dir", Lab)).ExitCode);
        Assert.False(Directory.Exists(Lab));
    }

    private IReadOnlyList<StorageTier> ReadTiers() =>
        EstateConfiguration.Read(new ConfigurationBuilder().AddJsonFile(new LabFolder(Lab).ConfigurationFile).Build(), null).Tiers;

    private static ToolCommand Command(params string[] arguments) => new("dotnet", [s_program, .. arguments]);

    private Task<ToolResult> RunAsync(params string[] arguments) => ToolProcess.RunAsync(Command(arguments), _folder.Registry, Cancel);

    private async Task<ToolProcess> UpAsync(string tiers = "local")
    {
        File.Delete(Ready);
        var lab = ToolProcess.Start(Command("up", "--dir", Lab, "--size", "small", "--tiers", tiers, "--ready-file", Ready), _folder.Registry);
        while (!File.Exists(Ready))
        {
            Assert.True(ProcessIdentity.Read(lab.Pid) is not null, lab.ErrorTail);
            await Task.Delay(50, Cancel);
        }

        Assert.Equal(new LabFolder(Lab).ConfigurationFile, (await File.ReadAllTextAsync(Ready, Cancel)).Trim());
        return lab;
    }

    private ProcessIdentity Postmaster() => ProcessIdentity.Read(
        int.Parse(File.ReadLines(Path.Combine(Lab, "postgres/data/postmaster.pid")).First(), CultureInfo.InvariantCulture))!.Value;
}
