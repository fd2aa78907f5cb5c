using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.Redis;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>What matters of a Redis: keys and memory, and what the backup cost the server.</summary>
internal static class RedisPointFacts
{
    /// <summary>Nothing where the facts are of another kind of source.</summary>
    public static IEnumerable<NamedFact> Of(string? factsJson)
    {
        if (factsJson is null || RedisFacts.TryParse(JsonElement.Parse(factsJson)) is not { } facts)
        {
            yield break;
        }

        yield return new NamedFact(PageTexts.FactServer, facts.Address);
        yield return new NamedFact(PageTexts.KindRedis, facts.ServerVersion);
        yield return new NamedFact(PageTexts.FactDatabases, Figures.Count(facts.Databases.Count));
        yield return new NamedFact(PageTexts.FactKeys, Figures.Count(facts.Keys));
        yield return new NamedFact(PageTexts.FactExpiringKeys, Figures.Count(facts.Expiring));
        if (!facts.IsPointInTime)
        {
            yield return new NamedFact(PageTexts.FactReadHow, PageTexts.ReadKeyByKey);
        }

        if (facts.Cost is not { } cost)
        {
            yield break;
        }

        yield return new NamedFact(PageTexts.FactSnapshotTook, Figures.Format(PageTexts.SnapshotTook, Figures.Duration(TimeSpan.FromSeconds(cost.Seconds)), Figures.Duration(TimeSpan.FromSeconds(cost.WaitSeconds))));
        // Older restore points bear the fork of somebody else's snapshot where they were read key by key.
        if (facts.IsPointInTime && cost.ForkMicroseconds is { } fork)
        {
            yield return new NamedFact(PageTexts.FactFork, $"{Figures.Count(fork)} µs");
        }

        if (cost.UsedMemoryBytes is { } used)
        {
            yield return new NamedFact(PageTexts.FactMemory, Figures.Bytes(used));
        }

        if (cost.PeakMemoryBytes is { } peak)
        {
            yield return new NamedFact(PageTexts.FactMemoryPeak, Figures.Bytes(peak));
        }
    }
}
