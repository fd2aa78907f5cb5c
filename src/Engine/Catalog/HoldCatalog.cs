using Hexabase.DrConsole.Engine.Audit;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>A hold on a restore point.</summary>
/// <param name="Until">When it ends by itself, or null.</param>
/// <param name="ReleasedBy">Who ended it, or null while it stands.</param>
/// <param name="ReleaseId">Names the release in the tiers.</param>
public sealed record HoldRow(
    Guid Id, string RestorePoint, string Reason, string PlacedBy, DateTimeOffset PlacedAt, DateTimeOffset? Until, string? ReleasedBy, DateTimeOffset? ReleasedAt,
    Guid? ReleaseId)
{
    /// <summary>True while it keeps the point.</summary>
    public bool IsStanding(DateTimeOffset now) => ReleasedAt is null && (Until is null || Until > now);
}

/// <summary>Holds as the catalog knows them; each change is one transaction with its audit event.</summary>
public sealed class HoldCatalog(NpgsqlDataSource catalog)
{
    /// <summary>SQL that is true for a hold <c>h</c> that stands.</summary>
    internal const string Standing = "h.released_at IS NULL AND (h.until IS NULL OR h.until > clock_timestamp())";

    private const string Columns = "h.id, h.restore_point, h.reason, h.placed_by, h.placed_at, h.until, h.released_by, h.released_at, h.release_id";

    /// <summary>Writes a hold down.</summary>
    /// <exception cref="EngineException">The reason is missing or too long, the end lies in the past, or the point is no more.</exception>
    public async Task<HoldRow> PlaceAsync(
        RestorePointRow point, string reason, DateTimeOffset? until, string actor, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(point);
        var text = Reason(reason);
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var living = await transaction.Command(
            "SELECT ($2::timestamptz IS NULL OR $2 > clock_timestamp()) FROM restore_point WHERE id = $1 AND expired_at IS NULL FOR SHARE", point.Id, until?.ToUniversalTime())
            .FirstAsync(row => (object)row.GetBoolean(0), cancellationToken);
        if (living is not true)
        {
            throw living is null
                ? new EngineException("restore-point-expired", ErrorKind.NotFound, $"restore point {point.PointId.Short} has expired", "Hold another one.")
                : new EngineException("hold-in-the-past", ErrorKind.Input, $"a hold until {until:O} has ended already", "Name a time in the future, or none.");
        }

        var hold = await transaction.Command(
            $"INSERT INTO hold AS h (id, restore_point, reason, placed_by, until) VALUES ($1, $2, $3, $4, $5) RETURNING {Columns}",
            Guid.CreateVersion7(), point.Id, text, actor, until?.ToUniversalTime()).FirstAsync(Map, cancellationToken);
        await AuditLog.AppendAsync(transaction, actor, "hold.placed", point.Id, new { hold = hold!.Id, reason = text, until, point.Source }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return hold;
    }

    /// <summary>Ends a hold; null where it has ended already.</summary>
    public async Task<HoldRow?> ReleaseAsync(Guid id, string reason, string actor, CancellationToken cancellationToken)
    {
        var text = Reason(reason);
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var hold = await transaction.Command(
            $"UPDATE hold AS h SET released_by = $2, released_at = clock_timestamp(), release_reason = $3, release_id = $4 WHERE id = $1 AND released_at IS NULL RETURNING {Columns}",
            id, actor, text, Guid.CreateVersion7()).FirstAsync(Map, cancellationToken);
        if (hold is not null)
        {
            await AuditLog.AppendAsync(transaction, actor, "hold.released", hold.RestorePoint, new { hold = id, reason = text }, cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }

        return hold;
    }

    /// <summary>All holds of a point, newest first.</summary>
    public Task<IReadOnlyList<HoldRow>> OfAsync(string restorePoint, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM hold h WHERE h.restore_point = $1 ORDER BY h.placed_at DESC", restorePoint).ListAsync(Map, cancellationToken);

    /// <summary>Holds on the points of a workspace that a tier has, released ones too: the tier may not know yet.</summary>
    public Task<IReadOnlyList<HoldRow>> OfTierAsync(string tier, string workspace, CancellationToken cancellationToken) =>
        catalog.Command(
            $"""
            SELECT {Columns} FROM hold h JOIN restore_point p ON p.id = h.restore_point JOIN restore_point_tier t ON t.restore_point = p.id
            WHERE p.workspace = $2 AND t.tier = $1 AND t.state <> 'behind' ORDER BY h.placed_at
            """, tier, workspace).ListAsync(Map, cancellationToken);

    private static string Reason(string reason)
    {
        var text = (reason ?? "").Trim();
        return text.Length is >= 1 and <= 500
            ? text
            : throw new EngineException("reason-missing", ErrorKind.Input, "a reason of 1 to 500 characters is needed", "Say why, so that whoever finds it later can judge it.");
    }

    private static HoldRow Map(NpgsqlDataReader row) => new(
        row.GetGuid(0), row.GetString(1), row.GetString(2), row.GetString(3), row.Time(4), row.TimeOrNull(5), row.TextOrNull(6), row.TimeOrNull(7),
        row.IsDBNull(8) ? null : row.GetGuid(8));
}
