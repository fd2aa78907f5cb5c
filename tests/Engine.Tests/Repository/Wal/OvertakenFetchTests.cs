using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Storage;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;
using static Hexabase.DrConsole.Engine.Tests.Repository.Wal.WalFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository.Wal;

/// <summary>A recovery fetches WAL while the receiver goes on: pieces that a listing showed are replaced before they are read.</summary>
public sealed class OvertakenFetchTests
{
    [Fact]
    public async Task Fetch_looks_again_for_what_replaced_a_piece()
    {
        await using var store = new CrashStore();
        await using var writing = await InitializeAsync(store);
        var receiver = await writing.OpenDescribedAsync();
        await receiver.StoreAsync(3);
        await receiver.StorePieceAsync(4, 0, 1000);
        await using var overtaken = new ActingStore(store, () => receiver.StoreAsync(4));
        await using var reading = await OpenAsync(overtaken, Cheap);
        using var folder = new TemporaryFolder();

        var fetch = await (await reading.OpenWalAsync("orders", Cluster, Ct)).FetchAsync(1, At(3), At(4, 1000), folder.Combine("wal"), null, Ct);

        Assert.True(overtaken.HasActed);
        Assert.Equal(At(5), fetch.EndLsn);
        AssertSame(Segment(3), await File.ReadAllBytesAsync(folder.Combine("wal", fetch.Files[0]), Ct));
        AssertSame(Segment(4), await File.ReadAllBytesAsync(folder.Combine("wal", fetch.Files[1]), Ct));
    }

    [Fact]
    public async Task Fetch_of_a_piece_that_is_lost_for_good_ends_with_its_name()
    {
        await using var store = new CrashStore();
        await using var writing = await InitializeAsync(store);
        var receiver = await writing.OpenDescribedAsync();
        await receiver.StorePieceAsync(4, 0, 1000);
        await using var overtaken = new ActingStore(store, async () =>
        {
            foreach (var key in store.KeysOf("wal/").Where(key => key.Contains("/0000000000000004", StringComparison.Ordinal)).ToList())
            {
                await store.DeleteAsync(key, Ct);
            }
        });
        await using var reading = await OpenAsync(overtaken, Cheap);
        using var folder = new TemporaryFolder();

        var fault = await Assert.ThrowsAsync<EngineException>(async () =>
            await (await reading.OpenWalAsync("orders", Cluster, Ct)).FetchAsync(1, At(4), At(4, 1000), folder.Combine("wal"), null, Ct));

        Assert.Equal("wal-missing", fault.Code);
    }

    /// <summary>Another process acts right before the first piece of segment 4 is read.</summary>
    private sealed class ActingStore(IObjectStore inner, Func<Task> act) : IObjectStore
    {
        private int _acted;

        public bool HasActed => _acted > 0;

        public string Url => inner.Url;

        public Task PutAsync(string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => inner.PutAsync(key, content, cancellationToken);

        public async Task ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            await ActBeforeAsync(key);
            await inner.ReadAsync(key, offset, buffer, cancellationToken);
        }

        public async Task<Stream> OpenReadAsync(string key, CancellationToken cancellationToken)
        {
            await ActBeforeAsync(key);
            return await inner.OpenReadAsync(key, cancellationToken);
        }

        public async Task<ObjectInfo?> StatAsync(string key, CancellationToken cancellationToken)
        {
            await ActBeforeAsync(key);
            return await inner.StatAsync(key, cancellationToken);
        }

        public Task DeleteAsync(string key, CancellationToken cancellationToken) => inner.DeleteAsync(key, cancellationToken);

        public IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, CancellationToken cancellationToken) => inner.ListAsync(prefix, cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private async Task ActBeforeAsync(string key)
        {
            if (key.Contains("/0000000000000004", StringComparison.Ordinal) && Interlocked.Exchange(ref _acted, 1) == 0)
            {
                await act();
            }
        }
    }
}
