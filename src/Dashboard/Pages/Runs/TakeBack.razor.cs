using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Pages.Recovery;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace Hexabase.DrConsole.Dashboard.Pages.Runs;

/// <summary>Takes a completed restore of objects back: its plan, its confirmation by typing, and the run that does it.</summary>
public partial class TakeBack
{
    private bool _isPlanning;
    private string? _fault;

    /// <summary>The restore.</summary>
    [Parameter, EditorRequired]
    public Run Run { get; set; } = default!;

    /// <summary>Asks for the plan's run in the person's name; null where that did not go, which the page shows.</summary>
    [Parameter, EditorRequired]
    public Func<RestorePlan, Task<Run?>> Ask { get; set; } = default!;

    [Inject]
    private RunRequests Requests { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private IDialogService Dialogs { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    /// <summary>True for a run that there is such a way back from.</summary>
    internal static bool IsFor(Run run) => run is { Kind: RunKinds.Restore, State: RunState.Completed } && RestoreRequest.Of(run).Plan.Kind == VClusterRestoreDriver.Kind;

    private async Task PlanAsync()
    {
        (_isPlanning, _fault) = (true, null);
        try
        {
            var (point, target) = VClusterUndoDriver.Of(Run);
            var plan = await Requests.PlanRestoreAsync(point, target, Estate.DataDirectory, CancellationToken.None);
            if (await IsConfirmedAsync(plan) && await Ask(plan) is { } asked)
            {
                Navigation.NavigateTo(RunTexts.Href(asked.Id));
            }
        }
        catch (EngineException fault)
        {
            // What stands against it is shown where it was asked for.
            _fault = $"{fault.Message}. {fault.Hint}";
        }

        _isPlanning = false;
    }

    private async Task<bool> IsConfirmedAsync(RestorePlan plan)
    {
        var parameters = new DialogParameters<TypedConfirmation>
        {
            { dialog => dialog.Title, Figures.Format(PageTexts.TakeBackTitle, Run.Id) },
            { dialog => dialog.Consequence, PageTexts.TakeBackConsequence },
            { dialog => dialog.Word, Run.Id.ToString() },
            { dialog => dialog.ActionText, Figures.Format(PageTexts.TakeBackTitle, Run.Id) },
            { dialog => dialog.IsDestructive, true },
            {
                dialog => dialog.Facts,
                [
                    new NamedFact(PageTexts.FactTarget, plan.Target),
                    .. RecoveryWords.ApprovalsOf(plan, Estate.RestoreApprovals),
                    .. plan.NotesToShow.Select(note => new NamedFact(PageTexts.PlanNote, note)),
                    new NamedFact(PageTexts.FactPlanHash, plan.Hash[..16]),
                ]
            },
        };
        var shown = await Dialogs.ShowAsync<TypedConfirmation>(null, parameters, new DialogOptions { MaxWidth = MaxWidth.Small, FullWidth = true, NoHeader = true });
        return await shown.Result is { Canceled: false };
    }
}
