using System.Text;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Engine.Backups.Redis;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

/// <summary>What a restore point's page says of a Redis, and of how it was read.</summary>
public sealed class RedisPointFactsTests
{
    [Fact]
    public void Point_that_was_read_key_by_key_says_so_and_shows_no_fork()
    {
        var facts = new RedisFacts
        {
            Version = RedisFacts.CurrentVersion,
            Address = "127.0.0.1:6379",
            ServerVersion = "7.0.15",
            Role = "master",
            RdbVersion = 10,
            TakenAt = DateTimeOffset.UnixEpoch,
            IsPointInTime = true,
            Databases = [],
            Functions = [],
            NeedsModules = false,
            Users = null,
            // As older versions wrote it, whoever the fork was for.
            Cost = new RedisCost(1234, null, null, null, 2, 1),
        };

        var snapshot = Rows(facts);
        Assert.Contains(("Server stood still", "1,234 µs"), snapshot);
        Assert.DoesNotContain(snapshot, row => row.Label == "Read");
        var scan = Rows(facts with { IsPointInTime = false });
        Assert.Contains(("Read", "key by key, not of one instant"), scan);
        Assert.DoesNotContain(scan, row => row.Label == "Server stood still");
    }

    private static List<(string Label, string Value)> Rows(RedisFacts facts) =>
        [.. RedisPointFacts.Of(Encoding.UTF8.GetString(facts.ToJson())).Select(fact => (fact.Name, fact.Value))];
}
