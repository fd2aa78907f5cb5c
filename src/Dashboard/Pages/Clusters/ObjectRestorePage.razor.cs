using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Pages.Runs;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Clusters;

/// <summary>Restores a virtual cluster, whole or object by object: what is asked for, the plan in full, and its confirmation.</summary>
public partial class ObjectRestorePage : LivePage
{
    private readonly ObjectRestoreForm _form = new();
    private RestorePointRow? _point;
    private RestorePlan? _plan;
    private ObjectRestorePlan? _objects;
    private Exception? _planFault;
    private bool _isPlanning;

    /// <summary>The target of the plan that is shown; the form may have been changed since.</summary>
    private string _planned = "";

    /// <summary>The restore point's id, or the beginning of it.</summary>
    [Parameter]
    public string Id { get; set; } = "";

    /// <summary>Fills the form in.</summary>
    [SupplyParameterFromQuery]
    public string? Namespaces { get; set; }

    /// <summary>Fills the form in.</summary>
    [SupplyParameterFromQuery]
    public string? Kinds { get; set; }

    /// <summary>Fills the form in.</summary>
    [SupplyParameterFromQuery]
    public string? Names { get; set; }

    [Inject]
    private RestorePointCatalog Catalog { get; set; } = default!;

    [Inject]
    private ObjectPlans Plans { get; set; } = default!;

    [Inject]
    private RunRequests Requests { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    private IReadOnlyList<Crumb> Crumbs =>
        [new Crumb(Texts.NavPoints, "/restore-points"), new Crumb(_point!.Source, SourceRows.Href(_point.Source)), new Crumb(SourceRows.Short(_point.Id), $"/restore-points/{_point.Id}"), new Crumb(ClusterTexts.RestoreTitle)];

    /// <inheritdoc/>
    protected override bool Concerns(RunId? changed) => false;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        if (_point is not null)
        {
            return;
        }

        var point = await Catalog.FindAsync(Id, cancellationToken);
        if (point.Kind != VClusterBackup.Kind)
        {
            throw new EngineException("restore-point-no-vcluster", ErrorKind.Input, $"restore point {point.PointId.Short} is of kind {point.Kind} and has no Kubernetes objects", "Choose one of a virtual cluster.");
        }

        (_form.Namespaces, _form.Kinds, _form.Names) = (Namespaces ?? "", Kinds ?? "", Names ?? "");
        if (Estate.Sources.FirstOrDefault(source => source.Name == point.Source)?.VCluster is { } settings)
        {
            _form.Aim(settings, point.FactsJson is { } facts ? JsonElement.Parse(facts).GetProperty("cluster").GetString() : null);
        }

        _point = point;
    }

    private void Mode(bool isInPlace) => (_form.IsInPlace, _plan, _objects, _planFault) = (isInPlace, null, null, null);

    private async Task PlanAsync()
    {
        (_isPlanning, _planFault, _plan, _objects, _planned) = (true, null, null, null, _form.Word);
        await TryPlanAsync();
        _isPlanning = false;
    }

    private async Task TryPlanAsync()
    {
        try
        {
            if (_form.IsInPlace)
            {
                _plan = await Requests.PlanRestoreAsync(_point!.Id, _form.ToTarget(), Estate.DataDirectory, Left);
                return;
            }

            (_plan, _objects) = await Plans.PlanAsync(_point!.Id, _form.ToTarget(), Estate.DataDirectory, Left);
        }
        catch (OperationCanceledException)
        {
            // The reader has left.
        }
        catch (Exception fault)
        {
            // The edge of a form: what stands against the restore is shown where the person can correct it.
            _planFault = fault;
        }
    }

    private Task RunAsync(RestorePlan plan) => AskRestoreAsync(async (request, _) => Navigation.NavigateTo(RunTexts.Href((await request(Requests, plan)).Id)));
}
