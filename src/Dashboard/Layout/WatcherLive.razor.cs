using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;
using Npgsql;

namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>Reads the watcher's standing for the app bar. Where the catalog does not answer the last one stays, and its age tells.</summary>
public sealed partial class WatcherLive : IAsyncDisposable
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);
    private LiveSignal? _signal;
    private IDisposable? _heard;
    private WatchStanding? _standing;
    private bool _isLeft;

    [Inject]
    private HealthWatch Watch { get; set; } = default!;

    [Inject]
    private IncidentFeed News { get; set; } = default!;

    [Inject]
    private RunFeed Feed { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    [Inject]
    private ILogger<WatcherLive> Log { get; set; } = default!;

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _isLeft = true;
        _heard?.Dispose();
        return _signal?.DisposeAsync() ?? ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    protected override async Task OnInitializedAsync()
    {
        await RefreshAsync(CancellationToken.None);
        if (!_isLeft)
        {
            _signal = new LiveSignal(Feed, _ => false, token => InvokeAsync(() => RefreshAsync(token)), TimeSpan.FromSeconds(1), Every, Time);
            _heard = News.Subscribe(_ => _signal.Changed());
        }
    }

    private async Task RefreshAsync(CancellationToken cancellationToken)
    {
        try
        {
            _standing = await Watch.ReadAsync(cancellationToken);
            StateHasChanged();
        }
        catch (NpgsqlException fault)
        {
            Log.LogWarning("the watcher's standing could not be read: {Reason}", fault.Message);
        }
    }
}
