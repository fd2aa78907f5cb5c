using System.Globalization;
using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>How far a run is.</summary>
/// <param name="Phase">What it is doing, in the reader's language.</param>
/// <param name="BytesDone">Bytes handled.</param>
/// <param name="BytesTotal">Bytes in all, or null while unknown: then there is no percentage.</param>
/// <param name="ItemsDone">Files, tables or packs finished.</param>
/// <param name="ItemsTotal">How many in all, or null.</param>
/// <param name="BytesPerSecond">Measured over the last half minute, or null.</param>
/// <param name="Left">Forecast, or null while there is none.</param>
/// <param name="IsEstimate">True where the totals are estimated.</param>
/// <param name="UpdatedAt">When this was measured.</param>
public sealed record RunProgressModel(
    string Phase, long BytesDone, long? BytesTotal, long ItemsDone, long? ItemsTotal, double? BytesPerSecond, TimeSpan? Left,
    bool IsEstimate, DateTimeOffset? UpdatedAt);

/// <summary>Done is solid, the forecast hatched; without a total the bar is hollow and no percentage is made up.</summary>
public partial class RunProgress
{
    /// <summary>What to show.</summary>
    [Parameter, EditorRequired]
    public RunProgressModel Model { get; set; } = default!;

    private double? Share => Model switch
    {
        { BytesTotal: > 0 and { } bytes } => Math.Min(1, (double)Model.BytesDone / bytes),
        { BytesTotal: null, ItemsTotal: > 0 and { } items } => Math.Min(1, (double)Model.ItemsDone / items),
        _ => null,
    };

    private string? ValueNow => Share is { } share ? ((int)(share * 100)).ToString(CultureInfo.InvariantCulture) : null;

    private string Line => Figures.List(Parts());

    private IEnumerable<string> Parts()
    {
        yield return Model.BytesTotal is { } total
            ? Figures.BytesOf(Model.BytesDone, total)
            : Figures.Format(Texts.ProgressSoFar, Figures.Bytes(Model.BytesDone));
        if (Model.ItemsTotal is { } items)
        {
            yield return Figures.Format(Texts.ProgressItems, Model.ItemsDone, items);
        }
        else if (Model.ItemsDone > 0)
        {
            yield return Figures.Format(Texts.ProgressItemsSoFar, Model.ItemsDone);
        }

        if (Model.BytesPerSecond is { } rate)
        {
            yield return Figures.Rate(rate);
        }

        if (Model.Left is { } left)
        {
            yield return Figures.Format(Texts.ProgressLeft, Figures.Duration(left));
        }
    }
}
