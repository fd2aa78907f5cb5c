using System.Text.Json;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>The plan that would be asked for, or what stands against it.</summary>
/// <param name="Hash">What it is asked for with, and what approvals would be bound to; null where there is no plan.</param>
/// <param name="Faults">Each source that cannot be a part of it, with the reason and what to do.</param>
/// <param name="KeptUntil">Until when it can be asked for by its hash; null where there is no plan.</param>
public sealed record ApiPlanDraft(string? Hash, JsonElement? Plan, IReadOnlyList<PartFault> Faults, DateTimeOffset? KeptUntil);

/// <summary>
/// Makes plans for programs and keeps them until they are asked for, as a page keeps the one that its person looks at. Made a second
/// time it would be another plan, since WAL is stored meanwhile; and one that is sent back could hold any command. So whoever was
/// given it asks for it by its hash.
/// </summary>
internal sealed class PlanGiving(RecoveryRequests requests, TimeProvider time)
{
    /// <summary>Longer than it takes to read one; what it would destroy is looked at again before its first step anyway.</summary>
    private static readonly TimeSpan s_kept = TimeSpan.FromMinutes(30);

    /// <summary>Of each who asks: the oldest goes where another one is made.</summary>
    private const int MostKept = 10;

    private readonly Lock _lock = new();
    private readonly List<Given> _given = [];

    public async Task<ApiPlanDraft> GiveAsync(PlanAsk ask, string actor, CancellationToken cancellationToken)
    {
        var draft = await requests.DraftAsync(ask, cancellationToken);
        return draft.Plan is { } plan ? new ApiPlanDraft(plan.Hash, JsonElement.Parse(plan.ToJson()), draft.Faults, Keep(plan, actor)) : new ApiPlanDraft(null, null, draft.Faults, null);
    }

    /// <summary>Asks for a plan that was given, once: who asks again, since the answer was lost, gets the same run.</summary>
    /// <param name="ask">Asks for it; where it fails nothing was asked for, and the plan may be asked for again.</param>
    /// <exception cref="EngineException"><c>plan-not-given</c>; whatever <paramref name="ask"/> throws.</exception>
    public async Task<Run> AskOnceAsync(string actor, string hash, Func<RecoveryPlan, Task<Run>> ask, CancellationToken cancellationToken)
    {
        var given = Find(actor, hash);
        await given.Asking.WaitAsync(cancellationToken);
        try
        {
            return given.Run ??= await ask(given.Plan);
        }
        finally
        {
            given.Asking.Release();
        }
    }

    private Given Find(string actor, string hash)
    {
        lock (_lock)
        {
            return _given.FindLast(one => one.Actor == actor && one.Plan.Hash == hash && one.Until > time.GetUtcNow()) ?? throw new EngineException(
                "plan-not-given", ErrorKind.NotFound, $"no plan with this hash was made for {actor} by this process of the console in the last {s_kept.TotalMinutes:0} minutes",
                "Make it with POST /api/v1/recoveries/plan, look at it, and ask for it by its hash. Nothing was changed.");
        }
    }

    internal DateTimeOffset Keep(RecoveryPlan plan, string actor)
    {
        lock (_lock)
        {
            var now = time.GetUtcNow();
            _given.RemoveAll(one => one.Until <= now);
            if (_given.Count(one => one.Actor == actor) >= MostKept)
            {
                _given.Remove(_given.First(one => one.Actor == actor));
            }

            _given.Add(new Given(actor, plan, now + s_kept));
            return now + s_kept;
        }
    }

    private sealed class Given(string actor, RecoveryPlan plan, DateTimeOffset until)
    {
        public string Actor => actor;

        public RecoveryPlan Plan => plan;

        public DateTimeOffset Until => until;

        /// <summary>One request for it at a time.</summary>
        public SemaphoreSlim Asking { get; } = new(1);

        /// <summary>What it was asked for with; null before.</summary>
        public Run? Run { get; set; }
    }
}
