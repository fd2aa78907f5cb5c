using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Layout;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;
using Npgsql;

namespace Hexabase.DrConsole.Dashboard.Live;

/// <summary>Keeps the frame's count of runs and its banner true. Draws nothing itself. A restore matters to everybody: it gets the banner.</summary>
public sealed class ShellRuns : ComponentBase, IAsyncDisposable
{
    private LiveSignal? _signal;
    private bool _isLeft;

    [Inject]
    private RunFeed Feed { get; set; } = default!;

    [Inject]
    private RunStore Runs { get; set; } = default!;

    [Inject]
    private ShellState Shell { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    [Inject]
    private ILogger<ShellRuns> Log { get; set; } = default!;

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _isLeft = true;
        return _signal?.DisposeAsync() ?? ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    protected override async Task OnInitializedAsync()
    {
        await RefreshAsync(CancellationToken.None);
        if (!_isLeft)
        {
            _signal = new LiveSignal(Feed, _ => true, token => InvokeAsync(() => RefreshAsync(token)), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30), Time);
        }
    }

    private async Task RefreshAsync(CancellationToken cancellationToken)
    {
        try
        {
            var running = await Runs.ListAsync(null, null, RunState.Running, 50, cancellationToken);
            var restore = running.FirstOrDefault(run => run.Kind == RunKinds.Restore);
            Shell.Show(restore is null ? null : Banner(restore), running.Count);
        }
        catch (NpgsqlException fault)
        {
            // The pages say that the catalog is away; the frame only stops moving.
            Log.LogWarning("the frame's runs could not be read: {Reason}", fault.Message);
        }
    }

    private static RunBannerModel Banner(Run run)
    {
        var share = RunTexts.Share(run);
        var progress = RunTexts.Progress(run);
        var step = progress is null ? PageTexts.RunStarting : share is { } done ? Figures.Format(Texts.Labelled, progress.Phase, Figures.Percent(done)) : progress.Phase;
        var forecast = progress?.Remaining is { } left ? Figures.Format(PageTexts.RunLeft, Figures.Duration(left)) : null;
        return new RunBannerModel(Figures.Format(PageTexts.BannerRestoring, run.Source), step, forecast, null, RunTexts.Href(run.Id), share);
    }
}
