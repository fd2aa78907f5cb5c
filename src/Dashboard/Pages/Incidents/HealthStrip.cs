using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Engine.Health;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>Neighbouring stretches of time in which a probe did alike.</summary>
/// <param name="From">The first, from 0.</param>
/// <param name="Length">How many.</param>
/// <param name="State">The worst that was seen in them.</param>
public sealed record HealthStripCell(int From, int Length, Status State);

/// <summary>What a probe said over a time, in equal stretches; where nobody looked, there is no cell.</summary>
/// <param name="Probe">Its name.</param>
/// <param name="Cells">From left to right.</param>
/// <param name="Looks">How often it was asked.</param>
/// <param name="Missed">How often there was no answer, or one of damage.</param>
/// <param name="Answered">The share of looks that were answered, of those that could tell; null where none could.</param>
/// <param name="SlowestMs">The slowest look, milliseconds.</param>
public sealed record HealthStrip(string Probe, IReadOnlyList<HealthStripCell> Cells, int Looks, int Missed, double? Answered, double SlowestMs)
{
    /// <summary>The strips of a subject's probes, by name.</summary>
    /// <param name="summaries">In any order.</param>
    /// <param name="from">The left end.</param>
    /// <param name="to">The right end.</param>
    /// <param name="stretches">How many there are between.</param>
    public static IReadOnlyList<HealthStrip> Of(IEnumerable<ProbeSummary> summaries, DateTimeOffset from, DateTimeOffset to, int stretches) =>
        [.. summaries.GroupBy(one => one.Probe).OrderBy(probe => probe.Key, StringComparer.Ordinal).Select(probe => Of(probe.Key, [.. probe], from, to, stretches))];

    private static HealthStrip Of(string probe, IReadOnlyList<ProbeSummary> summaries, DateTimeOffset from, DateTimeOffset to, int stretches)
    {
        var cells = new List<HealthStripCell>();
        foreach (var stretch in summaries.GroupBy(one => Math.Clamp((int)((one.From - from) / (to - from) * stretches), 0, stretches - 1)).OrderBy(stretch => stretch.Key))
        {
            var state = StateOf([.. stretch]);
            if (cells is [.., var last] && last.State == state && last.From + last.Length == stretch.Key)
            {
                cells[^1] = last with { Length = last.Length + 1 };
            }
            else
            {
                cells.Add(new HealthStripCell(stretch.Key, 1, state));
            }
        }

        var (answered, missed) = (summaries.Sum(one => one.Answered), summaries.Sum(one => one.Missed + one.Corrupt));
        return new HealthStrip(
            probe, cells, answered + missed + summaries.Sum(one => one.Unknown), missed, answered + missed == 0 ? null : (double)answered / (answered + missed),
            summaries.Max(one => one.MaxLatencyMs));
    }

    private static Status StateOf(IReadOnlyList<ProbeSummary> seen) =>
        seen.Any(one => one.Corrupt > 0) ? Status.Damaged
        : seen.Any(one => one.Missed > 0) ? seen.All(one => one.Answered == 0) ? Status.Failed : Status.Degraded
        : seen.Any(one => one.Answered > 0) ? Status.Answers
        : Status.NotDetectable;
}
