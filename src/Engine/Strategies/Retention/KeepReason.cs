namespace Hexabase.DrConsole.Engine.Strategies.Retention;

/// <summary>A rung of the ladder.</summary>
public enum Rung
{
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// <summary>What keeps a restore point.</summary>
public enum KeepCause
{
    /// <summary>It fills a slot of a rung.</summary>
    Rung,

    /// <summary>It is younger than the hours for which all points are kept.</summary>
    Recent,

    /// <summary>The newest point whose restore really ran: never given up, whatever the ladder says.</summary>
    LastProven,

    /// <summary>The newest point of its source: when backups stop, the last one must not age away.</summary>
    Newest,

    /// <summary>A person holds it.</summary>
    Hold,

    /// <summary>Corruption of its source is suspected or confirmed, and nobody knows yet which point is from before it.</summary>
    Frozen,

    /// <summary>A drill, a recovery or a restore uses it.</summary>
    InUse,

    /// <summary>The base backup that the point-in-time window begins with: without it the window would be shorter than promised.</summary>
    WindowBase,

    /// <summary>The base backup that the window's WAL leads on from along a timeline without one of its own, as the tier's timeline histories say.</summary>
    LeadsToTimeline,

    /// <summary>A base backup of which nobody can tell whether stored WAL leads on from it: the tier's timeline histories cannot be read.</summary>
    LinesUnknown,

    /// <summary>Another tier shall have it and has it not yet.</summary>
    AwaitingCopy,

    /// <summary>Another tier shall have it, and its copy there is damaged.</summary>
    AwaitingRepair,

    /// <summary>Its time stamp lies in the future: a clock is wrong, so nothing is decided.</summary>
    FromTheFuture,
}

/// <summary>One reason to keep a point.</summary>
/// <param name="Cause">What keeps it.</param>
/// <param name="Rung">The rung that it fills, or null where another reason keeps it.</param>
/// <param name="Position">Its place on that rung, from 1 (newest).</param>
/// <param name="Of">How many the rung keeps; of <see cref="KeepCause.Recent"/> the hours.</param>
/// <param name="Detail">The tier that has no sound copy yet; of <see cref="KeepCause.InUse"/> the runs, where they are known; of <see cref="KeepCause.LinesUnknown"/> why.</param>
public sealed record KeepReason(KeepCause Cause, Rung? Rung = null, int Position = 0, int Of = 0, string? Detail = null)
{
    /// <summary>Keeps the point in every tier, however old it is there: the others yield to a tier's days.</summary>
    public bool OutlivesDays => Cause is not (KeepCause.Rung or KeepCause.Recent or KeepCause.AwaitingCopy or KeepCause.AwaitingRepair);

    /// <summary>English, for logs and JSON: "hourly 3 of 24".</summary>
    public string ToText() => Cause switch
    {
        KeepCause.Rung => $"{Rung.ToString()!.ToLowerInvariant()} {Position} of {Of}",
        KeepCause.Recent => $"younger than {Of} h",
        KeepCause.LastProven => "last validated",
        KeepCause.Newest => "newest",
        KeepCause.Hold => "on hold",
        KeepCause.Frozen => "frozen: its source may be corrupt",
        KeepCause.WindowBase => "base of the point-in-time window",
        KeepCause.LeadsToTimeline => "base of WAL on a timeline without one of its own",
        KeepCause.LinesUnknown => $"nobody can tell whether WAL leads on from it: {Detail}",
        KeepCause.InUse => Detail is { } runs ? $"in use by {runs}" : "in use by a drill or recovery",
        KeepCause.AwaitingCopy => $"not yet in {Detail}",
        KeepCause.AwaitingRepair => $"damaged in {Detail}",
        _ => "time stamp in the future",
    };
}

/// <summary>Why a point is given up in a tier.</summary>
/// <param name="Days">The tier's days, which it has outlived; null where no rung wants it.</param>
public sealed record ExpiryReason(int? Days)
{
    /// <summary>English, for logs and JSON.</summary>
    public string ToText() => Days is { } days ? $"older than the tier's {days} days" : "no rung of the ladder wants it";
}
