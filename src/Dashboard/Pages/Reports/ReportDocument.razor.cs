using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Recovery;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Reports;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Reports;

/// <summary>A report as one page of HTML: light, without scripts, with its style in it, so that it can be printed, sent and kept.</summary>
public partial class ReportDocument
{
    private static readonly JsonSerializerOptions s_readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly MarkupString Sheet = new(
        """
        :root { color-scheme: light; }
        * { box-sizing: border-box; }
        body { margin: 0 auto; padding: 24px; max-width: 1040px; background: #fff; color: #1b1b19; font: 13px/1.5 "Inter", "Noto Sans", "Noto Sans CJK JP", sans-serif; }
        h1 { font-size: 22px; margin: 0; } h1 span { font-weight: 400; }
        h2 { font-size: 15px; margin: 24px 0 8px; border-bottom: 1px solid #b9b9b2; padding-bottom: 4px; }
        h3 { font-size: 13px; margin: 12px 0 4px; }
        p { margin: 4px 0; } td p { margin: 0 0 2px; }
        table { border-collapse: collapse; width: 100%; margin: 8px 0; }
        th, td { text-align: left; vertical-align: top; padding: 4px 10px 4px 0; border-bottom: 1px solid #dcdcd6; overflow-wrap: anywhere; }
        thead th { font-weight: 600; color: #55554f; }
        .steps th:nth-child(1) { width: 17%; } .steps th:nth-child(2) { width: 11%; } .steps th:nth-child(3) { width: 10%; } .steps th:nth-child(4) { width: 10%; } .steps th:nth-child(5) { width: 12%; }
        .pairs th { width: 180px; font-weight: 400; color: #55554f; }
        code, pre { font: 11px/1.45 ui-monospace, "Noto Sans Mono", monospace; overflow-wrap: anywhere; }
        pre { white-space: pre-wrap; background: #f5f5f1; padding: 8px; margin: 4px 0; }
        small { color: #55554f; }
        @page { size: A4; margin: 16mm 14mm; }
        @media print { body { padding: 0; max-width: none; font-size: 10pt; } tr, h2, h3 { break-inside: avoid; } h2, h3 { break-after: avoid; } thead { display: table-header-group; } }
        @media (max-width: 640px) { body { padding: 12px; } section { overflow-x: auto; } }
        """);

    [Parameter, EditorRequired]
    public RecoveryReport Report { get; set; } = default!;

    /// <summary>Who asked for it.</summary>
    [Parameter, EditorRequired]
    public string Reader { get; set; } = "";

    private string Title => Report.IsDrill ? DrillTexts.DocDrill : DrillTexts.DocRecovery;

    private string Outcome => Report.Outcome is { } name ? RecoveryWords.Of(RecoveryNames.Parse<RecoveryOutcome>(name)) : DrillTexts.DocOpen;

    private string Moment => Report.Plan switch
    {
        { Moment: { } moment, ToEnd: true } => Figures.Format(RecoveryTexts.MomentOrEnd, At(moment)),
        { Moment: { } moment } => At(moment),
        { ToEnd: true } => RecoveryTexts.MomentEnd,
        _ => RecoveryTexts.MomentBackup,
    };

    private string LossEndText => Report.Targets.LossEnd is { } end ? MeasuredLossFacts.EndText(RecoveryNames.Parse<LossEnd>(end)) : "";

    private string CleanupText => Report.Cleanup switch
    {
        null => DrillTexts.DocCleanOpen,
        { IsProven: true } clean => Figures.Format(DrillTexts.DocCleanProven, At(clean.At)),
        { } unclean => Figures.Format(DrillTexts.DocCleanLeft, At(unclean.At), Figures.List(unclean.Left)),
    };

    private static string At(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    private static string Span(double? seconds) => seconds is { } known ? Figures.Duration(TimeSpan.FromSeconds(known)) : DrillTexts.DocNotMeasured;

    private static string Verdict(double? measured, double? promise) => measured is not { } known || promise is not { } target ? "" : known <= target ? DrillTexts.DocWithin : DrillTexts.DocOver;

    /// <summary>A drill says why it leaves a step out where a plan says what it does.</summary>
    private bool IsNotExercised(ReportedStep step) =>
        Report.IsDrill && step is { Seconds: null, Does: [var only], Reason: { } why } && only.EndsWith(why, StringComparison.Ordinal);

    /// <summary>When it was undone, or what became of that; null where it was not to be.</summary>
    private static string? Undone(ReportedStep step) => step switch
    {
        { RollbackStartedAt: null } => null,
        { RollbackEndedAt: { } ended } => Figures.Format(RecoveryNames.Parse<StepState>(step.State) == StepState.RollbackFailed ? DrillTexts.DocUndoFailed : DrillTexts.DocUndone, At(ended)),
        _ => Figures.Format(DrillTexts.DocUndoing, At(step.RollbackStartedAt!.Value)),
    };

    private static string StateOf(ReportedStep step) => RecoveryWords.Of(new RecoveryStepRow(step.Position, step.Name, step.Action, RecoveryNames.Parse<StepState>(step.State), 1));

    private IEnumerable<string> Found(ReportedStep step) => IsNotExercised(step)
        ? step.Does
        : new[] { string.Join("; ", step.Does), step.Effect, step.Verification == step.Effect ? null : step.Verification, step.Error == step.Verification ? null : step.Error, step.RollbackError is { } stuck ? Figures.Format(RecoveryTexts.WayBackFailed, stuck) : null, step.Reason }
            .OfType<string>().Where(text => text.Length > 0).Distinct();

    private static string Evidence(ReportedIncident incident) => JsonSerializer.Serialize(incident.Evidence, s_readable);
}
