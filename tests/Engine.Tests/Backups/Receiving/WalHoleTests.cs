using Hexabase.DrConsole.Engine.Backups.Receiving;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Health.Probes;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using static Hexabase.DrConsole.Engine.Tests.Backups.Receiving.WalRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Receiving;

/// <summary>Objects of the WAL that vanish in the middle of what is stored, while nobody restarts.</summary>
public sealed class WalHoleTests(CatalogServer catalog)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Hole_in_one_tier_is_filled_from_another_and_one_in_all_is_a_gap()
    {
        await using var rig = await CreateAsync(catalog);
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        for (var segment = 0; segment < 4; segment++)
        {
            await rig.ExecuteAsync("INSERT INTO heartbeat SELECT (SELECT coalesce(max(id), 0) FROM heartbeat) + g, now(), repeat('x', 50000) FROM generate_series(1, 100) g; SELECT pg_switch_wal()");
        }

        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit);
        await rig.StopReceiverAsync();
        var probe = new WalHoleProbe(HealthSubject.Of(rig.Source), rig.Wal, TimeProvider.System);
        Assert.Equal(ProbeAnswer.NotDetectable, (await probe.AskAsync(Ct)).Answer);

        await LookAsync(rig);
        Assert.Equal(ProbeAnswer.Answered, (await probe.AskAsync(Ct)).Answer);
        var whole = await rig.CoverageAsync("hot");

        rig.LoseSegment("hot", 1);
        Assert.Single((await rig.CoverageAsync("hot")).HolesOf(1));
        await LookAsync(rig);
        Assert.Equal(whole.Timelines[0].Spans[0].EndLsn, Assert.Single((await rig.CoverageAsync("hot")).Timelines[0].Spans).EndLsn);
        Assert.Empty(await rig.Wal.GapsAsync(rig.Source.Name, false, Ct));
        Assert.Equal(ProbeAnswer.Answered, (await probe.AskAsync(Ct)).Answer);

        var lost = rig.LoseSegment("hot", 1);
        Assert.Equal(lost, rig.LoseSegment("warm", 1));
        // Nobody can tell what a tier that is away holds.
        rig.TakeDown("warm");
        await LookAsync(rig);
        Assert.Empty(await rig.Wal.GapsAsync(rig.Source.Name, false, Ct));
        var finding = await probe.AskAsync(Ct);
        Assert.Equal(ProbeAnswer.Exceeded, finding.Answer);
        Assert.StartsWith("hot lacks WAL of timeline 1", finding.Detail, StringComparison.Ordinal);
        rig.BringBack("warm");
        await LookAsync(rig);
        await LookAsync(rig);
        var gap = Assert.Single(await rig.Wal.GapsAsync(rig.Source.Name, true, Ct));
        Assert.Equal(lost, (ulong)gap.FromLsn / (16 << 20));
        Assert.Contains("is stored nowhere", (await probe.AskAsync(Ct)).Detail, StringComparison.Ordinal);

        // It is closed as any other: by a base backup that begins behind it.
        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming" && !rig.BaseBackupsAsked.IsEmpty, Limit);
        Assert.Equal(1, await rig.Wal.CloseGapsAsync(rig.Source.Name, ulong.Parse(gap.SystemIdentifier, System.Globalization.CultureInfo.InvariantCulture), 1, (ulong)gap.ToLsn, "test", Ct));
    }

    [Fact]
    public async Task Damage_that_a_check_found_is_filled_from_another_tier_and_in_all_it_is_a_gap_beyond_which_nothing_counts()
    {
        await using var rig = await CreateAsync(catalog);
        var standings = new StandingCatalog(rig.CatalogPool, rig.Estate, TimeProvider.System);
        await using (var connection = await rig.OpenAsync())
        {
            await using var system = new Npgsql.NpgsqlCommand("SELECT system_identifier::text FROM pg_control_system()", connection);
            await rig.CatalogPool.Command(
                """
                WITH point AS (
                  INSERT INTO restore_point (id, source, kind, class, workspace, created_at, completed_at, bytes, stored_bytes, artifacts, properties)
                  VALUES ($1, $2, 'postgres', 'critical', 'shop', now() - interval '1 hour', now() - interval '1 hour', 1, 1, '[]',
                    jsonb_build_object('strategy', 'physical', 'systemIdentifier', $3::text, 'startLsn', $4::text)) RETURNING id)
                INSERT INTO restore_point_tier (restore_point, tier, state, stored_at) SELECT id, tier, 'stored', now() FROM point, unnest(ARRAY['hot', 'warm']) AS t (tier)
                """, Guid.NewGuid().ToString("n"), rig.Source.Name, (string)(await system.ExecuteScalarAsync(Ct))!, new Lsn(await rig.CurrentLsnAsync()).ToString()).RunAsync(Ct);
        }

        rig.StartReceiver();
        await rig.WaitForAsync(row => row.State == "streaming", Limit);
        for (var segment = 0; segment < 4; segment++)
        {
            await rig.ExecuteAsync("INSERT INTO heartbeat SELECT (SELECT coalesce(max(id), 0) FROM heartbeat) + g, now(), repeat('x', 50000) FROM generate_series(1, 100) g; SELECT pg_switch_wal()");
        }

        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), Limit);
        await rig.StopReceiverAsync();
        await LookAsync(rig);
        Assert.NotNull(Assert.Single(await standings.ReadAsync(Ct)).Facts.Wal);

        await DamageAsync(rig, "hot", 1);
        Assert.True(Assert.Single((await rig.CoverageAsync("hot")).HolesOf(1)).IsDamaged);
        await LookAsync(rig);
        Assert.Empty((await rig.CoverageAsync("hot")).HolesOf(1));
        Assert.Empty(await rig.Wal.GapsAsync(rig.Source.Name, false, Ct));

        Assert.Equal(await DamageAsync(rig, "hot", 1), await DamageAsync(rig, "warm", 1));
        await LookAsync(rig);
        await LookAsync(rig);
        var gap = Assert.Single(await rig.Wal.GapsAsync(rig.Source.Name, true, Ct));
        Assert.Contains("damaged", gap.Reason, StringComparison.Ordinal);
        Assert.All(await rig.Wal.TiersAsync(rig.Source.Name, Ct), tier => Assert.True(Assert.Single(tier.Holes).IsDamaged));
        Assert.Null(Assert.Single(await standings.ReadAsync(Ct)).Facts.Wal);
    }

    [Fact]
    public async Task What_was_read_back_of_another_timeline_is_not_shown_for_this_one()
    {
        await using var rig = await CreateAsync(catalog);
        await using var journal = await JournalAsync(rig);
        await journal.Journal.ReportAsync(Report(1, 0x9000000, 0x9000000), Ct);
        await journal.Journal.ReportAsync(Report(1, 0x9000100, null), Ct);
        Assert.Equal(0x9000000UL, await ReadBackAsync(rig));

        // The source was recovered to an earlier moment: its new timeline begins before that.
        await journal.Journal.ReportAsync(Report(2, 0x5000000, null), Ct);

        Assert.Null(await ReadBackAsync(rig));
        await journal.Journal.ReportAsync(Report(2, 0x5000100, 0x5000000), Ct);
        Assert.Equal(0x5000000UL, await ReadBackAsync(rig));

        static Engine.Backups.Postgres.Wal.WalReport Report(uint timeline, ulong durable, ulong? readBack) => new(
            7400000000000000001, timeline, new Lsn(durable), TimeProvider.System.GetUtcNow(), new Lsn(durable), [],
            [new("hot", Engine.Backups.Postgres.Wal.WalTierState.Streaming, timeline, new Lsn(durable), TimeProvider.System.GetUtcNow(), null, readBack is { } lsn ? new Lsn(lsn) : null, readBack is null ? null : TimeProvider.System.GetUtcNow(), 0, 0)]);
    }

    [Fact]
    public void Hole_across_a_switch_is_of_the_timeline_before_it_as_a_receiver_would_name_it()
    {
        static TimelineCoverage Stored(uint timeline, ulong from, ulong to) => new(timeline, [], [new WalExtent(from, to, DateTimeOffset.UnixEpoch, 1, true)]);
        var coverage = new WalCoverage(16 << 20, [Stored(1, 0x1000000, 0x2000000), Stored(2, 0x5000000, 0x6000000), Stored(3, 0x9000000, 0xA000000)],
            [new TimelineHistory(2, [new TimelineSwitch(1, 0x3000000)]), new TimelineHistory(3, [new TimelineSwitch(1, 0x3000000), new TimelineSwitch(2, 0x6000000)])]);

        Assert.Equal([new WalHole(1, 0x2000000, 0x5000000), new WalHole(3, 0x6000000, 0x9000000)], coverage.HolesOf(3));
    }

    [Fact]
    public async Task Gap_is_closed_by_no_base_backup_of_an_older_timeline_whatever_its_place()
    {
        await using var rig = await CreateAsync(catalog);
        await using var journal = await JournalAsync(rig);
        await journal.Journal.RecordGapAsync(new(74, 2, new Lsn(0x5000000), new Lsn(0x6000000), "lost"), Ct);

        Assert.Equal(0, await rig.Wal.CloseGapsAsync(rig.Source.Name, 74, 1, 0x9000000, "of the branch that was left", Ct));
        Assert.Equal(0, await rig.Wal.CloseGapsAsync(rig.Source.Name, 74, 2, 0x5000000, "before its end", Ct));
        Assert.Equal(1, await rig.Wal.CloseGapsAsync(rig.Source.Name, 74, 3, 0x6000000, "behind it", Ct));
    }

    /// <summary>Flips a byte of a whole segment, counted from the oldest, and has a check find it; returns its number.</summary>
    private static async Task<ulong> DamageAsync(WalRig rig, string tier, int position)
    {
        var file = rig.SegmentOf(tier, position);
        var bytes = await File.ReadAllBytesAsync(file, Ct);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(file, bytes, Ct);
        await using var repository = await rig.OpenRepositoryAsync(tier);
        var check = await repository.CheckAsync(CheckLevel.L2, CheckSlice.All, null, Ct);
        await repository.NoteDamagedWalAsync(check.Damaged, check.SoundWal, Ct);
        return Convert.ToUInt64(Path.GetFileName(file)[..16], 16);
    }

    private static async Task<ulong?> ReadBackAsync(WalRig rig) => (ulong?)(await rig.Wal.TiersAsync(rig.Source.Name, Ct)).Single().ReadBackLsn;

    private static async Task LookAsync(WalRig rig)
    {
        await using var held = await JournalAsync(rig);
        await new WalHoleCheck(rig.Tiers, rig.Estate, rig.Source, held.Journal, rig.Wal, TimeProvider.System, NullLogger.Instance).LookAsync(Ct);
    }

    private static async Task<HeldJournal> JournalAsync(WalRig rig)
    {
        var lease = await ReceiverLease.AcquireAsync(rig.CatalogPool, new LeaseTimes(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(20)), rig.Source.Name, Ct);
        Assert.NotNull(lease);
        return new HeldJournal(lease, new CatalogWalJournal(rig.CatalogPool, lease));
    }

    private sealed record HeldJournal(ReceiverLease Lease, CatalogWalJournal Journal) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await Lease.ReleaseAsync();
    }
}
