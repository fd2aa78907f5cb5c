using Hexabase.DrConsole.Dashboard.Pages.Retention;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Strategies.Retention;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

/// <summary>Sources with restore points for the retention page's tests. Now is Tue 24 Nov 2026, 03:12:44 UTC.</summary>
internal static class RetentionRig
{
    public static DateTimeOffset Now { get; } = new(2026, 11, 24, 3, 12, 44, TimeSpan.Zero);

    public static ProtectionClass Class(RetentionPolicy policy, TimeSpan rpo, params (string Tier, int Days)[] days) =>
        new("own", TimeSpan.FromHours(1), rpo, policy, days.ToDictionary(pair => pair.Tier, pair => pair.Days), 1, 7);

    public static KeptPoint Point(DateTimeOffset at, params (string Tier, string State)[] copies)
    {
        var id = at.UtcTicks.ToString("x32", System.Globalization.CultureInfo.InvariantCulture);
        return new KeptPoint(id, at, [.. copies.Select(copy => new RestorePointTierRow(id, copy.Tier, copy.State, at, copy.State == "verified" ? at : null, null))], null);
    }

    public static KeptPoint Validated(this KeptPoint point, string tier, bool passed) =>
        point with { Last = new ValidationRow(1, point.Id, 2, tier, passed, "[]", null, 12, null, point.CreatedAt, false) };

    public static KeptSource Source(ProtectionClass one, DateTimeOffset since, string[] tiers, params KeptPoint[] points)
    {
        var ordered = points.OrderByDescending(point => point.CreatedAt).ToList();
        var retained = ordered.Select(point => new RetainedPoint(point.Id, point.CreatedAt, point.Last is { Passed: true }) { Tiers = [.. point.Copies.Where(copy => copy.State != "behind").Select(copy => copy.Tier)] });
        return new KeptSource(
            "orders", "shop", one, [.. tiers.Select(tier => new StorageTier(tier, $"file:///{tier}", "/key", null))], ordered,
            TierRetention.Decide(retained, one.Retention, one.TierDays, tiers, Now), since, Now);
    }
}
