using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Sets;

/// <summary>The recovery sets, newest first, and one more now; the filter is the page's address.</summary>
public partial class SetsPage : LivePage
{
    private const int MostRows = 200;
    private IReadOnlyList<SetRow>? _sets;
    private Run? _open;

    [SupplyParameterFromQuery]
    public string? Workspace { get; set; }

    [Inject]
    private SetCatalog Sets { get; set; } = default!;

    [Inject]
    private WorkspaceRequests Requests { get; set; } = default!;

    [Inject]
    private RunStore Runs { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    [Inject]
    private QueryFilters Filters { get; set; } = default!;

    private static IReadOnlyList<Crumb> Crumbs => [new Crumb(Texts.NavSources, "/sources"), new Crumb(SetTexts.Title)];

    private IReadOnlyList<string> Workspaces => [.. Estate.Sources.Select(source => source.Workspace).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>The workspace that a set would be taken of: the filter's, or the only one.</summary>
    private string? Chosen => Workspaces.Contains(Workspace) ? Workspace : Workspaces is [var only] ? only : null;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        _sets = await Sets.ListAsync(string.IsNullOrEmpty(Workspace) ? null : Workspace, MostRows, cancellationToken);
        _open = (await Runs.ListAsync(null, RunKinds.RecoverySet, null, 1, cancellationToken)).FirstOrDefault(run => run.IsOpen);
    }

    private Task TakeAsync(string workspace) => ActAsync(async (person, token) =>
        Navigation.NavigateTo(RunTexts.Href((await Requests.TakeSetAsync(workspace, person, token)).Id)));

    private void Filter(ChangeEventArgs args) =>
        Filters.Set("workspace", args.Value as string);
}
