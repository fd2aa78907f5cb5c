using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Storage.Decorators;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>Retry and bandwidth keep the contract of what they wrap.</summary>
public sealed class RetryingStoreContractTests : ObjectStoreContract
{
    protected override Task<IObjectStore> OpenAsync() =>
        Task.FromResult<IObjectStore>(new RetryingStore(new FaultyStore(new CrashStore(), new FaultPlan(Seed: 5, ErrorShare: 0.2)), new RetryPolicy { FirstPause = TimeSpan.FromMilliseconds(1) }));
}

public sealed class ThrottledStoreContractTests : ObjectStoreContract
{
    protected override Task<IObjectStore> OpenAsync() => Task.FromResult<IObjectStore>(new ThrottledStore(new CrashStore(), new TokenBucket(1e9), new TokenBucket(1e9)));
}

public sealed class DecoratorTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public void Pauses_double_up_to_a_limit_and_differ()
    {
        var policy = new RetryPolicy { FirstPause = TimeSpan.FromSeconds(1), LongestPause = TimeSpan.FromSeconds(10) };
        Assert.Equal([0.5, 1, 2, 4, 5, 5], Enumerable.Range(1, 6).Select(retry => policy.Pause(retry, 0).TotalSeconds));
        Assert.Equal([1.0, 2, 4, 8, 10, 10], Enumerable.Range(1, 6).Select(retry => Math.Round(policy.Pause(retry, 0.9999999).TotalSeconds, 3)));
        Assert.Equal(10, policy.Pause(10_000, 1).TotalSeconds, 0.001);
    }

    [Fact]
    public async Task Retry_makes_transient_faults_pass_and_gives_up_after_its_time()
    {
        var notices = new List<RetryNotice>();
        var time = new FakeTimeProvider { AutoAdvanceAmount = TimeSpan.Zero };
        var inner = new FaultyStore(new CrashStore(), new FaultPlan(Seed: 1, ErrorShare: 1));
        await using var store = new RetryingStore(inner, new RetryPolicy { TotalTime = TimeSpan.FromSeconds(60) }, time, new Random(1), notices.Add);
        var put = store.PutAsync("a", new byte[1], Ct);
        while (!put.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        var fault = await Assert.ThrowsAsync<EngineException>(() => put);
        Assert.Equal((true, "store-unreachable"), (fault.IsTransient, fault.Code));
        Assert.Contains($"(tried {notices.Count + 1} times)", fault.Message, StringComparison.Ordinal);
        Assert.InRange(notices.Count, 5, 20);
        Assert.True(notices.Sum(notice => notice.Pause.TotalSeconds) <= 60);
    }

    [Fact]
    public async Task Patience_that_is_over_for_one_is_over_for_all_of_a_tier_until_a_call_succeeds()
    {
        var shared = new SharedPatience();
        var notices = 0;
        var policy = new RetryPolicy { FirstPause = TimeSpan.FromMilliseconds(1), TotalTime = TimeSpan.FromMilliseconds(20) };
        await using var down = new RetryingStore(new FaultyStore(new CrashStore(), new FaultPlan(Seed: 1, ErrorShare: 1)), policy, onRetry: _ => notices++, shared: shared);
        await using var other = new RetryingStore(new FaultyStore(new CrashStore(), new FaultPlan(Seed: 2, ErrorShare: 1)), policy, onRetry: _ => Assert.Fail("tried again"), shared: shared);
        await Assert.ThrowsAsync<EngineException>(() => down.StatAsync("a", Ct));
        Assert.True(notices > 0 && shared.IsOver);
        await Assert.ThrowsAsync<EngineException>(() => other.StatAsync("a", Ct));

        await using var well = new RetryingStore(new CrashStore(), policy, shared: shared);
        await well.StatAsync("a", Ct);
        Assert.False(shared.IsOver);
    }

    [Theory]
    [InlineData(ErrorKind.Denied)]
    [InlineData(ErrorKind.OutOfSpace)]
    [InlineData(ErrorKind.NotFound)]
    public async Task Retry_leaves_alone_what_would_fail_again(ErrorKind kind)
    {
        await using var store = new RetryingStore(new RefusingStore(kind), onRetry: notice => Assert.Fail(notice.Fault.Message));
        Assert.Equal(kind, (await Assert.ThrowsAsync<EngineException>(() => store.PutAsync("a", new byte[1], Ct))).Kind);
    }

    [Fact]
    public async Task Retry_ends_its_pause_when_the_caller_gives_up()
    {
        using var stop = new CancellationTokenSource();
        await using var store = new RetryingStore(new FaultyStore(new CrashStore(), new FaultPlan(Seed: 1, ErrorShare: 1)), time: new FakeTimeProvider(), onRetry: _ => stop.Cancel());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.PutAsync("a", new byte[1], stop.Token));
    }

    [Fact]
    public async Task Stream_that_breaks_off_goes_on_where_it_was()
    {
        var memory = new CrashStore();
        var content = RepositoryFixture.Noise(5_000_000);
        await memory.PutAsync("a", content, Ct);
        var broken = 0;
        for (var seed = 0; seed < 10; seed++)
        {
            var faulty = new FaultyStore(memory, new FaultPlan(seed, ErrorShare: 0.1, BrokenStreamShare: 1));
            await using var store = new RetryingStore(faulty, new RetryPolicy { FirstPause = TimeSpan.FromMilliseconds(1) });
            var read = new MemoryStream();
            await using (var stream = await store.OpenReadAsync("a", Ct))
            {
                await stream.CopyToAsync(read, Ct);
            }

            RepositoryFixture.AssertSame(content, read.ToArray());
            broken += faulty.BrokenStreams;
        }

        Assert.Equal(10, broken);
    }

    [Fact]
    public async Task Listing_that_breaks_off_goes_on_without_gap_or_repeat()
    {
        var memory = new CrashStore();
        var keys = Enumerable.Range(0, 500).Select(i => $"n/{i:d4}").ToList();
        foreach (var key in keys)
        {
            await memory.PutAsync(key, new byte[1], Ct);
        }

        var broken = 0;
        for (var seed = 0; seed < 5; seed++)
        {
            var faulty = new FaultyStore(memory, new FaultPlan(seed, ErrorShare: 0.2, BrokenListingShare: 0.005));
            await using var store = new RetryingStore(faulty, new RetryPolicy { FirstPause = TimeSpan.FromMilliseconds(1), LongestPause = TimeSpan.FromMilliseconds(5) });
            var listed = new List<string>();
            await foreach (var item in store.ListAsync("n/", Ct))
            {
                listed.Add(item.Key);
            }

            Assert.Equal(keys, listed);
            broken += faulty.BrokenListings;
        }

        Assert.True(broken > 0);
    }

    [Fact]
    public async Task Bandwidth_is_shared_by_all_callers()
    {
        var time = new FakeTimeProvider();
        var bucket = new TokenBucket(1_000_000, time);
        await using var one = new ThrottledStore(new CrashStore(), bucket, null);
        await using var other = new ThrottledStore(new CrashStore(), bucket, null);
        var puts = Enumerable.Range(0, 10).Select(i => (i % 2 == 0 ? one : other).PutAsync($"a/{i}", new byte[1_000_000], Ct)).ToList();

        // The first second's worth is there from the start, then one object a second.
        Assert.Equal(1, puts.Count(put => put.IsCompleted));
        for (var second = 2; second <= 10; second++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            while (puts.Count(put => put.IsCompleted) < second)
            {
                await Task.Yield();
            }

            Assert.Equal(second, puts.Count(put => put.IsCompleted));
        }
    }

    [Fact]
    public async Task Bandwidth_of_downloads_counts_ranges_and_streams()
    {
        var time = new FakeTimeProvider();
        var memory = new CrashStore();
        await memory.PutAsync("a", new byte[3_000_000], Ct);
        await using var store = new ThrottledStore(memory, null, new TokenBucket(1_000_000, time));
        await store.ReadAsync("a", 0, new byte[1_000_000], Ct);
        var range = store.ReadAsync("a", 0, new byte[2_000_000], Ct);
        time.Advance(TimeSpan.FromSeconds(1.9));
        Assert.False(range.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.2));
        await range;
        await using var stream = await store.OpenReadAsync("a", Ct);
        var copy = stream.CopyToAsync(Stream.Null, Ct);
        Assert.False(copy.IsCompleted);
        while (!copy.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        await copy;
    }

    private sealed class RefusingStore(ErrorKind kind) : IObjectStore
    {
        public string Url => "memory:refusing";

        public Task PutAsync(string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => throw new EngineException("refused", kind, "refused");

        public Task ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<Stream> OpenReadAsync(string key, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<ObjectInfo?> StatAsync(string key, CancellationToken cancellationToken) => throw new NotSupportedException();

        public IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task DeleteAsync(string key, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
