using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Recovery.Readiness;

/// <summary>How ready a plan is for a source.</summary>
public enum ReadinessState
{
    /// <summary>A drill or a recovery of exactly this plan, for the source as it is declared now, passed and is young enough; nothing stands against it.</summary>
    Verified,

    /// <summary>It was shown once, and something has changed since or too much time has passed.</summary>
    NeedsVerification,

    /// <summary>It was never shown, the last try failed, or something would stop it now.</summary>
    NotVerified,
}

/// <summary>Why a plan is not verified; pages have the words.</summary>
public enum ReadinessCause
{
    NoDrill,

    /// <summary>It was never carried out, and no drill can show it, since it restores nothing.</summary>
    NotDrillable,
    DrillFailed,
    NotCleaned,

    /// <summary>It was carried out, but a person left steps out or marked them done: the plan alone did not do it.</summary>
    DoneByHand,
    PlanChanged,
    ConfigurationChanged,
    ProofTooOld,
    PlanImpossible,
    ApproversMissing,
    CommandMissing,

    /// <summary>What a step acts on is not there, or may not be acted on.</summary>
    StepHindered,

    /// <summary>Nobody has looked for longer than the schedule allows: what was known then may be wrong now.</summary>
    NotLookedAt,
}

/// <summary>A reason.</summary>
/// <param name="Cause">In the names of <see cref="ReadinessCause"/>.</param>
/// <param name="Text">The particulars, as the engine says them.</param>
public sealed record ReadinessReason(ReadinessCause Cause, string Text);

/// <summary>The newest drill, or recovery, of a plan for a source that came to an end by itself.</summary>
/// <param name="PlanVersion">The version that ran.</param>
/// <param name="ConfigurationHash">Of how the source was declared to be recovered then.</param>
/// <param name="Failure">The step that failed with its error; null where it was completed.</param>
/// <param name="IsClean">A drill: whether it was shown that nothing is left. True for a recovery.</param>
public sealed record ReadinessProof(RunId Run, bool IsDrill, int PlanVersion, string ConfigurationHash, RecoveryOutcome Outcome, string? Failure, bool IsClean, DateTimeOffset EndedAt)
{
    /// <summary>Of a recovery: the steps that a person left out or marked done; null where there are none.</summary>
    public string? ByHand { get; init; }

    public bool Passed => Outcome == RecoveryOutcome.Completed && IsClean && ByHand is null;
}

/// <summary>What a plan's readiness follows from.</summary>
/// <param name="PlanVersion">The newest.</param>
/// <param name="ConfigurationHash">Of how the source is declared to be recovered; null where no plan can be made.</param>
/// <param name="Impossible">Why no plan can be made now; null where one can.</param>
/// <param name="Obstacles">What would stop it in the middle: approvers and commands that are missing.</param>
/// <param name="Last">Null where it never ran.</param>
/// <param name="Lifetime">For so long a proof holds.</param>
public sealed record ReadinessFacts(
    int PlanVersion, string? ConfigurationHash, string? Impossible, IReadOnlyList<ReadinessReason> Obstacles, ReadinessProof? Last, TimeSpan Lifetime)
{
    /// <summary>Why no drill can show it; null where one can.</summary>
    public string? NotDrillable { get; init; }
}

/// <summary>Judges how ready a plan is; all reasons at once. What is not known is never verified.</summary>
public static class ReadinessJudgement
{
    public static (ReadinessState State, IReadOnlyList<ReadinessReason> Reasons) Judge(ReadinessFacts facts, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(facts);
        var against = facts.Obstacles.ToList();
        if (facts.Impossible is { } why)
        {
            against.Insert(0, new ReadinessReason(ReadinessCause.PlanImpossible, why));
        }

        var since = new List<ReadinessReason>();
        switch (facts.Last)
        {
            case null:
                against.Add(facts.NotDrillable is { } because ? new ReadinessReason(ReadinessCause.NotDrillable, because) : new ReadinessReason(ReadinessCause.NoDrill, ""));
                break;
            case { Outcome: not RecoveryOutcome.Completed } failed:
                against.Add(new ReadinessReason(ReadinessCause.DrillFailed, $"{failed.Run}: {failed.Failure ?? RecoveryNames.Of(failed.Outcome)}"));
                break;
            case { IsClean: false } unclean:
                against.Add(new ReadinessReason(ReadinessCause.NotCleaned, $"{unclean.Run}"));
                break;
            case { ByHand: { } steps } assisted:
                against.Add(new ReadinessReason(ReadinessCause.DoneByHand, $"{assisted.Run}: {steps}"));
                break;
            case { } passed:
                since.AddRange(Since(passed, facts, now));
                break;
        }

        return against.Count > 0 ? (ReadinessState.NotVerified, [.. against, .. since])
            : since.Count > 0 ? (ReadinessState.NeedsVerification, since)
            : (ReadinessState.Verified, []);
    }

    private static IEnumerable<ReadinessReason> Since(ReadinessProof passed, ReadinessFacts facts, DateTimeOffset now)
    {
        if (passed.PlanVersion != facts.PlanVersion)
        {
            yield return new ReadinessReason(ReadinessCause.PlanChanged, $"{passed.Run} was of v{passed.PlanVersion}, the newest is v{facts.PlanVersion}");
        }

        if (facts.ConfigurationHash is { } current && current != passed.ConfigurationHash)
        {
            yield return new ReadinessReason(ReadinessCause.ConfigurationChanged, $"{passed.Run}");
        }

        if (now - passed.EndedAt > facts.Lifetime)
        {
            yield return new ReadinessReason(ReadinessCause.ProofTooOld, $"{passed.Run} of {passed.EndedAt.UtcDateTime:yyyy-MM-dd}, a proof holds for {facts.Lifetime.TotalDays:0} days");
        }
    }
}
