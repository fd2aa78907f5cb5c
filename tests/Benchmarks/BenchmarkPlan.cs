namespace Hexabase.DrConsole.Benchmarks;

/// <summary>The names of what can be measured.</summary>
internal static class Phases
{
    public const string Floor = "floor";
    public const string Start = "start";
    public const string Index = "index";
    public const string First = "first";
    public const string Rescan = "rescan";
    public const string Restore = "restore";
    public const string Check = "check";
    public const string Changed = "changed";
    public const string Prune = "prune";

    /// <summary>In the order in which they run.</summary>
    public static readonly string[] All = [Start, Floor, First, Rescan, Restore, Check, Changed, Prune, Index];
}

/// <summary>What to measure, on what, how often.</summary>
internal sealed record BenchmarkPlan(
    IReadOnlyList<string> Trees, IReadOnlyList<string> Phases, IReadOnlyList<string> Contenders, int Repetitions, double Scale, string Work, string Program)
{
    public bool Has(string phase) => Phases.Contains(phase);

    /// <summary>What is wrong with it, all at once.</summary>
    public IEnumerable<string> Faults()
    {
        var unknown = Trees.Except(["share", "mix"]).Concat(Phases.Except(Benchmarks.Phases.All)).Concat(Contenders.Except(["drconsole", "restic", "borg"]));
        foreach (var name in unknown)
        {
            yield return $"'{name}' is not known; see --help";
        }

        if (Repetitions < 1 || Scale is <= 0 or > 4)
        {
            yield return "--repetitions begins at 1, --scale lies above 0 and up to 4";
        }

        if (!File.Exists(Program))
        {
            yield return $"there is no {Program}; build it with ./run --build";
        }
    }
}
