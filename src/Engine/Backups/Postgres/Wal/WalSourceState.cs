using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Wal;

/// <summary>The replication slot as the server shows it.</summary>
/// <param name="IsPhysical">False where somebody made a logical slot of this name.</param>
/// <param name="ActivePid">The server process that streams from it, or null.</param>
/// <param name="ActiveClient">Who that is: application and address.</param>
/// <param name="IsOurs">True where that client calls itself as this receiver does, under the same role.</param>
/// <param name="RestartLsn">From where on the server keeps WAL for it; null where it keeps none.</param>
/// <param name="WalStatus"><c>reserved</c>, <c>extended</c>, <c>unreserved</c> or <c>lost</c>; null where nothing is reserved.</param>
/// <param name="SafeWalBytes">How much more may be written before the slot is in danger; null where nothing bounds it.</param>
public sealed record WalSlot(bool IsPhysical, int? ActivePid, string? ActiveClient, bool IsOurs, Lsn? RestartLsn, string? WalStatus, long? SafeWalBytes)
{
    /// <summary>True where the server threw WAL away that the slot needed.</summary>
    public bool IsLost => WalStatus == "lost";
}

/// <summary>What a look at the source server shows.</summary>
/// <param name="SystemIdentifier">The cluster's.</param>
/// <param name="CurrentLsn"><c>pg_current_wal_lsn</c>; of a standby what it has received.</param>
/// <param name="At">The server's clock then.</param>
/// <param name="SegmentBytes">Its WAL segment size.</param>
/// <param name="Major">Its major version.</param>
/// <param name="IsStandby">True while it is in recovery.</param>
/// <param name="MaxSlotWalBytes"><c>max_slot_wal_keep_size</c>; null for no bound.</param>
/// <param name="Slot">The slot, or null where there is none.</param>
public sealed record WalSourceState(
    ulong SystemIdentifier, Lsn CurrentLsn, DateTimeOffset At, int SegmentBytes, int Major, bool IsStandby, long? MaxSlotWalBytes, WalSlot? Slot)
{
    /// <summary>Whom commits wait for.</summary>
    public required WalSyncState Sync { get; init; }

    /// <summary>What is worth telling a person, each a sentence.</summary>
    public IReadOnlyList<string> Notices(string slot, int? ownPid)
    {
        var notices = new List<string>();
        if (MaxSlotWalBytes is null)
        {
            notices.Add("max_slot_wal_keep_size is not set: while the receiver is away the server keeps WAL until its disk is full; set a bound that fits the disk");
        }

        if (Slot is { WalStatus: "unreserved" or "extended" } pressed)
        {
            notices.Add($"slot {slot} holds more WAL than max_wal_size ({pressed.WalStatus}{(pressed.SafeWalBytes is { } safe ? $", {safe >> 20:N0} MiB until it is lost" : "")})");
        }

        if (Slot is { ActivePid: { } pid } taken && ownPid is { } own && pid != own)
        {
            notices.Add($"slot {slot} is used by somebody else: {taken.ActiveClient} (server process {pid})");
        }

        return notices;
    }
}
