using Hexabase.DrConsole.Engine.Backups;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Engine.Tests.Backups;

public sealed class TierWatchTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 30, 12, 0, 0, TimeSpan.Zero));
    private readonly List<TierUsage> _told = [];
    private int _looks;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Look_that_hangs_is_told_and_its_end_as_well()
    {
        var answer = new TaskCompletionSource();
        var watch = Watch(async onMoved =>
        {
            onMoved();
            await answer.Task;
        });
        await BeginAsync(watch);
        _time.Advance(TierWatch.LongestSilence - TimeSpan.FromSeconds(1));
        await watch.AdvanceAsync(false, Ct);
        Assert.Empty(_told);

        _time.Advance(TimeSpan.FromSeconds(1));
        await watch.AdvanceAsync(false, Ct);
        Assert.Equal("its store has not answered for 2 minutes; look at its mount or connection", Assert.Single(_told).Fault);
        Assert.Equal(1, _looks);

        answer.SetResult();
        await UntilAsync(() => _told[^1].Fault is null);
        // How long it hung says nothing of how long a look takes.
        _time.Advance(TierWatch.Every);
        await BeginAsync(watch);
        Assert.Equal(2, _looks);
    }

    [Fact]
    public async Task Look_that_takes_long_and_goes_on_counts_as_an_answer_and_is_made_less_often()
    {
        var goOn = new SemaphoreSlim(0);
        var moved = new SemaphoreSlim(0);
        var watch = Watch(async onMoved =>
        {
            for (var page = 0; page < 3; page++)
            {
                await goOn.WaitAsync(Ct);
                onMoved();
                moved.Release();
            }
        });
        await BeginAsync(watch);
        for (var page = 0; page < 3; page++)
        {
            _time.Advance(TimeSpan.FromMinutes(1.5));
            await watch.AdvanceAsync(false, Ct);
            goOn.Release();
            await moved.WaitAsync(Ct);
        }

        await UntilAsync(() => _told.Count > 0);
        Assert.Null(Assert.Single(_told).Fault);
        _time.Advance(TimeSpan.FromMinutes(80));
        await watch.AdvanceAsync(true, Ct);
        Assert.Equal(1, _looks);
        _time.Advance(TimeSpan.FromMinutes(11));
        await BeginAsync(watch);
        Assert.Equal(2, _looks);
    }

    [Fact]
    public async Task Look_that_takes_long_and_hangs_in_between_is_made_less_often_by_what_it_took_without_that()
    {
        var (moved, answer) = (new TaskCompletionSource(), new TaskCompletionSource());
        var watch = Watch(async onMoved =>
        {
            _time.Advance(TimeSpan.FromMinutes(1.5));
            onMoved();
            moved.TrySetResult();
            await answer.Task;
        });
        await BeginAsync(watch);
        await moved.Task;
        _time.Advance(TimeSpan.FromMinutes(3));
        answer.SetResult();
        await UntilAsync(() => _told.Count > 0);

        _time.Advance(TimeSpan.FromMinutes(29));
        await watch.AdvanceAsync(true, Ct);
        Assert.Equal(1, _looks);
        _time.Advance(TimeSpan.FromMinutes(2));
        await BeginAsync(watch);
        Assert.Equal(2, _looks);
    }

    [Fact]
    public async Task Tier_is_looked_at_at_once_where_a_run_has_ended()
    {
        var watch = Watch(_ => Task.CompletedTask);
        await BeginAsync(watch);
        await UntilAsync(() => _told.Count == 1);
        _time.Advance(TimeSpan.FromSeconds(2));
        await watch.AdvanceAsync(false, Ct);
        await UntilAsync(async () =>
        {
            // The look before is told a moment before it has ended.
            await watch.AdvanceAsync(true, Ct);
            return _told.Count >= 2;
        });
    }

    private TierWatch Watch(Func<Action, Task> look) => new(
        "hot",
        async (onMoved, _) =>
        {
            Interlocked.Increment(ref _looks);
            await look(onMoved);
            return new TierUsage("hot", _time.GetUtcNow(), 1, 1, null, null, null, null);
        },
        _told.Add, (_, _) => Task.CompletedTask, _time);

    /// <summary>Until the look that is due has begun.</summary>
    private async Task BeginAsync(TierWatch watch)
    {
        var before = _looks;
        await UntilAsync(async () =>
        {
            await watch.AdvanceAsync(false, Ct);
            return Volatile.Read(ref _looks) > before;
        });
    }

    private static Task UntilAsync(Func<bool> isSo) => UntilAsync(() => Task.FromResult(isSo()));

    private static async Task UntilAsync(Func<Task<bool>> isSo)
    {
        while (!await isSo())
        {
            await Task.Delay(5, Ct);
        }
    }
}
