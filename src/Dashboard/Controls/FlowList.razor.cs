using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>The graph as a list in flow order: each node with its state, and where its data goes.</summary>
public partial class FlowList
{
    /// <summary>What to list.</summary>
    [Parameter, EditorRequired]
    public FlowGraphModel Model { get; set; } = default!;

    /// <summary>True where it starts open; on a narrow screen it is always open.</summary>
    [Parameter]
    public bool IsOpen { get; set; }

    private static string? Before(FlowNode node) => node.Group is null ? null : node.Group + Texts.ListSeparator;

    private static string StateWord(FlowState state) => state switch
    {
        FlowState.Live => Texts.FlowStateLive,
        FlowState.Idle => Texts.FlowStateIdle,
        FlowState.Paused => Texts.FlowStatePaused,
        _ => Texts.FlowStateFailing,
    };

    private string Say(FlowEdge edge)
    {
        var target = Model.Nodes.FirstOrDefault(node => node.Id == edge.To)?.Title ?? edge.To;
        return Figures.List(new[] { Figures.Format(Texts.FlowTo, target, StateWord(edge.State)), edge.Label, edge.Second }.Where(part => part is not null));
    }
}
