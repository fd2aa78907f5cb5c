using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;

namespace Hexabase.DrConsole.Dashboard.Tests.Controls;

public sealed class FlowGraphTests : ControlTests
{
    [Fact]
    public void Graph_moves_only_where_data_moves_now()
    {
        var graph = Graph(Model(2));
        Assert.Single(graph.FindAll("path.moving"));
        Assert.Equal(4, graph.FindAll("path.under").Count);
    }

    [Fact]
    public void Graph_is_named_by_its_conclusion_and_stands_as_a_list_too()
    {
        var graph = Graph(Model(2));
        Assert.Equal("1 of 4 flows moves.", graph.Find("[data-flow]").GetAttribute("aria-label"));
        Assert.Equal(["s0", "s1", "engine", "hot", "warm"], graph.FindAll(".flow-list li .strong:not(.toned)").Select(title => title.TextContent));
        Assert.Contains("to hot: moving now, 2s ago, 1.9 MB/s", graph.Find(".flow-list").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public void Graph_edge_to_a_node_that_is_gone_is_left_out()
    {
        var model = Model(1);
        Assert.Equal(3, FlowLayout.Of(model with { Edges = [.. model.Edges, new FlowEdge("engine", "gone", FlowState.Idle)] }).Edges.Count);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(150)]
    public void Layout_keeps_nodes_apart_and_inside(int sources)
    {
        var layout = FlowLayout.Of(Model(sources));
        foreach (var column in layout.Nodes.GroupBy(node => node.Node.Column))
        {
            var ordered = column.OrderBy(node => node.Top).ToList();
            Assert.All(ordered.Zip(ordered.Skip(1)), pair => Assert.True(pair.First.Top + pair.First.Height <= pair.Second.Top));
            Assert.All(ordered, node => Assert.True(node.Top >= 0 && node.Top + node.Height <= layout.Height && node.Left + node.Width <= 100));
        }
    }

    [Fact]
    public void Bundle_of_a_large_estate_shows_each_workspace_at_its_worst_and_lists_every_source()
    {
        var model = Model(150);
        model = model with { Nodes = [.. model.Nodes.Select(node => node.Id == "s4" ? node with { Status = Status.Breached } : node)] };
        var graph = Graph(model);
        Assert.Equal(50 + 3, graph.FindAll("[data-flow] a").Count);
        Assert.Contains("3 sources, 1 breached", graph.Find("#flow-bundle-w1").TextContent, StringComparison.Ordinal);
        Assert.Equal(153, graph.FindAll(".flow-list li").Count);
    }

    [Fact]
    public void Bundle_adds_volumes_and_keeps_a_failing_flow_failing()
    {
        var model = Model(21);
        model = model with { Edges = [.. model.Edges.Select(edge => edge.To == "engine" ? edge with { BytesInDay = 10, State = edge.From == "s2" ? FlowState.Failing : FlowState.Live } : edge)] };
        var bundled = FlowBundle.Of(model).Edges.Single(edge => edge.From == "bundle-w0");
        Assert.Equal((30, FlowState.Failing), (bundled.BytesInDay, bundled.State));
    }

    [Fact]
    public void Layout_wider_line_carries_more()
    {
        var layout = FlowLayout.Of(Model(1));
        Assert.True(layout.Edges.Single(edge => edge.Edge.To == "hot").Width > layout.Edges.Single(edge => edge.Edge.To == "warm").Width);
    }

    private static FlowGraphModel Model(int sources) => new(
        "1 of 4 flows moves.",
        [new("Sources", "2"), new("Engine", "1"), new("Tiers", "2")],
        [
            .. Enumerable.Range(0, sources).Select(index => new FlowNode($"s{index}", 0, $"s{index}", "1m ago", IconShape.Postgres, Status.Proven) { Group = $"w{index / 3}" }),
            new("engine", 1, "engine", "1 running", IconShape.Engine, Status.Running) { Facts = [new("failed", "0")] },
            new("hot", 2, "hot", "ssd", IconShape.TierHot, Status.ReadBack) { Used = 0.5 },
            new("warm", 2, "warm", "s3", IconShape.TierWarm, Status.Failed),
        ],
        [
            .. Enumerable.Range(0, sources).Select(index => new FlowEdge($"s{index}", "engine", FlowState.Idle)),
            new("engine", "hot", FlowState.Live, "2s ago", "1.9 MB/s", 1000),
            new("engine", "warm", FlowState.Failing, "failing", null, 10),
        ]);

    private IRenderedComponent<FlowGraph> Graph(FlowGraphModel model)
        => Render<FlowGraph>(parameters => parameters.Add(self => self.Model, model));
}
