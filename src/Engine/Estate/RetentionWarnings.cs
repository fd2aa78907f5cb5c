using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Strategies.Retention;

namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>Finds retention policies whose ladder and whose tiers' days do not meet.</summary>
internal static class RetentionWarnings
{
    /// <summary>One sentence per class that some source has and that is odd.</summary>
    public static IEnumerable<string> Of(IReadOnlyDictionary<string, ProtectionClass> classes, IReadOnlyList<StorageTier> tiers, IReadOnlyList<Source> sources)
    {
        foreach (var one in classes.Values.Where(one => sources.Any(source => source.Class == one.Name)).OrderBy(one => one.Name, StringComparer.Ordinal))
        {
            var reach = (int)RetentionPlan.ReachOf(one.Retention).TotalDays;
            foreach (var tier in tiers)
            {
                // The classes that come with the console leave room in their tiers for a longer ladder.
                if (one.TierDays.TryGetValue(tier.Name, out var days) && days > LeapDays(reach) && !ProtectionClass.Defaults.Values.Contains(one))
                {
                    yield return $"class {one.Name}: {tier.Name} may keep {days} days, which its ladder never reaches; its oldest restore points are {reach} days old";
                }
            }

            var longest = tiers.Max(tier => one.TierDays.TryGetValue(tier.Name, out var days) ? days : int.MaxValue);
            if (longest < reach)
            {
                yield return $"class {one.Name}: its ladder reaches {reach} days back, and the tiers that are configured keep at most {longest}";
            }
        }
    }

    /// <summary>A ladder of years and months may reach a little farther than its days say.</summary>
    private static int LeapDays(int reach) => reach + (reach / 28) + 1;
}
