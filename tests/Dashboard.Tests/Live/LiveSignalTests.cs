using System.Threading.Channels;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Npgsql;

namespace Hexabase.DrConsole.Dashboard.Tests.Live;

public sealed class LiveSignalTests : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AtLeastEvery = TimeSpan.FromHours(1);
    private readonly FakeTimeProvider _time = new();
    private readonly NpgsqlDataSource _nowhere = NpgsqlDataSource.Create("Host=/nowhere");
    private readonly Channel<int> _refreshed = Channel.CreateUnbounded<int>();
    private readonly RunFeed _feed;
    private int _count;

    public LiveSignalTests() => _feed = new RunFeed(_nowhere, TimeProvider.System, NullLogger<RunFeed>.Instance);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        _feed.Dispose();
        await _nowhere.DisposeAsync();
    }

    [Fact]
    public async Task Many_changes_are_one_refresh_now_and_one_after_the_interval()
    {
        await using var signal = Signal(_ => true);
        Change(1);
        Assert.Equal(1, await _refreshed.Reader.ReadAsync(Ct));
        for (var change = 0; change < 100; change++)
        {
            Change(change);
        }

        Assert.False(_refreshed.Reader.TryRead(out _));
        await AdvanceAsync();
        Assert.Equal(2, await _refreshed.Reader.ReadAsync(Ct));
        await AdvanceAsync();
        Assert.False(_refreshed.Reader.TryRead(out _));
    }

    [Fact]
    public async Task Changes_of_other_runs_do_not_refresh_and_lost_ones_do()
    {
        await using var signal = Signal(run => run is null || run == new RunId(7));
        Change(1);
        Change(7);
        Assert.Equal(1, await _refreshed.Reader.ReadAsync(Ct));
        await AdvanceAsync();
        Assert.False(_refreshed.Reader.TryRead(out _));
        _feed.Tell(null);
        Assert.Equal(2, await _refreshed.Reader.ReadAsync(Ct));
    }

    [Fact]
    public async Task Dispose_ends_the_subscription()
    {
        await Signal(_ => true).DisposeAsync();
        Change(1);
        Assert.False(_refreshed.Reader.TryRead(out _));
    }

    [Fact]
    public async Task Without_any_change_it_reads_again_after_a_while()
    {
        await using var signal = Signal(_ => true);
        _time.Advance(AtLeastEvery);
        Assert.Equal(1, await _refreshed.Reader.ReadAsync(Ct));
    }

    private LiveSignal Signal(Func<RunId?, bool> concerns) =>
        new(_feed, concerns, _ =>
        {
            _refreshed.Writer.TryWrite(++_count);
            return Task.CompletedTask;
        }, Interval, AtLeastEvery, _time);

    private void Change(long run) => _feed.Tell(new RunId(run));

    /// <summary>Lets the loop reach its pause, then lets the pause pass.</summary>
    private async Task AdvanceAsync()
    {
        await Task.Delay(50, Ct);
        _time.Advance(Interval);
        await Task.Delay(50, Ct);
    }
}
