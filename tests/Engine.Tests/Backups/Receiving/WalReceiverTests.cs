using System.Diagnostics;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.Receiving.WalRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Receiving;

/// <summary>The receiver on real servers under write load.</summary>
public sealed class WalReceiverTests(CatalogServer catalog)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Commits_are_durable_in_two_tiers_within_seconds_and_a_recovery_from_each_tier_has_them()
    {
        await using var rig = await CreateAsync(catalog);
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        var baseBackup = await rig.TakeBaseBackupAsync();
        rig.StartWriting(TimeSpan.FromMilliseconds(2), fillerBytes: 20_000);
        await Task.Delay(TimeSpan.FromSeconds(6), Ct);
        await rig.StopWritingAsync();
        var last = rig.Heartbeats.Last();
        await rig.WaitDurableAsync(last.Lsn, Limit);

        var receiver = await rig.WaitForAsync(row => row.ConfirmedLsn is { } confirmed && (ulong)confirmed >= last.Lsn, Limit);
        Assert.Null(receiver.Message);
        foreach (var tier in (string[])["hot", "warm"])
        {
            var coverage = await rig.CoverageAsync(tier);
            Assert.Single(coverage.Timelines[0].Spans);
            var found = await rig.RecoverAsync(baseBackup, tier, 1, "recovered-" + tier);
            Assert.Empty(rig.Heartbeats.Select(one => one.Id).Except(found));
            await using var repository = await rig.OpenRepositoryAsync(tier);
            var check = await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct);
            Assert.True(check.IsSound, string.Join("; ", check.Damaged));
        }
    }

    [Fact]
    public async Task Lag_is_measured_and_the_newest_bytes_are_read_back()
    {
        await using var rig = await CreateAsync(catalog);
        rig.StartReceiver();
        rig.StartWriting(TimeSpan.FromMilliseconds(20));
        var latencies = new List<double>();
        while (latencies.Count < 10)
        {
            await Task.Delay(500, Ct);
            if (rig.Heartbeats.LastOrDefault() is { } last)
            {
                await rig.WaitDurableAsync(last.Lsn, Limit);
                latencies.Add(Stopwatch.GetElapsedTime(last.At).TotalSeconds);
            }
        }

        // The catalog is written every two seconds; the bytes are there sooner.
        Assert.True(latencies.Order().ElementAt(8) < 4, string.Join(", ", latencies));
        var tiers = await rig.Wal.TiersAsync(rig.Source.Name, Ct);
        Assert.All(tiers, tier => Assert.True(tier is { State: "streaming", LagSeconds: < 5, Message: null }, tier.ToString()));
    }

    [Fact]
    public async Task Synchronous_source_loses_no_acknowledged_commit_however_suddenly_everything_ends()
    {
        await using var rig = await CreateAsync(catalog, new WalSettings(null, null, true, TimeSpan.FromSeconds(2)));
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        var baseBackup = await rig.TakeBaseBackupAsync();
        await rig.ExecuteAsync($"ALTER SYSTEM SET synchronous_standby_names = '\"{rig.Slot}\"'");
        await rig.ExecuteAsync("SELECT pg_reload_conf()");
        rig.StartWriting(TimeSpan.Zero);
        await Task.Delay(TimeSpan.FromSeconds(4), Ct);
        await rig.StopReceiverAsync();
        await rig.KillServerAsync();
        var acknowledged = rig.Heartbeats.Select(one => one.Id).ToList();
        Assert.True(acknowledged.Count >= 5, $"only {acknowledged.Count} commits were acknowledged in four seconds");
        foreach (var tier in (string[])["hot", "warm"])
        {
            Assert.Empty(acknowledged.Except(await rig.RecoverAsync(baseBackup, tier, 1, "recovered-" + tier)));
        }
    }

    [Fact]
    public async Task Commits_that_wait_for_a_tier_are_said_until_it_is_back()
    {
        await using var rig = await CreateAsync(catalog, new WalSettings(null, null, true, TimeSpan.FromSeconds(1)));
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit);
        await rig.ExecuteAsync($"ALTER SYSTEM SET synchronous_standby_names = '\"{rig.Slot}\"'");
        await rig.ExecuteAsync("SELECT pg_reload_conf()");
        Assert.DoesNotContain((await rig.WaitForAsync(row => row.State == "streaming", Limit)).Notices, notice => notice.Contains("commits", StringComparison.Ordinal));

        rig.TakeDown("warm");
        await using var connection = await rig.OpenAsync();
        await using var command = new Npgsql.NpgsqlCommand("CREATE TABLE waits (n int)", connection) { CommandTimeout = 0 };
        var waiting = command.ExecuteNonQueryAsync(Ct);
        await rig.WaitForAsync(row => row.Notices.Any(notice => notice.Contains("commits have been waiting for", StringComparison.Ordinal)), Limit);
        Assert.NotNull((await rig.Wal.ReceiversAsync(rig.Source.Name, Ct)).Single().CommitsWaitSince);
        Assert.False(waiting.IsCompleted);

        rig.BringBack("warm");
        await waiting;
        await rig.WaitForAsync(row => row.State == "streaming" && row.CommitsWaitSince is null && !row.Notices.Any(notice => notice.Contains("commits", StringComparison.Ordinal)), Limit);
    }

    [Fact]
    public async Task One_process_receives_and_another_takes_over_when_it_ends()
    {
        await using var rig = await CreateAsync(catalog);
        rig.StartReceiver();
        var first = await rig.WaitForAsync(row => row.State == "streaming", Limit);
        var (stop, second) = rig.StartAnotherReceiver();
        using (stop)
        {
            rig.StartWriting(TimeSpan.FromMilliseconds(20));
            await Task.Delay(2000, Ct);
            var still = (await rig.Wal.ReceiversAsync(rig.Source.Name, Ct)).Single();
            Assert.Equal(("streaming", first.StateSince), (still.State, still.StateSince));
            await rig.StopReceiverAsync();
            await rig.WaitForAsync(row => row.State == "streaming" && row.StateSince > first.StateSince, Limit);
            await rig.StopWritingAsync();
            await rig.WaitDurableAsync(rig.Heartbeats.Last().Lsn, Limit);
            Assert.Single((await rig.CoverageAsync("warm")).Timelines[0].Spans);
            await stop.CancelAsync();
            await second;
        }
    }
}
