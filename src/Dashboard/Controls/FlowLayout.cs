using System.Globalization;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>A node with its place: left and width in percent of the graph, top and height in pixels.</summary>
public sealed record PlacedNode(FlowNode Node, double Left, double Width, double Top, double Height)
{
    internal double Middle => Top + (Height / 2);
}

/// <summary>A workspace's box around its nodes.</summary>
public sealed record PlacedGroup(string Name, double Left, double Width, double Top, double Height);

/// <summary>An edge as SVG path data (x in percent, y in pixels), its label's place and its width in pixels.</summary>
public sealed record PlacedEdge(FlowEdge Edge, string Path, double LabelLeft, double LabelTop, double Width);

/// <summary>
/// Places columns of nodes and the edges between them. Horizontal measures are shares of the width and vertical ones
/// pixels, so that the graph is fluid without asking the browser for its size.
/// </summary>
public sealed class FlowLayout
{
    private const double HeadHeight = 46;
    private const double NodeGap = 9;
    private const double GroupGap = 14;
    private const double GroupHead = 26;
    private const double GroupInset = 8;
    private const double MinWidth = 1.4;
    private const double MaxWidth = 5;

    private readonly Dictionary<string, PlacedNode> _byId = new(StringComparer.Ordinal);

    private FlowLayout()
    {
    }

    /// <summary>Height of the graph in pixels.</summary>
    public double Height { get; private set; }

    /// <summary>Where each column's head begins, in percent.</summary>
    public IReadOnlyList<double> ColumnLefts { get; private set; } = [];

    /// <summary>A column's width in percent.</summary>
    public double ColumnWidth { get; private set; }

    /// <summary>All nodes.</summary>
    public IReadOnlyCollection<PlacedNode> Nodes => _byId.Values;

    /// <summary>The boxes behind grouped nodes.</summary>
    public IReadOnlyList<PlacedGroup> Groups { get; private set; } = [];

    /// <summary>All edges whose two ends exist.</summary>
    public IReadOnlyList<PlacedEdge> Edges { get; private set; } = [];

    /// <summary>Places everything.</summary>
    public static FlowLayout Of(FlowGraphModel model)
    {
        var layout = new FlowLayout();
        layout.PlaceColumns(model.Columns.Count);
        layout.PlaceNodes(model.Nodes);
        layout.PlaceEdges(model.Edges);
        return layout;
    }

    private static double HeightOf(FlowNode node) => 50 + (node.Used is null ? 0 : 14) + (node.Facts.Count * 17) + (node.Facts.Count > 0 ? 6 : 0);

    private void PlaceColumns(int count)
    {
        ColumnWidth = count switch { <= 1 => 100, 2 => 36, 3 => 25, _ => 76.0 / count };
        var gap = count <= 1 ? 0 : (100 - (ColumnWidth * count)) / (count - 1);
        ColumnLefts = [.. Enumerable.Range(0, count).Select(column => column * (ColumnWidth + gap))];
    }

    private void PlaceNodes(IReadOnlyList<FlowNode> nodes)
    {
        var groups = new List<PlacedGroup>();
        var columns = nodes.Where(node => node.Column < ColumnLefts.Count).GroupBy(node => node.Column).ToList();
        foreach (var column in columns.Where(column => column.Any(node => node.Group is not null)))
        {
            PlaceGroups([.. column], groups);
        }

        var free = columns.Where(column => column.All(node => node.Group is null)).ToList();
        var needed = free.Select(column => column.Sum(node => HeightOf(node) + 34)).DefaultIfEmpty(0).Max();
        Height = Math.Max(groups.Select(group => group.Top + group.Height).DefaultIfEmpty(0).Max(), HeadHeight + needed);
        foreach (var column in free)
        {
            PlaceSpread([.. column]);
        }

        Groups = groups;
    }

    private void PlaceGroups(IReadOnlyList<FlowNode> nodes, List<PlacedGroup> groups)
    {
        var left = ColumnLefts[nodes[0].Column];
        var top = HeadHeight;
        foreach (var group in nodes.GroupBy(node => node.Group ?? string.Empty))
        {
            var start = top;
            top += GroupHead;
            foreach (var node in group)
            {
                _byId[node.Id] = new PlacedNode(node, left + 0.8, ColumnWidth - 1.6, top, HeightOf(node));
                top += HeightOf(node) + NodeGap;
            }

            top += GroupInset - NodeGap;
            groups.Add(new PlacedGroup(group.Key, left, ColumnWidth, start, top - start));
            top += GroupGap;
        }
    }

    private void PlaceSpread(IReadOnlyList<FlowNode> nodes)
    {
        var free = Height - HeadHeight - nodes.Sum(HeightOf);
        var gap = free / (nodes.Count + 1);
        var top = HeadHeight + gap;
        foreach (var node in nodes)
        {
            _byId[node.Id] = new PlacedNode(node, ColumnLefts[node.Column], ColumnWidth, top, HeightOf(node));
            top += HeightOf(node) + gap;
        }
    }

    private void PlaceEdges(IReadOnlyList<FlowEdge> edges)
    {
        var known = edges.Where(edge => _byId.ContainsKey(edge.From) && _byId.ContainsKey(edge.To)).ToList();
        var most = known.Select(edge => edge.BytesInDay).DefaultIfEmpty(0).Max();
        Edges = [.. known.Select(edge => Place(edge, known, most))];
    }

    private PlacedEdge Place(FlowEdge edge, List<FlowEdge> all, long most)
    {
        var (from, to) = (_byId[edge.From], _byId[edge.To]);
        // The root of the share: a tenth of the volume is still a line that can be seen.
        var width = most == 0 ? MinWidth + 0.4 : MinWidth + ((MaxWidth - MinWidth) * Math.Sqrt((double)edge.BytesInDay / most));
        if (from.Node.Column == to.Node.Column)
        {
            var x = from.Left + (from.Width / 2);
            var (y1, y2) = from.Top < to.Top ? (from.Top + from.Height, to.Top) : (from.Top, to.Top + to.Height);
            return new PlacedEdge(edge, Path($"M{x} {y1}L{x} {y2}"), x, (y1 + y2) / 2, width);
        }

        var isForward = from.Node.Column < to.Node.Column;
        var start = isForward ? from.Left + from.Width : from.Left;
        var end = isForward ? to.Left : to.Left + to.Width;
        var startY = from.Top + (from.Height * Slot(edge, [.. all.Where(other => other.From == edge.From && IsAcross(other))], other => _byId[other.To].Middle));
        var endY = to.Top + (to.Height * Slot(edge, [.. all.Where(other => other.To == edge.To && IsAcross(other))], other => _byId[other.From].Middle));
        var middle = (start + end) / 2;
        var path = Path($"M{start} {startY}C{middle} {startY} {middle} {endY} {end} {endY}");
        return new PlacedEdge(edge, path, middle, (startY + endY) / 2, width);
    }

    private bool IsAcross(FlowEdge edge) => _byId[edge.From].Node.Column != _byId[edge.To].Node.Column;

    // Edges of one side of a node leave it at their own heights, in the order of their other ends, so that they do not cross.
    private static double Slot(FlowEdge edge, List<FlowEdge> side, Func<FlowEdge, double> otherEnd)
    {
        var index = side.OrderBy(otherEnd).ToList().IndexOf(edge);
        return side.Count == 1 ? 0.5 : 0.2 + (0.6 * index / (side.Count - 1));
    }

    private static string Path(FormattableString data) => data.ToString(CultureInfo.InvariantCulture);
}
