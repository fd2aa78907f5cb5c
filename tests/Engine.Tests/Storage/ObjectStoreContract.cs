using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Repository;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>What every store must do.</summary>
public abstract class ObjectStoreContract
{
    protected static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>A new, empty store.</summary>
    protected abstract Task<IObjectStore> OpenAsync();

    [Fact]
    public async Task Put_then_read_gives_the_same_bytes()
    {
        await using var store = await OpenAsync();
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
        await using var store = await OpenAsync();
        await store.PutAsync("a", new byte[5], Ct);
        await store.PutAsync("a", ReadOnlyMemory<byte>.Empty, Ct);
        Assert.Empty(await store.ReadAllAsync("a", Ct));
        Assert.Equal(0, (await store.StatAsync("a", Ct))!.Value.Length);
    }

    [Fact]
    public async Task Missing_object_is_not_found_and_reading_beyond_the_end_is_damage()
    {
        await using var store = await OpenAsync();
        Assert.Null(await store.StatAsync("x/none", Ct));
        Assert.Equal(ErrorKind.NotFound, (await Assert.ThrowsAsync<EngineException>(() => store.ReadAsync("x/none", 0, new byte[1], Ct))).Kind);
        Assert.Equal(ErrorKind.NotFound, (await Assert.ThrowsAsync<EngineException>(() => store.OpenReadAsync("x/none", Ct))).Kind);
        await store.PutAsync("x/short", new byte[3], Ct);
        Assert.Equal(ErrorKind.Damaged, (await Assert.ThrowsAsync<EngineException>(() => store.ReadAsync("x/short", 1, new byte[3], Ct))).Kind);
    }

    [Fact]
    public async Task List_is_ordered_and_by_prefix()
    {
        await using var store = await OpenAsync();
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
        await using var store = await OpenAsync();
        await store.PutAsync("a/b", new byte[1], Ct);
        await store.DeleteAsync("a/b", Ct);
        await store.DeleteAsync("a/b", Ct);
        Assert.Empty(await KeysAsync(store, ""));
    }

    [Fact]
    public async Task Many_writers_and_readers_at_once_see_whole_objects()
    {
        await using var store = await OpenAsync();
        await Parallel.ForEachAsync(Enumerable.Range(0, 100), Ct, async (i, token) =>
        {
            await store.PutAsync($"n/{i}", RepositoryFixture.Noise(1000 + i, i), token);
            RepositoryFixture.AssertSame(RepositoryFixture.Noise(1000 + i, i), await store.ReadAllAsync($"n/{i}", token));
        });
        Assert.Equal(100, (await KeysAsync(store, "n/")).Count);
    }

    [Fact]
    public async Task Big_objects_are_whole_and_any_range_of_them_is_read()
    {
        await using var store = await OpenAsync();
        var content = RepositoryFixture.Noise((67 << 20) + 12_345);
        await store.PutAsync("packs/big", content, Ct);
        Assert.Equal(content.Length, (await store.StatAsync("packs/big", Ct))!.Value.Length);
        foreach (var (offset, length) in new[] { (0, 1), (0, 3 << 20), (content.Length - 1, 1), (content.Length - 70_000, 70_000), ((16 << 20) - 5, 10), ((33 << 20) + 1, 5 << 20) })
        {
            var part = new byte[length];
            await store.ReadAsync("packs/big", offset, part, Ct);
            RepositoryFixture.AssertSame(content.AsSpan(offset, length).ToArray(), part);
        }

        var whole = new MemoryStream();
        await using (var stream = await store.OpenReadAsync("packs/big", Ct))
        {
            await stream.CopyToAsync(whole, Ct);
        }

        RepositoryFixture.AssertSame(content, whole.ToArray());
        Assert.Equal(ErrorKind.Damaged, (await Assert.ThrowsAsync<EngineException>(() => store.ReadAsync("packs/big", content.Length, new byte[1], Ct))).Kind);
        Assert.Equal(ErrorKind.Damaged, (await Assert.ThrowsAsync<EngineException>(() => store.ReadAsync("packs/big", content.Length - 1, new byte[2], Ct))).Kind);
    }

    [Fact]
    public async Task Listing_of_more_than_a_page_is_complete_and_in_order()
    {
        await using var store = await OpenAsync();
        var keys = Enumerable.Range(0, 1100).Select(i => $"index/{i * 7919 % 1100:x}{(i % 3 == 0 ? "/deep" : "")}").ToList();
        await Parallel.ForEachAsync(keys, Ct, async (key, token) => await store.PutAsync(key, new byte[key.Length], token));
        await store.PutAsync("keys/other", new byte[1], Ct);
        var listed = new List<ObjectInfo>();
        await foreach (var item in store.ListAsync("index/", Ct))
        {
            listed.Add(item);
        }

        Assert.Equal(keys.Order(StringComparer.Ordinal), listed.Select(item => item.Key));
        Assert.All(listed, item => Assert.Equal(item.Key.Length, item.Length));
    }

    [Fact]
    public async Task Overwriting_while_others_read_shows_old_or_new_and_nothing_else()
    {
        await using var store = await OpenAsync();
        var contents = new[] { RepositoryFixture.Noise(300_000, 1), RepositoryFixture.Noise(300_000, 2) };
        await store.PutAsync("a/b", contents[0], Ct);
        var writing = Task.Run(async () =>
        {
            for (var i = 1; i <= 20; i++)
            {
                await store.PutAsync("a/b", contents[i % 2], Ct);
            }
        }, Ct);
        do
        {
            byte[] read;
            try
            {
                read = await store.ReadAllAsync("a/b", Ct);
            }
            catch (EngineException fault) when (fault.IsTransient)
            {
                // A server may ask to try again where a reader and a writer meet; it may not mix them.
                continue;
            }

            Assert.True(contents.Any(content => content.AsSpan().SequenceEqual(read)), "neither the old nor the new object");
        }
        while (!writing.IsCompleted);
        await writing;
    }

    [Fact]
    public async Task Streams_held_open_do_not_keep_others_from_working()
    {
        await using var store = await OpenAsync();
        var content = RepositoryFixture.Noise(200_000);
        await store.PutAsync("a", content, Ct);
        await using var first = await store.OpenReadAsync("a", Ct);
        await using var second = await store.OpenReadAsync("a", Ct);
        var start = new byte[1];
        await first.ReadExactlyAsync(start, Ct);
        Assert.Equal(content[0], start[0]);
        await store.PutAsync("b", content, Ct);
        RepositoryFixture.AssertSame(content, await store.ReadAllAsync("b", Ct));
        Assert.Equal(["a", "b"], await KeysAsync(store, ""));
        var rest = new MemoryStream();
        await first.CopyToAsync(rest, Ct);
        RepositoryFixture.AssertSame(content[1..], rest.ToArray());
    }

    [Theory]
    [InlineData("")]
    [InlineData("/a")]
    [InlineData("a/")]
    [InlineData("../a")]
    [InlineData("a/../b")]
    [InlineData("a//b")]
    [InlineData("A")]
    [InlineData("\u00e4")]
    [InlineData("tmp/a")]
    public async Task Key_that_is_none_is_refused(string key)
    {
        await using var store = await OpenAsync();
        await Assert.ThrowsAsync<ArgumentException>(() => store.PutAsync(key, new byte[1], Ct));
    }

    protected static async Task<List<string>> KeysAsync(IObjectStore store, string prefix)
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
    protected override Task<IObjectStore> OpenAsync() => Task.FromResult<IObjectStore>(new CrashStore());
}
