using System.Text.Json.Serialization;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>Why WAL stays in a tier beyond its time.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<KeptWalCause>))]
public enum KeptWalCause
{
    /// <summary>Restore points cannot be read, and one of them may be the base backup that WAL is kept for.</summary>
    UnreadablePoints,

    /// <summary>Every base backup that is as old as the window failed its validation or is damaged here.</summary>
    NoUsableBase,

    /// <summary>What is stored of the WAL is damaged, or the store refuses to delete.</summary>
    Refused,

    /// <summary>A run that has not ended needs it; it goes when that has.</summary>
    ForRun,
}

/// <summary>WAL that stays in a tier beyond its time, and grows until somebody sees to the cause.</summary>
/// <param name="Source">Of which source; null for all in the repository.</param>
/// <param name="Cause">Why.</param>
/// <param name="Count">How many restore points cannot be read.</param>
/// <param name="Detail">What the store said, where it was the store; the runs, where it is kept for those.</param>
public sealed record KeptWal(string? Source, KeptWalCause Cause, int Count, string? Detail = null)
{
    /// <summary>The first byte that stays, where it is kept for a run.</summary>
    public string? FromLsn { get; init; }

    /// <summary>English, for logs.</summary>
    public string ToText() => Cause switch
    {
        KeptWalCause.UnreadablePoints => $"no WAL is given up while {Counted.Of(Count, "restore point")} cannot be read: one may be the base backup that it is kept for; repair the tier",
        KeptWalCause.NoUsableBase => $"the WAL of {Source} is not given up: every base backup as old as the point-in-time window failed its validation or is damaged here",
        KeptWalCause.ForRun => $"the WAL of {Source} from {FromLsn} on is kept for {Detail}",
        _ => $"no WAL is given up: {Detail}",
    };
}
