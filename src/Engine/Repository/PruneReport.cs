namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>A restore point that the caller's retention gives up.</summary>
/// <param name="Id">The restore point.</param>
/// <param name="Reason">Why, for people; the plan and the report repeat it.</param>
public sealed record PointToExpire(RestorePointId Id, string Reason);

/// <summary>An attestation that is not as it was written.</summary>
/// <param name="Key">Its key in the store.</param>
/// <param name="Reason">What is wrong with it.</param>
/// <param name="WrittenAt">Not before it was written.</param>
public sealed record UnreadableAttestation(string Key, string Reason, DateTimeOffset WrittenAt);

/// <summary>The attestations of a tier.</summary>
/// <param name="Readable">Oldest first.</param>
/// <param name="Unreadable">Any of them may be a hold.</param>
public sealed record AttestationList(IReadOnlyList<Attestation> Readable, IReadOnlyList<UnreadableAttestation> Unreadable);

/// <summary>What a prune may do.</summary>
public sealed record PruneOptions
{
    /// <summary>Restore points to give up. Those that are protected stay, and the report says why.</summary>
    public IReadOnlyList<PointToExpire> Expire { get; init; } = [];

    /// <summary>How long a marked pack stays. Shorter than a day is for tests.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Packs of which restore points need a smaller share are repacked, 0 to 1.</summary>
    public double MinimumUse { get; init; } = 0.5;

    /// <summary>The largest share of restore points, or of the bytes in packs, that may go without somebody's approval, 0 to 1.</summary>
    public double MaxDeletedShare { get; init; } = 0.5;

    /// <summary>Claims restore points right before they go, some at a time; null where nobody but the repository has a say.</summary>
    public Func<IReadOnlyList<RestorePointId>, CancellationToken, Task<IExpiryClaim>>? Claim { get; init; }
}

/// <summary>A restore point in a plan or report of prune.</summary>
/// <param name="Id">The restore point.</param>
/// <param name="Source">Its source; null where its manifest cannot be read.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="Reason">Why it goes, or why it stays though it was to go.</param>
public sealed record PrunedPoint(RestorePointId Id, string? Source, DateTimeOffset? CreatedAt, string Reason);

/// <summary>What happens to a pack.</summary>
public enum PackAction
{
    /// <summary>Marked now: nothing needs it; deleted after the grace period.</summary>
    Mark,

    /// <summary>Too little of it is needed: that is written into new packs, and it is marked.</summary>
    Repack,

    /// <summary>Deleted now.</summary>
    Delete,

    /// <summary>A restore point needs it after all: it is no longer marked.</summary>
    Recover,

    /// <summary>Marked before, and not yet to be deleted.</summary>
    Wait,

    /// <summary>Unreferenced, but perhaps of a backup that runs: left alone.</summary>
    Spare,
}

/// <summary>A pack that a prune does something about.</summary>
/// <param name="Name">Hex SHA-256.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="UsedBytes">Bytes of it that restore points need.</param>
/// <param name="Action">What happens to it.</param>
/// <param name="Reason">Why.</param>
public sealed record PrunedPack(string Name, long Bytes, long UsedBytes, PackAction Action, string Reason);

/// <summary>What a prune did, or, of a dry run, what it would do now.</summary>
public sealed record PruneReport
{
    /// <summary>True where nothing was changed.</summary>
    public required bool IsDryRun { get; init; }

    /// <summary>Restore points that are gone.</summary>
    public required IReadOnlyList<PrunedPoint> Expired { get; init; }

    /// <summary>Restore points that were to go and are protected.</summary>
    public required IReadOnlyList<PrunedPoint> Protected { get; init; }

    /// <summary>Packs by what happened to them; packs that simply stay are not among them.</summary>
    public required IReadOnlyList<PrunedPack> Packs { get; init; }

    /// <summary>Objects that the store refused to delete (another role, object lock), with the reason; the next prune tries again.</summary>
    public required IReadOnlyList<Damage> Refused { get; init; }

    /// <summary>What is worth knowing.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>Restore points that stay.</summary>
    public required int RestorePoints { get; init; }

    /// <summary>Packs in the store when it began.</summary>
    public required int TotalPacks { get; init; }

    /// <summary>Bytes of those packs.</summary>
    public required long TotalBytes { get; init; }

    /// <summary>Bytes in packs that restore points need.</summary>
    public required long UsedBytes { get; init; }

    /// <summary>Index segments that were written anew and the smaller ones that went for them.</summary>
    public required (int Written, int Deleted) Segments { get; init; }

    /// <summary>Number and bytes of the packs of one action.</summary>
    public (int Count, long Bytes) Sum(PackAction action) =>
        (Packs.Count(pack => pack.Action == action), Packs.Where(pack => pack.Action == action).Sum(pack => pack.Bytes));
}
