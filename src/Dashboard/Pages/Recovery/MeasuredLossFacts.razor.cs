using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>What a recovery lost, by what was measured.</summary>
public partial class MeasuredLossFacts
{
    /// <summary>What was measured; null where nothing was.</summary>
    [Parameter, EditorRequired]
    public MeasuredLoss? Loss { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    /// <summary>What happened at the end of the loss.</summary>
    internal static string EndText(LossEnd end) => end switch
    {
        LossEnd.ServiceStopped => DrillTexts.LossEndStopped,
        LossEnd.FirstEvidence => DrillTexts.LossEndEvidence,
        LossEnd.RestoreBegan => DrillTexts.LossEndRestore,
        LossEnd.DrillBegan => DrillTexts.LossEndDrill,
        _ => DrillTexts.LossEndUnknown,
    };
}
