using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Browsing;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Clusters;

/// <summary>The Kubernetes objects of a virtual cluster's restore point; filters and choice are the page's address.</summary>
public partial class ObjectsPage : LivePage
{
    private RestorePointRow? _point;

    /// <summary>The restore point's id, or the beginning of it.</summary>
    [Parameter]
    public string Id { get; set; } = "";

    [SupplyParameterFromQuery]
    public string? Namespace { get; set; }

    [SupplyParameterFromQuery]
    public string? Kind { get; set; }

    [SupplyParameterFromQuery]
    public string? Find { get; set; }

    /// <summary>As <see cref="ClusterAddress.Of"/> writes it.</summary>
    [SupplyParameterFromQuery]
    public string? Object { get; set; }

    [Inject]
    private RestorePointCatalog Catalog { get; set; } = default!;

    [Inject]
    private ClusterBrowsing Browsing { get; set; } = default!;

    private IReadOnlyList<Crumb> Crumbs =>
        [new Crumb(Texts.NavPoints, "/restore-points"), new Crumb(_point!.Source, SourceRows.Href(_point.Source)), new Crumb(SourceRows.Short(_point.Id), $"/restore-points/{_point.Id}"), new Crumb(ClusterTexts.ObjectsTitle)];

    /// <inheritdoc/>
    /// <remarks>What a restore point holds never changes.</remarks>
    protected override bool Concerns(RunId? changed) => false;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken) => _point = await Catalog.FindAsync(Id, cancellationToken);

    /// <summary>An admin sees a Secret's values, on the record.</summary>
    private async Task<string?> RevealAsync(StoredCluster cluster, CapturedObject one)
    {
        string? text = null;
        await AdministerAsync(async (admin, token) => text = await Browsing.RevealAsync(cluster, one, admin, token));
        return text;
    }
}
