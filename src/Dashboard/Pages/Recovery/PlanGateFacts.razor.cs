using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Approvals;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>What a plan's gate stands before: what it touches, exactly what will run, what is lost, and why it should work.</summary>
public partial class PlanGateFacts
{
    [Parameter, EditorRequired]
    public ApprovalGate Gate { get; set; } = default!;

    [Parameter, EditorRequired]
    public RecoveryPlan Plan { get; set; } = default!;

    /// <summary>What the plan stands on.</summary>
    [Parameter, EditorRequired]
    public PlanGateReading Beside { get; set; } = PlanGateReading.Nothing;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    /// <summary>The kept point's proof, only as long as it holds.</summary>
    private Status BasisStatus => PointProof.OfProof(Plan.Basis.ProvenAt, Estate.ProofLifetimeOf(Plan.Source), Time.GetUtcNow());

    private RecoveryRow? Last => Beside.Last;

    private PlanDrillRow? Drill => Beside.Drill;

    private ReadinessRow? Readiness => Beside.Readiness;

    /// <summary>Whether the console itself may be what is cut off: then what it saw proves nothing about the source.</summary>
    private (Status Status, string Text) Watcher => Beside.Incident is not { } brief ? (Status.Unproven, "")
        : brief.Card.Alternatives.Any(remark => remark.Remark == Remark.ConsoleCutOff) || brief.Watch.StateAt(Time.GetUtcNow()) == WatchState.Isolated ? (Status.Failed, RecoveryTexts.WhyWatcherCutOff)
        : brief.Watch.StateAt(Time.GetUtcNow()) == WatchState.Silent ? (Status.Unproven, RecoveryTexts.WhyWatcherSilent)
        : (Status.Passed, Figures.Format(RecoveryTexts.WhyWatcherLooked, brief.Watch.Subjects, Figures.Moment(brief.Watch.LookedAt!.Value, Time)));
}
