using Hexabase.DrConsole.Engine.Backups.Postgres.Wal;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
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
    public async Task Tier_that_is_down_holds_nobody_up_and_catches_up_when_it_is_back()
    {
        await using var rig = await CreateAsync(catalog);
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        var baseBackup = await rig.TakeBaseBackupAsync();
        rig.StartWriting(TimeSpan.FromMilliseconds(20));
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit);
        rig.TakeDown("warm");
        // More than the window holds in memory.
        await FillSegmentsAsync(rig, 6);
        var far = await rig.CurrentLsnAsync();
        await rig.WaitDurableAsync(far, Limit, "hot");
        var down = (await rig.Wal.TiersAsync(rig.Source.Name, Ct)).Single(tier => tier.Tier == "warm");
        Assert.True(down is { State: "down", Message: not null, LagBytes: > 0, LagSeconds: > 0 }, down.ToString());
        await AssertServerKeepsWhatOneTierHoldsAsync(rig, far);
        // A session that begins without the tier knows of its own accord nothing of what the server was told before.
        await rig.StopReceiverAsync();
        rig.StartReceiver();
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit, "hot");
        await AssertServerKeepsWhatOneTierHoldsAsync(rig, far);
        rig.BringBack("warm");
        await rig.StopWritingAsync();
        await rig.WaitDurableAsync(rig.Heartbeats.Last().Lsn, Limit);
        Assert.Single((await rig.CoverageAsync("warm")).Timelines[0].Spans);
        var found = await rig.RecoverAsync(baseBackup, "warm", 1);
        Assert.Empty(rig.Heartbeats.Select(one => one.Id).Except(found));
    }

    [Fact]
    public async Task Tier_that_is_slower_than_the_WAL_comes_holds_nobody_up()
    {
        await using var rig = await CreateAsync(catalog, minimumTiers: 1, warmUploads: 4);
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        // 160 MB that compress to half of that at best.
        await rig.ExecuteAsync(
            "SELECT pg_logical_emit_message(false, 'test', (SELECT string_agg(md5((n * i)::text), '') FROM generate_series(1, 32768) i)) FROM generate_series(1, 160) n");
        var far = await rig.CurrentLsnAsync();

        await rig.WaitDurableAsync(far, Limit, "hot");

        // Further behind than the window could hold: the other one did not wait for it.
        var warm = (await rig.Wal.TiersAsync(rig.Source.Name, Ct)).Single(tier => tier.Tier == "warm");
        Assert.True(far - (ulong)(warm.DurableLsn ?? default) > (WalWindow.MaxSegments + 1) * (16UL << 20), warm.ToString());
        Assert.Null(rig.ReceiverFault);
    }

    [Fact]
    public async Task Server_keeps_no_more_than_the_limit_for_a_tier_that_stays_away()
    {
        await using var rig = await CreateAsync(catalog, new WalSettings(null, null, false, TimeSpan.FromMilliseconds(300)) { SlotLimitMib = 64 });
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        rig.TakeDown("warm");
        await FillSegmentsAsync(rig, 3);
        var kept = await rig.CurrentLsnAsync();
        await rig.WaitDurableAsync(kept, Limit, "hot");
        await FillSegmentsAsync(rig, 4);
        await rig.WaitForAsync(row => row.Notices.Any(notice => notice.Contains("it is told what one tier holds", StringComparison.Ordinal)), Limit);

        await WaitForRestartAsync(rig, kept);
        rig.BringBack("warm");
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit);
        var calm = await rig.WaitForAsync(row => !row.Notices.Any(notice => notice.Contains("it is told what one tier holds", StringComparison.Ordinal)), Limit);
        Assert.DoesNotContain(calm.Notices, notice => notice.Contains("by somebody else", StringComparison.Ordinal));
        Assert.Single((await rig.CoverageAsync("warm")).Timelines[0].Spans);
    }

    [Fact]
    public async Task Tier_that_was_away_at_the_start_gets_everything_later()
    {
        await using var rig = await CreateAsync(catalog, minimumTiers: 1);
        rig.StartReceiver();
        rig.StartWriting(TimeSpan.FromMilliseconds(20));
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit);
        await rig.StopReceiverAsync();
        rig.TakeDown("hot");
        rig.StartReceiver();
        await FillSegmentsAsync(rig, 3);
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit, "warm");
        rig.BringBack("hot");
        await rig.StopWritingAsync();
        await rig.WaitDurableAsync(rig.Heartbeats.Last().Lsn, Limit);
        Assert.Single((await rig.CoverageAsync("hot")).Timelines[0].Spans);
    }

    [Fact]
    public async Task Slot_that_somebody_dropped_leaves_no_gap_where_the_server_still_has_the_WAL()
    {
        await using var rig = await CreateAsync(catalog);
        rig.StartReceiver();
        rig.StartWriting(TimeSpan.FromMilliseconds(10));
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit);
        await DropSlotAsync(rig);
        await rig.WaitForAsync(row => row.State == "streaming" && row.Notices.Any(notice => notice.Contains("was made", StringComparison.Ordinal)), Limit);
        await rig.StopWritingAsync();
        await rig.WaitDurableAsync(rig.Heartbeats.Last().Lsn, Limit);
        Assert.Empty(await rig.Wal.GapsAsync(rig.Source.Name, false, Ct));
        Assert.Single((await rig.CoverageAsync("hot")).Timelines[0].Spans);
    }

    [Fact]
    public async Task WAL_that_is_gone_is_recorded_as_a_gap_that_asks_for_a_base_backup_and_receiving_goes_on_behind_it()
    {
        await using var rig = await CreateAsync(catalog);
        rig.StartReceiver();
        rig.StartWriting(TimeSpan.FromMilliseconds(20));
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit);
        // What only one tier holds before the gap, the server cannot give the other any more.
        rig.TakeDown("warm");
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit, "hot");
        await rig.StopReceiverAsync();
        rig.BringBack("warm");
        var end = (await rig.CoverageAsync("hot")).Timelines[0].Spans[0].EndLsn;
        Assert.True((await rig.CoverageAsync("warm")).Timelines[0].Spans[0].EndLsn < end);
        await DropSlotAsync(rig);
        await FillSegmentsAsync(rig, 4);
        await rig.ExecuteAsync("CHECKPOINT");
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit);
        var gap = Assert.Single(await rig.Wal.GapsAsync(rig.Source.Name, true, Ct));
        Assert.Equal(end, (ulong)gap.FromLsn);
        foreach (var tier in (string[])["hot", "warm"])
        {
            var spans = (await rig.CoverageAsync(tier)).Timelines[0].Spans;
            Assert.Equal((2, end), (spans.Count, spans[0].EndLsn));
            Assert.True(spans[1].StartLsn <= (ulong)gap.ToLsn && spans[1].StartLsn > end);
        }

        for (var tries = 0; rig.BaseBackupsAsked.IsEmpty && tries < 100; tries++)
        {
            await Task.Delay(100, Ct);
        }

        Assert.Contains("no longer has the WAL", Assert.Single(rig.BaseBackupsAsked), StringComparison.Ordinal);

        // Found again by the next receiver it is still the same gap; a base backup that begins behind it closes it.
        await rig.StopReceiverAsync();
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        Assert.Equal(0, await rig.Wal.CloseGapsAsync(rig.Source.Name, ulong.Parse(gap.SystemIdentifier, System.Globalization.CultureInfo.InvariantCulture), 1, (ulong)gap.ToLsn - 1, "a point", Ct));
        Assert.Equal(1, await rig.Wal.CloseGapsAsync(rig.Source.Name, ulong.Parse(gap.SystemIdentifier, System.Globalization.CultureInfo.InvariantCulture), 1, (ulong)gap.ToLsn, "a point", Ct));
        Assert.Empty(await rig.Wal.GapsAsync(rig.Source.Name, true, Ct));
    }

    [Fact]
    public async Task Newest_whole_segment_that_does_not_open_is_received_again_by_the_next_session()
    {
        await using var rig = await CreateAsync(catalog);
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        await FillSegmentsAsync(rig, 2);
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit);
        await rig.StopReceiverAsync();
        var newest = Directory.EnumerateFiles(rig.StoreOf("hot"), "*", SearchOption.AllDirectories)
            .Where(path => path.Contains("/wal/", StringComparison.Ordinal) && System.Text.RegularExpressions.Regex.IsMatch(Path.GetFileName(path), @"^[0-9a-f]{16}\.[0-9a-f]{16}$")).Max(StringComparer.Ordinal)!;
        var bytes = await File.ReadAllBytesAsync(newest, Ct);
        await File.WriteAllBytesAsync(newest, bytes.AsMemory(0, bytes.Length / 2), Ct);

        rig.StartReceiver();

        var row = await rig.WaitForAsync(row => row.State == "streaming" && row.Notices.Any(notice => notice.Contains("does not open in hot", StringComparison.Ordinal)), Limit);
        Assert.Contains(row.Notices, notice => notice.Contains("it is received again", StringComparison.Ordinal));
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit);
        await using var repository = await rig.OpenRepositoryAsync("hot");
        var check = await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct);
        Assert.True(check.IsSound, string.Join("; ", check.Damaged));
    }

    [Theory]
    [InlineData(3, 1)]
    [InlineData(0, 0)]
    public async Task Receiving_that_begins_behind_the_newest_base_backup_is_a_gap(int segments, int gaps)
    {
        await using var rig = await CreateAsync(catalog);
        await using var connection = await rig.OpenAsync();
        await using var system = new Npgsql.NpgsqlCommand("SELECT system_identifier::text FROM pg_control_system()", connection);
        var begin = await rig.CurrentLsnAsync();
        await rig.CatalogPool.Command(
            """
            INSERT INTO restore_point (id, source, kind, class, workspace, created_at, completed_at, bytes, stored_bytes, artifacts, properties)
            VALUES ($1, $2, 'postgres', 'critical', 'shop', now(), now(), 1, 1, '[]', jsonb_build_object('strategy', 'physical', 'systemIdentifier', $3::text, 'startLsn', $4::text))
            """, Guid.NewGuid().ToString("n"), rig.Source.Name, (string)(await system.ExecuteScalarAsync(Ct))!, new Lsn(begin).ToString()).RunAsync(Ct);
        await FillSegmentsAsync(rig, segments);

        rig.StartReceiver();

        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        var found = await rig.Wal.GapsAsync(rig.Source.Name, true, Ct);
        Assert.Equal(gaps, found.Count);
        Assert.All(found, gap => Assert.Equal((begin, true), ((ulong)gap.FromLsn, (ulong)gap.ToLsn > begin + (16 << 20))));
    }

    [Fact]
    public async Task Slot_that_somebody_else_uses_is_said_and_not_fought_over()
    {
        await using var rig = await CreateAsync(catalog);
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        await rig.StopReceiverAsync();
        var start = new System.Diagnostics.ProcessStartInfo(
            rig.Server.Binaries!.PathOf("pg_receivewal"), ["-h", "127.0.0.1", "-p", rig.Server.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), "-U", "postgres", "-D", rig.StoreOf("thief"), "-S", rig.Slot])
        {
            Environment = { ["PGPASSWORD"] = "a password" },
            RedirectStandardError = true,
        };
        Directory.CreateDirectory(rig.StoreOf("thief"));
        using var thief = System.Diagnostics.Process.Start(start)!;
        try
        {
            await WaitForSlotInUseAsync(rig);
            rig.StartReceiver();
            var row = await rig.WaitForAsync(one => one.State == "failed", Limit);
            Assert.Contains("pg_receivewal", row.Message, StringComparison.Ordinal);
            Assert.False(thief.HasExited);
        }
        finally
        {
            thief.Kill();
            await thief.WaitForExitAsync(CancellationToken.None);
        }

        await rig.WaitForAsync(row => row.State == "streaming", Limit);
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

    /// <summary>Ends segments early; the server fills the rest of each with zeros.</summary>
    /// <summary>Two tiers are asked for, so the server is told of no more than both hold, and the catalog says what it was told.</summary>
    private static async Task AssertServerKeepsWhatOneTierHoldsAsync(WalRig rig, ulong far)
    {
        await using var connection = await rig.OpenAsync();
        await using var command = new Npgsql.NpgsqlCommand($"SELECT restart_lsn::text FROM pg_replication_slots WHERE slot_name = '{rig.Slot}'", connection);
        var kept = Lsn.Parse((string)(await command.ExecuteScalarAsync(Ct))!).Value;
        var told = (ulong)(await rig.Wal.ReceiversAsync(rig.Source.Name, Ct)).Single().ConfirmedLsn!.Value;
        Assert.True(kept <= told && told < far, $"the server keeps WAL from {new Lsn(kept)}, was told of {new Lsn(told)}, and stands beyond {new Lsn(far)}");
    }

    private static async Task FillSegmentsAsync(WalRig rig, int segments)
    {
        for (var segment = 0; segment < segments; segment++)
        {
            await Task.Delay(100, Ct);
            await rig.ExecuteAsync("SELECT pg_logical_emit_message(false, 'test', 'so that there is something to switch')");
            await rig.ExecuteAsync("SELECT pg_switch_wal()");
        }
    }

    private static async Task WaitForRestartAsync(WalRig rig, ulong lsn)
    {
        await using var connection = await rig.OpenAsync();
        await using var command = new Npgsql.NpgsqlCommand($"SELECT restart_lsn::text FROM pg_replication_slots WHERE slot_name = '{rig.Slot}'", connection);
        var began = System.Diagnostics.Stopwatch.GetTimestamp();
        while (Lsn.Parse((string)(await command.ExecuteScalarAsync(Ct))!).Value < lsn)
        {
            Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(began) < Limit, "the server still keeps what one tier holds");
            await Task.Delay(200, Ct);
        }
    }

    private static async Task WaitForSlotInUseAsync(WalRig rig)
    {
        await using var connection = await rig.OpenAsync();
        await using var command = new Npgsql.NpgsqlCommand($"SELECT active FROM pg_replication_slots WHERE slot_name = '{rig.Slot}'", connection);
        var began = System.Diagnostics.Stopwatch.GetTimestamp();
        while (await command.ExecuteScalarAsync(Ct) is not true)
        {
            Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(began) < Limit, "nobody uses the slot");
            await Task.Delay(50, Ct);
        }
    }

    private static async Task DropSlotAsync(WalRig rig)
    {
        // In one message, so that the receiver is not back in between.
        await rig.ExecuteAsync(
            $"SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = '{rig.Slot}' AND active_pid IS NOT NULL; SELECT pg_drop_replication_slot('{rig.Slot}')");
    }
}
