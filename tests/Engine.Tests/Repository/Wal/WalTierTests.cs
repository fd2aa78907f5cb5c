using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;
using static Hexabase.DrConsole.Engine.Tests.Repository.Wal.WalFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository.Wal;

/// <summary>What the repository's other rooms do with WAL: check, copy, repair, expire, count; and what a crash leaves.</summary>
public sealed class WalTierTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly CrashStore _store = new();
    private readonly CrashStore _second = new();

    [Fact]
    public async Task Every_byte_flipped_in_turn_is_found_by_its_level_and_repaired_from_the_second_tier()
    {
        var (repository, tier) = await MakeTiersAsync();
        await using var here = repository;
        await using var there = tier;
        foreach (var key in _store.KeysOf("wal/").ToList())
        {
            var name = WalName.TryParse(key)!.Value;
            var length = _store.Objects[key].Length;
            foreach (var at in (int[])[0, 9, 10, 11, 20, 40, 65, 72, 80, length / 2, length - 40, length - 1])
            {
                _store.Damage(key, bytes =>
                {
                    bytes[at] ^= 1;
                    return bytes;
                });
                var check = await here.CheckAsync(name.IsWal ? CheckLevel.L2 : CheckLevel.L1, CheckSlice.All, null, Ct);
                Assert.Contains(check.Damaged, damage => damage.Name == key);
                Assert.Contains((await BackupRepository.ScrubAsync(_store, CheckSlice.All, cancellationToken: Ct)).Damaged, damage => damage.Name == key);
                if (name.IsWal)
                {
                    using var folder = new TemporaryFolder();
                    var archive = await here.OpenDescribedAsync();
                    await Assert.ThrowsAsync<EngineException>(() => archive.FetchAsync(2, At(1), null, folder.Path, null, Ct));
                }

                Assert.False((await here.RepairAsync(null, null, null, Ct)).IsWhole);
                Assert.True((await here.RepairAsync(there, new RepairOptions { IsDryRun = true }, null, Ct)).Objects.All(one => one.IsRepaired));
                Assert.NotEqual(_second.Objects[key], _store.Objects[key]);
                var report = await here.RepairAsync(there, null, null, Ct);
                Assert.True(report.IsWhole, string.Join("; ", report.Objects));
                Assert.Equal(_second.Objects[key], _store.Objects[key]);
            }
        }

        Assert.True((await here.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
    }

    [Fact]
    public async Task Object_under_another_name_and_one_with_a_valid_checksum_but_other_bytes_are_found()
    {
        var (repository, tier) = await MakeTiersAsync();
        await using var here = repository;
        await using var there = tier;
        var (first, second) = (KeyOfSegment(1), KeyOfSegment(2));
        _store.Damage(first, _ => _store.Objects[second]);
        Assert.True((await here.CheckAsync(CheckLevel.L2, CheckSlice.All, null, Ct)).IsSound);
        Assert.Equal(first, Assert.Single((await here.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).Damaged).Name);
        Assert.True((await here.RepairAsync(there, new RepairOptions { Level = CheckLevel.L3 }, null, Ct)).IsWhole);
    }

    [Fact]
    public async Task Lost_description_is_damage_and_comes_back_from_the_second_tier_or_the_receiver()
    {
        var (repository, tier) = await MakeTiersAsync();
        await using var here = repository;
        await using var there = tier;
        var key = _store.KeysOf("wal/").Single(one => one.EndsWith("/stream", StringComparison.Ordinal));
        _store.Remove(key);
        Assert.Equal(key, Assert.Single((await here.CheckAsync(CheckLevel.L1, CheckSlice.All, null, Ct)).Damaged).Name);
        Assert.True((await here.RepairAsync(there, null, null, Ct)).IsWhole);
        _store.Damage(key, bytes => bytes[..^1]);
        Assert.Equal(ErrorKind.Damaged, (await Assert.ThrowsAsync<EngineException>(() => here.ListWalAsync(Ct))).Kind);
        await here.OpenDescribedAsync();
        Assert.True((await here.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
    }

    [Fact]
    public async Task Copy_brings_what_is_missing_and_leaves_damage_behind()
    {
        var (repository, tier) = await MakeTiersAsync();
        await using var here = repository;
        await using var there = tier;
        _second.Remove(KeyOfSegment(1));
        _second.Remove(KeyOfSegment(2));
        _store.Damage(KeyOfSegment(2), bytes => bytes[..100]);
        var report = await here.CopyWalAsync(there, null, null, Ct);
        Assert.Equal((1, KeyOfSegment(2)), (report.Objects, Assert.Single(report.Damaged).Name));
        Assert.Equal(_store.Objects[KeyOfSegment(1)], _second.Objects[KeyOfSegment(1)]);
        var check = await there.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct);
        Assert.True(check.IsSound);
        Assert.Contains(check.Notes, note => note.Contains("hole on timeline 1 from 0/200000 to 0/300000", StringComparison.Ordinal));
        Assert.Equal(check.WalObjects, check.WalObjectsRead);

        // A repository's copy brings WAL along; asked for some restore points it does not.
        await using var third = new CrashStore();
        await using var empty = await BackupRepository.InitializeFromAsync(third, there, Ct);
        Assert.Null((await there.CopyAsync(empty, [], null, Ct)).Wal);
        Assert.Equal(_second.KeysOf("wal/").Count(), (await there.CopyAsync(empty, null, null, Ct)).Wal!.Objects);
        Assert.Equal(_second.KeysOf("wal/"), third.KeysOf("wal/"));
    }

    [Fact]
    public async Task Pieces_beside_a_whole_segment_that_does_not_open_are_kept_and_recovered_from()
    {
        _store.DeniesDelete = _ => true;
        await using var here = await InitializeAsync(_store);
        var archive = await here.OpenDescribedAsync();
        await archive.StorePieceAsync(2, 0, 600_000);
        await archive.StorePieceAsync(2, 600_000, SegmentBytes);
        await archive.StoreAsync(2);
        _store.DeniesDelete = _ => false;
        var sound = _store.Objects[KeyOfSegment(2)];
        _store.Damage(KeyOfSegment(2), bytes => bytes[..100]);

        Assert.Equal(0, (await here.ClearWalLeftoversAsync(Ct)).Objects);
        using var folder = new TemporaryFolder();
        var fetch = await archive.FetchAsync(1, At(2), null, folder.Path, null, Ct);
        AssertSame(Segment(2), await File.ReadAllBytesAsync(folder.Combine(fetch.Files[0]), Ct));

        _store.Damage(KeyOfSegment(2), _ => sound);
        Assert.Equal(2, (await here.ClearWalLeftoversAsync(Ct)).Objects);
    }

    [Fact]
    public async Task Piece_that_the_other_tier_holds_within_a_segment_is_repaired_by_it()
    {
        await using var here = await InitializeAsync(_store);
        await using var there = await BackupRepository.InitializeFromAsync(_second, here, Ct);
        await (await here.OpenDescribedAsync()).StorePieceAsync(1, 0, 5000);
        await (await there.OpenDescribedAsync()).StoreAsync(1);
        var piece = _store.KeysOf("wal/").Single(key => WalName.TryParse(key)!.Value.IsWal);
        _store.Damage(piece, bytes => bytes[..200]);
        Assert.True((await here.RepairAsync(there, null, null, Ct)).IsWhole);
        Assert.Equal(KeyOfSegment(1), _store.KeysOf("wal/").Single(key => WalName.TryParse(key)!.Value.IsWal));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(6)]
    public async Task Segment_that_only_the_other_tier_holds_still_is_damage_and_comes_back(int lost)
    {
        await using var store = new CrashStore(time: _time);
        await using var second = new CrashStore(time: _time);
        await using var here = await InitializeAsync(store, Cheap with { Time = _time });
        await using var there = await BackupRepository.InitializeFromAsync(second, here, Ct);
        var archive = await here.OpenDescribedAsync();
        for (var segment = 1; segment <= 6; segment++)
        {
            await archive.StoreAsync(segment);
        }

        await here.CopyWalAsync(there, null, null, Ct);
        var key = store.KeysOf("wal/").Single(one => WalName.TryParse(one) is { IsWal: true } name && name.Segment == (ulong)lost);
        store.Remove(key);
        // A receiver may still be bringing what is that young.
        Assert.True((await here.CheckAsync(new CheckOptions { Others = [there] }, null, Ct)).IsSound);
        _time.Advance(TimeSpan.FromHours(2));

        var check = await here.CheckAsync(new CheckOptions { Level = CheckLevel.L1, Others = [there] }, null, Ct);
        Assert.Equal(key, Assert.Single(check.Damaged).Name);
        Assert.True((await there.CheckAsync(new CheckOptions { Others = [here] }, null, Ct)).IsSound);
        Assert.True(Assert.Single((await here.RepairAsync(there, new RepairOptions { IsDryRun = true }, null, Ct)).Objects).IsRepaired);
        Assert.True(Assert.Single((await here.RepairAsync(there, null, null, Ct)).Objects).IsRepaired);
        Assert.Equal([(At(1), At(7))], await archive.SpansAsync());
        Assert.True((await here.CheckAsync(new CheckOptions { Level = CheckLevel.L3, Others = [there] }, null, Ct)).IsSound);

        // What this tier gave up is no loss, though the other one still has it.
        await here.ExpireWalAsync(archive.Stream, new Dictionary<uint, ulong> { [1] = At(4) }, Ct);
        Assert.True((await here.CheckAsync(new CheckOptions { Others = [there] }, null, Ct)).IsSound);
    }

    [Fact]
    public async Task Tail_that_grows_while_it_is_looked_at_is_a_receiver_at_work()
    {
        await using var store = new CrashStore(time: _time);
        await using var second = new CrashStore(time: _time);
        await using var here = await InitializeAsync(store, Cheap with { Time = _time });
        await using var there = await BackupRepository.InitializeFromAsync(second, here, Ct);
        var (archive, other) = (await here.OpenDescribedAsync(), await there.OpenDescribedAsync());
        await archive.StoreAsync(1);
        for (var segment = 1; segment <= 4; segment++)
        {
            await other.StoreAsync(segment);
        }

        _time.Advance(TimeSpan.FromHours(2));
        var comparison = new WalComparison(here.Parts, there.Parts);
        var first = await comparison.LookAsync(Ct);
        Assert.Equal(3, first.LostBy(await comparison.LookAsync(Ct)).Count());
        await archive.StoreAsync(2);
        Assert.Empty(first.LostBy(await comparison.LookAsync(Ct)));
    }

    [Fact]
    public async Task Segment_that_two_servers_wrote_is_damage()
    {
        var (repository, tier) = await MakeTiersAsync();
        await using var here = repository;
        await using var there = tier;
        var rival = (await here.OpenDescribedAsync()).Segment(1, 1, Segment(1, 9));
        _store.Insert(rival.Key, rival.Seal(here.Parts.Keys));
        Assert.Equal(2, (await here.CheckAsync(CheckLevel.L1, CheckSlice.All, null, Ct)).Damaged.Count);
        Assert.Contains("other bytes", Assert.Single((await here.CopyWalAsync(there, null, null, Ct)).Damaged).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Expiry_gives_up_what_lies_before_and_no_copy_brings_it_back()
    {
        var (repository, tier) = await MakeTiersAsync();
        await using var here = repository;
        await using var there = tier;
        var stream = (await here.ListWalAsync(Ct)).Single().Stream;
        Assert.Equal(0, (await here.ExpireWalAsync(stream, new Dictionary<uint, ulong> { [1] = At(2) - 1 }, Ct)).Objects);
        Assert.Equal(1, (await here.ExpireWalAsync(stream, new Dictionary<uint, ulong> { [1] = At(2, 5) }, Ct)).Objects);
        var archive = await here.OpenDescribedAsync();
        Assert.Equal([(At(2), At(3, 4000))], await archive.SpansAsync());
        Assert.Equal((0, 1), (await there.CopyWalAsync(here, null, null, Ct)) is var copy ? (copy.Objects, copy.Expired) : default);
        Assert.True((await here.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
        Assert.Equal([(At(1), At(3, 4000))], await (await there.OpenDescribedAsync()).SpansAsync());

        await here.ExpireWalAsync(stream, new Dictionary<uint, ulong> { [1] = At(3) }, Ct);
        Assert.Single(_store.KeysOf("wal/"), key => key.EndsWith(".horizon", StringComparison.Ordinal));
        await here.ExpireWalAsync(stream, new Dictionary<uint, ulong> { [1] = ulong.MaxValue, [2] = ulong.MaxValue }, Ct);
        Assert.Empty(await here.ListWalAsync(Ct));
        Assert.All(_store.KeysOf("wal/"), key => Assert.EndsWith(".horizon", key, StringComparison.Ordinal));
        Assert.Equal(0, (await there.CopyWalAsync(here, null, null, Ct)).Objects);
        Assert.Equal("wal-stream-missing", (await Assert.ThrowsAsync<EngineException>(() => here.ExpireWalAsync(stream, new Dictionary<uint, ulong>(), Ct))).Code);
    }

    [Fact]
    public async Task Prune_leaves_WAL_alone_and_stats_count_it()
    {
        var (repository, tier) = await MakeTiersAsync();
        await using var here = repository;
        await using var there = tier;
        var before = _store.KeysOf("wal/").ToList();
        await here.PruneAsync(new PruneOptions { MaxDeletedShare = 1 }, null, Ct);
        Assert.Equal(before, _store.KeysOf("wal/"));
        var stats = await here.StatsAsync(Ct);
        Assert.Equal((before.Count, before.Sum(key => (long)_store.Objects[key].Length)), (stats.WalObjects, stats.WalBytes));
    }

    [Fact]
    public async Task Check_with_a_budget_takes_WAL_by_turns()
    {
        await using var store = new CrashStore(time: _time);
        await using var here = await InitializeAsync(store, Cheap with { Time = _time, Workers = 1 });
        var archive = await here.OpenDescribedAsync();
        for (var segment = 1; segment <= 4; segment++)
        {
            await archive.StoreAsync(segment);
        }

        for (var round = 1; round <= 4; round++)
        {
            _time.Advance(TimeSpan.FromHours(1));
            var report = await here.CheckAsync(new CheckOptions { Budget = TimeSpan.Zero }, null, Ct);
            Assert.Equal((1, 3), (report.WalObjectsRead, report.PacksLeft));
            Assert.Equal(round == 4, report.OldestRead is not null);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Crash_after_each_operation_loses_nothing_that_was_acknowledged(bool lastIsDone)
    {
        for (var operations = 0; ; operations++)
        {
            await using var store = new CrashStore(operations, _time) { LastIsDone = lastIsDone };
            var acknowledged = await LiveAsync(store);
            if (store.KeysOf("keys/").Count() < 2)
            {
                continue;
            }

            await using var reopened = store.Reopen();
            await using var repository = await OpenAsync(reopened);
            var archive = await repository.OpenDescribedAsync();
            Assert.True((await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound, $"after {operations} operations");
            if (acknowledged.End > acknowledged.Start)
            {
                using var folder = new TemporaryFolder();
                await archive.FetchAsync(1, acknowledged.Start, acknowledged.End, folder.Path, null, Ct);
            }

            // A new receiver sends the same again and is taken as if nothing had been.
            await archive.StoreAsync(3);
            await archive.StoreAsync(4);
            Assert.Equal((At(5), 0), ((await archive.SpansAsync())[^1].End, reopened.KeysOf("wal/").Count(key => WalName.TryParse(key) is { Segment: 3 or 4, To: > 0 })));
            if (!store.HasCrashed)
            {
                Assert.True(operations > 20, $"the scenario had only {operations} instants to crash at");
                return;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _second.DisposeAsync();
    }

    /// <summary>A receiver's life with an expiry in it; what it may confirm to the server at each moment, but for what was given up.</summary>
    private static async Task<(ulong Start, ulong End)> LiveAsync(CrashStore store)
    {
        var (start, end) = (At(1), At(1));
        try
        {
            await using var repository = await InitializeAsync(store);
            var archive = await repository.OpenDescribedAsync();
            for (var segment = 1; segment <= 3; segment++)
            {
                foreach (var (from, to) in ((int, int)[])[(0, 5000), (5000, 9000), (0, 20_000)])
                {
                    await archive.StorePieceAsync(segment, from, to);
                    end = At(segment, to);
                }

                await archive.StoreAsync(segment);
                end = At(segment + 1);
            }

            start = At(3);
            await repository.ExpireWalAsync(archive.Stream, new Dictionary<uint, ulong> { [1] = At(3) }, Ct);
            await archive.StorePieceAsync(4, 0, 100);
            end = At(4, 100);
        }
        catch (EngineException error) when (error.Code == "crashed")
        {
            // Killed here.
        }

        return (start, end);
    }

    private string KeyOfSegment(int segment) => (_second.KeysOf("wal/").Concat(_store.KeysOf("wal/")))
        .First(key => WalName.TryParse(key) is { IsWal: true, To: 0 } name && name.Segment == (ulong)segment);

    /// <summary>Two tiers with two segments and a piece on timeline 1, and a history and a segment on timeline 2.</summary>
    private async Task<(BackupRepository Here, BackupRepository There)> MakeTiersAsync()
    {
        var here = await InitializeAsync(_store);
        var archive = await here.OpenDescribedAsync();
        await archive.StoreAsync(1);
        await archive.StoreAsync(2);
        await archive.StorePieceAsync(3, 0, 4000);
        await archive.StoreHistoryAsync(2, History((1, At(3, 4000))), Ct);
        await archive.StorePieceAsync(3, 4000, 5000, timeline: 2, seed: 1);
        var there = await BackupRepository.InitializeFromAsync(_second, here, Ct);
        await here.CopyWalAsync(there, null, null, Ct);
        return (here, there);
    }
}
