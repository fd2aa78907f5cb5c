using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>The parts of a recovery of several sources: which point each goes to, how far they are apart, and what each loses. Nothing for a recovery of one.</summary>
public partial class PartsTable
{
    /// <summary>The plan.</summary>
    [Parameter, EditorRequired]
    public RecoveryPlan Plan { get; set; } = default!;

    /// <summary>What its steps have measured so far; empty before it runs.</summary>
    [Parameter]
    public IReadOnlyList<RecoveryStepRow> Steps { get; set; } = [];

    /// <summary>True where it stands in a panel already.</summary>
    [Parameter]
    public bool IsInside { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    private Status ProofOf(RecoveryPart part) => PointProof.OfProof(part.Basis.ProvenAt, Estate.ProofLifetimeOf(part.Source), Time.GetUtcNow());

    private string Lost(RecoveryPart part) => MeasuredLoss.OfPart(Plan, part, Steps) is { AtMost: { } most }
        ? Figures.Format(RecoveryTexts.PartLossMeasured, Figures.Duration(most))
        : part.Loss.Until is { } until
            ? Figures.Format(RecoveryTexts.PartLossUntil, Figures.Moment(part.Loss.From, Time), Figures.Moment(until, Time))
            : Figures.Format(RecoveryTexts.PartLossOpen, Figures.Moment(part.Loss.From, Time), Figures.Duration(Time.GetUtcNow() - part.Loss.From));
}
