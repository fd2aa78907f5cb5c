using System.Globalization;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>
/// Where data comes from, passes and ends, live: an edge moves only while data does. Nodes are links; arrow keys go
/// between them (js/console.js). Below 700 px, and for whoever prefers it, the same as a list in flow order.
/// </summary>
public partial class FlowGraph
{
    private FlowLayout _layout = default!;

    /// <summary>What to draw.</summary>
    [Parameter, EditorRequired]
    public FlowGraphModel Model { get; set; } = default!;

    /// <summary>The node whose panel is open.</summary>
    [Parameter]
    public string? SelectedId { get; set; }

    /// <inheritdoc/>
    protected override void OnParametersSet() => _layout = FlowLayout.Of(FlowBundle.Of(Model));

    internal static string Css(FlowState state) => state switch
    {
        FlowState.Live => "live",
        FlowState.Idle => "idle",
        FlowState.Paused => "paused",
        _ => "failing",
    };

    private static bool IsCalm(Status status) => status is Status.Proven or Status.Answers or Status.ReadBack or Status.Passed;

    private static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    private static string Px(double value) => $"{Number(value)}px";

    private static string Share(double value) => $"{Number(value)}%";

    private static string Place(double left, double width, double top, double height)
        => $"left: {Share(left)}; width: {Share(width)}; top: {Px(top)}; height: {Px(height)}";
}
