using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Pages.Retention;
using Hexabase.DrConsole.Engine.Estate;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>All restore points; the filters are the page's address.</summary>
public partial class PointsPage : LivePage
{
    private const int MostRows = 500;
    private static readonly Status[] ProofStates = [Status.Proven, Status.Stale, Status.Unproven, Status.Failed];
    private IReadOnlyList<PointRow>? _points;

    [SupplyParameterFromQuery]
    public string? Source { get; set; }

    [SupplyParameterFromQuery]
    public string? Proof { get; set; }

    [Inject]
    private PointRows Rows { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private QueryFilters Filters { get; set; } = default!;

    private IReadOnlyList<PointRow> Shown =>
        [.. _points!.Where(row => string.IsNullOrEmpty(Proof) || row.Status.ToString().Equals(Proof, StringComparison.OrdinalIgnoreCase))];

    private string RetentionHref => string.IsNullOrEmpty(Source) ? "/retention" : RetentionPage.HrefOf(Source);

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken) =>
        _points = await Rows.ReadAsync(string.IsNullOrEmpty(Source) ? null : Source, MostRows, cancellationToken);

    private void Filter(string name, ChangeEventArgs args) =>
        Filters.Set(name.ToLowerInvariant(), args.Value as string);
}
