using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Recovery;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Repository;
using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace Hexabase.DrConsole.Dashboard.Pages.Clusters;

/// <summary>What a restore of a virtual cluster will do, object by object, and its confirmation by the target's name.</summary>
public partial class ObjectPlanView
{
    private List<PlannedObject> _rows = [];
    private ObjectAction? _shown;
    private PlannedObject? _chosen;

    /// <summary>What is confirmed.</summary>
    [Parameter, EditorRequired]
    public RestorePlan Plan { get; set; } = default!;

    /// <summary>Object by object; null where the whole store is put back.</summary>
    [Parameter]
    public ObjectRestorePlan? Objects { get; set; }

    /// <summary>How many others approve what writes over something that lives.</summary>
    [Parameter, EditorRequired]
    public int Approvals { get; set; }

    /// <summary>What has to be typed.</summary>
    [Parameter, EditorRequired]
    public string Target { get; set; } = "";

    /// <summary>The person confirmed.</summary>
    [Parameter]
    public EventCallback<RestorePlan> OnRun { get; set; }

    [Inject]
    private IDialogService Dialogs { get; set; } = default!;

    private int Effects => Objects?.Objects.Count(one => one.IsEffect) ?? 1;

    private bool HasEffect => Effects > 0 || NeedsAdmin;

    private bool NeedsAdmin => Plan.WritesOver;

    /// <summary>Of a restore of objects, each of which has a row, what is said of the claims' data; else all of them.</summary>
    /// <remarks>The plan names a few files of each claim; cut as a whole, it would lose claims whose data are written.</remarks>
    private IEnumerable<string> ShownNotes => Objects is null ? Plan.NotesToShow : Plan.Notes.Where(note => note.StartsWith(ClaimDataRestore.Note, StringComparison.Ordinal));

    /// <summary>What is said of the selection as a whole.</summary>
    private IReadOnlyList<string> SelectionNotes => Objects?.Notes ?? [];

    private string ActionText => Objects is null ? Figures.Format(ClusterTexts.RunInPlace, Target) : Figures.Format(ClusterTexts.RunObjects, Effects, Target);

    private IReadOnlyList<Figure> Strip =>
    [
        .. Enum.GetValues<ObjectAction>().Select(action => new Figure(WordOf(action), Figures.Count(Objects!.Count(action)), MeaningOf(action), Objects.Count(action) > 0 ? IconOf(action) : null)),
    ];

    /// <inheritdoc/>
    protected override void OnParametersSet() => Show(_shown);

    private void Show(ObjectAction? action)
    {
        _shown = action;
        _rows = [.. (Objects?.Objects ?? []).Where(one => action is null || one.Action == action).OrderBy(Weight)];
    }

    private void Choose(PlannedObject one) => _chosen = one;

    /// <summary>What a person must see stands first; within that it is the order of the work.</summary>
    private static int Weight(PlannedObject one) => one.Action switch
    {
        ObjectAction.Refuse => 0,
        ObjectAction.Conflict => 1,
        ObjectAction.Change => 2,
        ObjectAction.Create => 3,
        _ => one.Differences.Count > 0 ? 4 : 5,
    };

    private static string IdOf(PlannedObject one) => "planned-" + ClusterAddress.Of(one.Target);

    private async Task ConfirmAsync()
    {
        var parameters = new DialogParameters<TypedConfirmation>
        {
            { dialog => dialog.Title, Figures.Format(PageTexts.ConfirmTitle, RestorePointId.ShortOf(Plan.RestorePointId), Target) },
            { dialog => dialog.Consequence, Objects is null ? ClusterTexts.ConfirmInPlace : NeedsAdmin ? ClusterTexts.ConfirmChanges : ClusterTexts.ConfirmCreates },
            { dialog => dialog.Word, Target },
            { dialog => dialog.ActionText, ActionText },
            { dialog => dialog.IsDestructive, NeedsAdmin },
            { dialog => dialog.Facts, (IReadOnlyList<NamedFact>)[new NamedFact(PageTexts.FactTarget, Plan.Target), .. RecoveryWords.ApprovalsOf(Plan, Approvals), new NamedFact(PageTexts.FactPlanHash, Plan.Hash[..16])] },
        };
        var shown = await Dialogs.ShowAsync<TypedConfirmation>(null, parameters, new DialogOptions { MaxWidth = MaxWidth.Small, FullWidth = true, NoHeader = true });
        if (await shown.Result is { Canceled: false })
        {
            await OnRun.InvokeAsync(Plan);
        }
    }

    private static Status? IconOf(ObjectAction action) => action switch
    {
        ObjectAction.Refuse => Status.Failed,
        ObjectAction.Conflict => Status.Degraded,
        _ => null,
    };

    private static string WordOf(ObjectAction action) => action switch
    {
        ObjectAction.Create => ClusterTexts.ActionCreate,
        ObjectAction.Change => ClusterTexts.ActionChange,
        ObjectAction.Leave => ClusterTexts.ActionLeave,
        ObjectAction.Conflict => ClusterTexts.ActionConflict,
        _ => ClusterTexts.ActionRefuse,
    };

    private static string MeaningOf(ObjectAction action) => action switch
    {
        ObjectAction.Create => ClusterTexts.MeaningCreate,
        ObjectAction.Change => ClusterTexts.MeaningChange,
        ObjectAction.Leave => ClusterTexts.MeaningLeave,
        ObjectAction.Conflict => ClusterTexts.MeaningConflict,
        _ => ClusterTexts.MeaningRefuse,
    };
}
