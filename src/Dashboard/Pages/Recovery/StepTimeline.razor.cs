using System.Globalization;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>A recovery's steps on one line of time: what was measured over what was estimated, now, the forecast of the end and the RTO.</summary>
public partial class StepTimeline
{
    private const int TickCount = 5;

    /// <summary>How much of the axis a label takes.</summary>
    private const double LabelShare = 0.13;

    [Parameter, EditorRequired]
    public RecoveryPlan Plan { get; set; } = default!;

    [Parameter, EditorRequired]
    public IReadOnlyList<RecoveryStepRow> Rows { get; set; } = [];

    /// <summary>From when the time counts that the class promises.</summary>
    [Parameter, EditorRequired]
    public DateTimeOffset From { get; set; }

    [Parameter]
    public DateTimeOffset? EndedAt { get; set; }

    /// <summary>When the end is forecast; null where nothing can be said.</summary>
    [Parameter]
    public DateTimeOffset? Forecast { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private DateTimeOffset Now => EndedAt ?? Time.GetUtcNow();

    private bool IsOpen => EndedAt is null;

    private DateTimeOffset Deadline => From + TimeSpan.FromSeconds(Plan.RtoSeconds);

    private DateTimeOffset Begin => Rows.Min(row => row.StartedAt) ?? Now;

    /// <summary>The right edge: a little beyond the forecast, and beyond the RTO where that is near.</summary>
    private DateTimeOffset To
    {
        get
        {
            // What has ended is drawn by what was measured: guesses that lie hours beyond it would hide it.
            var end = IsOpen && !IsOver
                ? new[] { Now, Forecast ?? Now, Begin + TimeSpan.FromSeconds(PlanStages.SecondsOf(Plan, step => step.NotExercised is null ? step.EstimateSeconds : 0)) }.Max()
                : Now;
            var span = end - Left;
            // Beside what is being undone stands for how long, right of it.
            var room = span * (Rows.Any(row => row.RollbackStartedAt is not null) ? 0.25 : 0.1);
            return Deadline > end && Deadline - Left < span * 3 ? Deadline + room : end + room + TimeSpan.FromSeconds(1);
        }
    }

    private DateTimeOffset Left => Begin;

    private string Conclusion
    {
        get
        {
            var done = Rows.Count(row => row.State == StepState.Done);
            var all = Plan.Steps.Count(step => step.NotExercised is null);
            return Forecast is { } end && IsOpen
                ? Figures.Format(RecoveryTexts.TimelineConclusion, done, all, Figures.Moment(end, Time))
                : Figures.Format(RecoveryTexts.TimelineEnded, done, all);
        }
    }

    /// <summary>Near the left edge its label stands right of its line: left of that are the names of the steps.</summary>
    private bool IsDeadlineEarly => Share(Deadline) < LabelShare;

    /// <summary>Where the RTO is marked no other time stands beside it.</summary>
    private IEnumerable<(string Place, string Label)> Ticks =>
        Enumerable.Range(0, TickCount).Select(tick => (double)tick / TickCount).Where(share => Place(Deadline) is null || IsApart(share, Share(Deadline))).Select(share => (Css(share), Figures.Moment(Left + ((To - Left) * share), Time)));

    /// <summary>A time's label stands right of its place; the deadline's left of it, or right where that is early.</summary>
    private bool IsApart(double share, double deadline) => IsDeadlineEarly ? Math.Abs(share - deadline) > LabelShare : share >= deadline || share < deadline - (2 * LabelShare);

    private RecoveryStepRow RowOf(PlannedStep step) => Rows.First(row => row.Position == step.Position);

    private double Share(DateTimeOffset at) => Math.Clamp((at - Left) / (To - Left), 0, 1);

    private string? Place(DateTimeOffset at) => at > Left && at < To ? Css(Share(at)) : null;

    private double WidthOf(double seconds) => Math.Min(1, TimeSpan.FromSeconds(seconds) / (To - Left));

    /// <summary>An estimate begins where the step began, or where those before it are expected to end.</summary>
    private double EstimateFrom(PlannedStep step)
    {
        if (RowOf(step).StartedAt is { } began)
        {
            return Share(began);
        }

        var before = PlanStages.Of(Plan).TakeWhile(stage => !stage.Contains(step)).Aggregate(
            Begin, (at, stage) => stage.Where(one => one.NotExercised is null).Select(one => EndOf(one, at)).Append(at).Max());
        return Share(IsOpen && before < Now ? Now : before);
    }

    /// <summary>When a step ended, or is expected to that begins then.</summary>
    private DateTimeOffset EndOf(PlannedStep step, DateTimeOffset at) =>
        RowOf(step) is var row && row.EndedAt is { } ended ? ended : (row.StartedAt ?? at) + TimeSpan.FromSeconds(step.EstimateSeconds);

    /// <summary>True from when the plan goes no further: what was never begun will not be.</summary>
    private bool IsOver => RecoveryForecast.IsOver(Rows) && Plan.OnFailure != FailurePolicy.Ask;

    /// <summary>When a step that failed for good broke off those beside it.</summary>
    private DateTimeOffset? BrokenOffAt => IsOver ? Rows.Where(row => row.Error is not null).Min(row => row.EndedAt) : null;

    /// <summary>One that was broken off has no end of its own: it was at work until the failure beside it, or until it began to be undone.</summary>
    private DateTimeOffset End(RecoveryStepRow row) => row.EndedAt ?? new[] { BrokenOffAt, row.RollbackStartedAt }.Min() ?? Now;

    private DateTimeOffset RollbackEnd(RecoveryStepRow row) => row.RollbackEndedAt ?? Now;

    private string RollbackText(RecoveryStepRow row) => Figures.Format(
        row.RollbackEndedAt is null ? RecoveryTexts.WayBackBarOpen : RecoveryTexts.WayBackBar, Figures.Duration(RollbackEnd(row) - row.RollbackStartedAt!.Value));

    private static string Tone(RecoveryStepRow row) => row.State switch
    {
        StepState.Done => "done",
        StepState.Running or StepState.Acted or StepState.RollingBack => "running",
        StepState.Failed or StepState.VerificationFailed or StepState.RollbackFailed => "failed",
        StepState.RolledBack or StepState.Skipped => "undone",
        _ => "pending",
    };

    /// <summary>A step whose way back failed says why it failed itself too: who puts it right by hand needs both.</summary>
    private static string? Detail(RecoveryStepRow row) => row.RollbackError is { } stuck
        ? string.Join("; ", new[] { row.Error, Figures.Format(RecoveryTexts.WayBackFailed, stuck) }.OfType<string>())
        : row.Error ?? row.Reason ?? row.Verification ?? row.EffectText;

    private static string EstimateText(PlannedStep step) => step.MeasuredFrom > 0
        ? Figures.Format(RecoveryTexts.EstimateMeasured, Figures.Duration(TimeSpan.FromSeconds(step.EstimateSeconds)), step.MeasuredFrom)
        : Figures.Format(RecoveryTexts.EstimateGuess, Figures.Duration(TimeSpan.FromSeconds(step.EstimateSeconds)));

    /// <summary>Beside a step that has an end: how its time stands to what was measured before; guesses are not worth the comparison.</summary>
    private string? Late(PlannedStep step, RecoveryStepRow row) => row is { StartedAt: { } from, EndedAt: { } to, State: StepState.Done }
        ? Figures.Duration(to - from)
        : row.State is StepState.Running or StepState.Acted && row.StartedAt is { } began ? Figures.Duration(End(row) - began) : null;

    private static string Css(double share) => Figures.Css(share);

    private static string Number(double share) => share.ToString("0.####", CultureInfo.InvariantCulture);
}
