using System.Globalization;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Dashboard.Kinds;

/// <summary>Redis: keys of each database, and what the backup cost the server.</summary>
internal sealed class RedisWords : KindWords
{
    public override SourceKind Kind => SourceKind.Redis;

    public override string Name => PageTexts.KindRedis;

    public override string Icon => IconShape.Redis;

    public override IReadOnlyList<string> CostColumns =>
        [KindTexts.ColumnSnapshot, KindTexts.ColumnWaited, PageTexts.FactFork, KindTexts.FactCopied, PageTexts.FactMemory];

    public override IEnumerable<NamedFact> Of(Source source)
    {
        if (source.Redis is not { } redis)
        {
            yield break;
        }

        yield return new NamedFact(PageTexts.FactServer, string.Create(CultureInfo.InvariantCulture, $"{redis.Host}:{redis.Port}"));
        yield return new NamedFact(PageTexts.FactUser, redis.Username ?? "default");
    }

    public override KindSheet Read(PointContent content, TimeProvider time)
    {
        if (RedisFacts.TryParse(content.Facts) is not { } facts)
        {
            return KindSheet.None;
        }

        // Older restore points bear the fork of somebody else's snapshot where they were read key by key.
        var cost = facts.IsPointInTime ? facts.Cost : facts.Cost is { } read ? read with { ForkMicroseconds = null, CopiedBytes = null } : null;
        return new KindSheet
        {
            Holds = content.Bytes is { } bytes ? Figures.List([Line(facts), Figures.Bytes(bytes)]) : Line(facts),
            Cost = cost is null ? null : CostLine(cost, facts.IsPointInTime),
            Brief = Brief(facts, cost),
            Facts = [.. Facts(facts, content.Bytes, time)],
            CostFacts = [.. CostFacts(cost, facts.IsPointInTime)],
            Costs = cost is null ? [] : [Seconds(cost.Seconds), Seconds(cost.WaitSeconds), Fork(cost), Bytes(cost.CopiedBytes), Bytes(cost.UsedMemoryBytes)],
            Tables = [Databases(facts)],
        };
    }

    private static string Line(RedisFacts facts) => Figures.Format(KindTexts.RedisLine, facts.Keys, facts.Expiring);

    private static List<NamedFact> Brief(RedisFacts facts, RedisCost? cost)
    {
        var brief = new List<NamedFact> { new(PageTexts.FactKeys, Figures.Count(facts.Keys)) };
        if (cost?.ForkMicroseconds is not null)
        {
            brief.Add(new NamedFact(PageTexts.FactFork, Fork(cost)));
        }

        return brief;
    }

    private static IEnumerable<NamedFact> Facts(RedisFacts facts, long? bytes, TimeProvider time)
    {
        yield return new NamedFact(PageTexts.FactServer, facts.Address);
        yield return new NamedFact(PageTexts.KindRedis, facts.ServerVersion);
        yield return new NamedFact(KindTexts.FactRole, Role(facts.Role));
        yield return new NamedFact(KindTexts.FactContentOf, Figures.Exact(facts.TakenAt, time));
        yield return new NamedFact(PageTexts.FactDatabases, Figures.Count(facts.Databases.Count));
        yield return new NamedFact(PageTexts.FactKeys, Figures.Count(facts.Keys));
        yield return new NamedFact(PageTexts.FactExpiringKeys, Figures.Count(facts.Expiring));
        yield return new NamedFact(PageTexts.ColumnSize, Bytes(bytes));
        yield return new NamedFact(KindTexts.FactFunctions, Figures.Count(facts.Functions.Count));
        yield return new NamedFact(KindTexts.FactUsers, facts.Users is { } users ? Figures.Count(users.Count) : KindSheet.Unknown);
        if (!facts.IsPointInTime)
        {
            yield return new NamedFact(PageTexts.FactReadHow, PageTexts.ReadKeyByKey);
        }
    }

    private static IEnumerable<NamedFact> CostFacts(RedisCost? cost, bool hasForked)
    {
        yield return new NamedFact(PageTexts.FactSnapshotTook, cost is null ? KindSheet.Unknown : Figures.Format(PageTexts.SnapshotTook, Seconds(cost.Seconds), Seconds(cost.WaitSeconds)));
        if (hasForked)
        {
            yield return new NamedFact(PageTexts.FactFork, Fork(cost));
            yield return new NamedFact(KindTexts.FactCopied, Bytes(cost?.CopiedBytes));
        }

        yield return new NamedFact(PageTexts.FactMemory, Bytes(cost?.UsedMemoryBytes));
        yield return new NamedFact(PageTexts.FactMemoryPeak, Bytes(cost?.PeakMemoryBytes));
    }

    private static KindTable Databases(RedisFacts facts) => new(
        KindTexts.Databases,
        [new KindColumn(KindTexts.ColumnDatabase, IsNumber: false), new KindColumn(PageTexts.FactKeys), new KindColumn(PageTexts.FactExpiringKeys), new KindColumn(KindTexts.ColumnTypes, IsNumber: false)],
        [
            .. facts.Databases.Select(database => (IReadOnlyList<string>)
            [
                database.Name, Figures.Count(database.Keys), Figures.Count(database.Expiring),
                Figures.List(database.Types.OrderByDescending(type => type.Value).ThenBy(type => type.Key, StringComparer.Ordinal).Select(type => $"{type.Key} {Figures.Count(type.Value)}")),
            ]),
        ]);

    private static string CostLine(RedisCost cost, bool hasForked)
    {
        var parts = new List<string>();
        if (cost.ForkMicroseconds is not null)
        {
            parts.Add(Figures.Format(KindTexts.CostFork, Fork(cost)));
        }

        if (cost.CopiedBytes is { } copied)
        {
            parts.Add(Figures.Format(KindTexts.CostCopied, Figures.Bytes(copied)));
        }

        parts.Add(Figures.Format(hasForked ? KindTexts.CostRead : KindTexts.CostReadKeys, Seconds(cost.Seconds)));
        return Figures.List(parts);
    }

    /// <summary>Redis itself says <c>slave</c>.</summary>
    private static string Role(string role) => role switch
    {
        "master" => KindTexts.RoleMaster,
        "slave" => KindTexts.RoleReplica,
        _ => role,
    };

    private static string Fork(RedisCost? cost) =>
        cost?.ForkMicroseconds is { } microseconds ? Figures.Format(KindTexts.Milliseconds, microseconds / 1000.0) : KindSheet.Unknown;

    private static string Bytes(long? bytes) => bytes is { } known ? Figures.Bytes(known) : KindSheet.Unknown;

    private static string Seconds(double seconds) => Figures.Duration(TimeSpan.FromSeconds(seconds));
}
