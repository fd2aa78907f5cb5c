using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Runs;

/// <summary>Runs as rows.</summary>
public partial class RunTable
{
    /// <summary>Newest first.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<Run> Runs { get; set; } = [];

    /// <summary>False on the page of one source.</summary>
    [Parameter]
    public bool ShowSource { get; set; } = true;

    /// <summary>What to do where there is none.</summary>
    [Parameter]
    public string EmptyThen { get; set; } = PageTexts.RunsEmptyThen;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    /// <summary>How far it is, or why it failed.</summary>
    private static string? Detail(Run run) =>
        run.State == RunState.Running && RunTexts.Share(run) is { } share ? Figures.Percent(share) : RunTexts.Error(run)?.Message;

    private void Open(Run run) => Navigation.NavigateTo(RunTexts.Href(run.Id));
}
