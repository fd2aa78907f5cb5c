using System.Security.Cryptography;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Storage;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

public sealed class StreamBackupTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(512 * 1024)]
    [InlineData(70_000_001)]
    public async Task WriteStream_any_length_reads_back_equal(int length)
    {
        var content = Noise(length);
        var store = new CrashStore();
        Manifest written;
        await using (var repository = await InitializeAsync(store))
        {
            written = await repository.BackupAsync(content, facts: JsonSerializer.SerializeToElement(new { rows = 3 }));
        }

        await using var reopened = await OpenAsync(store.Reopen());
        var manifest = Assert.Single((await reopened.ListAsync(Ct)).Points);
        Assert.Equal(written.Id, manifest.Id);
        Assert.Equal(3, manifest.Facts!.Value.GetProperty("rows").GetInt32());
        var artifact = Assert.Single(manifest.Artifacts);
        Assert.Equal(length, artifact.Length);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(content)), artifact.Sha256);
        AssertSame(content, await reopened.ReadAsync(manifest));
    }

    [Fact]
    public async Task ReadStreamRange_any_part_is_what_the_whole_has_there()
    {
        var content = Noise(30_000_000);
        await using var repository = await InitializeAsync(new CrashStore());
        var manifest = await repository.BackupAsync(content);
        foreach (var (offset, length) in ((int, int)[])[(0, 0), (0, 1), (0, content.Length), (content.Length, 0), (content.Length - 1, 1), (7_654_321, 9_000_000), (12_345_678, 100)])
        {
            AssertSame(content[offset..(offset + length)], await repository.ReadStreamRangeAsync(manifest, "dump", offset, length, Ct));
        }

        foreach (var (offset, length) in ((long, int)[])[(-1, 1), (0, -1), (content.Length, 1), (long.MaxValue, 1)])
        {
            Assert.Equal("content-range", (await Assert.ThrowsAsync<EngineException>(() => repository.ReadStreamRangeAsync(manifest, "dump", offset, length, Ct))).Code);
        }
    }

    [Fact]
    public async Task WriteStream_same_content_again_stores_nothing_new()
    {
        var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        var first = await repository.BackupAsync(Noise(9_000_000));
        var second = await repository.BackupAsync(Noise(9_000_000));
        Assert.True(first.StoredBytes > 9_000_000);
        Assert.Equal(0, second.StoredBytes);
        AssertSame(Noise(9_000_000), await repository.ReadAsync(second));
    }

    [Fact]
    public async Task WriteStream_compressible_content_is_stored_small()
    {
        await using var repository = await InitializeAsync(new CrashStore());
        var manifest = await repository.BackupAsync(new byte[20_000_000]);
        Assert.True(manifest.StoredBytes < 100_000);
        AssertSame(new byte[20_000_000], await repository.ReadAsync(manifest));
    }

    [Fact]
    public async Task Compression_of_a_backup_changes_what_is_stored_and_nothing_that_is_read()
    {
        // Words, which level 3 finds more repetitions in than level 1.
        var random = new Random(7);
        var words = Enumerable.Range(0, 3000).Select(_ => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(random.Next(2, 6)))).ToArray();
        var content = System.Text.Encoding.UTF8.GetBytes(string.Join(' ', Enumerable.Range(0, 900_000).Select(_ => words[(int)(words.Length * Math.Pow(random.NextDouble(), 3))])));
        var stored = new Dictionary<Compression, long>();
        foreach (var compression in Enum.GetValues<Compression>())
        {
            var store = new CrashStore();
            await using var repository = await InitializeAsync(store);
            await using (var session = await repository.BeginAsync(Describe() with { Compression = compression }, Ct))
            {
                await session.WriteStreamAsync("dump", "test", new MemoryStream(content), null, Ct);
                stored[compression] = (await session.CommitAsync(null, null, Ct)).StoredBytes;
            }

            AssertSame(content, await repository.ReadAsync((await repository.ListAsync(Ct)).Points.Single()));
            // The id is the content's: what one made, the other finds.
            Assert.Equal(0, (await repository.BackupAsync(content)).StoredBytes);
        }

        Assert.True(stored[Compression.Balanced] < stored[Compression.Fast] && stored[Compression.Fast] < content.Length, string.Join(", ", stored));
    }

    [Fact]
    public async Task Dispose_without_commit_shows_no_restore_point_and_its_chunks_are_used_again()
    {
        var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        var content = Noise(80_000_000);
        await using (var session = await repository.BeginAsync(Describe(), Ct))
        {
            await session.WriteStreamAsync("dump", "test", new MemoryStream(content), null, Ct);
        }

        Assert.Empty((await repository.ListAsync(Ct)).Points);
        await using var again = await OpenAsync(store.Reopen());
        var manifest = await again.BackupAsync(content);
        Assert.True(manifest.StoredBytes < 60_000_000, "packs that were complete before must be used again");
        AssertSame(content, await again.ReadAsync(manifest));
    }

    [Fact]
    public async Task WriteStream_source_that_fails_makes_no_restore_point()
    {
        await using var repository = await InitializeAsync(new CrashStore());
        await using (var session = await repository.BeginAsync(Describe(), Ct))
        {
            await Assert.ThrowsAsync<InvalidDataException>(() => session.WriteStreamAsync("dump", "test", new FailingStream(5_000_000), null, Ct));
            Assert.Equal("artifact-unfinished", (await Assert.ThrowsAsync<EngineException>(() => session.CommitAsync(null, null, Ct))).Code);
        }

        Assert.Empty((await repository.ListAsync(Ct)).Points);
    }

    [Fact]
    public async Task Commit_pack_that_vanished_meanwhile_is_refused_and_the_next_backup_heals()
    {
        var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        var first = await repository.BackupAsync(Noise(3_000_000));
        await using (var session = await repository.BeginAsync(Describe(), Ct))
        {
            await session.WriteStreamAsync("dump", "test", new MemoryStream(Noise(3_000_000)), null, Ct);
            store.Remove(store.Objects.Keys.First(key => key.StartsWith("packs/", StringComparison.Ordinal)));
            var error = await Assert.ThrowsAsync<EngineException>(() => session.CommitAsync(null, null, Ct));
            Assert.Equal("pack-vanished", error.Code);
        }

        Assert.Equal(first.Id, Assert.Single((await repository.ListAsync(Ct)).Points).Id);
        var healed = await repository.BackupAsync(Noise(3_000_000));
        AssertSame(Noise(3_000_000), await repository.ReadAsync(healed));
        AssertSame(Noise(3_000_000), await repository.ReadAsync(first));
    }

    [Fact]
    public async Task Attestations_are_listed_by_kind()
    {
        await using var repository = await InitializeAsync(new CrashStore());
        var point = await repository.BackupAsync(Noise(10));
        var id = await repository.WriteAttestationAsync("validation", point.Id, JsonSerializer.SerializeToElement(new { passed = true }), Ct);
        await repository.WriteAttestationAsync("hold", null, JsonSerializer.SerializeToElement("x"), Ct);
        var found = Assert.Single(await repository.ListAttestationsAsync("validation", Ct));
        Assert.Equal((id, point.Id), (found.Id, found.RestorePoint!.Value));
        Assert.True(found.Content.GetProperty("passed").GetBoolean());
        Assert.Equal(2, (await repository.ListAttestationsAsync(null, Ct)).Count);
    }

    [Fact]
    public async Task Resolve_takes_unique_beginnings_only()
    {
        await using var repository = await InitializeAsync(new CrashStore());
        var first = await repository.BackupAsync(Noise(10));
        var second = await repository.BackupAsync(Noise(11));
        Assert.Equal(second.Id, await repository.ResolveAsync(second.Id.Value[..31], Ct));
        Assert.Equal(ErrorKind.Input, (await Assert.ThrowsAsync<EngineException>(() => repository.ResolveAsync(first.Id.Value[..4], Ct))).Kind);
        Assert.Equal(ErrorKind.NotFound, (await Assert.ThrowsAsync<EngineException>(() => repository.ResolveAsync("ffff", Ct))).Kind);
    }

    [Fact]
    public async Task Initialize_over_a_repository_is_refused()
    {
        var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        Assert.True(await BackupRepository.ExistsAsync(store, Ct));
        Assert.Equal("repository-exists", (await Assert.ThrowsAsync<EngineException>(() => InitializeAsync(store))).Code);
    }

    [Fact]
    public async Task FileSystem_store_round_trip()
    {
        var folder = Directory.CreateTempSubdirectory("drc-").FullName;
        try
        {
            await using var store = new FileSystemStore(Path.Combine(folder, "new", "hot"));
            await using var repository = await InitializeAsync(store);
            var manifest = await repository.BackupAsync(Noise(40_000_000));
            await using var reopened = await OpenAsync(store);
            AssertSame(Noise(40_000_000), await reopened.ReadAsync(manifest));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private sealed class FailingStream(long after) : MemoryStream
    {
        private long _left = after;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            _left -= buffer.Length;
            return _left > 0 ? ValueTask.FromResult(buffer.Length) : throw new InvalidDataException("the tool failed");
        }
    }
}
