using CsCheck;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;
using static Hexabase.DrConsole.Engine.Tests.Repository.Wal.WalFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository.Wal;

public sealed class WalArchiveTests : IAsyncDisposable
{
    private readonly CrashStore _store = new();

    [Fact]
    public async Task Segments_make_one_span_and_come_back_under_their_names()
    {
        await using var repository = await InitializeAsync(_store);
        var archive = await repository.OpenDescribedAsync();
        foreach (var segment in (int[])[3, 4, 5])
        {
            Assert.True(await archive.StoreAsync(segment));
        }

        Assert.Equal([(At(3), At(6))], await archive.SpansAsync());
        using var folder = new TemporaryFolder();
        var fetch = await archive.FetchAsync(1, At(4, 100), null, folder.Combine("wal"), null, Ct);
        Assert.Equal((At(4), At(6)), (fetch.StartLsn, fetch.EndLsn));
        Assert.Equal(["000000010000000000000004", "000000010000000000000005"], fetch.Files);
        AssertSame(Segment(4), await File.ReadAllBytesAsync(folder.Combine("wal", fetch.Files[0]), Ct));
        AssertSame(Segment(5), await File.ReadAllBytesAsync(folder.Combine("wal", fetch.Files[1]), Ct));
        Assert.Equal(2, Directory.GetFiles(folder.Combine("wal")).Length);
    }

    [Fact]
    public async Task Names_do_not_show_source_or_cluster_and_another_cluster_is_another_stream()
    {
        await using var repository = await InitializeAsync(_store);
        await (await repository.OpenDescribedAsync()).StoreAsync(1);
        await (await repository.OpenDescribedAsync(cluster: Cluster + 1)).StoreAsync(1, seed: 7);
        await (await repository.OpenDescribedAsync("stock")).StoreAsync(1, seed: 8);

        Assert.All(_store.KeysOf("wal/"), key => Assert.DoesNotContain("orders", key, StringComparison.Ordinal));
        var streams = await repository.ListWalAsync(Ct);
        Assert.Equal([("orders", Cluster), ("orders", Cluster + 1), ("stock", Cluster)], streams.Select(one => (one.Source, one.SystemIdentifier)).Order());
        Assert.Equal(3, streams.Select(one => one.Stream).Distinct().Count());
        Assert.All(streams, one => Assert.Equal((SegmentBytes, 15), (one.SegmentBytes, one.ServerMajor)));
    }

    [Fact]
    public async Task Same_segment_twice_is_one_object_and_other_bytes_are_refused()
    {
        await using var repository = await InitializeAsync(_store);
        var archive = await repository.OpenDescribedAsync();
        Assert.True(await archive.StoreAsync(2));
        Assert.False(await archive.StoreAsync(2));
        Assert.Single(Whole());

        var error = await Assert.ThrowsAsync<EngineException>(() => archive.StoreAsync(2, seed: 1));
        Assert.Equal(("wal-conflict", ErrorKind.Conflict), (error.Code, error.Kind));
        Assert.Contains("0/200000", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<EngineException>(() => archive.StorePieceAsync(2, 0, 5000, seed: 1));
        Assert.False(await archive.StorePieceAsync(2, 0, 5000));
        Assert.Single(Whole());
        // The same place on another timeline is another place.
        Assert.True(await archive.StoreAsync(2, timeline: 2, seed: 1));
    }

    [Fact]
    public async Task Two_writers_with_other_bytes_at_the_same_instant_refuse_and_overwrite_nothing()
    {
        await using var repository = await InitializeAsync(_store);
        var archive = await repository.OpenDescribedAsync();
        var rival = archive.Segment(1, 2, Segment(2, 1));
        _store.Stored = key =>
        {
            _store.Stored = null;
            // What another process puts that looked before this one had put anything.
            _store.Insert(rival.Key, rival.Seal(repository.Parts.Keys));
        };

        Assert.Equal("wal-conflict", (await Assert.ThrowsAsync<EngineException>(() => archive.StoreAsync(2))).Code);
        Assert.Equal([rival.Key], Whole());
    }

    [Fact]
    public async Task Pieces_are_superseded_by_larger_ones_and_by_the_whole_segment()
    {
        await using var repository = await InitializeAsync(_store);
        var archive = await repository.OpenDescribedAsync();
        await archive.StorePieceAsync(7, 0, 1000);
        await archive.StorePieceAsync(7, 1000, 1500);
        Assert.Equal([(At(7), At(7, 1500))], await archive.SpansAsync());
        Assert.Equal(2, Pieces().Length);
        await archive.StorePieceAsync(7, 0, 9000);
        Assert.Single(Pieces());
        await archive.StorePieceAsync(7, 9000, 9001);
        Assert.False(await archive.StorePieceAsync(7, 100, 1100));
        Assert.Equal([(At(7), At(7, 9001))], await archive.SpansAsync());

        await archive.StoreAsync(7);
        Assert.Empty(Pieces());
        Assert.Equal([(At(7), At(8))], await archive.SpansAsync());
    }

    [Fact]
    public async Task Piece_with_other_bytes_is_refused_wherever_it_overlaps()
    {
        await using var repository = await InitializeAsync(_store);
        var archive = await repository.OpenDescribedAsync();
        await archive.StorePieceAsync(7, 500, 3000);
        foreach (var (from, to) in ((int, int)[])[(0, 1000), (500, 3000), (600, 700), (2900, 4000), (0, 4000)])
        {
            var error = await Assert.ThrowsAsync<EngineException>(() => archive.StorePieceAsync(7, from, to, seed: 5));
            Assert.Equal("wal-conflict", error.Code);
        }

        Assert.Equal("wal-conflict", (await Assert.ThrowsAsync<EngineException>(() => archive.StoreAsync(7, seed: 5))).Code);
        Assert.Single(Pieces());
        Assert.True(await archive.StorePieceAsync(7, 2000, 4000));
        Assert.Equal([(At(7, 500), At(7, 4000))], await archive.SpansAsync());
    }

    [Fact]
    public async Task Incomplete_segment_is_put_together_from_its_pieces_and_filled_with_zeros()
    {
        await using var repository = await InitializeAsync(_store);
        var archive = await repository.OpenDescribedAsync();
        await archive.StoreAsync(1);
        await archive.StorePieceAsync(2, 0, 1000);
        await archive.StorePieceAsync(2, 1000, 3000);
        using var folder = new TemporaryFolder();
        var fetch = await archive.FetchAsync(1, At(1), null, folder.Path, null, Ct);
        Assert.Equal(At(2, 3000), fetch.EndLsn);
        byte[] expected = [.. Segment(2)[..3000], .. new byte[SegmentBytes - 3000]];
        AssertSame(expected, await File.ReadAllBytesAsync(folder.Combine("000000010000000000000002"), Ct));
    }

    [Fact]
    public async Task Hole_is_named_and_a_range_before_it_can_be_had()
    {
        await using var repository = await InitializeAsync(_store);
        var archive = await repository.OpenDescribedAsync();
        await archive.StoreAsync(1);
        await archive.StorePieceAsync(2, 0, 3000);
        await archive.StoreAsync(4);
        using var folder = new TemporaryFolder();
        var error = await Assert.ThrowsAsync<EngineException>(() => archive.FetchAsync(1, At(1), null, folder.Combine("a"), null, Ct));
        Assert.Equal("wal-missing", error.Code);
        Assert.Equal(("0/200BB8", "0/400000"), (error.Context["from"], error.Context["to"]));
        Assert.False(Directory.Exists(folder.Combine("a")));
        Assert.Equal(2, (await archive.FetchAsync(1, At(1), At(2, 3000), folder.Combine("b"), null, Ct)).Files.Count);
        foreach (var (from, to) in ((ulong, ulong?)[])[(At(2), At(2, 3001)), (0, At(1)), (At(5), null), (At(3), At(4, 5)), (At(0, 5), null)])
        {
            Assert.Equal("wal-missing", (await Assert.ThrowsAsync<EngineException>(() => archive.FetchAsync(1, from, to, folder.Combine("c"), null, Ct))).Code);
        }

        Assert.Equal(At(2, 3000), (await archive.CoverageAsync(Ct)).ReadableUntil(1, At(1, 77)));
    }

    [Fact]
    public async Task Timelines_are_followed_back_through_their_histories()
    {
        await using var repository = await InitializeAsync(_store);
        var archive = await repository.OpenDescribedAsync();
        await archive.StoreAsync(1);
        await archive.StoreAsync(2);
        await archive.StorePieceAsync(3, 0, 5000);
        await archive.StoreHistoryAsync(2, History((1, At(3, 4000))), Ct);
        // The new timeline's first segment begins with a copy of the old one's bytes.
        byte[] third = [.. Segment(3)[..4000], .. Segment(3, 50)[4000..]];
        await archive.StoreSegmentAsync(2, 3, third, Ct);
        await archive.StorePieceAsync(4, 0, 600, timeline: 2);
        await archive.StoreHistoryAsync(3, History((1, At(3, 4000)), (2, At(4, 500))), Ct);
        // Only what came after the switch was stored: the part before it is the parent's.
        await archive.StorePieceAsync(4, 500, 700, timeline: 3, seed: 60);

        var coverage = await archive.CoverageAsync(Ct);
        Assert.Equal([1u, 2u, 3u], coverage.Timelines.Select(one => one.Timeline));
        Assert.Equal([(2u, 1u, At(3, 4000)), (3u, 2u, At(4, 500))], coverage.Histories.Select(one => (one.Timeline, one.ParentTimeline, one.SwitchLsn)));
        Assert.Equal([(1u, 0UL), (2u, At(3, 4000)), (3u, At(4, 500))], coverage.LineageOf(3).Select(step => (step.Timeline, step.StartLsn)));
        Assert.Equal((At(3, 5000), At(4, 600), At(4, 700)), (coverage.ReadableUntil(1, At(1)), coverage.ReadableUntil(2, At(1)), coverage.ReadableUntil(3, At(1))));

        using var folder = new TemporaryFolder();
        var fetch = await archive.FetchAsync(3, At(1), null, folder.Path, null, Ct);
        Assert.Equal(
            ["000000010000000000000001", "000000010000000000000002", "000000020000000000000003", "000000030000000000000004", "00000002.history", "00000003.history"], fetch.Files);
        AssertSame(third, await File.ReadAllBytesAsync(folder.Combine("000000020000000000000003"), Ct));
        byte[] fourth = [.. Segment(4)[..500], .. Segment(4, 60)[500..700], .. new byte[SegmentBytes - 700]];
        AssertSame(fourth, await File.ReadAllBytesAsync(folder.Combine("000000030000000000000004"), Ct));
        Assert.Equal(History((1, At(3, 4000))), await File.ReadAllBytesAsync(folder.Combine("00000002.history"), Ct));

        Assert.Equal("wal-conflict", (await Assert.ThrowsAsync<EngineException>(() => archive.StoreHistoryAsync(2, History((1, At(3, 4001))), Ct))).Code);
        Assert.False(await archive.StoreHistoryAsync(2, History((1, At(3, 4000))), Ct));
    }

    [Fact]
    public async Task Fetch_up_to_before_a_switch_takes_the_old_timeline()
    {
        await using var repository = await InitializeAsync(_store);
        var archive = await repository.OpenDescribedAsync();
        await archive.StoreAsync(1);
        await archive.StorePieceAsync(2, 0, 5000);
        await archive.StoreHistoryAsync(2, History((1, At(2, 4000))), Ct);
        using var folder = new TemporaryFolder();
        Assert.Equal(At(2, 4000), (await archive.FetchAsync(2, At(1), At(2, 4000), folder.Combine("a"), null, Ct)).EndLsn);
        byte[] expected = [.. Segment(2)[..4000], .. new byte[SegmentBytes - 4000]];
        AssertSame(expected, await File.ReadAllBytesAsync(folder.Combine("a", "000000010000000000000002"), Ct));
        // What the old timeline wrote after it was left is no part of the new one.
        Assert.Equal("wal-missing", (await Assert.ThrowsAsync<EngineException>(() => archive.FetchAsync(2, At(1), At(2, 4001), folder.Combine("b"), null, Ct))).Code);
    }

    [Fact]
    public async Task Every_history_is_fetched_and_no_number_up_to_the_newest_looks_free()
    {
        await using var repository = await InitializeAsync(_store);
        var archive = await repository.OpenDescribedAsync();
        using var folder = new TemporaryFolder();
        Assert.False(await archive.FetchHistoriesAsync(1, folder.Combine("none"), Ct));
        await archive.StoreAsync(1);
        await archive.StoreAsync(2);
        await archive.StoreHistoryAsync(2, History((1, At(2))), Ct);
        await archive.StoreHistoryAsync(4, History((1, At(2, 10))), Ct);

        Assert.Equal(["00000002.history", "00000003.history", "00000004.history"], (await archive.FetchAsync(1, At(1), null, folder.Combine("wal"), null, Ct)).Files.Skip(2));
        Assert.True(await archive.FetchHistoriesAsync(4, folder.Combine("alone"), Ct));

        Assert.Equal(["00000002.history", "00000004.history"], Directory.GetFiles(folder.Combine("alone")).Select(Path.GetFileName).Order());
        Assert.Equal(History((1, At(2, 10))), await File.ReadAllBytesAsync(folder.Combine("alone", "00000004.history"), Ct));
    }

    [Fact]
    public async Task Changed_cluster_under_the_same_identity_is_refused()
    {
        await using var repository = await InitializeAsync(_store);
        await repository.OpenDescribedAsync();
        var again = await repository.OpenWalAsync("orders", Cluster, Ct);
        Assert.Equal("wal-stream-changed", (await Assert.ThrowsAsync<EngineException>(() => again.DescribeAsync(16 << 20, 15, Ct))).Code);
        Assert.Equal("wal-stream-changed", (await Assert.ThrowsAsync<EngineException>(() => again.DescribeAsync(SegmentBytes, 16, Ct))).Code);
        await again.DescribeAsync(SegmentBytes, 15, Ct);
    }

    [Fact]
    public async Task What_comes_in_any_order_of_pieces_reads_back_as_it_was() =>
        await Gen.Select(Gen.Int[0, 20_000], Gen.Int[1, 9000]).Array[1, 12].SampleAsync(
            async ranges =>
            {
                await using var store = new CrashStore();
                await using var repository = await InitializeAsync(store);
                var archive = await repository.OpenDescribedAsync();
                var held = new bool[SegmentBytes];
                foreach (var (from, length) in ranges)
                {
                    await archive.StorePieceAsync(1, from, from + length);
                    Array.Fill(held, true, from, length);
                }

                var spans = await archive.SpansAsync();
                var expected = held.Select((isHeld, at) => (isHeld, at)).Where(one => one.isHeld).Select(one => At(1, one.at)).ToHashSet();
                Assert.Equal(expected.Count, spans.Sum(span => (int)(span.End - span.Start)));
                Assert.All(spans, span => Assert.True(expected.Contains(span.Start) && expected.Contains(span.End - 1)));
                if (spans[0].Start == At(1))
                {
                    using var folder = new TemporaryFolder();
                    var end = (int)(spans[0].End - At(1));
                    await archive.FetchAsync(1, At(1), spans[0].End, folder.Path, null, Ct);
                    byte[] whole = [.. Segment(1)[..end], .. new byte[SegmentBytes - end]];
                    AssertSame(whole, await File.ReadAllBytesAsync(folder.Combine("000000010000000000000001"), Ct));
                }
            },
            iter: 40, threads: 1);

    [Fact]
    public async Task One_sealing_serves_several_tiers_and_a_rotated_tier_gets_its_own()
    {
        await using var repository = await InitializeAsync(_store);
        await using var second = new CrashStore();
        await using var tier = await BackupRepository.InitializeFromAsync(second, repository, Ct);
        var (here, there) = (await repository.OpenDescribedAsync(), await tier.OpenDescribedAsync());
        var item = here.Segment(1, 1, Segment(1));
        await here.StoreAsync(item, Ct);
        await there.StoreAsync(item, Ct);
        Assert.Equal(_store.Objects[item.Key], second.Objects[item.Key]);

        await BackupRepository.RotateKeysAsync([repository, tier], [Key], Ct);
        await using var rotated = await OpenAsync(second);
        var newer = await rotated.OpenDescribedAsync();
        var next = here.Segment(1, 2, Segment(2));
        await here.StoreAsync(next, Ct);
        await newer.StoreAsync(next, Ct);
        Assert.NotEqual(_store.Objects[next.Key], second.Objects[next.Key]);
        using var folder = new TemporaryFolder();
        await newer.FetchAsync(1, At(1), At(3), folder.Path, null, Ct);
        AssertSame(Segment(2), await File.ReadAllBytesAsync(folder.Combine("000000010000000000000002"), Ct));

        await BackupRepository.ShredKeysAsync(second, Ct);
        Assert.Equal("key-slots-damaged", (await Assert.ThrowsAsync<EngineException>(() => OpenAsync(second))).Code);
    }

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    private string[] Whole() => [.. _store.KeysOf("wal/").Where(key => WalName.TryParse(key)!.Value is { IsWal: true, To: 0 })];

    private string[] Pieces() => [.. _store.KeysOf("wal/").Where(key => WalName.TryParse(key)!.Value is { IsWal: true, To: > 0 })];
}
