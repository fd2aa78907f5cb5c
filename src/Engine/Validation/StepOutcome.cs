using Hexabase.DrConsole.Engine.Backups.Postgres;

namespace Hexabase.DrConsole.Engine.Validation;

/// <summary>What one step found, before it has a name and a time.</summary>
internal sealed record StepOutcome(ValidationStepStatus Status, string? Reason)
{
    private const int MaximumNames = 100;

    public IReadOnlyList<string> Damaged { get; init; } = [];

    public bool NotProvable { get; init; }

    public double? RestoreSeconds { get; init; }

    public string? Isolation { get; init; }

    public FactsComparison? Comparison { get; init; }

    public int ComparedObjects { get; init; }

    public static StepOutcome Passed(string found) => new(ValidationStepStatus.Passed, found);

    public static StepOutcome Failed(string reason, IEnumerable<string> damaged) =>
        new(ValidationStepStatus.Failed, reason) { Damaged = [.. damaged.Take(MaximumNames)] };

    public static StepOutcome CannotProve(string reason) =>
        new(ValidationStepStatus.NotRun, $"not provable here: {reason}") { NotProvable = true };

    /// <summary>
    /// What an exception says about the restore point: it failed where its bytes or its content are at fault. A store that
    /// does not answer, a missing tool or a full disk says nothing about it.
    /// </summary>
    public static StepOutcome From(EngineException fault) => IsAboutTheRestorePoint(fault)
        ? Failed(fault.ToText(), fault.Context.Where(entry => entry.Key is "pack" or "packs" or "object" or "artifact").SelectMany(entry => entry.Value.Split(',')))
        : CannotProve(fault.ToText());

    private static bool IsAboutTheRestorePoint(EngineException fault) => fault.Kind switch
    {
        ErrorKind.OutOfSpace => false,
        ErrorKind.Unavailable or ErrorKind.Denied => fault.Code == "pg-restore-failed",
        _ => true,
    };
}
