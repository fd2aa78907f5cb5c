using System.Text.Json;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>The plan that would be asked for, or what stands against it.</summary>
/// <param name="Hash">What it is asked for with, and what approvals would be bound to; null where there is no plan.</param>
/// <param name="Faults">Each source that cannot be a part of it, with the reason and what to do.</param>
/// <param name="KeptUntil">Until when it can be asked for by its hash; null where there is no plan.</param>
public sealed record ApiPlanDraft(string? Hash, JsonElement? Plan, IReadOnlyList<PartFault> Faults, DateTimeOffset? KeptUntil);

/// <summary>Makes plans for programs and keeps them until they are asked for, as a page keeps the one that its person looks at.</summary>
internal sealed class PlanGiving(RecoveryRequests requests, TimeProvider time)
{
    private readonly KeptPlans<RecoveryPlan> _kept = new(plan => plan.Hash, "/recoveries/plan", time);

    public async Task<ApiPlanDraft> GiveAsync(PlanAsk ask, string actor, CancellationToken cancellationToken)
    {
        var draft = await requests.DraftAsync(ask, cancellationToken);
        return draft.Plan is { } plan ? new ApiPlanDraft(plan.Hash, JsonElement.Parse(plan.ToJson()), draft.Faults, _kept.Keep(plan, actor)) : new ApiPlanDraft(null, null, draft.Faults, null);
    }

    /// <inheritdoc cref="KeptPlans{TPlan}.AskOnceAsync"/>
    public Task<Run> AskOnceAsync(string actor, string hash, Func<RecoveryPlan, Task<Run>> ask, CancellationToken cancellationToken) =>
        _kept.AskOnceAsync(actor, hash, ask, cancellationToken);

    internal DateTimeOffset Keep(RecoveryPlan plan, string actor) => _kept.Keep(plan, actor);
}
