using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Tests.Language;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

/// <summary>A source's row on Overview and Sources, and the sentence on its page.</summary>
public sealed class SourceRowsTests
{
    private static readonly DateTimeOffset s_at = new(2026, 11, 24, 14, 40, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("en", "Agent silent", "The worker of node db-1 has been silent for 3m 00s, so nobody makes the next backup. Start there: drconsole worker --queues node-db-1")]
    [InlineData("ja", "エージェント無応答", "ノード上で起動：drconsole worker --queues node-db-1")]
    public void Row_of_a_source_whose_agent_is_silent_names_the_node_and_what_to_start_there(string language, string word, string how)
    {
        using var reading = new ReadingIn(language);
        var standing = Judge(TimeSpan.FromMinutes(3), s_at);

        var row = SourceRows.From(standing, [], new FakeTimeProvider(s_at));

        Assert.Equal((Status.Degraded, word), (row.Status, row.Word));
        Assert.Contains(how, row.How, StringComparison.Ordinal);
        Assert.Equal(row.How, SourceRows.Sentence(standing));
    }

    [Fact]
    public void Row_of_a_source_that_is_worse_off_says_both()
    {
        using var reading = new ReadingIn("en");

        Assert.Equal(
            "Restorable, but 1h would be lost. No worker serves node db-1, so nobody makes the next backup. Start there: drconsole worker --queues node-db-1",
            SourceRows.How(Judge(null, s_at.AddHours(-1))));
        Assert.Equal("contents compared", SourceRows.How(Judge(TimeSpan.FromSeconds(12), s_at)));
    }

    private static SourceStanding Judge(TimeSpan? silence, DateTimeOffset newest)
    {
        var proof = new Proof("a", newest, newest, true, 1, "hot");
        var facts = new SourceFacts("a", newest, [new TierStanding("hot", "verified", newest, newest), new TierStanding("warm", "stored", newest, null)], newest, proof, [proof])
        {
            Agent = new NodeAgentStanding("db-1", silence),
        };
        return SourceStanding.Judge(new Source("orders", SourceKind.Postgres, "critical", "shop"), ProtectionClass.Defaults["critical"], facts, s_at);
    }
}
