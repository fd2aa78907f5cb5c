using System.Text.Json.Serialization;

namespace Hexabase.DrConsole.Engine.Recovery.Plans;

/// <summary>Which sources a recovery of several is about.</summary>
/// <param name="Set">The recovery set whose points they go to; null where each goes to its own newest point.</param>
/// <param name="Parallel">So many steps are done side by side at most.</param>
/// <param name="Parts">One for each source that is recovered.</param>
/// <param name="LeftOut">Sources that no step is about: the person who asked said so, or they come back with another.</param>
public sealed record RecoveryScope(long? Set, int Parallel, IReadOnlyList<RecoveryPart> Parts, IReadOnlyList<PartFault> LeftOut)
{
    /// <summary>From the oldest content of a part to the newest.</summary>
    [JsonIgnore]
    public double ApartSeconds => Parts.Max(part => part.BehindSeconds);
}

/// <summary>One source of a recovery of several.</summary>
/// <param name="Source">Its name.</param>
/// <param name="Kind">Its kind, lower case.</param>
/// <param name="Basis">The restore point that it goes to.</param>
/// <param name="Loss">What that loses.</param>
/// <param name="Target">Where, and by what.</param>
/// <param name="Class">Its class when the plan was made.</param>
/// <param name="RtoSeconds">The class's promise then.</param>
/// <param name="RpoSeconds">The class's promise then.</param>
/// <param name="BehindSeconds">How much older its content is than the newest part's.</param>
public sealed record RecoveryPart(
    string Source, string Kind, RecoveryBasis Basis, LossWindow Loss, RecoveryTarget Target, string Class, double RtoSeconds, double RpoSeconds, double BehindSeconds);

/// <summary>Why a source cannot be a part of a recovery in place.</summary>
/// <param name="Source">Its name.</param>
/// <param name="Reason">What stands against it.</param>
/// <param name="Hint">What a person can do about it.</param>
public sealed record PartFault(string Source, string Reason, string Hint)
{
    /// <summary>Of a source that comes back with another: that one. Null for one that stays as it is, and not in a plan's text.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? With { get; init; }
}

/// <summary>How the application of a workspace is held still while its parts are recovered.</summary>
/// <param name="Workspace">The workspace.</param>
/// <param name="Quiesce">The command that holds it still.</param>
/// <param name="Resume">The command that lets it go on.</param>
/// <param name="PatienceSeconds">How long one of them may take.</param>
public sealed record HeldApplication(string Workspace, IReadOnlyList<string> Quiesce, IReadOnlyList<string> Resume, double PatienceSeconds);

/// <summary>The order of a plan's steps: stages one after the other, and the steps of a stage side by side.</summary>
public static class PlanStages
{
    /// <summary>The steps by stage; in a plan for one source each step is a stage.</summary>
    public static IReadOnlyList<IReadOnlyList<PlannedStep>> Of(RecoveryPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return [.. plan.Steps.GroupBy(step => step.Stage ?? -step.Position).Select(stage => (IReadOnlyList<PlannedStep>)[.. stage])];
    }

    /// <summary>How long steps take that take so long each: within a stage each goes to whoever is free first.</summary>
    public static double SecondsOf(RecoveryPlan plan, Func<PlannedStep, double> seconds)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(seconds);
        var total = 0d;
        foreach (var stage in Of(plan))
        {
            var lanes = new double[Math.Max(1, plan.Several?.Parallel ?? 1)];
            foreach (var step in stage)
            {
                var free = Array.IndexOf(lanes, lanes.Min());
                lanes[free] += seconds(step);
            }

            total += lanes.Max();
        }

        return total;
    }
}
