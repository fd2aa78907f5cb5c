using System.Threading.Channels;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Live;

/// <summary>
/// Turns the run feed into refreshes of one reader: the first change at once, then at most one refresh an interval, and the
/// last change is never lost. Memory is one slot, however fast the changes come.
/// </summary>
public sealed class LiveSignal : IAsyncDisposable
{
    private readonly Channel<bool> _changed = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _over = new();
    private readonly IDisposable _subscription;
    private readonly ITimer _clock;
    private readonly Task _loop;

    /// <param name="feed">Hears of changes in every process.</param>
    /// <param name="concerns">Whether a change (null: any run) concerns this reader.</param>
    /// <param name="refresh">Reads again; handles its own faults.</param>
    /// <param name="atLeastEvery">Reads again so often even without a change: an RPO is exceeded, and a proof grows stale, by time alone.</param>
    public LiveSignal(
        RunFeed feed, Func<RunId?, bool> concerns, Func<CancellationToken, Task> refresh, TimeSpan interval, TimeSpan atLeastEvery, TimeProvider time)
    {
        _subscription = feed.Subscribe(run =>
        {
            if (concerns(run))
            {
                _changed.Writer.TryWrite(true);
            }
        });
        _clock = time.CreateTimer(_ => _changed.Writer.TryWrite(true), null, atLeastEvery, atLeastEvery);
        _loop = LoopAsync(refresh, interval, time);
    }

    /// <summary>Something else than a run changed that this reader shows.</summary>
    public void Changed() => _changed.Writer.TryWrite(true);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _subscription.Dispose();
        await _clock.DisposeAsync();
        await _over.CancelAsync();
        await _loop;
        _over.Dispose();
    }

    private async Task LoopAsync(Func<CancellationToken, Task> refresh, TimeSpan interval, TimeProvider time)
    {
        try
        {
            while (await _changed.Reader.WaitToReadAsync(_over.Token))
            {
                // Taken before reading: a change that comes during the refresh leads to another one.
                _changed.Reader.TryRead(out _);
                await refresh(_over.Token);
                await Task.Delay(interval, time, _over.Token);
            }
        }
        catch (Exception gone) when (gone is ObjectDisposedException || (gone is OperationCanceledException && _over.IsCancellationRequested))
        {
            // The reader is gone.
        }
    }
}
