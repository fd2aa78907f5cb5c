using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Repository;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>What every store must do.</summary>
public abstract class ObjectStoreContract
{
    protected static CancellationToken Ct => TestContext.Current.CancellationToken;

    protected abstract IObjectStore Open();

    [Fact]
    public async Task Put_then_read_gives_the_same_bytes()
    {
        await using var store = Open();
        await store.PutAsync("packs/ab/one", "0123456789"u8.ToArray(), Ct);
        Assert.Equal("0123456789"u8.ToArray(), await store.ReadAllAsync("packs/ab/one", Ct));
        var middle = new byte[3];
        await store.ReadAsync("packs/ab/one", 4, middle, Ct);
        Assert.Equal("456"u8.ToArray(), middle);
        await using var stream = await store.OpenReadAsync("packs/ab/one", Ct);
        var whole = new MemoryStream();
        await stream.CopyToAsync(whole, Ct);
        Assert.Equal("0123456789"u8.ToArray(), whole.ToArray());
        Assert.Equal(10, (await store.StatAsync("packs/ab/one", Ct))!.Value.Length);
    }

    [Fact]
    public async Task Put_again_replaces_and_empty_objects_are_objects()
    {
        await using var store = Open();
        await store.PutAsync("a", new byte[5], Ct);
        await store.PutAsync("a", ReadOnlyMemory<byte>.Empty, Ct);
        Assert.Empty(await store.ReadAllAsync("a", Ct));
        Assert.Equal(0, (await store.StatAsync("a", Ct))!.Value.Length);
    }

    [Fact]
    public async Task Missing_object_is_not_found_and_reading_beyond_the_end_is_damage()
    {
        await using var store = Open();
        Assert.Null(await store.StatAsync("x/none", Ct));
        Assert.Equal(ErrorKind.NotFound, (await Assert.ThrowsAsync<EngineException>(() => store.ReadAsync("x/none", 0, new byte[1], Ct))).Kind);
        Assert.Equal(ErrorKind.NotFound, (await Assert.ThrowsAsync<EngineException>(() => store.OpenReadAsync("x/none", Ct))).Kind);
        await store.PutAsync("x/short", new byte[3], Ct);
        Assert.Equal(ErrorKind.Damaged, (await Assert.ThrowsAsync<EngineException>(() => store.ReadAsync("x/short", 1, new byte[3], Ct))).Kind);
    }

    [Fact]
    public async Task List_is_ordered_and_by_prefix()
    {
        await using var store = Open();
        foreach (var key in new[] { "b/2", "a/1", "b/10", "b/1", "bc/1", "b-x" })
        {
            await store.PutAsync(key, new byte[1], Ct);
        }

        Assert.Equal(["b/1", "b/10", "b/2"], await KeysAsync(store, "b/"));
        Assert.Equal(["b-x", "b/1", "b/10", "b/2", "bc/1"], await KeysAsync(store, "b"));
        Assert.Equal(6, (await KeysAsync(store, "")).Count);
        Assert.Empty(await KeysAsync(store, "none/"));
    }

    [Fact]
    public async Task Delete_removes_and_deleting_nothing_is_no_error()
    {
        await using var store = Open();
        await store.PutAsync("a/b", new byte[1], Ct);
        await store.DeleteAsync("a/b", Ct);
        await store.DeleteAsync("a/b", Ct);
        Assert.Empty(await KeysAsync(store, ""));
    }

    [Fact]
    public async Task Many_writers_and_readers_at_once_see_whole_objects()
    {
        await using var store = Open();
        await Parallel.ForEachAsync(Enumerable.Range(0, 100), Ct, async (i, token) =>
        {
            await store.PutAsync($"n/{i}", RepositoryFixture.Noise(1000 + i, i), token);
            RepositoryFixture.AssertSame(RepositoryFixture.Noise(1000 + i, i), await store.ReadAllAsync($"n/{i}", token));
        });
        Assert.Equal(100, (await KeysAsync(store, "n/")).Count);
    }

    private static async Task<List<string>> KeysAsync(IObjectStore store, string prefix)
    {
        var keys = new List<string>();
        await foreach (var item in store.ListAsync(prefix, Ct))
        {
            keys.Add(item.Key);
        }

        return keys;
    }
}

public sealed class CrashStoreContractTests : ObjectStoreContract
{
    protected override IObjectStore Open() => new CrashStore();
}
