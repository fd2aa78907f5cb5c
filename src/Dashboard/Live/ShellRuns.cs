using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Layout;
using Hexabase.DrConsole.Dashboard.Pages.Recovery;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
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
    private ShellReading Reading { get; set; } = default!;

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
            var facts = await Reading.ReadAsync(cancellationToken);
            var banner = facts.Recovery is { } recovery ? RecoveryBanner(recovery) : facts.Restore is { } restore ? Banner(restore) : null;
            Shell.Show(banner, facts.Running, facts.OpenGates);
        }
        catch (NpgsqlException fault)
        {
            // The pages say that the catalog is away; the frame only stops moving.
            Log.LogWarning("the frame's runs could not be read: {Reason}", fault.Message);
        }
    }

    private RunBannerModel RecoveryBanner(ShellRecovery recovery)
    {
        var (run, steps) = (recovery.Run, recovery.Steps);
        RecoveryPlan plan;
        try
        {
            plan = RecoveryRequest.PlanOf(run);
        }
        catch (EngineException unreadable)
        {
            // Of another build; its own page says so, and the frame is for all pages.
            Log.LogDebug("no forecast for {Run}: {Reason}", run.Id, unreadable.Message);
            return RecoveryBanner(run, steps, null);
        }

        var end = recovery.Row is { } row ? RecoveryForecast.Of(run, plan, row, steps, Time.GetUtcNow()) : null;
        var deadline = RecoveryClock.From(run, recovery.ConfirmedAt) + TimeSpan.FromSeconds(plan.RtoSeconds);
        return RecoveryBanner(run, steps, end is { } known ? ForecastText(known, deadline) : null);
    }

    private string ForecastText(DateTimeOffset end, DateTimeOffset deadline) => Figures.Format(
        end <= deadline ? RecoveryTexts.BannerForecastIn : RecoveryTexts.BannerForecastOver, Figures.Moment(end, Time), Figures.Duration((deadline - end).Duration()));

    /// <summary>Also while it waits: then it says that it needs a person.</summary>
    private static RunBannerModel RecoveryBanner(Run run, IReadOnlyList<RecoveryStepRow> steps, string? forecast)
    {
        var done = steps.Count(step => step.State is StepState.Done or StepState.Skipped);
        var current = steps.FirstOrDefault(step => step.State is not (StepState.Done or StepState.Skipped));
        return new RunBannerModel(
            Figures.Format(RecoveryTexts.BannerRecovering, RunTexts.Serves(run)), Figures.Format(RecoveryTexts.BannerStep, Math.Min(done + 1, steps.Count), steps.Count, current?.Name ?? ""), forecast,
            run.State == RunState.Waiting ? RecoveryTexts.BannerNeeds : null, RunTexts.Href(run.Id), steps.Count == 0 ? null : (double)done / steps.Count);
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
