using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace Hexabase.DrConsole.Dashboard.Pages.Tiers;

/// <summary>One tier: what it holds, how it grows, what was read back, what waits; and its retention run on request.</summary>
public partial class TierPage : LivePage
{
    private const string ApprovalCode = "prune-needs-approval";
    private TierSight? _tier;
    private IReadOnlyList<Run> _runs = [];
    private IReadOnlyList<WaitingCopy> _waiting = [];
    private (int Leaving, int All) _leaving;
    private IReadOnlyList<KeptWal> _keptWal = [];

    /// <summary>The tier's name.</summary>
    [Parameter]
    public string Name { get; set; } = "";

    [Inject]
    private TierReading Reading { get; set; } = default!;

    [Inject]
    private TierRequests Requests { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private IDialogService Dialogs { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    private IReadOnlyList<Crumb> Crumbs => [new Crumb(Texts.NavTiers, "/tiers"), new Crumb(Name)];

    /// <summary>Six of the figures; room and objects stand below.</summary>
    private IReadOnlyList<Figure> Strip => [.. _tier!.Figured(Time).Where(figure => figure.Label != TierTexts.FigureUsed && figure.Label != TierTexts.FigureObjects)];

    private string Sentence => Figures.Format(TierTexts.LeavingSentence, _leaving.Leaving, _leaving.All);

    /// <summary>The last retention run, where it stopped because more would go than may go unasked.</summary>
    private Run? NeedsApproval =>
        _runs.FirstOrDefault(run => run.Kind == RunKinds.Retention) is { State: RunState.Failed } last && RunTexts.Error(last)?.Code == ApprovalCode ? last : null;

    private IEnumerable<NamedFact> Facts
    {
        get
        {
            var tier = _tier!.Tier;
            yield return new NamedFact(TierTexts.FactStore, tier.Store);
            yield return new NamedFact(TierTexts.FactKeyFile, tier.KeyFile);
            yield return new NamedFact(TierTexts.FigureObjects, _tier.Usage is { UsedBytes: not null } usage ? Figures.Count(usage.Objects) : PageTexts.NotMeasured);
            yield return new NamedFact(TierTexts.FactWorkspaces, _tier.Workspaces.Count == 0 ? PageTexts.NoneWord : Figures.List(_tier.Workspaces));
            foreach (var kept in _keptWal)
            {
                yield return new NamedFact(TierTexts.FactKeptWal, RetentionWords.Of(kept));
            }

            foreach (var one in Estate.Classes.Values.Where(one => Estate.TiersOf(one).Contains(tier) && Estate.Sources.Any(source => Estate.ClassOf(source) == one)))
            {
                yield return new NamedFact(
                    Figures.Format(TierTexts.FactDays, one.Name),
                    one.TierDays.TryGetValue(tier.Name, out var days) ? Figures.Format(RetentionTexts.CalendarReach, days) : RetentionTexts.CalendarReachNone);
            }
        }
    }

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        Estate.TierNamed(Name);
        var tier = (await Reading.ReadAsync(cancellationToken)).First(one => one.Tier.Name == Name);
        _runs = await Reading.RunsOfAsync(Name, cancellationToken);
        _waiting = await Reading.WaitingAsync(Name, cancellationToken);
        _keptWal = TierReading.KeptWalOf(_runs);
        _leaving = await Reading.LeavingAsync(Name, cancellationToken);
        _tier = tier;
    }

    private Run? OpenOf(string kind) => _runs.FirstOrDefault(run => run.Kind == kind && run.IsOpen);

    /// <summary>Every pack, without a budget of time: a person who asks wants to know.</summary>
    private Task CheckAsync() => ActAsync(async (actor, token) =>
        Navigation.NavigateTo(RunTexts.Href((await Requests.VerifyAsync(new VerificationRequest(Name, CheckLevel.L2), actor, token)).Id)));

    private Task RepairAsync() => ActAsync(async (actor, token) =>
        Navigation.NavigateTo(RunTexts.Href((await Requests.RepairAsync(Name, null, actor, token)).Id)));

    private Task RunRetentionAsync() => RequestAsync(null);

    /// <summary>The person sees what would go, and types the tier's name; the request with its share is in the audit.</summary>
    private async Task ApproveAsync()
    {
        var parameters = new DialogParameters<TypedConfirmation>
        {
            { dialog => dialog.Title, Figures.Format(TierTexts.ConfirmTitle, _leaving.Leaving, Name) },
            { dialog => dialog.Consequence, TierTexts.ConfirmConsequence },
            { dialog => dialog.Word, Name },
            { dialog => dialog.ActionText, Figures.Format(TierTexts.ConfirmAction, Name) },
            { dialog => dialog.IsDestructive, true },
            { dialog => dialog.Facts, [new NamedFact(TierTexts.ConfirmLeaving, Figures.Format(RetentionTexts.LadderCount, _leaving.Leaving, _leaving.All)), new NamedFact(TierTexts.ConfirmStopped, RunTexts.Error(NeedsApproval!)!.Message)] },
        };
        var shown = await Dialogs.ShowAsync<TypedConfirmation>(null, parameters, new DialogOptions { MaxWidth = MaxWidth.Small, FullWidth = true, NoHeader = true });
        if (await shown.Result is { Canceled: false })
        {
            await RequestAsync(1);
        }
    }

    private Task RequestAsync(double? allowedShare) => ActAsync(async (actor, token) =>
    {
        var run = await Requests.RetentionAsync(Name, allowedShare, actor, token);
        Navigation.NavigateTo(RunTexts.Href(run.Id));
    });
}
