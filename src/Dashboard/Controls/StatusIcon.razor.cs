using System.Globalization;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>The silhouette of a state. Hidden from readers of the screen: a word always stands beside it.</summary>
public partial class StatusIcon
{
    /// <summary>The state to draw.</summary>
    [Parameter, EditorRequired]
    public Status Status { get; set; }

    /// <summary>Edge in CSS pixels.</summary>
    [Parameter]
    public int Size { get; set; } = 18;

    /// <summary>
    /// For a proof: how much of its validity is left, 0 to 1; the ring empties as it ages.
    /// For something running: how far it is. Null draws a full ring (or a turning one).
    /// </summary>
    [Parameter]
    public double? Left { get; set; }

    private static string Arc(double? share)
    {
        var length = Math.Clamp(share ?? 1, 0, 1) * 100;
        return string.Create(CultureInfo.InvariantCulture, $"{length:0.#} 100");
    }
}
