using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Dashboard.Pages.Sets;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

/// <summary>A restore point is proven as long as its class's proofs hold, on every page.</summary>
public sealed class PointProofTests
{
    private static readonly DateTimeOffset s_now = RetentionRig.Now;
    private static readonly TimeSpan s_week = TimeSpan.FromDays(7);
    private static readonly FakeTimeProvider s_time = new(s_now);

    private static readonly ProtectedEstate s_estate = new("test", "/unused", ProtectionClass.Defaults, [], [], []);

    [Theory]
    [InlineData(true, false, 1, Status.Proven)]
    [InlineData(true, false, 8, Status.Stale)]
    [InlineData(false, false, 1, Status.Failed)]
    [InlineData(false, false, 8, Status.Failed)]
    [InlineData(false, true, 1, Status.Unproven)]
    public void Last_validation_says_what_is_known(bool passed, bool notProvable, double daysAgo, Status expected) =>
        Assert.Equal(expected, PointProof.StatusOf(new ValidationRow(1, "ab", 2, "hot", passed, "[]", null, 12, null, s_now.AddDays(-daysAgo), notProvable), s_week, s_now));

    [Fact]
    public void Point_that_was_never_restored_is_unproven() => Assert.Equal(Status.Unproven, PointProof.StatusOf(null, s_week, s_now));

    [Theory]
    [InlineData(-1, Status.Proven)]
    [InlineData(-30, Status.Stale)]
    public void Slot_of_the_ladder_and_day_of_the_calendar_are_green_only_as_long_as_the_proof_holds(double days, Status expected)
    {
        var point = RetentionRig.Point(s_now.AddDays(days), ("hot", "verified")).Validated("hot", true);

        Assert.Equal(expected, point.Known(s_week, s_time).Status);
    }

    [Fact]
    public void Set_is_as_proven_as_the_least_of_its_parts()
    {
        var lifetime = s_estate.Classes["standard"].ProofLifetime;
        var (proven, old) = (s_now - (lifetime / 2), s_now - (lifetime * 2));

        Assert.Equal(Status.Proven, Of(proven, proven));
        Assert.Equal(Status.Stale, Of(proven, old));
        Assert.Equal(Status.Unproven, Of(old, null));

        static Status Of(params DateTimeOffset?[] parts) => SetWords.StatusOf(
            new SetRow(1, "shop", 0, null, null, true, s_now, [.. parts.Select((at, index) => new SetPartRow($"part-{index}", 1, "ab", s_now, null, true, at))]), s_estate, s_time);
    }
}
