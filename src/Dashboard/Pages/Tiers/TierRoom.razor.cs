using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Tiers;

/// <summary>What a tier uses of its store's room, beside what others use of it; hollow where the store does not tell its size.</summary>
public partial class TierRoom
{
    [Parameter, EditorRequired]
    public TierSight Sight { get; set; } = default!;

    private double Used => Sight.Usage?.UsedBytes ?? 0;

    private double? Capacity => Sight.Usage?.CapacityBytes is > 0 and var bytes ? bytes : null;

    private double Others => Math.Max(0, (Capacity ?? 0) - (Sight.Usage?.FreeBytes ?? 0) - Used);

    private string Said => Sight.Usage switch
    {
        { CapacityBytes: { } capacity, FreeBytes: { } free, UsedBytes: { } used } => Figures.Format(TierTexts.RoomSaid, Figures.Bytes(used), Figures.Bytes((long)Others), Figures.Bytes(free), Figures.Bytes(capacity)),
        { UsedBytes: { } used } => Figures.Format(TierTexts.RoomUnknown, Figures.Bytes(used)),
        _ => PageTexts.NotMeasured,
    };
}
