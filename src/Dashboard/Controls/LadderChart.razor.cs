using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>One rung of a retention ladder.</summary>
/// <param name="Name">Hourly, daily, …</param>
/// <param name="Cells">Its slots, oldest first; empty where the class asks for none.</param>
/// <param name="Count">How many are filled: <c>23 of 24</c>.</param>
/// <param name="Why">What is wrong, or what there is.</param>
/// <param name="IsShort">True where a slot that should be filled is missing or damaged.</param>
public sealed record LadderRung(string Name, IReadOnlyList<SlotCell> Cells, string Count, string Why, bool IsShort);

/// <summary>The grandfather-father-son ladder: which slots hold a point, how that is known, and which should and do not.</summary>
public partial class LadderChart
{
    private const int MostDrawn = 60;

    /// <summary>From hourly to yearly.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<LadderRung> Rungs { get; set; } = [];

    /// <summary>What the chart shows, in a sentence.</summary>
    [Parameter, EditorRequired]
    public string Conclusion { get; set; } = string.Empty;

    /// <summary>The newest slots of each rung, flush right; the table has all.</summary>
    protected override IReadOnlyList<IReadOnlyList<SlotCell?>> Lines =>
    [
        .. Rungs.Select(rung => (IReadOnlyList<SlotCell?>)
            [.. Enumerable.Repeat<SlotCell?>(null, rung.Cells.Count == 0 ? 0 : Width - Math.Min(rung.Cells.Count, Width)), .. rung.Cells.TakeLast(Width)]),
    ];

    private int Width => Math.Min(MostDrawn, Rungs.Max(rung => rung.Cells.Count));

    private string Columns => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"grid-template-columns: repeat({Width}, minmax(0, 18px))");
}
