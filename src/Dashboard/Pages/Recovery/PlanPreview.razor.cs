using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>A concrete plan before anybody asks for it: what it recovers from, what is lost, how long it takes, and exactly what it does.</summary>
public partial class PlanPreview
{
    /// <summary>The concrete plan.</summary>
    [Parameter, EditorRequired]
    public RecoveryPlan Plan { get; set; } = default!;

    /// <summary>Asks for it to be carried out.</summary>
    [Parameter]
    public EventCallback<RecoveryPlan> OnAsk { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private IReadOnlyList<Figure> Strip =>
    [
        .. Plan.Restores ? Restored : [RecoveryFigures.Nothing],
        new Figure(RecoveryTexts.PreviewEstimate, Figures.Duration(TimeSpan.FromSeconds(Plan.EstimateSeconds)),
            Figures.Format(RecoveryTexts.PreviewMeasured, Plan.Steps.Count(step => step.MeasuredFrom > 0), Plan.Steps.Count)),
        new Figure(RecoveryTexts.PreviewRto, Figures.Target(TimeSpan.FromSeconds(Plan.RtoSeconds)), Plan.EstimateSeconds <= Plan.RtoSeconds ? RecoveryTexts.PreviewWithin : RecoveryTexts.PreviewOver),
        new Figure(RecoveryTexts.PreviewHash, RecoveryWords.Hash(Plan.Hash, 2), $"v{Plan.TemplateVersion}"),
    ];

    private IReadOnlyList<Figure> Restored =>
    [
        Plan.Several is { } scope ? RecoveryFigures.OfScope(scope) : new Figure(RecoveryTexts.PreviewBasis, SourceRows.Short(Plan.Basis.RestorePoint),
            Plan.Basis.ProvenAt is { } proven ? Figures.Format(RecoveryTexts.PreviewProven, Figures.Moment(proven, Time)) : RecoveryTexts.PreviewUnproven),
        new Figure(RecoveryTexts.PreviewMoment, RecoveryWords.Moment(Plan.Basis, Time), Figures.Moment(Plan.Basis.CreatedAt, Time)),
        new Figure(RecoveryTexts.PreviewLoss, Figures.Format(RecoveryTexts.PreviewLossAfter, Figures.Moment(Plan.Loss.From, Time)), Plan.Loss.Method),
    ];
}
