using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>What the gate of a restore outside of plans stands before: what is written over, from when, and line by line what changes.</summary>
public partial class RestoreGateFacts
{
    [Parameter, EditorRequired]
    public RestorePlan Plan { get; set; } = default!;

    [Parameter, EditorRequired]
    public RestorePointRow Point { get; set; } = default!;

    /// <summary>Its last validation, or null.</summary>
    [Parameter]
    public ValidationRow? Proof { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    private Status ProofStatus => PointProof.StatusOf(Proof, Estate.ProofLifetimeOf(Point.Source, Point.Class), Time.GetUtcNow());

    private string ProofText => Proof switch
    {
        null or { NotProvable: true } => RecoveryTexts.PreviewUnproven,
        { Passed: true } => Figures.Format(RecoveryTexts.PreviewProven, Figures.Moment(Proof.ValidatedAt, Time)),
        _ => Figures.Format(RecoveryTexts.OverNotProven, Figures.Moment(Proof.ValidatedAt, Time)),
    };
}
