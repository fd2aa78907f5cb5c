using System.Diagnostics;
using System.Globalization;
using Hexabase.DrConsole.Engine.RedisProtocol;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Lab.Redis;
using static Hexabase.DrConsole.Engine.Tests.Backups.Redis.RedisRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Redis;

/// <summary>
/// Measures, asserts nothing about time: a million keys, our capture (encrypted, deduplicated, read through, digested) beside
/// <c>redis-cli --rdb</c> and <c>zstd -3</c>, and what a client feels meanwhile. Run it by name on a quiet machine.
/// </summary>
public sealed class RedisBackupTiming(ITestOutputHelper output)
{
    private const int Keys = 1_000_000;
    private const int Rounds = 3;

    [Fact(Explicit = true)]
    public async Task Capture_of_a_million_keys_beside_redis_cli_and_zstd()
    {
        await using var rig = await CreateAsync();
        var server = await rig.StartAsync(sessions: Keys);
        var folder = rig.Folder.Combine("plain");
        Directory.CreateDirectory(folder);
        Say($"{await KeysAsync(server)} keys, {(await server.RunAsync(Ct, "INFO", "memory")).Text.Split('\n').First(line => line.StartsWith("used_memory:", StringComparison.Ordinal)).Trim()}");
        Say($"idle: {await LatencyAsync(server, Task.Delay(TimeSpan.FromSeconds(10), Ct))}");
        for (var round = 0; round < Rounds; round++)
        {
            var began = Stopwatch.GetTimestamp();
            var plain = await PlainAsync(server, folder);
            Say(string.Create(CultureInfo.InvariantCulture, $"redis-cli --rdb and zstd -3: {Stopwatch.GetElapsedTime(began).TotalSeconds:0.00} s, {plain} bytes"));
            began = Stopwatch.GetTimestamp();
            var capture = rig.CaptureAsync(server.Backup);
            var latency = round == 0 ? "" : await LatencyAsync(server, capture);
            var backup = await capture;
            var cost = (await rig.FactsAsync(backup.BackupId)).Cost!;
            Say(string.Create(CultureInfo.InvariantCulture, $"capture: {Stopwatch.GetElapsedTime(began).TotalSeconds:0.00} s, {backup.OriginalBytes} bytes, {backup.StoredBytes} stored, fork {cost.ForkMicroseconds} µs; {latency}"));
        }
    }

    private static async Task<long> PlainAsync(LabRedis server, string folder)
    {
        var registry = new ProcessRegistry(Path.Combine(folder, "records"));
        var password = (await File.ReadAllTextAsync(server.AdminPasswordFile, Ct)).Trim();
        var dump = Path.Combine(folder, "dump.rdb");
        var dumped = await ToolProcess.RunAsync(new ToolCommand("redis-cli", ["-p", server.Port.ToString(CultureInfo.InvariantCulture), "--rdb", dump])
        {
            Environment = new Dictionary<string, string> { ["REDISCLI_AUTH"] = password },
        }, registry, Ct);
        Assert.Equal(0, dumped.ExitCode);
        var packed = await ToolProcess.RunAsync(new ToolCommand("zstd", ["-3", "-q", "-f", "-T2", dump]), registry, Ct);
        Assert.Equal(0, packed.ExitCode);
        return new FileInfo(dump + ".zst").Length;
    }

    /// <summary>Reads and writes one key after the other until something else ends, and says how long the slowest of a hundred took.</summary>
    private static async Task<string> LatencyAsync(LabRedis server, Task until)
    {
        var taken = new List<double>();
        await using var connection = await RedisConnection.OpenAsync(server.Admin, Ct);
        while (!until.IsCompleted)
        {
            var key = string.Create(CultureInfo.InvariantCulture, $"session:{taken.Count * 7919 % Keys}");
            var began = Stopwatch.GetTimestamp();
            await connection.CallAsync(taken.Count % 5 == 0 ? ["SET", key, "changed"] : ["GET", key], Ct);
            taken.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            await Task.Delay(1, Ct);
        }

        taken.Sort();
        return string.Create(CultureInfo.InvariantCulture, $"{taken.Count} commands, p50 {taken[taken.Count / 2]:0.00} ms, p99 {taken[taken.Count * 99 / 100]:0.00} ms, worst {taken[^1]:0.00} ms");
    }

    private void Say(string text) => output.WriteLine(text);
}
