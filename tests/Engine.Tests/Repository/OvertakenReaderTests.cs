using System.Runtime.CompilerServices;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>Readers whose look at the store is overtaken by another process: what they miss is newer than the look, not damaged.</summary>
public sealed class OvertakenReaderTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly CrashStore _store;
    private readonly CrashStore _target;

    public OvertakenReaderTests()
    {
        _store = new CrashStore(time: _time);
        _target = new CrashStore(time: _time);
    }

    private RepositoryOptions Options => Cheap with { Time = _time };

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _target.DisposeAsync();
    }

    [Fact]
    public async Task Copy_takes_a_restore_point_that_was_committed_after_it_loaded_the_index()
    {
        await using var other = await InitializeAsync(_store, Options);
        await other.BackupAsync(Noise(900_000, 1));
        await using var tier = await BackupRepository.InitializeFromAsync(_target, other, Ct);
        Manifest? late = null;
        await using var overtaken = new OvertakenStore(_store, "manifests/", async () => late = await other.BackupAsync(Noise(900_000, 2)), isDuring: false);
        await using var repository = await OpenAsync(overtaken, Options);

        var report = await repository.CopyAsync(tier, null, null, Ct);

        Assert.Equal(2, report.RestorePoints);
        AssertSame(Noise(900_000, 2), await tier.ReadAsync(late!));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Copy_finds_chunks_that_were_repacked_while_it_listed_packs(int times)
    {
        await using var other = await InitializeAsync(_store, Options);
        var gone = new List<Manifest>();
        for (var round = 0; round < times; round++)
        {
            gone.Add(await BackUpAsync(other, (round, 300_000), (100 + round, 6_000_000)));
        }

        var kept = await BackUpAsync(other, [.. Enumerable.Range(0, times).Select(round => (round, 300_000))]);
        await using var tier = await BackupRepository.InitializeFromAsync(_target, other, Ct);
        var left = new Queue<Manifest>(gone);
        await using var overtaken = new OvertakenStore(_store, "packs/", () => RepackAsync(other, left.Dequeue()), times);
        await using var repository = await OpenAsync(overtaken, Options);

        await repository.CopyAsync(tier, [kept.Id], null, Ct);

        Assert.Empty(left);
        for (var round = 0; round < times; round++)
        {
            AssertSame(Noise(300_000, round), await tier.ReadAsync(kept, $"{round}"));
        }
    }

    [Fact]
    public async Task Readers_side_by_side_find_what_was_repacked_under_them()
    {
        await using var other = await InitializeAsync(_store, Options);
        var old = await BackUpAsync(other, (1, 300_000), (2, 6_000_000));
        var kept = await BackUpAsync(other, (1, 300_000));
        await using var repository = await OpenAsync(_store, Options);
        await repository.Parts.Index.RefreshAsync(Ct);
        await RepackAsync(other, old);

        await Parallel.ForAsync(0, 16, Ct, async (_, _) => AssertSame(Noise(300_000, 1), await repository.ReadAsync(kept, "0")));
    }

    [Fact]
    public async Task Chunk_that_is_really_gone_is_said_to_be_damaged_after_one_more_look()
    {
        await using var other = await InitializeAsync(_store, Options);
        var point = await other.BackupAsync(Noise(900_000, 1));
        await using var tier = await BackupRepository.InitializeFromAsync(_target, other, Ct);
        foreach (var pack in _store.KeysOf("packs/").ToList())
        {
            _store.Remove(pack);
        }

        var listings = 0;
        await using var counting = new OvertakenStore(_store, "packs/", () => Task.FromResult(listings++), int.MaxValue);
        await using var repository = await OpenAsync(counting, Options);
        var error = await Assert.ThrowsAsync<EngineException>(() => repository.CopyAsync(tier, [point.Id], null, Ct));
        Assert.Equal(("copy-source-damaged", 2), (error.Code, listings));
        Assert.Empty(_target.KeysOf("manifests/"));
    }

    private async Task<Manifest> BackUpAsync(BackupRepository repository, params (int Seed, int Length)[] streams)
    {
        _time.Advance(TimeSpan.FromMinutes(1));
        await using var session = await repository.BeginAsync(Describe(), Ct);
        foreach (var ((seed, length), name) in streams.Select((stream, name) => (stream, name)))
        {
            await session.WriteStreamAsync($"{name}", "test", new MemoryStream(Noise(length, seed)), null, Ct);
        }

        return await session.CommitAsync(null, null, Ct);
    }

    /// <summary>Expires a point, moves what others need of its packs into new ones, and deletes its packs.</summary>
    private async Task RepackAsync(BackupRepository repository, Manifest gone)
    {
        var before = _store.KeysOf("packs/").ToHashSet();
        await repository.PruneAsync(new PruneOptions { Expire = [new PointToExpire(gone.Id, "test")], MaxDeletedShare = 1, Grace = TimeSpan.Zero }, null, Ct);
        await repository.PruneAsync(new PruneOptions { Grace = TimeSpan.Zero }, null, Ct);
        var after = _store.KeysOf("packs/").ToHashSet();
        Assert.True(before.Except(after).Any() && after.Except(before).Any(), "nothing was repacked");
    }

    /// <summary>
    /// A store in which another process acts right before a listing of <paramref name="prefix"/>, or during it: then the listing
    /// had passed the places of what is written meanwhile, and reaches those of what is deleted only afterwards.
    /// </summary>
    private sealed class OvertakenStore(IObjectStore inner, string prefix, Func<Task> act, int times = 1, bool isDuring = true) : IObjectStore
    {
        private int _left = times;

        public string Url => inner.Url;

        public Task PutAsync(string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => inner.PutAsync(key, content, cancellationToken);

        public Task ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
            inner.ReadAsync(key, offset, buffer, cancellationToken);

        public Task<Stream> OpenReadAsync(string key, CancellationToken cancellationToken) => inner.OpenReadAsync(key, cancellationToken);

        public Task<ObjectInfo?> StatAsync(string key, CancellationToken cancellationToken) => inner.StatAsync(key, cancellationToken);

        public Task DeleteAsync(string key, CancellationToken cancellationToken) => inner.DeleteAsync(key, cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        public async IAsyncEnumerable<ObjectInfo> ListAsync(string listed, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            if (listed != prefix || _left == 0)
            {
                await foreach (var item in inner.ListAsync(listed, cancellationToken))
                {
                    yield return item;
                }

                yield break;
            }

            _left--;
            var before = await inner.ListAsync(listed, cancellationToken).ToListAsync(cancellationToken);
            await act();
            var after = await inner.ListAsync(listed, cancellationToken).ToListAsync(cancellationToken);
            foreach (var item in after.Where(item => !isDuring || before.Contains(item)))
            {
                yield return item;
            }
        }
    }
}
