namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>What a repair looks at.</summary>
public sealed record RepairOptions
{
    /// <summary>How deep damage is looked for: L2 reads every pack, L3 also opens every chunk.</summary>
    public CheckLevel Level { get; init; } = CheckLevel.L2;

    /// <summary>
    /// Restore points that are known to have been stored in this tier. Where the manifest of one is lost it is fetched with all its
    /// chunks, also where these were lost with it: of others a repair cannot tell that the tier ever had them.
    /// </summary>
    public IReadOnlyCollection<RestorePointId> Known { get; init; } = [];

    /// <summary>
    /// Ids of attestations that no tier has whole and that a person gives up: they keep every restore point of their time from
    /// expiring, since each may be a hold.
    /// </summary>
    public IReadOnlyList<string> DropAttestations { get; init; } = [];

    /// <summary>Who gives them up and why; written down as an attestation of its own.</summary>
    public string? DropReason { get; init; }

    /// <summary>True to say only what is damaged and whether it could be repaired.</summary>
    public bool IsDryRun { get; init; }
}

/// <summary>A damaged or lost object and what became of it.</summary>
/// <param name="Name">The object's key in the store, or the chunk or artifact.</param>
/// <param name="Reason">What is wrong with it.</param>
/// <param name="RestorePoints">Those that could not be restored whole because of it.</param>
/// <param name="IsRepaired">True where nothing is hurt by it any more; in a dry run, where the other tier has what is missing.</param>
/// <param name="Remedy">What was, or would be, done.</param>
public sealed record RepairedObject(string Name, string Reason, IReadOnlyList<RestorePointId> RestorePoints, bool IsRepaired, string Remedy);

/// <summary>What a repair found and did.</summary>
public sealed record RepairReport
{
    /// <summary>True where nothing was changed.</summary>
    public required bool IsDryRun { get; init; }

    /// <summary>Everything that was damaged or lost.</summary>
    public required IReadOnlyList<RepairedObject> Objects { get; init; }

    /// <summary>Chunks stored anew that were still whole in a damaged pack.</summary>
    public required long Salvaged { get; init; }

    /// <summary>Chunks fetched from the other tier.</summary>
    public required long Fetched { get; init; }

    /// <summary>Bytes of both as stored.</summary>
    public required long Bytes { get; init; }

    /// <summary>True where nothing was damaged, or all of it is repaired.</summary>
    public bool IsWhole => Objects.All(one => one.IsRepaired);
}
