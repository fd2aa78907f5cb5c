using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Streams;
using Hexabase.DrConsole.Engine.Tests.Storage;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

public sealed class PageListTests : IDisposable
{
    private const int Page = PagedContentWriter.PageLength;
    private readonly TemporaryFolder _folder = new();
    private readonly Random _random = new(4711);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Scattered_pages_store_themselves_and_not_their_neighbours()
    {
        await using var repository = await InitializeAsync(new CrashStore());
        var content = Write(Noise(4 * 1024 * 1024));
        var first = await BackUpAsync(repository, null);
        for (var page = 3; page < content.Length / Page; page += 8)
        {
            _random.NextBytes(content.AsSpan(page * Page, 100));
        }

        Write(content);
        var pages = new SeenPages();
        var second = await BackUpAsync(repository, first, pages);

        Assert.True(second.StoredBytes * 7 < first.StoredBytes, $"{second.StoredBytes} of {first.StoredBytes} bytes");
        AssertSame(content, await RestoreAsync(repository, second));
        Assert.Empty(pages.Same);
        _random.NextBytes(content.AsSpan(content.Length / 2, 1));
        Write(content);
        var third = await BackUpAsync(repository, second, pages);
        Assert.True(third.StoredBytes < 3 * Page, $"{third.StoredBytes} bytes");
        Assert.Equal(content.Length - (256 * 1024), pages.Same.Sum(part => part.Length));
        Assert.DoesNotContain(pages.Same, part => part.Offset <= content.Length / 2 && part.Offset + part.Length > content.Length / 2);
        AssertSame(content, await RestoreAsync(repository, third));
    }

    [Fact]
    public async Task Generations_of_changes_restore_from_each_tier_after_all_that_prune_and_copies_do()
    {
        await using var repository = await InitializeAsync(new CrashStore());
        await using var other = await BackupRepository.InitializeFromAsync(new CrashStore(), repository, Ct);
        var (content, points) = (Write(Noise(3_500_000)), new List<(Manifest Point, byte[] Content)>());
        for (var generation = 0; generation < 9; generation++)
        {
            points.Add((await BackUpAsync(repository, points is [.., var last] ? last.Point : null), content));
            content = Write(Change(content));
            if (generation % 3 == 0)
            {
                await repository.CopyAsync(other, null, null, Ct);
            }
        }

        Assert.Contains(await RootsAsync(repository, points[^1].Point), root => root.Depth == PageList.Depth);
        foreach (var (point, bytes) in points)
        {
            AssertSame(bytes, await RestoreAsync(repository, point));
        }

        await repository.PruneAsync(Expire(points.SkipLast(1).Where((_, i) => i % 4 != 2)), null, Ct);
        await repository.CopyAsync(other, null, null, Ct);
        foreach (var tier in new[] { repository, other })
        {
            Assert.True((await tier.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
            AssertSame(points[^1].Content, await RestoreAsync(tier, points[^1].Point));
            AssertSame(points[2].Content, await RestoreAsync(tier, points[2].Point));
        }

        var report = await repository.VerifyChunksAsync(points[^1].Point, ChunkLayer.Content, null, Ct);
        Assert.Empty(report.Damaged);
    }

    [Fact]
    public async Task Directory_that_has_most_of_it_is_completed_page_by_page()
    {
        await using var repository = await InitializeAsync(new CrashStore());
        var before = Noise(2_000_000);
        var first = await BackUpAsync(repository, null, content: before);
        var content = Change(before);
        var second = await BackUpAsync(repository, first, content: content);
        var target = _folder.Combine("there");
        await repository.RestoreTreeAsync(first, "tree", target, null, Ct);
        var options = new TreeRestoreOptions { Delta = true, VerifyContent = true };

        var brought = await repository.RestoreTreeAsync(second, "tree", target, options, null, Ct);
        AssertSame(content, await File.ReadAllBytesAsync(Path.Combine(target, "file"), Ct));
        var again = await repository.RestoreTreeAsync(second, "tree", target, options, null, Ct);

        Assert.True(brought.Bytes > 0);
        Assert.Equal(0, again.Bytes);
    }

    [Fact]
    public async Task Lost_chunk_under_a_page_list_is_named_and_the_next_backup_stores_what_leant_on_it()
    {
        var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        var first = await BackUpAsync(repository, null, content: Noise(2_000_000));
        var content = Change(Noise(2_000_000));
        var second = await BackUpAsync(repository, first, content: content);
        foreach (var pack in store.KeysOf("packs/").ToList())
        {
            if (store.Objects[pack].Length > 1_000_000)
            {
                store.Remove(pack);
            }
        }

        await using var reopened = await OpenAsync(store);
        Assert.False((await reopened.CheckAsync(CheckLevel.L1, CheckSlice.All, null, Ct)).IsSound);
        var fault = await Assert.ThrowsAsync<EngineException>(() => RestoreAsync(reopened, second));
        Assert.Equal(ErrorKind.Damaged, fault.Kind);
        content[5] ^= 1;
        var third = await BackUpAsync(reopened, second, content: content);
        AssertSame(content, await RestoreAsync(reopened, third));
    }

    [Fact]
    public void Page_list_reads_back_and_nothing_that_was_cut_or_bent_does()
    {
        var ids = Enumerable.Range(1, 3).Select(i => new ChunkId(Noise(ChunkId.Length, i))).ToArray();
        Stretch[] stretches =
        [
            new(ids[0], 16384, []), new(ids[1], 3 * Page, [new(ids[0], 16384, Page, Page), new(ids[2], 20000, 100, Page), new(ids[0], 16384, 0, Page)]),
        ];
        var bytes = PageList.Encode(stretches);

        var back = PageList.Decode(bytes);
        Assert.Equal(stretches.Length, back.Length);
        Assert.All(stretches.Zip(back), pair => Assert.True(pair.First.Id == pair.Second.Id && pair.First.Length == pair.Second.Length && pair.First.Runs.SequenceEqual(pair.Second.Runs)));
        Assert.Equal([new(ids[0], 16384), new(ids[2], 20000)], PageList.DecodeSources(bytes));
        for (var length = 0; length < bytes.Length; length++)
        {
            Assert.Equal(ErrorKind.Damaged, Assert.Throws<EngineException>(() => PageList.Decode(bytes.AsSpan(0, length))).Kind);
        }

        // An offset beyond the chunk's end.
        bytes[^5] = 0xFF;
        Assert.Equal(ErrorKind.Damaged, Assert.Throws<EngineException>(() => PageList.Decode(bytes)).Kind);
    }

    /// <summary>Changes some pages, in most generations few; now and then the file grows or shrinks.</summary>
    private byte[] Change(byte[] content)
    {
        var next = content.ToArray();
        var step = _random.Next(2, 60);
        for (var page = _random.Next(step); page * Page < next.Length; page += 1 + _random.Next(step))
        {
            next[Math.Min(next.Length - 1, (page * Page) + _random.Next(Page))] ^= 0x5A;
        }

        Array.Resize(ref next, Math.Max(600_000, next.Length + (_random.Next(-30, 40) * 1000)));
        return next;
    }

    private byte[] Write(byte[] content)
    {
        _folder.Write("src/file", content);
        return content;
    }

    private async Task<Manifest> BackUpAsync(BackupRepository repository, Manifest? parent, SeenPages? pages = null, byte[]? content = null)
    {
        if (content is not null)
        {
            Write(content);
        }

        await using var session = await repository.BeginAsync(Describe() with { Parent = parent?.Id }, Ct);
        await session.WriteTreeAsync("tree", [_folder.Combine("src")], new TreeOptions { ParentArtifact = parent is null ? null : "tree", Inspector = pages ?? new SeenPages() }, null, Ct);
        return await session.CommitAsync(null, null, Ct);
    }

    private async Task<byte[]> RestoreAsync(BackupRepository repository, Manifest point)
    {
        var target = _folder.Combine($"out-{Guid.NewGuid():N}");
        await repository.RestoreTreeAsync(point, "tree", target, null, Ct);
        return await File.ReadAllBytesAsync(Path.Combine(target, "file"), Ct);
    }

    private static async Task<List<ContentRoot>> RootsAsync(BackupRepository repository, Manifest point)
    {
        var roots = new List<ContentRoot>();
        await foreach (var node in Engine.Repository.Trees.TreeReader.ReadAsync(repository.Parts, point.Artifacts[0], Ct))
        {
            roots.Add(node.Content);
        }

        return roots;
    }

    private static PruneOptions Expire(IEnumerable<(Manifest Point, byte[] Content)> points) => new()
    {
        Expire = [.. points.Select(one => new PointToExpire(one.Point.Id, "no rung keeps it"))], MaxDeletedShare = 1, Grace = TimeSpan.Zero,
    };

    /// <summary>All files are of pages; what is the same is noted.</summary>
    private sealed class SeenPages : ITreeInspector, IFileInspector
    {
        public List<(long Offset, long Length)> Same { get; } = [];

        public bool IsPaged => true;

        public IFileInspector Open(string path) => this;

        public void TakenOver(string path, long bytes, DateTimeOffset modified)
        {
        }

        public void Append(ReadOnlySpan<byte> bytes)
        {
        }

        public void Complete(long bytes, DateTimeOffset modified)
        {
        }

        void IFileInspector.Same(long offset, long length) => Same.Add((offset, length));
    }
}
