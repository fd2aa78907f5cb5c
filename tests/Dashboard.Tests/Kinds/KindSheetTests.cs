using System.Text;
using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Kinds;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Dashboard.Tests.Controls;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies;

namespace Hexabase.DrConsole.Dashboard.Tests.Kinds;

/// <summary>Rows, panels, tables and the graph show what a kind says of its restore points, whichever kind it is.</summary>
public sealed class KindSheetTests : ControlTests
{
    private static readonly string Redis = Encoding.UTF8.GetString(RedisWordsTests.Facts.ToJson());

    [Fact]
    public void Every_kind_has_words_and_a_picture()
    {
        Assert.All(Enum.GetValues<SourceKind>(), kind => Assert.False(string.IsNullOrEmpty(KindWords.Of(kind).Name) || string.IsNullOrEmpty(KindWords.Of(kind).Icon)));
    }

    [Fact]
    public void Postgres_and_virtual_clusters_say_what_they_hold_and_no_cost()
    {
        var totals = new FactsSummary("orders", "15.18", Start, 1, 12, 3400, 5, 0, ["plpgsql"], true);
        var database = KindWords.SheetOf(RedisWordsTests.Point(totals.ToJson().GetRawText(), "postgres"), Time);
        Assert.Equal(("12 tables, 3,400 rows", null), (database.Holds, database.Cost));
        Assert.Contains(new NamedFact("Sequences", "5"), database.Facts);
        Assert.DoesNotContain(database.Facts, fact => fact.Name == "Read");
        var files = KindWords.SheetOf(RedisWordsTests.Point((totals with { Route = "files", Node = "db-1" }).ToJson().GetRawText(), "postgres"), Time);
        Assert.Contains(new NamedFact("Read", "the data directory, by the agent of node db-1"), files.Facts);
        var sent = KindWords.SheetOf(RedisWordsTests.Point((totals with { Route = "stream" }).ToJson().GetRawText(), "postgres"), Time);
        Assert.Contains(new NamedFact("Read", "as the server sent it"), sent.Facts);
        var server = new PostgresSettings("db", 5432, "orders", "backup", null, PostgresMode.Physical, []) { DataDirectory = "/srv/data" };
        Assert.DoesNotContain(KindWords.Of(SourceKind.Postgres).Of(Declared(server)), fact => fact.Name == "Node");
        Assert.Contains(new NamedFact("Node", "db-1"), KindWords.Of(SourceKind.Postgres).Of(Declared(server with { Node = "db-1" })));

        var cluster = KindWords.SheetOf(RedisWordsTests.Point("""{"cluster": "tenant", "kubernetesVersion": "v1.31.2", "objects": 120, "namespaces": 4, "etcdRevision": 7}""", "vcluster"), Time);
        Assert.Equal(("120 objects, 4 namespaces", null), (cluster.Holds, cluster.Cost));
        Assert.Contains(new NamedFact("etcd revision", "7"), cluster.Facts);
        // Of a build that counted no namespaces.
        Assert.Same(KindSheet.None, KindWords.SheetOf(RedisWordsTests.Point("""{"cluster": "tenant", "objects": 120}""", "vcluster"), Time));
    }

    private static Source Declared(PostgresSettings settings) => new("orders", SourceKind.Postgres, "critical", "shop") { Postgres = settings };

    [Fact]
    public void Panel_has_a_table_with_heads_for_columns_and_rows_and_is_absent_where_nothing_is_known()
    {
        var panel = Render<KindPanel>(parameters => parameters.Add(self => self.Sheet, KindWords.SheetOf(RedisWordsTests.Point(Redis), Time)).Add(self => self.Second, "of 0192f0c4"));
        Assert.Equal(["Database", "Keys", "Keys with expiry", "Keys by type"], panel.FindAll("thead th[scope=col]").Select(head => head.TextContent));
        Assert.Equal(["db0", "db3"], panel.FindAll("tbody th[scope=row]").Select(head => head.TextContent));
        Assert.Contains("Server stood still", panel.Markup, StringComparison.Ordinal);
        Assert.Equal(3, panel.FindAll("h2, h3").Count);

        Assert.Empty(Render<KindPanel>(parameters => parameters.Add(self => self.Sheet, KindSheet.None)).Markup.Trim());
    }

    [Fact]
    public void Table_of_costs_has_a_dash_where_an_older_backup_did_not_measure()
    {
        var columns = KindWords.Of(SourceKind.Redis).CostColumns;
        var table = Render<CostTable>(parameters => parameters.Add(self => self.Columns, columns).Add(self => self.Rows,
        [
            new CostRow("ab", "/restore-points/ab", Start, Seconds(3), KindWords.SheetOf(RedisWordsTests.Point(Redis), Time).Costs),
            new CostRow("cd", "/restore-points/cd", Start, Seconds(4), []),
        ]));
        Assert.Equal(3 + columns.Count, table.FindAll("th[scope=col]").Count);
        var rows = table.FindAll("tbody tr").Select(row => row.QuerySelectorAll("td").Select(cell => cell.TextContent).Skip(2).ToList()).ToList();
        Assert.Equal(["3s", "2s", "1s", "1.2 ms", "66 kB", "2.0 MB"], rows[0]);
        Assert.Equal(["4s", "–", "–", "–", "–", "–"], rows[1]);
    }

    [Fact]
    public void Restore_points_show_what_they_hold_and_cost_in_a_column_of_their_own()
    {
        var table = Render<PointTable>(parameters => parameters
            .Add(self => self.Points, [new PointRow(RedisWordsTests.Point(Redis), [], null, [], Status.Unproven), new PointRow(RedisWordsTests.Point(null) with { Id = "cd" }, [], null, [], Status.Unproven)])
            .Add(self => self.Tiers, []).Add(self => self.Empty, "none"));
        var cells = table.FindAll("td.content");
        Assert.Equal(["1,234 keys, 300 with expiry, 512 kB", "stood still 1.2 ms, 66 kB copied, snapshot in 2s"], cells[0].QuerySelectorAll("p").Select(line => line.TextContent));
        Assert.Equal("–", cells[1].TextContent.Trim());
        Assert.Equal(table.FindAll("thead th").Count, table.FindAll("tbody tr")[0].QuerySelectorAll("td").Length);
    }

    [Fact]
    public void Source_row_and_graph_tell_keys_and_the_time_that_the_server_stood_still()
    {
        var known = new SourceFacts("a", Start, [], Start, null, []) { NewestFactsJson = Redis, NewestBytes = 512_000 };
        var standing = SourceStanding.Judge(new Source("cache", SourceKind.Redis, "critical", "shop"), ProtectionClass.Defaults["critical"], known, Start);

        var row = Render<SourceTable>(parameters => parameters.Add(self => self.Rows, [SourceRows.From(standing, [], Time)]));
        Assert.Equal(["Redis, critical", "1,234 keys, 300 with expiry, 512 kB", "stood still 1.2 ms, 66 kB copied, snapshot in 2s"], row.FindAll("td.name p").Select(line => line.TextContent));

        var list = Render<FlowList>(parameters => parameters.Add(self => self.Model, EstateGraph.From([standing], [], _ => null, [], Time)));
        Assert.Contains("Keys 1,234, Server stood still 1.2 ms", list.Markup, StringComparison.Ordinal);
    }
}
