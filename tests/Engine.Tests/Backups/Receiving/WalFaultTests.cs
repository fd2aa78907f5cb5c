using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.Receiving.WalRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Receiving;

/// <summary>What dies, is taken away or replaced while WAL is received.</summary>
public sealed class WalFaultTests(CatalogServer catalog)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Server_and_receiver_are_killed_in_turn_and_no_acknowledged_commit_is_lost()
    {
        await using var rig = await CreateAsync(catalog);
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        var baseBackup = await rig.TakeBaseBackupAsync();
        rig.StartWriting(TimeSpan.FromMilliseconds(5), fillerBytes: 8000);
        for (var round = 0; round < 3; round++)
        {
            await Task.Delay(1500, Ct);
            if (round != 1)
            {
                await rig.KillServerAsync();
                await Task.Delay(500, Ct);
                await rig.StartServerAgainAsync();
            }

            if (round != 0)
            {
                await rig.StopReceiverAsync();
                await Task.Delay(500, Ct);
                rig.StartReceiver();
            }
        }

        await Task.Delay(1000, Ct);
        await rig.StopWritingAsync();
        await rig.WaitDurableAsync(rig.Heartbeats.Last().Lsn, Limit);
        foreach (var tier in (string[])["hot", "warm"])
        {
            var coverage = await rig.CoverageAsync(tier);
            Assert.Single(Assert.Single(coverage.Timelines).Spans);
        }

        var found = await rig.RecoverAsync(baseBackup, "warm", 1);
        Assert.Empty(rig.Heartbeats.Select(one => one.Id).Except(found));
        Assert.Empty(await rig.Wal.GapsAsync(rig.Source.Name, false, Ct));
    }

    [Fact]
    public async Task Promotion_is_followed_onto_the_new_timeline_without_a_gap()
    {
        await using var rig = await CreateAsync(catalog);
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        var baseBackup = await rig.TakeBaseBackupAsync();
        rig.StartWriting(TimeSpan.FromMilliseconds(10), fillerBytes: 4000);
        for (var promotion = 0; promotion < 2; promotion++)
        {
            await Task.Delay(1500, Ct);
            await rig.PromoteAsync();
        }

        await rig.WaitForAsync(row => row is { State: "streaming", Timeline: 3 }, Limit);
        await Task.Delay(1000, Ct);
        await rig.StopWritingAsync();
        await rig.WaitDurableAsync(rig.Heartbeats.Last().Lsn, Limit);
        var coverage = await rig.CoverageAsync("warm");
        Assert.Equal([1u, 2u, 3u], coverage.Timelines.Select(one => one.Timeline));
        Assert.Equal([(2u, 1u), (3u, 2u)], coverage.Histories.Select(one => (one.Timeline, one.ParentTimeline)));
        Assert.True(coverage.ReadableUntil(3, coverage.Timelines[0].Spans[0].StartLsn) >= rig.Heartbeats.Last().Lsn);
        var found = await rig.RecoverAsync(baseBackup, "warm", 3);
        Assert.Empty(rig.Heartbeats.Select(one => one.Id).Except(found));
        Assert.Empty(await rig.Wal.GapsAsync(rig.Source.Name, false, Ct));
    }

    [Fact]
    public async Task Other_cluster_on_the_same_port_is_found_said_and_kept_apart()
    {
        await using var rig = await CreateAsync(catalog);
        rig.StartReceiver();
        rig.StartWriting(TimeSpan.FromMilliseconds(20));
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit);
        var before = await rig.WaitForAsync(row => row.State == "streaming", Limit);
        await rig.StopWritingAsync();
        await rig.ReplaceServerAsync();
        var after = await rig.WaitForAsync(row => row.State == "streaming" && row.SystemIdentifier != before.SystemIdentifier, Limit);
        Assert.Contains(after.Notices, notice => notice.Contains("another cluster", StringComparison.Ordinal));
        Assert.Contains("another cluster", Assert.Single(await rig.Wal.GapsAsync(rig.Source.Name, true, Ct)).Reason, StringComparison.Ordinal);
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit);
        await using var repository = await rig.OpenRepositoryAsync("warm");
        Assert.Equal(2, (await repository.ListWalAsync(Ct)).Count(stream => stream.Source == rig.Source.Name));
        Assert.True((await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
    }
}
