using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Dashboard.Pages.Runs;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Browsing;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace Hexabase.DrConsole.Dashboard.Pages.Clusters;

/// <summary>The files of one claim's volume in a virtual cluster's restore point; where one is and what one looks for is the page's address.</summary>
public partial class ClaimPage : LivePage
{
    private RestorePointRow? _point;
    private CapturedVolume? _claim;
    private Status _verdict;

    /// <summary>The restore point's id, or the beginning of it.</summary>
    [Parameter]
    public string Id { get; set; } = "";

    /// <summary>The file tree, as <see cref="CapturedVolume.Artifact"/> names it.</summary>
    [Parameter]
    public string Artifact { get; set; } = "";

    /// <summary>The folder that is looked into.</summary>
    [SupplyParameterFromQuery]
    public string? Path { get; set; }

    /// <summary>The name that is looked for.</summary>
    [SupplyParameterFromQuery]
    public string? Find { get; set; }

    [Inject]
    private RestorePointCatalog Catalog { get; set; } = default!;

    [Inject]
    private ClusterBrowsing Browsing { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private RunRequests Requests { get; set; } = default!;

    [Inject]
    private IDialogService Dialogs { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    private IReadOnlyList<Crumb> Crumbs =>
        [new Crumb(Texts.NavPoints, "/restore-points"), new Crumb(_point!.Source, SourceRows.Href(_point.Source)), new Crumb(SourceRows.Short(_point.Id), $"/restore-points/{_point.Id}"), new Crumb(_claim!.Claim)];

    /// <inheritdoc/>
    protected override bool Concerns(RunId? changed) => false;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        var point = await Catalog.FindAsync(Id, cancellationToken);
        var last = await Catalog.ValidationsAsync(point.Id, cancellationToken) is [var newest, ..] ? newest : null;
        if (_claim?.Artifact != Artifact || _point?.Id != point.Id)
        {
            // What a restore point holds never changes; but the page may be led on to another one.
            _claim = null;
            var (_, inventory) = await Browsing.ReadInventoryAsync(point.Id, cancellationToken);
            _claim = inventory.Volumes?.FirstOrDefault(one => one.Artifact == Artifact)
                ?? throw new EngineException("volume-missing", ErrorKind.NotFound, $"restore point {point.PointId.Short} holds no files named {Artifact}", "Choose one on its page.");
        }

        _verdict = PointProof.StatusOf(last, Estate.ProofLifetimeOf(point.Source, point.Class), Time.GetUtcNow());
        _point = point;
    }

    /// <param name="part">The folder or file to restore; empty for everything.</param>
    private Task RestoreAsync(string? part) => AskRestoreAsync(async (request, _) =>
    {
        if (await RestoreDialog.ShowAsync(Dialogs, _point!, null, _verdict, part: part, claim: _claim) is { } plan)
        {
            Navigation.NavigateTo(RunTexts.Href((await request(Requests, plan)).Id));
        }
    });
}
