using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies;

namespace Hexabase.DrConsole.Engine.Tests.Estate;

public sealed class SourceStandingTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);
    private static readonly ProtectionClass Critical = ProtectionClass.Defaults["critical"];

    [Fact]
    public void Judge_restored_within_everything_is_proven() => Assert.Equal(Standing.Proven, Judge(Facts()));

    [Fact]
    public void Judge_nothing_known_is_unproven_and_gives_no_figure()
    {
        var standing = SourceStanding.Judge(Postgres(), Critical, SourceFacts.None, Now);
        Assert.Equal((Standing.Unproven, StandingReason.NoRestorePoint), (standing.Standing, standing.Reason));
        Assert.Null(standing.RpoNow);
        Assert.Null(standing.RestoreTime);
        Assert.Null(standing.ProofAge);
    }

    [Fact]
    public void Judge_stored_everywhere_but_never_restored_is_unproven() =>
        Assert.Equal(Standing.Unproven, Judge(Facts() with { LastProof = null, Recent = [] }));

    [Fact]
    public void Judge_old_proof_is_stale() =>
        Assert.Equal(Standing.Stale, Judge(Facts() with { LastProof = Proof(TimeSpan.FromDays(8)) }));

    [Fact]
    public void Judge_points_older_than_the_rpo_are_a_breach() =>
        Assert.Equal(Standing.Breached, Judge(Facts() with { CountingAt = Now.AddMinutes(-6) }));

    [Fact]
    public void Judge_lag_of_the_WAL_is_the_rpo_where_a_base_backup_counts_and_grows_while_nobody_measures()
    {
        var old = Facts() with { CountingAt = Now.AddHours(-1) };
        var fresh = SourceStanding.Judge(Postgres(), Critical, old with { Wal = new WalStanding(TimeSpan.FromSeconds(2), Now.AddSeconds(-3)) }, Now);
        var silent = SourceStanding.Judge(Postgres(), Critical, old with { Wal = new WalStanding(TimeSpan.FromSeconds(2), Now.AddMinutes(-10)) }, Now);
        var alone = SourceStanding.Judge(Postgres(), Critical, SourceFacts.None with { Wal = new WalStanding(TimeSpan.Zero, Now) }, Now);

        Assert.Equal((TimeSpan.FromSeconds(5), true, Standing.Proven), (fresh.RpoNow, fresh.IsByWal, fresh.Standing));
        Assert.Equal((TimeSpan.FromSeconds(602), Standing.Breached), (silent.RpoNow, silent.Standing));
        Assert.Null(alone.RpoNow);
    }

    [Fact]
    public void Judge_restore_slower_than_the_rto_is_a_breach() =>
        Assert.Equal(Standing.Breached, Judge(Facts() with { LastProof = Proof(TimeSpan.FromHours(1)) with { RestoreSeconds = 901 } }));

    [Fact]
    public void Judge_one_tier_of_two_is_degraded_never_green()
    {
        Assert.Equal(Standing.Degraded, Judge(Facts() with { Tiers = [Tier("hot", "verified")], CountingAt = null }));
        Assert.Equal(Standing.Degraded, Judge(Facts() with { Tiers = [Tier("hot", "verified"), Tier("warm", "behind")] }));
        Assert.Equal(Standing.Degraded, Judge(Facts() with { Tiers = [Tier("hot", "verified"), Tier("warm", "damaged")] }));
    }

    [Fact]
    public void Judge_last_validation_failed_is_degraded_with_an_older_proof_and_failed_without()
    {
        var failed = Proof(TimeSpan.FromMinutes(1)) with { Passed = false, RestoreSeconds = null };
        Assert.Equal(Standing.Degraded, Judge(Facts() with { Recent = [failed] }));
        Assert.Equal(Standing.Failed, Judge(Facts() with { Recent = [failed], LastProof = null }));
    }

    [Fact]
    public void Judge_not_provable_here_is_unproven_never_failed()
    {
        var open = Proof(TimeSpan.FromMinutes(1)) with { Passed = false, NotProvable = true, RestoreSeconds = null };
        var standing = SourceStanding.Judge(Postgres(), Critical, Facts() with { Recent = [open], LastProof = null }, Now);
        Assert.Equal((Standing.Unproven, StandingReason.NotProvable), (standing.Standing, standing.Reason));
        Assert.Equal(Standing.Proven, Judge(Facts() with { Recent = [open] }));
    }

    [Fact]
    public void Judge_volume_whose_newest_point_lacks_what_could_not_be_read_is_degraded()
    {
        var volume = new Source("files", SourceKind.Volume, "critical", "shop");
        var standing = SourceStanding.Judge(volume, Critical, Facts() with { NewestFactsJson = """{"path": "/srv", "unreadable": 3}""" }, Now);
        Assert.Equal((Standing.Degraded, StandingReason.ItemsMissing, 3), (standing.Standing, standing.Reason, standing.MissingItems));
        Assert.Equal(Standing.Proven, SourceStanding.Judge(volume, Critical, Facts() with { NewestFactsJson = """{"path": "/srv", "unreadable": 0}""" }, Now).Standing);
        Assert.Equal(Standing.Proven, SourceStanding.Judge(volume, Critical, Facts(), Now).Standing);
        Assert.Equal(Standing.Proven, Judge(Facts() with { NewestFactsJson = """{"unreadable": 3}""" }));
    }

    [Fact]
    public void Judge_kind_without_driver_is_unproven_whatever_else() =>
        Assert.Equal(StandingReason.NoDriver, SourceStanding.Judge(new Source("files", (SourceKind)99, "critical", "shop"), Critical, Facts(), Now).Reason);

    [Fact]
    public void Judge_source_whose_nodes_agent_is_silent_is_degraded_and_says_so_whatever_else_is_wrong()
    {
        var missing = Facts() with { Agent = new NodeAgentStanding("db-1", null) };
        var silent = Facts() with { Agent = new NodeAgentStanding("db-1", TimeSpan.FromSeconds(91)) };
        var heard = Facts() with { Agent = new NodeAgentStanding("db-1", TimeSpan.FromSeconds(89)) };
        var standing = SourceStanding.Judge(Postgres(), Critical, missing, Now);
        var breached = SourceStanding.Judge(Postgres(), Critical, silent with { CountingAt = Now.AddMinutes(-6) }, Now);

        Assert.Equal((Standing.Degraded, StandingReason.AgentSilent), (standing.Standing, standing.Reason));
        Assert.Equal((Standing.Breached, StandingReason.RpoExceeded, "drconsole worker --queues node-db-1"), (breached.Standing, breached.Reason, breached.SilentAgent?.Command));
        Assert.Equal("db-1", SourceStanding.Judge(Postgres(), Critical, SourceFacts.None with { Agent = missing.Agent }, Now).SilentAgent?.Node);
        Assert.Equal(Standing.Proven, Judge(heard));
        Assert.Null(SourceStanding.Judge(Postgres(), Critical, heard, Now).SilentAgent);
    }

    private static Standing Judge(SourceFacts facts) => SourceStanding.Judge(Postgres(), Critical, facts, Now).Standing;

    private static Source Postgres() => new("orders", SourceKind.Postgres, "critical", "shop");

    private static SourceFacts Facts() => new(
        "a", Now.AddMinutes(-2), [Tier("hot", "stored"), Tier("warm", "verified")], Now.AddMinutes(-2), Proof(TimeSpan.FromHours(1)), [Proof(TimeSpan.FromHours(1))]);

    private static TierStanding Tier(string name, string state) => new(name, state, Now.AddMinutes(-1), null);

    private static Proof Proof(TimeSpan age) => new("a", Now - age, Now - age, true, 12.5, "hot");
}
