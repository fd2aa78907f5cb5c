using Hexabase.DrConsole.Dashboard.Api;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Api;

/// <summary>A plan that was made over HTTP is asked for by whoever it was made for, for half an hour.</summary>
public sealed class PlanGivingTests
{
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddYears(56));

    [Fact]
    public async Task Plan_is_found_by_its_hash_by_whom_it_was_made_for_until_its_time_is_over()
    {
        var plans = new PlanGiving(requests: null!, _time);
        var plan = Plan("orders");
        Assert.Equal(_time.GetUtcNow().AddMinutes(30), plans.Keep(plan, "token/ci"));

        foreach (var (actor, hash) in new[] { ("token/other", plan.Hash), ("token/ci", plan.Hash[..^1]), ("token/ci", "") })
        {
            Assert.Equal("plan-not-given", (await Assert.ThrowsAsync<EngineException>(() => AskedAsync(plans, actor, hash))).Code);
        }

        Assert.Same(plan, await AskedAsync(plans, "token/ci", plan.Hash));
        _time.Advance(TimeSpan.FromMinutes(30));
        Assert.Equal("plan-not-given", (await Assert.ThrowsAsync<EngineException>(() => AskedAsync(plans, "token/ci", plan.Hash))).Code);
    }

    [Fact]
    public async Task Plan_is_carried_out_once_however_often_its_answer_was_lost()
    {
        var plans = new PlanGiving(requests: null!, _time);
        var plan = Plan("orders");
        plans.Keep(plan, "token/ci");
        var asked = 0;

        await Assert.ThrowsAsync<EngineException>(() => plans.AskOnceAsync("token/ci", plan.Hash, _ => throw new EngineException("recovery-already-open", ErrorKind.Conflict, "open"), TestContext.Current.CancellationToken));
        var runs = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => plans.AskOnceAsync("token/ci", plan.Hash, AskAsync, TestContext.Current.CancellationToken)));

        Assert.Single(runs.Distinct());
        Assert.Equal(1, asked);

        // Made again on purpose it is another request.
        plans.Keep(plan, "token/ci");
        Assert.NotEqual(runs[0], await plans.AskOnceAsync("token/ci", plan.Hash, AskAsync, TestContext.Current.CancellationToken));

        async Task<Run> AskAsync(RecoveryPlan one)
        {
            await Task.Yield();
            return new Run(new RunId(++asked), RunKinds.Recovery, one.Source, null, "", one.Hash, RunState.Queued, 0, 0, "token/ci", null, null) { CreatedAt = DateTimeOffset.UnixEpoch };
        }
    }

    [Fact]
    public async Task Who_makes_many_plans_loses_the_oldest_of_their_own_and_nobody_else_s()
    {
        var plans = new PlanGiving(requests: null!, _time);
        var other = Plan("of another");
        plans.Keep(other, "olga");
        var made = Enumerable.Range(0, 11).Select(at => Plan($"source-{at}")).ToList();
        made.ForEach(plan => plans.Keep(plan, "token/ci"));

        await Assert.ThrowsAsync<EngineException>(() => AskedAsync(plans, "token/ci", made[0].Hash));
        foreach (var plan in made[1..])
        {
            Assert.Same(plan, await AskedAsync(plans, "token/ci", plan.Hash));
        }

        Assert.Same(other, await AskedAsync(plans, "olga", other.Hash));
    }

    /// <summary>The plan that would be asked for.</summary>
    private static async Task<RecoveryPlan> AskedAsync(PlanGiving plans, string actor, string hash)
    {
        RecoveryPlan? asked = null;
        await plans.AskOnceAsync(
            actor, hash,
            plan =>
            {
                asked = plan;
                return Task.FromResult(new Run(new RunId(1), RunKinds.Recovery, plan.Source, null, "", plan.Hash, RunState.Queued, 0, 0, actor, null, null) { CreatedAt = DateTimeOffset.UnixEpoch });
            },
            TestContext.Current.CancellationToken);
        return asked!;
    }

    private static RecoveryPlan Plan(string source) => new()
    {
        Template = "postgres-corruption",
        TemplateVersion = 3,
        TemplateHash = "ab",
        Title = "Recover a damaged database",
        Disaster = "DATABASE_CORRUPTION",
        Source = source,
        Workspace = "shop",
        Basis = new RecoveryBasis("4f19c2", DateTimeOffset.UnixEpoch, "cd", null, true, null),
        Loss = new LossWindow(DateTimeOffset.UnixEpoch, null, "to the end of the WAL"),
        Target = new RecoveryTarget("/var/lib/orders", "127.0.0.1", 5432, "postgres", "postgres", null, null, []),
        Gate = new PlanGate("destructive"),
        OnFailure = FailurePolicy.RollBackAll,
        Steps = [],
        Notes = [],
        RtoSeconds = 900,
    };
}
