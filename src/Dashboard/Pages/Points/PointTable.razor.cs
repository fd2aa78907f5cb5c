using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Estate;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>Restore points as rows.</summary>
public partial class PointTable
{
    /// <summary>Newest first.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<PointRow> Points { get; set; } = [];

    /// <summary>The configured tiers, in their order.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<StorageTier> Tiers { get; set; } = [];

    /// <summary>Why there may be none.</summary>
    [Parameter, EditorRequired]
    public string Empty { get; set; } = string.Empty;

    /// <summary>False on the page of one source.</summary>
    [Parameter]
    public bool ShowSource { get; set; }

    /// <summary>False where the page shows the content beside the table.</summary>
    [Parameter]
    public bool ShowContent { get; set; } = true;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    private IReadOnlyList<TierMark> Marks(PointRow row) =>
        [.. Tiers.Select(tier => SourceRows.Mark(tier.Name, row.Tiers.FirstOrDefault(held => held.Tier == tier.Name)?.State))];

    private void Open(PointRow row) => Navigation.NavigateTo(row.Href);
}
