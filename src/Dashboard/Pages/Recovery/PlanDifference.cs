namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>What became of a line.</summary>
public enum LineChange
{
    Same,
    Added,
    Removed,
}

/// <summary>A line of two texts laid over one another.</summary>
public sealed record DifferenceLine(LineChange Kind, string Text);

/// <summary>The lines by which one version of a plan differs from the one before, by their longest common sequence.</summary>
internal static class PlanDifference
{
    /// <summary>All lines of both, each with its sign; without an older one all are the same.</summary>
    public static IReadOnlyList<DifferenceLine> Of(string? older, string newer)
    {
        var after = Lines(newer);
        if (older is null)
        {
            return [.. after.Select(line => new DifferenceLine(LineChange.Same, "  " + line))];
        }

        var before = Lines(older);
        var common = new int[before.Length + 1, after.Length + 1];
        for (var i = before.Length - 1; i >= 0; i--)
        {
            for (var j = after.Length - 1; j >= 0; j--)
            {
                common[i, j] = before[i] == after[j] ? common[i + 1, j + 1] + 1 : Math.Max(common[i + 1, j], common[i, j + 1]);
            }
        }

        var lines = new List<DifferenceLine>();
        for (var (i, j) = (0, 0); i < before.Length || j < after.Length;)
        {
            if (i < before.Length && j < after.Length && before[i] == after[j])
            {
                lines.Add(new DifferenceLine(LineChange.Same, "  " + after[j]));
                (i, j) = (i + 1, j + 1);
            }
            else if (i < before.Length && (j == after.Length || common[i + 1, j] >= common[i, j + 1]))
            {
                lines.Add(new DifferenceLine(LineChange.Removed, "− " + before[i++]));
            }
            else
            {
                lines.Add(new DifferenceLine(LineChange.Added, "+ " + after[j++]));
            }
        }

        return lines;
    }

    private static string[] Lines(string text) => text.TrimEnd('\n').Split('\n');
}
