using Hexabase.DrConsole.Engine.Backups;

namespace Hexabase.DrConsole.Engine.Tests.Backups;

public sealed class RestorePlanTests
{
    private static readonly RestorePlan s_plan = new()
    {
        FormatVersion = RestorePlan.CurrentVersion,
        RestorePointId = "0193",
        ManifestHash = "ab",
        Source = "orders",
        Kind = "postgres",
        Target = "postgres://u@h:5432/d",
        Artifacts = [new PlannedArtifact("database.dump", "pg_dump custom", 5), new PlannedArtifact("a", "x", 1)],
        Notes = ["one"],
    };

    [Fact]
    public void Hash_survives_a_round_trip_and_the_order_of_artifacts()
    {
        Assert.Equal(s_plan.Hash, RestorePlan.Parse(s_plan.ToCanonicalJson()).Hash);
        Assert.Equal(s_plan.Hash, (s_plan with { Artifacts = [.. s_plan.Artifacts.Reverse()] }).Hash);
    }

    [Fact]
    public void Hash_changes_with_every_field()
    {
        RestorePlan[] others =
        [
            s_plan with { RestorePointId = "0194" }, s_plan with { ManifestHash = "ac" }, s_plan with { Source = "other" },
            s_plan with { Kind = "artifacts" }, s_plan with { Target = "postgres://u@h:5432/e" }, s_plan with { Artifacts = [] }, s_plan with { Notes = [] },
        ];
        Assert.Equal(others.Length + 1, others.Append(s_plan).Select(plan => plan.Hash).Distinct().Count());
    }

    [Fact]
    public void WritesOver_is_what_has_a_difference_with_something_that_lives()
    {
        var over = s_plan with { Difference = "ab" };
        Assert.False(s_plan.WritesOver);
        Assert.True(over.WritesOver);
        Assert.False((over with { FillsEmpty = true }).WritesOver);
        Assert.True(RestorePlan.Parse(over.ToCanonicalJson()).WritesOver);
        Assert.Equal(3, new[] { s_plan, over, over with { FillsEmpty = true } }.Select(plan => plan.Hash).Distinct().Count());
        Assert.DoesNotContain("fillsEmpty", over.ToCanonicalJson(), StringComparison.Ordinal);
    }

    [Fact]
    public void IsConfirmedBy_takes_the_hash_or_its_first_twelve_digits()
    {
        Assert.True(s_plan.IsConfirmedBy(s_plan.Hash));
        Assert.True(s_plan.IsConfirmedBy(s_plan.Hash[..12].ToUpperInvariant()));
        Assert.All([null, "", s_plan.Hash[..11], s_plan.Hash + "0", (s_plan with { Source = "other" }).Hash], hash => Assert.False(s_plan.IsConfirmedBy(hash)));
    }

    [Fact]
    public void NotesToShow_are_bounded_and_count_the_rest()
    {
        Assert.Equal(["one"], s_plan.NotesToShow);
        var many = s_plan with { Notes = [.. Enumerable.Range(0, 1000).Select(i => $"note {i}")] };
        Assert.Equal(["note 209", "and 790 more; the plan's hash covers each of them"], many.NotesToShow.TakeLast(2));
    }

    [Fact]
    public void RequireHash_another_hash_is_refused() =>
        Assert.Equal("plan-changed", Assert.Throws<EngineException>(() => s_plan.RequireHash(new string('0', 64))).Code);

    [Theory]
    [InlineData("{}", "plan-unreadable")]
    [InlineData("[", "plan-unreadable")]
    public void Parse_what_is_no_plan_is_refused(string json, string code) =>
        Assert.Equal(code, Assert.Throws<EngineException>(() => RestorePlan.Parse(json)).Code);

    [Fact]
    public void Parse_newer_version_is_refused() =>
        Assert.Equal("plan-version-unknown",
            Assert.Throws<EngineException>(() => RestorePlan.Parse((s_plan with { FormatVersion = 2 }).ToCanonicalJson())).Code);
}
