namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>What a flow does now.</summary>
public enum FlowState
{
    /// <summary>Data moves now: the only edge that moves.</summary>
    Live,

    /// <summary>Moved last at a known time.</summary>
    Idle,

    /// <summary>Stale or paused.</summary>
    Paused,

    /// <summary>Fails.</summary>
    Failing,
}

/// <summary>One column of the graph, left to right in the direction of the data.</summary>
/// <param name="Title">Sources, Engine, Storage tiers.</param>
/// <param name="Second">What it holds, in numbers.</param>
public sealed record FlowColumn(string Title, string Second);

/// <summary>One thing that data passes.</summary>
/// <param name="Id">Unique in the graph; letters, digits, dashes.</param>
/// <param name="Column">From 0.</param>
/// <param name="Title">Its name.</param>
/// <param name="Line">Its last measured facts: <c>22m ago, 41 MB</c>.</param>
/// <param name="Icon">Path data from <see cref="IconShape"/>.</param>
/// <param name="Status">Its state.</param>
public sealed record FlowNode(string Id, int Column, string Title, string Line, string Icon, Status Status)
{
    /// <summary>The workspace that it is drawn in; nodes of one group follow each other.</summary>
    public string? Group { get; init; }

    /// <summary>Its page.</summary>
    public string? Href { get; init; }

    /// <summary>Up to three facts, name left and value right.</summary>
    public IReadOnlyList<NamedFact> Facts { get; init; } = [];

    /// <summary>Used space, 0 to 1, as a bar; null for none.</summary>
    public double? Used { get; init; }
}

/// <summary>A flow from one node to another.</summary>
/// <param name="From">Id of the node that gives.</param>
/// <param name="To">Id of the node that takes.</param>
/// <param name="State">What it does now.</param>
/// <param name="Label">Age or rate: <c>2s ago</c>, <c>812 MB/s</c>; null draws no label (it still stands in the table).</param>
/// <param name="Second">A second line: <c>1.9 MB/s</c>.</param>
/// <param name="BytesInDay">Volume of the last 24 hours; sets the line's width.</param>
public sealed record FlowEdge(string From, string To, FlowState State, string? Label = null, string? Second = null, long BytesInDay = 0);

/// <summary>The whole graph.</summary>
/// <param name="Conclusion">What it shows, in a sentence: the graph's accessible name.</param>
/// <param name="Columns">Left to right.</param>
/// <param name="Nodes">Top to bottom within each column; those of one group together.</param>
/// <param name="Edges">Flows; one whose end is not among the nodes is left out.</param>
public sealed record FlowGraphModel(
    string Conclusion, IReadOnlyList<FlowColumn> Columns, IReadOnlyList<FlowNode> Nodes, IReadOnlyList<FlowEdge> Edges);
