using System.Globalization;
using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>What one tier holds of a source's newest point.</summary>
/// <param name="Name">The tier's name.</param>
/// <param name="Status">ReadBack, Stored (not read back: never green), Behind, Damaged or NotKept.</param>
/// <param name="Second">How and when it is known, or null.</param>
public sealed record TierMark(string Name, Status Status, string? Second = null)
{
    /// <summary>The tier's first letter.</summary>
    public string Letter => Name.Length == 0 ? "?" : char.ToUpper(Name[0], CultureInfo.CurrentCulture).ToString();
}

/// <summary>A letter per tier: which of them hold the newest point, and whether it was read back there.</summary>
public partial class TierStrip
{
    /// <summary>In the order hot, warm, cold.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<TierMark> Marks { get; set; } = [];

    private static string Sign(TierMark mark) => mark.Status switch
    {
        Status.NotKept => "–",
        Status.Damaged => "×",
        _ => mark.Letter,
    };

    private static string Say(TierMark mark)
    {
        var text = Figures.Format(Texts.TierMark, mark.Name, StatusWords.Of(mark.Status).Word);
        return mark.Second is null ? text : Figures.List([text, mark.Second]);
    }
}
