using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>One storage tier.</summary>
/// <param name="Name">Hot, warm, cold, as configured.</param>
/// <param name="What">What it is and where: <c>local directory</c>.</param>
/// <param name="Icon">Path data from <see cref="IconShape"/>.</param>
/// <param name="Status">Its state. Green only where everything on it was read back, or it answered a moment ago.</param>
/// <param name="StatusText">The state in words with its age: <c>Read back within 6d</c>. Never just "OK".</param>
/// <param name="UsedBytes">What the repository occupies.</param>
/// <param name="CapacityBytes">What there is in all, or null where the store does not tell.</param>
/// <param name="ForecastBytes">What will be added until the next look, hatched; null where nothing was measured to tell.</param>
/// <param name="Growth">What that means: <c>Full in 41d at 18 GB a day</c>.</param>
/// <param name="Second">Points, damage, last write.</param>
public sealed record TierCardModel(
    string Name, string What, string Icon, Status Status, string StatusText, long UsedBytes, long? CapacityBytes,
    long? ForecastBytes, string? Growth, string Second)
{
    /// <summary>Its page, or null.</summary>
    public string? Href { get; init; }
}

/// <summary>A tier's space, last write and read-back. Stands in a <c>div.tier-row</c>, divided by hairlines.</summary>
public partial class TierCard
{
    /// <summary>What to show.</summary>
    [Parameter, EditorRequired]
    public TierCardModel Model { get; set; } = default!;

    private string UsedText => Model.CapacityBytes is { } capacity
        ? Figures.BytesOf(Model.UsedBytes, capacity)
        : Figures.Format(Texts.UsedOfUnknown, Figures.Bytes(Model.UsedBytes));
}
