using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Clusters;

/// <summary>What differs between a virtual cluster's restore point and another one, or the cluster as it is now.</summary>
public partial class DifferencePage : LivePage
{
    /// <summary>In the address: the cluster as it is now.</summary>
    private const string Live = "live";
    private const int MostOthers = 200;
    private RestorePointRow? _point;
    private IReadOnlyList<RestorePointRow> _others = [];

    /// <summary>The restore point's id, or the beginning of it.</summary>
    [Parameter]
    public string Id { get; set; } = "";

    /// <summary>The other restore point's id, or <c>live</c>.</summary>
    [SupplyParameterFromQuery]
    public string? With { get; set; }

    /// <summary>Only objects that differ in this way.</summary>
    [SupplyParameterFromQuery]
    public string? Show { get; set; }

    /// <summary>As <see cref="ClusterAddress.Of"/> writes it.</summary>
    [SupplyParameterFromQuery]
    public string? Object { get; set; }

    [Inject]
    private RestorePointCatalog Catalog { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private QueryFilters Filters { get; set; } = default!;

    private bool IsConfigured => Estate.Sources.Any(source => source.Name == _point!.Source && source.VCluster is not null);

    private IReadOnlyList<Crumb> Crumbs =>
        [new Crumb(Texts.NavPoints, "/restore-points"), new Crumb(_point!.Source, SourceRows.Href(_point.Source)), new Crumb(SourceRows.Short(_point.Id), $"/restore-points/{_point.Id}"), new Crumb(ClusterTexts.DifferenceTitle)];

    /// <inheritdoc/>
    protected override bool Concerns(RunId? changed) => false;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        var point = await Catalog.FindAsync(Id, cancellationToken);
        _others = [.. (await Catalog.ListAsync(point.Source, MostOthers, cancellationToken)).Where(other => other.Id != point.Id && other.ExpiredAt is null)];
        _point = point;
    }

    private void Choose(ChangeEventArgs args) => Filters.Set(new Dictionary<string, string?>
    {
        ["with"] = args.Value as string,
        ["show"] = null,
        ["object"] = null,
    });
}
