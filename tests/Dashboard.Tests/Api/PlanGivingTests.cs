using Hexabase.DrConsole.Dashboard.Api;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Api;

/// <summary>A plan that was made over HTTP is asked for by whoever it was made for, for half an hour.</summary>
public sealed class PlanGivingTests
{
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddYears(56));

    [Fact]
    public void Plan_is_found_by_its_hash_by_whom_it_was_made_for_until_its_time_is_over()
    {
        var plans = new PlanGiving(requests: null!, _time);
        var plan = Plan("orders");
        Assert.Equal(_time.GetUtcNow().AddMinutes(30), plans.Keep(plan, "token/ci"));

        Assert.Same(plan, plans.Find("token/ci", plan.Hash));
        foreach (var (actor, hash) in new[] { ("token/other", plan.Hash), ("token/ci", plan.Hash[..^1]), ("token/ci", "") })
        {
            Assert.Equal("plan-not-given", Assert.Throws<EngineException>(() => plans.Find(actor, hash)).Code);
        }

        _time.Advance(TimeSpan.FromMinutes(30));
        Assert.Equal("plan-not-given", Assert.Throws<EngineException>(() => plans.Find("token/ci", plan.Hash)).Code);
    }

    [Fact]
    public void Who_makes_many_plans_loses_the_oldest_of_their_own_and_nobody_else_s()
    {
        var plans = new PlanGiving(requests: null!, _time);
        var other = Plan("of another");
        plans.Keep(other, "olga");
        var made = Enumerable.Range(0, 11).Select(at => Plan($"source-{at}")).ToList();
        made.ForEach(plan => plans.Keep(plan, "token/ci"));

        Assert.Throws<EngineException>(() => plans.Find("token/ci", made[0].Hash));
        Assert.All(made[1..], plan => Assert.Same(plan, plans.Find("token/ci", plan.Hash)));
        Assert.Same(other, plans.Find("olga", other.Hash));
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
