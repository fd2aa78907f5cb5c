using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Npgsql;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>How a source's WAL receiver stands.</summary>
/// <param name="Source">The source.</param>
/// <param name="State"><c>starting</c>, <c>streaming</c>, <c>failed</c> or <c>stopped</c>.</param>
/// <param name="StateSince">Since when.</param>
/// <param name="IsAlive">True where some process holds the lease now.</param>
/// <param name="SystemIdentifier">The cluster's; null before it was reached.</param>
/// <param name="Timeline">The timeline that streams.</param>
/// <param name="ServerLsn">The server's end of WAL when it was last looked at.</param>
/// <param name="ConfirmedLsn">What the server was told is safe.</param>
/// <param name="MeasuredAt">When the server was last looked at.</param>
/// <param name="Message">What is wrong, or null.</param>
/// <param name="Notices">What is worth telling, each a sentence.</param>
public sealed record WalReceiverRow(
    string Source, string State, DateTimeOffset StateSince, bool IsAlive, string? SystemIdentifier, long? Timeline, NpgsqlLogSequenceNumber? ServerLsn,
    NpgsqlLogSequenceNumber? ConfirmedLsn, DateTimeOffset? MeasuredAt, string? Message, IReadOnlyList<string> Notices)
{
    /// <summary>Since when commits of the server wait for this receiver; null while they do not, or nobody makes them wait.</summary>
    public DateTimeOffset? CommitsWaitSince { get; init; }
}

/// <summary>A replication slot that a receiver made.</summary>
/// <param name="Source">For the WAL of which source.</param>
/// <param name="Server">Host and port.</param>
/// <param name="Slot">Its name.</param>
public sealed record WalSlotRow(string Source, string Server, string Slot);

/// <summary>What a tier holds of a source's WAL.</summary>
/// <param name="LagBytes">What the server had written beyond it when it was last looked at; null where nobody measured.</param>
/// <param name="LagSeconds">For how long the server had been beyond it: the loss if the server had been destroyed then.</param>
/// <param name="LookedAt">When it was last looked through for holes; null where nobody did yet.</param>
/// <param name="Holes">What was missing in the middle of it then.</param>
public sealed record WalTierRow(
    string Source, string Tier, string State, long? Timeline, NpgsqlLogSequenceNumber? DurableLsn, DateTimeOffset? DurableAt, long? LagBytes, double? LagSeconds,
    NpgsqlLogSequenceNumber? ReadBackLsn, DateTimeOffset? ReadBackAt, string? Message, DateTimeOffset SeenAt, DateTimeOffset? LookedAt,
    IReadOnlyList<WalHoleRow> Holes);

/// <summary>WAL that was missing in one tier.</summary>
/// <param name="IsDamaged">True where it is there and is known to be damaged.</param>
public sealed record WalHoleRow(long Timeline, string From, string To, bool IsDamaged = false)
{
    internal static WalHoleRow Of(WalHole hole) => new(hole.Timeline, new Lsn(hole.StartLsn).ToString(), new Lsn(hole.EndLsn).ToString(), hole.IsDamaged);
}

/// <summary>WAL that is stored nowhere.</summary>
public sealed record WalGapRow(
    long Id, string Source, string SystemIdentifier, long Timeline, NpgsqlLogSequenceNumber FromLsn, NpgsqlLogSequenceNumber ToLsn, string Reason,
    DateTimeOffset FoundAt, DateTimeOffset? RequestedAt, DateTimeOffset? ClosedAt, string? ClosedBy);

/// <summary>The receivers of WAL, what the tiers hold of it, and gaps, as the catalog knows them.</summary>
public sealed class WalCatalog(NpgsqlDataSource catalog)
{
    private const string CloseGaps =
        """
        UPDATE wal_gap SET closed_at = clock_timestamp(), closed_by = $4
        WHERE source = $1 AND closed_at IS NULL AND (system_identifier <> $2 OR (timeline <= $5 AND to_lsn <= $3))
        """;

    private const string GapColumns = "id, source, system_identifier, timeline, from_lsn, to_lsn, reason, found_at, requested_at, closed_at, closed_by";

    /// <summary>All receivers, or one source's, by source.</summary>
    public Task<IReadOnlyList<WalReceiverRow>> ReceiversAsync(string? source, CancellationToken cancellationToken) => catalog.Command(
        """
        SELECT source, state, state_since, lease_until >= clock_timestamp(), system_identifier, timeline, server_lsn, confirmed_lsn, measured_at, message, notices::text, commits_wait_since
        FROM wal_receiver WHERE $1::text IS NULL OR source = $1 ORDER BY source
        """, source).ListAsync(
        row => new WalReceiverRow(
            row.GetString(0), row.GetString(1), row.Time(2), !row.IsDBNull(3) && row.GetBoolean(3), row.TextOrNull(4), row.LongOrNull(5), LsnOrNull(row, 6), LsnOrNull(row, 7),
            row.TimeOrNull(8), row.TextOrNull(9), JsonSerializer.Deserialize<List<string>>(row.GetString(10)) ?? []) { CommitsWaitSince = row.TimeOrNull(11) }, cancellationToken);

    /// <summary>What the tiers hold, of all sources or one, by source and tier.</summary>
    public Task<IReadOnlyList<WalTierRow>> TiersAsync(string? source, CancellationToken cancellationToken) => catalog.Command(
        """
        SELECT source, tier, state, timeline, durable_lsn, durable_at, lag_bytes, lag_seconds, read_back_lsn, read_back_at, message, seen_at,
               looked_at, holes::text
        FROM wal_tier WHERE $1::text IS NULL OR source = $1 ORDER BY source, tier
        """, source).ListAsync(
        row => new WalTierRow(
            row.GetString(0), row.GetString(1), row.GetString(2), row.LongOrNull(3), LsnOrNull(row, 4), row.TimeOrNull(5), row.LongOrNull(6), row.DoubleOrNull(7),
            LsnOrNull(row, 8), row.TimeOrNull(9), row.TextOrNull(10), row.Time(11), row.TimeOrNull(12),
            JsonSerializer.Deserialize<List<WalHoleRow>>(row.GetString(13), JsonSerializerOptions.Web) ?? []), cancellationToken);

    /// <summary>The slots that receivers made and that nobody has dropped yet.</summary>
    public Task<IReadOnlyList<WalSlotRow>> SlotsAsync(CancellationToken cancellationToken) => catalog.Command("SELECT source, server, slot FROM wal_slot ORDER BY source, server, slot")
        .ListAsync(row => new WalSlotRow(row.GetString(0), row.GetString(1), row.GetString(2)), cancellationToken);

    /// <summary>Gaps of all sources or one, newest first.</summary>
    public Task<IReadOnlyList<WalGapRow>> GapsAsync(string? source, bool onlyOpen, CancellationToken cancellationToken) => catalog.Command(
        $"SELECT {GapColumns} FROM wal_gap WHERE ($1::text IS NULL OR source = $1) AND (NOT $2 OR closed_at IS NULL) ORDER BY id DESC", source, onlyOpen)
        .ListAsync(
            row => new WalGapRow(
                row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetInt64(3), row.GetFieldValue<NpgsqlLogSequenceNumber>(4), row.GetFieldValue<NpgsqlLogSequenceNumber>(5),
                row.GetString(6), row.Time(7), row.TimeOrNull(8), row.TimeOrNull(9), row.TextOrNull(10)), cancellationToken);

    /// <summary>
    /// Closes the gaps that a base backup leaves behind it: those of other clusters, and those that end at or before its start. A
    /// timeline that is younger than the backup's own has places of the same number and other WAL.
    /// </summary>
    /// <param name="source">The source.</param>
    /// <param name="systemIdentifier">The cluster that was backed up.</param>
    /// <param name="timeline">The timeline that it was backed up on.</param>
    /// <param name="startLsn">From where on the backup needs WAL.</param>
    /// <param name="closedBy">The restore point's id.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>How many were closed.</returns>
    public Task<int> CloseGapsAsync(string source, ulong systemIdentifier, uint timeline, ulong startLsn, string closedBy, CancellationToken cancellationToken) => catalog.Command(
        CloseGaps, source, Text(systemIdentifier), new NpgsqlLogSequenceNumber(startLsn), closedBy, (long)timeline).RunAsync(cancellationToken);

    /// <summary>The same in the transaction that records the backup.</summary>
    internal static Task<int> CloseGapsBehindAsync(
        NpgsqlTransaction transaction, string source, string systemIdentifier, long timeline, NpgsqlLogSequenceNumber startLsn, string closedBy, CancellationToken cancellationToken) =>
        transaction.Command(CloseGaps, source, systemIdentifier, startLsn, closedBy, timeline).RunAsync(cancellationToken);

    /// <summary>Writes down which WAL of a tier is missing or damaged, found by another look than the receiver's own.</summary>
    internal static Task NoteHolesAsync(NpgsqlTransaction transaction, string source, string tier, IReadOnlyList<WalHole> holes, CancellationToken cancellationToken) =>
        transaction.Command("UPDATE wal_tier SET holes = $3 WHERE source = $1 AND tier = $2", source, tier, new Jsonb(JsonSerializer.Serialize(holes.Select(WalHoleRow.Of), JsonSerializerOptions.Web)))
            .RunAsync(cancellationToken);

    /// <summary>Notes that a base backup was asked for because of a gap.</summary>
    public Task RequestedAsync(long gap, CancellationToken cancellationToken) =>
        catalog.Command("UPDATE wal_gap SET requested_at = clock_timestamp() WHERE id = $1", gap).RunAsync(cancellationToken);

    internal static string Text(ulong number) => number.ToString(System.Globalization.CultureInfo.InvariantCulture);

    private static NpgsqlLogSequenceNumber? LsnOrNull(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetFieldValue<NpgsqlLogSequenceNumber>(column);
}
