using System.Text.Json;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>What the catalog knows of the restore points in a tier.</summary>
/// <param name="Points">Living points that it holds, damaged ones not counted.</param>
/// <param name="Verified">Those that were read back there.</param>
/// <param name="Damaged">Points whose stored bytes are not what was written.</param>
/// <param name="Behind">Points that it shall have and has not.</param>
/// <param name="OldestBehind">When the oldest of those was made.</param>
/// <param name="ClearBytes">Size of the artifacts of all points that it holds, before deduplication and compression.</param>
public sealed record TierHoldings(string Tier, long Points, long Verified, long Damaged, long Behind, DateTimeOffset? OldestBehind, long ClearBytes)
{
    public static TierHoldings Nothing(string tier) => new(tier, 0, 0, 0, 0, null, 0);
}

/// <summary>What the last look of one kind at a workspace's stored bytes found.</summary>
/// <param name="Level">L1, L2 or L3.</param>
/// <param name="Damaged">Names of damaged or missing objects.</param>
public sealed record TierCheckRow(
    string Tier, string Workspace, string Level, DateTimeOffset CheckedAt, long Objects, long Bytes, IReadOnlyList<string> Damaged, string? Detail)
{
    /// <summary>The share <c>n/t</c> of the packs that was read, or null for all of them.</summary>
    public string? Slice { get; init; }

    /// <summary>Packs and objects of WAL that were there; null where checks are not remembered.</summary>
    public long? There { get; init; }

    /// <summary>Those that this check or an earlier one read at the level.</summary>
    public long? EverRead { get; init; }

    /// <summary>When of those the one was read that waits longest.</summary>
    public DateTimeOffset? OldestRead { get; init; }

    /// <summary>
    /// The time since which everything of the workspace was read at this level, by one check or by several of parts; null where
    /// one never was.
    /// </summary>
    public DateTimeOffset? AllReadSince => this switch
    {
        { Level: "L1" } => null,
        { There: null } => Level == "L2" && Detail is null ? CheckedAt : null,
        _ => EverRead == There ? OldestRead ?? CheckedAt : null,
    };

    /// <summary>True where everything of the workspace was read.</summary>
    public bool IsComplete => AllReadSince is not null;
}

/// <summary>What a tier held at the last look of a day (UTC).</summary>
public sealed record TierUsageDay(string Tier, DateOnly Day, long Bytes, long Objects);

/// <summary>Tiers as the catalog knows them: points, checks, and how they grew.</summary>
public sealed class TierCatalog(NpgsqlDataSource catalog)
{
    /// <summary>Restore points by tier; tiers without any are left out.</summary>
    public Task<IReadOnlyList<TierHoldings>> HoldingsAsync(CancellationToken cancellationToken) =>
        catalog.Command(
            """
            SELECT t.tier, count(*) FILTER (WHERE t.state IN ('stored', 'verified')), count(*) FILTER (WHERE t.state = 'verified'),
              count(*) FILTER (WHERE t.state = 'damaged'), count(*) FILTER (WHERE t.state = 'behind'), min(p.created_at) FILTER (WHERE t.state = 'behind'),
              coalesce(sum(p.bytes) FILTER (WHERE t.state <> 'behind'), 0)::bigint
            FROM restore_point_tier t JOIN restore_point p ON p.id = t.restore_point WHERE p.expired_at IS NULL GROUP BY t.tier
            """).ListAsync(
                row => new TierHoldings(row.GetString(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4), row.TimeOrNull(5), row.GetInt64(6)), cancellationToken);

    /// <summary>The last check of each level, by tier and workspace.</summary>
    public Task<IReadOnlyList<TierCheckRow>> ChecksAsync(CancellationToken cancellationToken) =>
        catalog.Command("SELECT tier, workspace, level, checked_at, objects, bytes, damaged::text, detail, slice, objects_there, objects_read, oldest_read FROM tier_check ORDER BY tier, workspace, level").ListAsync(
            row => new TierCheckRow(row.GetString(0), row.GetString(1), row.GetString(2), row.Time(3), row.GetInt64(4), row.GetInt64(5), Names(row.GetString(6)), row.TextOrNull(7))
            {
                Slice = row.TextOrNull(8),
                There = row.LongOrNull(9),
                EverRead = row.LongOrNull(10),
                OldestRead = row.TimeOrNull(11),
            },
            cancellationToken);

    /// <summary>A row a day and tier, oldest first.</summary>
    /// <param name="since">The first day.</param>
    public Task<IReadOnlyList<TierUsageDay>> UsageAsync(DateOnly since, CancellationToken cancellationToken) =>
        catalog.Command("SELECT tier, day, bytes, objects FROM tier_usage WHERE day >= $1 ORDER BY day", since)
            .ListAsync(row => new TierUsageDay(row.GetString(0), row.GetFieldValue<DateOnly>(1), row.GetInt64(2), row.GetInt64(3)), cancellationToken);

    /// <summary>The points that a tier shall have and has not, oldest first.</summary>
    public Task<IReadOnlyList<(string Id, string Source, DateTimeOffset CreatedAt, string? Detail)>> BehindAsync(string tier, int limit, CancellationToken cancellationToken) =>
        catalog.Command(
            """
            SELECT p.id, p.source, p.created_at, t.detail FROM restore_point_tier t JOIN restore_point p ON p.id = t.restore_point
            WHERE t.tier = $1 AND t.state = 'behind' AND p.expired_at IS NULL ORDER BY p.created_at LIMIT $2
            """, tier, limit).ListAsync(row => (row.GetString(0), row.GetString(1), row.Time(2), row.TextOrNull(3)), cancellationToken);

    /// <summary>Writes down what a look found; the last look of a day stands for it. Repeatable.</summary>
    /// <param name="at">When it was looked at; the day is UTC's.</param>
    public Task RecordUsageAsync(string tier, DateTimeOffset at, long bytes, long objects, CancellationToken cancellationToken) =>
        catalog.Command(
            """
            INSERT INTO tier_usage AS u (tier, day, bytes, objects, looked_at) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (tier, day) DO UPDATE SET bytes = $3, objects = $4, looked_at = $5 WHERE u.looked_at <= $5
            """, tier, DateOnly.FromDateTime(at.UtcDateTime), bytes, objects, at.ToUniversalTime()).RunAsync(cancellationToken);

    private static IReadOnlyList<string> Names(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.ValueKind == JsonValueKind.Array
            ? [.. document.RootElement.EnumerateArray().Select(one => one.ValueKind == JsonValueKind.String ? one.GetString()! : one.GetRawText())]
            : [];
    }
}
