using System.Diagnostics;
using System.Net.Sockets;
using Hexabase.DrConsole.Engine.Backups.VClusters.Etcd;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Servers.Kubernetes;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>A real etcd that stops while it gives its snapshot.</summary>
public sealed class EtcdSnapshotTests : IAsyncDisposable
{
    /// <summary>More than all buffers on the way hold.</summary>
    private const int Megabytes = 48;

    private readonly TemporaryFolder _folder = new();
    private Process? _etcd;

    [Fact]
    public async Task Etcd_that_is_frozen_before_it_sends_anything_is_a_fault_and_not_waited_for()
    {
        var settings = await StartAsync(megabytes: 0);
        using var snapshot = new EtcdSnapshot(settings, TimeSpan.FromSeconds(2));
        await snapshot.DescribeAsync(Ct);
        await SignalAsync("STOP");

        var fault = await ReadAsync(snapshot, _ => Task.CompletedTask);

        Assert.Equal("etcd-unreachable", fault?.Code);
        Assert.True(fault!.IsTransient);
        Assert.Contains("nothing of its snapshot for 2 s", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("STOP")]
    [InlineData("KILL")]
    public async Task Etcd_that_is_stopped_in_the_middle_of_its_snapshot_is_a_fault(string signal)
    {
        var settings = await StartAsync(Megabytes);
        using var snapshot = new EtcdSnapshot(settings, TimeSpan.FromSeconds(2));

        var fault = await ReadAsync(snapshot, read => read == 1 ? SignalAsync(signal) : Task.CompletedTask);

        Assert.Equal("etcd-unreachable", fault?.Code);
        Assert.Null(snapshot.Sha256);
    }

    [Fact]
    public async Task Reader_that_takes_its_time_is_no_silence()
    {
        var settings = await StartAsync(Megabytes);
        using var snapshot = new EtcdSnapshot(settings, TimeSpan.FromSeconds(1));

        // Longer than etcd may be silent.
        Assert.Null(await ReadAsync(snapshot, read => read == 1 ? Task.Delay(3000, Ct) : Task.CompletedTask));

        Assert.NotNull(snapshot.Sha256);
        Assert.True(snapshot.Bytes > Megabytes * 1024L * 1024);
    }

    public async ValueTask DisposeAsync()
    {
        if (_etcd is not null)
        {
            _etcd.Kill();
            await _etcd.WaitForExitAsync(CancellationToken.None);
            _etcd.Dispose();
        }

        _folder.Dispose();
    }

    private static async Task<EngineException?> ReadAsync(EtcdSnapshot snapshot, Func<int, Task> then)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            await using var content = snapshot.Open(Ct);
            for (var read = 1; await content.ReadAsync(buffer, Ct) > 0; read++)
            {
                await then(read);
            }

            return null;
        }
        catch (EngineException fault)
        {
            return fault;
        }
    }

    private async Task<EtcdSettings> StartAsync(int megabytes)
    {
        var program = KubernetesBinaries.FindEtcdTool() is { } tool ? Path.Combine(Path.GetDirectoryName(tool)!, "etcd") : "";
        var installed = File.Exists(program) ? program : "/usr/bin/etcd";
        Assert.SkipUnless(File.Exists(installed) && KubernetesBinaries.FindEtcdTool() is not null, "there is no etcd with its tool on this machine; packages etcd-server and etcd-client have them");
        var (client, peer) = ($"http://127.0.0.1:{FreePort.Choose()}", $"http://127.0.0.1:{FreePort.Choose()}");
        _etcd = Process.Start(new ProcessStartInfo(installed,
        [
            "--data-dir", _folder.Combine("etcd"), "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer, "--unsafe-no-fsync", "--logger", "zap", "--log-level", "fatal",
        ]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        var address = new Uri(client);
        await Eventually.UntilAsync(() => IsOpenAsync(address.Port), () => "etcd", Ct);
        var registry = new ProcessRegistry(_folder.Combine("records"));
        for (var at = 0; at < megabytes; at++)
        {
            var value = _folder.Write($"value-{at}", System.Text.Encoding.ASCII.GetBytes(Convert.ToHexString(Noise(512 * 1024, at))));
            var put = await ToolProcess.RunAsync(
                new ToolCommand("sh", ["-c", $"exec {KubernetesBinaries.FindEtcdTool()} --endpoints {client} put key-{at} <{value}"]) { Environment = new Dictionary<string, string> { ["ETCDCTL_API"] = "3" } }, registry, Ct);
            Assert.True(put.ExitCode == 0, put.ErrorTail);
            File.Delete(value);
        }

        return new EtcdSettings(address, null, null, null);
    }

    private static async Task<bool> IsOpenAsync(int port)
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync("127.0.0.1", port, Ct);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private async Task SignalAsync(string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{_etcd!.Id}"]);
        await kill.WaitForExitAsync(Ct);
    }
}
