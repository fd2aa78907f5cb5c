using System.Text;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Kinds;
using Hexabase.DrConsole.Dashboard.Tests.Language;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Kinds;

/// <summary>What the pages say of a Redis, of how it was read, and of what that cost the server.</summary>
public sealed class RedisWordsTests
{
    internal static readonly RedisFacts Facts = new()
    {
        Version = RedisFacts.CurrentVersion,
        Address = "127.0.0.1:6379",
        ServerVersion = "7.0.15",
        Role = "slave",
        RdbVersion = 10,
        TakenAt = new DateTimeOffset(2026, 11, 24, 2, 0, 7, TimeSpan.Zero),
        IsPointInTime = true,
        Databases =
        [
            new RedisDatabaseFacts(0, 1200, 300, new string('0', 32), new Dictionary<string, long> { ["hash"] = 200, ["string"] = 1000 }),
            new RedisDatabaseFacts(3, 34, 0, new string('0', 32), new Dictionary<string, long> { ["zset"] = 34 }),
        ],
        Functions = [],
        NeedsModules = false,
        Users = null,
        Cost = new RedisCost(1234, 2_000_000, 3_000_000, 65_536, 2, 1),
    };

    [Fact]
    public void Restore_point_shows_keys_role_moment_and_what_the_snapshot_cost()
    {
        var sheet = Sheet(Facts);

        Assert.Equal("1,234 keys, 300 with expiry, 512 kB", sheet.Holds);
        Assert.Equal("stood still 1.2 ms, 66 kB copied, snapshot in 2s", sheet.Cost);
        var facts = Rows(sheet.Facts);
        Assert.Contains(("Read from a", "replica"), facts);
        Assert.Contains(("Keys", "1,234"), facts);
        Assert.Contains(("Keys with expiry", "300"), facts);
        Assert.Contains(("Size", "512 kB"), facts);
        Assert.Contains(facts, fact => fact.Label == "Content is of" && fact.Value.Contains("02:00:07", StringComparison.Ordinal));
        Assert.DoesNotContain(facts, row => row.Label == "Read");
        Assert.Equal(
            [("Snapshot took", "2s, of which 1s waiting for the server to begin"), ("Server stood still", "1.2 ms"), ("Memory copied meanwhile", "66 kB"), ("Memory of the server", "2.0 MB"), ("Most memory ever", "3.0 MB")],
            Rows(sheet.CostFacts));
        Assert.Equal(["2s", "1s", "1.2 ms", "66 kB", "2.0 MB"], sheet.Costs);
        Assert.Equal(sheet.Costs.Count, KindWords.Of(SourceKind.Redis).CostColumns.Count);
        Assert.Equal([("Keys", "1,234"), ("Server stood still", "1.2 ms")], Rows(sheet.Brief));
        var table = Assert.Single(sheet.Tables);
        Assert.Equal(["db0", "1,200", "300", "string 1,000, hash 200"], table.Rows[0]);
        Assert.Equal(["db3", "34", "0", "zset 34"], table.Rows[1]);
    }

    [Fact]
    public void What_nobody_measured_is_a_dash_or_nothing()
    {
        var older = Sheet(Facts with { Cost = null });
        Assert.Null(older.Cost);
        Assert.Empty(older.Costs);
        Assert.All(older.CostFacts, fact => Assert.Equal(KindSheet.Unknown, fact.Value));
        Assert.Equal([("Keys", "1,234")], Rows(older.Brief));

        // Builds that asked the server too early wrote the figure of the snapshot before.
        var early = KindWords.SheetOf(Point(Encoding.UTF8.GetString(Facts.ToJson()).Replace("copiedOnWriteBytes", "copiedBytes", StringComparison.Ordinal)), TimeProvider.System);
        Assert.Equal("stood still 1.2 ms, snapshot in 2s", early.Cost);
        Assert.Contains(("Memory copied meanwhile", "–"), Rows(early.CostFacts));

        // Somebody else's fork came in between.
        var shared = Sheet(Facts with { Cost = Facts.Cost! with { ForkMicroseconds = null, CopiedBytes = null } });
        Assert.Equal("snapshot in 2s", shared.Cost);
        Assert.Contains(("Server stood still", "–"), Rows(shared.CostFacts));
        Assert.Equal(["2s", "1s", "–", "–", "2.0 MB"], shared.Costs);
    }

    [Fact]
    public void Point_that_was_read_key_by_key_says_so_and_shows_no_fork()
    {
        // As older versions wrote it, whoever the fork was for.
        var scan = Sheet(Facts with { IsPointInTime = false });

        Assert.Contains(("Read", "key by key, not of one instant"), Rows(scan.Facts));
        Assert.DoesNotContain(Rows(scan.CostFacts), row => row.Label is "Server stood still" or "Memory copied meanwhile");
        Assert.Equal("read key by key in 2s", scan.Cost);
        Assert.Equal("–", scan.Costs[2]);
    }

    [Fact]
    public void Facts_that_are_not_of_a_Redis_show_nothing()
    {
        Assert.Same(KindSheet.None, KindWords.SheetOf(Point("""{"path": "/srv"}"""), TimeProvider.System));
        Assert.Same(KindSheet.None, KindWords.SheetOf(Point(null), TimeProvider.System));
        Assert.Same(KindSheet.None, KindWords.SheetOf(Point("{}", "files"), TimeProvider.System));
    }

    [Fact]
    public void Japanese_reader_has_them_in_Japanese()
    {
        using var japanese = new ReadingIn("ja");
        var sheet = Sheet(Facts);
        Assert.Equal("1,234キー、有効期限付き300、512 kB", sheet.Holds);
        Assert.Equal("停止1.2ミリ秒、複製66 kB、取得2秒", sheet.Cost);
    }

    internal static RestorePointRow Point(string? facts, string kind = "redis") => new(
        "0192f0c4aaaa7bbb8ccc0123456789ab", "cache", kind, "critical", "shop", Facts.TakenAt, Facts.TakenAt.AddSeconds(3), 512_000, 1_000, "[]", facts, "{}", 1);

    private static KindSheet Sheet(RedisFacts facts) => KindWords.SheetOf(Point(Encoding.UTF8.GetString(facts.ToJson())), new FakeTimeProvider(Facts.TakenAt.AddDays(1)));

    private static List<(string Label, string Value)> Rows(IEnumerable<NamedFact> facts) => [.. facts.Select(fact => (fact.Name, fact.Value))];
}
