using Hexabase.DrConsole.Dashboard.Live;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Live;

/// <summary>What open pages share of what they read.</summary>
public sealed class SharedReadingTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly SharedReading _shared;
    private int _reads;

    public SharedReadingTests() => _shared = new SharedReading(_clock);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Those_who_ask_at_the_same_moment_share_one_reading()
    {
        var asked = Enumerable.Range(0, 100).Select(_ => _shared.ReadAsync("runs", CountAsync, Cancel)).ToList();
        _clock.Advance(SharedReading.Gathering);
        var answers = await Task.WhenAll(asked);

        Assert.Equal(1, _reads);
        Assert.All(answers, answer => Assert.Equal(1, answer));
    }

    [Fact]
    public async Task Who_asks_while_a_reading_is_under_way_gets_the_next_one()
    {
        var (begun, goes) = (new TaskCompletionSource(), new TaskCompletionSource());
        var value = "before";
        var first = _shared.ReadAsync("runs", async _ =>
        {
            var read = value;
            begun.SetResult();
            await goes.Task;
            return read;
        }, Cancel);
        _clock.Advance(SharedReading.Gathering);
        await begun.Task;
        // A change after it began: whoever knows of it must see it.
        value = "after";
        var second = _shared.ReadAsync("runs", _ => Task.FromResult(value), Cancel);
        _clock.Advance(SharedReading.Gathering);

        Assert.Equal("after", await second);
        goes.SetResult();
        Assert.Equal("before", await first);
    }

    [Fact]
    public async Task Other_things_are_read_by_themselves()
    {
        Task<int>[] both = [_shared.ReadAsync("run 1", CountAsync, Cancel), _shared.ReadAsync("run 2", CountAsync, Cancel)];
        _clock.Advance(SharedReading.Gathering);
        await Task.WhenAll(both);

        Assert.Equal(2, _reads);
    }

    [Fact]
    public async Task A_reader_who_leaves_takes_nothing_from_the_others()
    {
        using var left = new CancellationTokenSource();
        var goes = new TaskCompletionSource();
        var first = _shared.ReadAsync("runs", token => WaitAsync(goes.Task, token), left.Token);
        var second = _shared.ReadAsync("runs", CountAsync, Cancel);
        _clock.Advance(SharedReading.Gathering);
        await left.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        goes.SetResult();

        Assert.Equal(1, await second);
    }

    [Fact]
    public async Task A_fault_is_told_to_all_and_the_next_reading_is_a_new_one()
    {
        var first = _shared.ReadAsync<int>("runs", _ => throw new InvalidOperationException("away"), Cancel);
        var second = _shared.ReadAsync("runs", CountAsync, Cancel);
        _clock.Advance(SharedReading.Gathering);

        await Assert.ThrowsAsync<InvalidOperationException>(() => first);
        await Assert.ThrowsAsync<InvalidOperationException>(() => second);
        var third = _shared.ReadAsync("runs", CountAsync, Cancel);
        _clock.Advance(SharedReading.Gathering);
        Assert.Equal(1, await third);
    }

    private Task<int> CountAsync(CancellationToken cancellationToken) => Task.FromResult(Interlocked.Increment(ref _reads));

    private async Task<int> WaitAsync(Task until, CancellationToken cancellationToken)
    {
        await until.WaitAsync(cancellationToken);
        return await CountAsync(cancellationToken);
    }
}
