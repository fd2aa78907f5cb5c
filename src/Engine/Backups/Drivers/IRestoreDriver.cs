using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Drivers;

/// <summary>A confirmed plan, ready to be executed.</summary>
/// <param name="Repository">Where the restore point is.</param>
/// <param name="Manifest">Its manifest, as the plan's hash covers it.</param>
/// <param name="Plan">The plan.</param>
/// <param name="ConfirmedHash">The hash that a person confirmed; a driver executes no other.</param>
/// <param name="Operation">Names the run: a driver marks its half-made target with it, and knows it again after a crash.</param>
/// <param name="Progress">Told items, bytes and chunks.</param>
/// <param name="Log">Told a phase and a line of text.</param>
public sealed record RestoreWork(
    BackupRepository Repository, Manifest Manifest, RestorePlan Plan, string ConfirmedHash, string Operation,
    IProgress<TransferProgress>? Progress = null, Action<string, string>? Log = null);

/// <summary>What a restore ended with.</summary>
/// <param name="Bytes">Bytes of the artifacts that were read.</param>
/// <param name="Seconds">Measured time from the first byte to the target being ready; null where an interrupted attempt had finished it.</param>
/// <param name="Warnings">What is not as it should be: what was not restored, and what the tools said.</param>
public sealed record RestoreOutcome(long Bytes, double? Seconds, IReadOnlyList<string> Warnings)
{
    /// <summary>How many of the planned parts were not restored; a warning names each.</summary>
    public int NotRestored { get; init; }

    /// <summary>What a person should know although nothing is wrong.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>How long each phase took, where the driver has phases.</summary>
    public IReadOnlyList<Postgres.Physical.RestorePhase>? Phases { get; init; }

    /// <summary>Of a recovered cluster: the time of the last commit in it, as its server logged it.</summary>
    public string? LastTransaction { get; init; }
}

/// <summary>
/// Restores into one sort of target. It gives the target its name only when everything is in it, and knows its own
/// half-made one by the operation: done again after a crash it begins anew or finds it finished.
/// </summary>
public interface IRestoreDriver
{
    /// <summary>The kind of its plans: <see cref="RestorePlan.Kind"/>.</summary>
    string PlanKind { get; }

    /// <summary>True where it restores such a restore point into such a target.</summary>
    bool Takes(RestoreTarget target, Manifest manifest);

    /// <summary>Looks at both ends, changes nothing, and says what a restore would do.</summary>
    /// <exception cref="EngineException">The target exists, does not answer, or cannot take this restore point.</exception>
    Task<RestorePlan> PlanAsync(BackupRepository repository, Manifest manifest, RestoreTarget target, CancellationToken cancellationToken);

    /// <summary>Executes a plan.</summary>
    /// <exception cref="EngineException"><c>plan-changed</c>, or what hinders it; what it made is gone then.</exception>
    Task<RestoreOutcome> ExecuteAsync(RestoreWork work, CancellationToken cancellationToken);

    /// <summary>After a crash: the outcome where an earlier attempt of the operation had finished, null where it has to be done again.</summary>
    Task<RestoreOutcome?> FindFinishedAsync(RestoreWork work, CancellationToken cancellationToken);

    /// <summary>
    /// Called once its outcome is on record: removes by what a later attempt would have known it as finished. Done again, it finds
    /// nothing to do.
    /// </summary>
    Task SettleAsync(RestorePlan plan, string operation, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Removes what an attempt left that nobody will go on with; of a target that is written over, brings back what was there. A first attempt is abandoned too.</summary>
    /// <returns>What was found, as a line for the log; null where nothing was.</returns>
    /// <exception cref="Runs.NeedsDecisionException">Something of it is left that a person has to look at.</exception>
    Task<string?> AbandonAsync(RestorePlan plan, string operation, CancellationToken cancellationToken);
}
