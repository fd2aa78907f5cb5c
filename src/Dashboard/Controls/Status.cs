namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>Every state that a page can show. Words, icons and colours are mapped in <see cref="StatusWords"/> only.</summary>
public enum Status
{
    /// <summary>Data: a restore ran and its contents were compared. Never used for anything less.</summary>
    Proven,

    /// <summary>Was proven, but longer ago than a proof of its class holds.</summary>
    Stale,

    /// <summary>Never restored.</summary>
    Unproven,

    /// <summary>Works, but not as its class promises: a tier, a volume or a table is missing.</summary>
    Degraded,

    /// <summary>A promise (RPO, RTO) is missed.</summary>
    Breached,

    /// <summary>Something ended badly.</summary>
    Failed,

    /// <summary>At work now.</summary>
    Running,

    /// <summary>Waits for a person.</summary>
    Waiting,

    /// <summary>A step that did not run, with a reason beside it. Never shown as passed.</summary>
    NotRun,

    /// <summary>A check that ran and found nothing wrong.</summary>
    Passed,

    /// <summary>Restored contents equal the source's.</summary>
    Equal,

    /// <summary>Restored contents differ from the source's.</summary>
    Differs,

    /// <summary>Nothing was restored that could be compared.</summary>
    NotCompared,

    /// <summary>A copy that was read back and verified.</summary>
    ReadBack,

    /// <summary>A copy that was written and not yet read back.</summary>
    Stored,

    /// <summary>A copy that should be there by now and is not.</summary>
    Behind,

    /// <summary>Stored bytes are not what was written.</summary>
    Damaged,

    /// <summary>The class keeps no copy here.</summary>
    NotKept,

    /// <summary>A service that answered when it was asked.</summary>
    Answers,

    /// <summary>A run that waits for its turn.</summary>
    Queued,

    /// <summary>A run that ended well. Written is not proven: this is never green.</summary>
    Done,

    /// <summary>A run that a person stopped.</summary>
    Cancelled,

    /// <summary>Should exist by now and does not. Never drawn as <see cref="NotDue"/>.</summary>
    Missing,

    /// <summary>Need not exist yet: its time has not come, or the source is younger.</summary>
    NotDue,

    /// <summary>An incident that is not sure yet.</summary>
    Suspected,

    /// <summary>An incident that several kinds of probe agree on.</summary>
    Confirmed,

    /// <summary>An incident that is over.</summary>
    Resolved,

    /// <summary>A service that gave no answer in time.</summary>
    NoAnswer,

    /// <summary>A service whose host answered that it does not serve.</summary>
    Refused,

    /// <summary>A service that answered that this console may not ask.</summary>
    Denied,

    /// <summary>Measured, and beyond its bound.</summary>
    Exceeded,

    /// <summary>Cannot be told here, for a reason beside it. Never shown as well.</summary>
    NotDetectable,

    /// <summary>Nobody has looked for too long.</summary>
    Silent,
}
