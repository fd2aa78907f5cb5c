using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.DataProtection;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>The decisions about a step that change what others approved: posted over HTTP, with the password, as the answer at a gate.</summary>
public partial class DecisionForm
{
    [Parameter, EditorRequired]
    public Run Run { get; set; } = default!;

    [Parameter, EditorRequired]
    public RecoveryReading Reading { get; set; } = default!;

    /// <summary>What became of a decision that was just posted.</summary>
    [SupplyParameterFromQuery]
    public string? Said { get; set; }

    [Inject]
    private IDataProtectionProvider Protection { get; set; } = default!;
}
