using System.Globalization;
using System.Text;

namespace Hexabase.DrConsole.Benchmarks;

/// <summary>Collects what was measured and prints medians, with the ratio to the better peer and the goal.</summary>
internal sealed class ResultTable
{
    private const string Ours = "drconsole";
    private readonly List<(string Subject, string Phase, string Contender, Measured Measured)> _runs = [];
    private readonly List<(string Subject, string Contender, long Bytes)> _stored = [];
    private readonly Dictionary<string, TreeFacts> _trees = [];

    /// <summary>The largest share of the better peer's time that is good enough.</summary>
    private static readonly Dictionary<string, double> Goals = new()
    {
        [Phases.First] = 0.5, [Phases.Rescan] = 0.4, [Phases.Changed] = 0.5, [Phases.Restore] = 0.5, [Phases.Check] = 0.5, [Phases.Prune] = 1,
    };

    public void Add(string subject, string phase, string contender, Measured measured) => _runs.Add((subject, phase, contender, measured));

    public void AddStored(string subject, string contender, long bytes) => _stored.Add((subject, contender, bytes));

    public void Describe(string subject, TreeFacts facts) => _trees[subject] = facts;

    public string Render()
    {
        var text = new StringBuilder();
        foreach (var (subject, facts) in _trees)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"{subject}: {facts.Files:N0} files, {facts.Bytes / 1e6:N0} MB");
        }

        text.AppendLine();
        text.AppendLine("| data | phase | program | seconds | CPU s | peak MB | of the better peer | goal | CPU of the better peer |");
        text.AppendLine("|---|---|---|--:|--:|--:|--:|--:|--:|");
        foreach (var group in _runs.GroupBy(run => (run.Subject, run.Phase)))
        {
            RenderPhase(text, group.Key.Subject, group.Key.Phase, group.GroupBy(run => run.Contender, run => run.Measured).ToDictionary(g => g.Key, g => g.ToList()));
        }

        RenderStored(text);
        return text.ToString();
    }

    private static void RenderPhase(StringBuilder text, string subject, string phase, Dictionary<string, List<Measured>> runs)
    {
        foreach (var (contender, measured) in runs)
        {
            var seconds = Median(measured.Select(m => m.Seconds));
            // Borg's check is left out: its whole verification is far slower than restic's. Prune is to be held against restic's.
            var peers = runs.Where(run => run.Key is "restic" or "borg" && (phase is not (Phases.Check or Phases.Prune) || run.Key == "restic")).Select(run => run.Value).ToList();
            var isOurs = contender == Ours && peers.Count > 0;
            var ratio = isOurs ? Ratio(seconds, peers.Min(runs => Median(runs.Select(m => m.Seconds)))) : "";
            // On a machine that others use too, the share of the processor says more than the clock.
            var cpu = isOurs ? Ratio(Median(measured.Select(m => m.CpuSeconds)), peers.Min(runs => Median(runs.Select(m => m.CpuSeconds)))) : "";
            var goal = ratio.Length > 0 && Goals.TryGetValue(phase, out var limit) ? $"≤ {limit.ToString("0.0", CultureInfo.InvariantCulture)} ×" : "";
            text.AppendLine(CultureInfo.InvariantCulture,
                $"| {subject} | {phase} | {contender} | {seconds:0.00} | {Median(measured.Select(m => m.CpuSeconds)):0.00} | {Median(measured.Select(m => m.PeakBytes / 1e6)):0} | {ratio} | {goal} | {cpu} |");
        }
    }

    private void RenderStored(StringBuilder text)
    {
        foreach (var group in _stored.GroupBy(s => s.Subject))
        {
            var sizes = group.GroupBy(s => s.Contender).ToDictionary(g => g.Key, g => Median(g.Select(s => (double)s.Bytes)));
            var peers = sizes.Where(size => size.Key is "restic" or "borg").Select(size => size.Value).ToList();
            foreach (var (contender, bytes) in sizes)
            {
                var ratio = contender == Ours && peers.Count > 0 ? (bytes / peers.Min()).ToString("0.000", CultureInfo.InvariantCulture) + " ×" : "";
                text.AppendLine(CultureInfo.InvariantCulture,
                    $"| {group.Key} | stored | {contender} | {bytes / 1e6:0} MB | | | {ratio} | {(ratio.Length > 0 ? "≤ 1.02 ×" : "")} | |");
            }
        }
    }

    private static string Ratio(double ours, double peer) => (ours / peer).ToString("0.00", CultureInfo.InvariantCulture) + " ×";

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        return sorted.Count % 2 == 1 ? sorted[sorted.Count / 2] : (sorted[(sorted.Count / 2) - 1] + sorted[sorted.Count / 2]) / 2;
    }
}
