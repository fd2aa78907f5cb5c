using Hexabase.DrConsole.Dashboard.Controls;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Tiers;

/// <summary>One tier's figures.</summary>
public partial class TierPanel
{
    private readonly string _id = $"tier-{Guid.NewGuid():N}";

    [Parameter, EditorRequired]
    public TierSight Sight { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private Status Status => Sight.StatusOf(Time.GetUtcNow());
}
