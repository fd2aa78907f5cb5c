using Hexabase.DrConsole.Dashboard.Resources;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>
/// Makes a large estate readable: past a number of sources each workspace becomes one node with its worst state, and
/// its flows one edge. The list beside the graph keeps every source.
/// </summary>
public static class FlowBundle
{
    /// <summary>More nodes than this in the first column are bundled.</summary>
    public const int MostSources = 18;

    // From bad to good: what needs a look must not hide in a bundle.
    private static readonly Status[] WorstFirst =
    [
        Status.Failed, Status.Damaged, Status.Differs, Status.Breached, Status.Degraded, Status.Behind, Status.Waiting, Status.Running,
        Status.Stale, Status.Unproven, Status.Stored, Status.NotCompared, Status.NotRun, Status.Queued, Status.Cancelled, Status.NotKept,
        Status.Done, Status.Answers, Status.ReadBack, Status.Passed, Status.Equal, Status.Proven,
    ];

    private static readonly FlowState[] LoudestFirst = [FlowState.Failing, FlowState.Live, FlowState.Paused, FlowState.Idle];

    /// <summary>The model itself where it is small enough, else with a node per workspace.</summary>
    public static FlowGraphModel Of(FlowGraphModel model)
    {
        var sources = model.Nodes.Where(node => node is { Column: 0, Group: not null }).ToList();
        if (sources.Count <= MostSources)
        {
            return model;
        }

        var bundleOf = sources.ToDictionary(node => node.Id, node => BundleId(node.Group!), StringComparer.Ordinal);
        var bundles = sources.GroupBy(node => node.Group!).Select(group => Bundle(group.Key, [.. group]));
        var edges = model.Edges
            .Select(edge => edge with { From = bundleOf.GetValueOrDefault(edge.From, edge.From), To = bundleOf.GetValueOrDefault(edge.To, edge.To) })
            .GroupBy(edge => (edge.From, edge.To))
            .Select(flows => Bundle([.. flows]));
        return model with
        {
            Nodes = [.. bundles, .. model.Nodes.Where(node => !bundleOf.ContainsKey(node.Id))],
            Edges = [.. edges],
        };
    }

    private static string BundleId(string group) => $"bundle-{group}";

    private static FlowNode Bundle(string group, IReadOnlyList<FlowNode> nodes)
    {
        var worst = nodes.MinBy(node => Array.IndexOf(WorstFirst, node.Status))!.Status;
        var line = Figures.Format(
            Texts.FlowBundle, nodes.Count, nodes.Count(node => node.Status == worst), StatusWords.Of(worst).Word.ToLowerInvariant());
        return new FlowNode(BundleId(group), 0, group, line, IconShape.Sources, worst);
    }

    private static FlowEdge Bundle(IReadOnlyList<FlowEdge> flows)
    {
        if (flows.Count == 1)
        {
            return flows[0];
        }

        var loudest = flows.MinBy(flow => Array.IndexOf(LoudestFirst, flow.State))!;
        return loudest with { BytesInDay = flows.Sum(flow => flow.BytesInDay) };
    }
}
