using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>One recovery of several sources: the plan over all of them, or what stands against each that cannot be a part of it, and the request for its approval.</summary>
public partial class SeveralRecovery
{
    private readonly HashSet<string> _leaveOut = new(StringComparer.Ordinal);
    private SeveralDraft? _draft;

    /// <summary>What the draft was made without; a box that is cleared stays to be ticked again until the plan is made anew.</summary>
    private IReadOnlyList<string> _madeWithout = [];
    private bool _isMaking;

    /// <summary>The plan's name.</summary>
    [Parameter, EditorRequired]
    public string Plan { get; set; } = "";

    /// <summary>What it is made for; given the sources that are left out.</summary>
    [Parameter, EditorRequired]
    public Func<IReadOnlyCollection<string>, CancellationToken, Task<SeveralRequest>> For { get; set; } = default!;

    /// <summary>What the button says.</summary>
    [Parameter, EditorRequired]
    public string Label { get; set; } = "";

    /// <summary>False where nothing is chosen yet that it could be made for.</summary>
    [Parameter]
    public bool IsReady { get; set; } = true;

    /// <summary>Does something for the person, as the page does it: with the role asked for, and faults shown.</summary>
    [Parameter, EditorRequired]
    public Func<Func<string, CancellationToken, Task>, Task> OnAct { get; set; } = default!;

    [Inject]
    private RecoveryRequests Requests { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    /// <summary>Of the sources that the draft leaves out, those that the person can take back in; what comes back with another is not theirs to choose.</summary>
    private List<string> LeftOut => _draft switch
    {
        { Plan.Several: { } scope } => [.. scope.LeftOut.Where(one => one.With is null).Select(one => one.Source)],
        { } unfit => [.. _madeWithout.Except(unfit.Faults.Select(fault => fault.Source))],
        null => [],
    };

    private void Toggle(string source, bool isOut)
    {
        _ = isOut ? _leaveOut.Add(source) : _leaveOut.Remove(source);
    }

    private async Task MakeAsync()
    {
        _isMaking = true;
        StateHasChanged();
        await OnAct(async (_, token) =>
        {
            List<string> without = [.. _leaveOut.Order(StringComparer.Ordinal)];
            (_draft, _madeWithout) = (await Requests.PlanAsync(Plan, await For(without, token), token), without);
        });
        _isMaking = false;
    }

    private Task AskAsync(RecoveryPlan plan) => OnAct(async (actor, token) =>
        Navigation.NavigateTo(RunTexts.Href((await Requests.RequestAsync(plan, plan.Hash, actor, token)).Id)));
}
