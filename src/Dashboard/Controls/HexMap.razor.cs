using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>One source of the map.</summary>
public sealed record HexCell(string Workspace, string Source, Status Status, string Href);

/// <summary>A hexagon per source, by workspace: the estate at a glance. Never the only way to a state; a table stands below.</summary>
public partial class HexMap
{
    /// <summary>In the table's order.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<HexCell> Cells { get; set; } = [];

    private static string Say(HexCell cell) => Figures.Format(Texts.TierMark, cell.Source, StatusWords.Of(cell.Status).Word);
}
