using System.Globalization;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Strategies.Retention;
using Npgsql;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>A restore point as the catalog holds it.</summary>
/// <param name="Id">32 hex digits.</param>
/// <param name="CreatedAt">When its content was true.</param>
/// <param name="CompletedAt">When its manifest was stored.</param>
/// <param name="Bytes">Size of its artifacts.</param>
/// <param name="StoredBytes">What it added to the first tier.</param>
public sealed record RestorePointRow(
    string Id, string Source, string Kind, string Class, string Workspace, DateTimeOffset CreatedAt, DateTimeOffset CompletedAt,
    long Bytes, long StoredBytes, string ArtifactsJson, string? FactsJson, string PropertiesJson, long? RunId)
{
    /// <summary>When the last tier gave it up; null while one holds it.</summary>
    public DateTimeOffset? ExpiredAt { get; init; }

    /// <summary>The typed id.</summary>
    public RestorePointId PointId => new(Id);

    /// <summary>How it was taken; null where it does not say.</summary>
    public string? Strategy => Property("strategy");

    /// <summary>Of a base backup the cluster; null for others.</summary>
    public string? SystemIdentifier => Property("systemIdentifier");

    private string? Property(string name) => JsonElement.Parse(PropertiesJson).TryGetProperty(name, out var value) ? value.GetString() : null;
}

/// <summary>Where one tier stands with a restore point.</summary>
/// <param name="State"><c>stored</c> (not read back yet), <c>verified</c>, <c>damaged</c> or <c>behind</c>.</param>
public sealed record RestorePointTierRow(string RestorePoint, string Tier, string State, DateTimeOffset StoredAt, DateTimeOffset? VerifiedAt, string? Detail);

/// <summary>That a tier gave a restore point up.</summary>
public sealed record PointExpiry(string Tier, DateTimeOffset At, string Reason);

/// <summary>A validation that ended.</summary>
/// <param name="StepsJson">JSON array of the five steps.</param>
/// <param name="RestoreSeconds">Measured time of the restore, where step five ran.</param>
/// <param name="NotProvable">True where nothing failed but a step cannot be proven on this machine.</param>
public sealed record ValidationRow(
    long Id, string RestorePoint, long? RunId, string Tier, bool Passed, string StepsJson, string? ComparisonJson,
    double? RestoreSeconds, string? IsolationJson, DateTimeOffset ValidatedAt, bool NotProvable);

/// <summary>A validation to record.</summary>
public sealed record NewValidation(
    string RestorePoint, long RunId, string Tier, bool Passed, string StepsJson, string? ComparisonJson, double? RestoreSeconds, string? IsolationJson, DateTimeOffset ValidatedAt);

/// <summary>The catalog's cache of restore points and validations; the repositories hold the truth.</summary>
public sealed class RestorePointCatalog(NpgsqlDataSource catalog)
{
    /// <summary>How the newest restore point of a source was taken; null where there is none, or where it does not say.</summary>
    public Task<string?> NewestStrategyAsync(string source, CancellationToken cancellationToken) =>
        catalog.Command("SELECT properties->>'strategy' FROM restore_point WHERE source = $1 AND properties ? 'strategy' ORDER BY created_at DESC LIMIT 1", source)
            .FirstAsync(row => row.GetString(0), cancellationToken);

    private const string Columns =
        "id, source, kind, class, workspace, created_at, completed_at, bytes, stored_bytes, artifacts::text, facts::text, properties::text, run_id, expired_at";

    /// <summary>The living restore point of that id or unique beginning of an id.</summary>
    /// <exception cref="EngineException">None, or several, begin so; or it has expired.</exception>
    public async Task<RestorePointRow> ResolveAsync(string id, CancellationToken cancellationToken)
    {
        var one = await FindAsync(id, cancellationToken);
        return one.ExpiredAt is { } expired
            ? throw new EngineException("restore-point-expired", ErrorKind.NotFound,
                $"restore point {one.PointId.Short} of {one.Source} expired at {expired:yyyy-MM-dd HH:mm} UTC: retention kept it no longer", "Choose another one; a hold keeps a point beyond its time.")
            : one;
    }

    /// <summary>The restore point of that id or unique beginning of an id, expired ones too.</summary>
    /// <exception cref="EngineException">None, or several, begin so.</exception>
    public async Task<RestorePointRow> FindAsync(string id, CancellationToken cancellationToken)
    {
        var isHex = id.Length is > 0 and <= 32 && id.All(char.IsAsciiHexDigitLower);
        var found = isHex
            ? await catalog.Command($"SELECT {Columns} FROM restore_point WHERE id >= $1 AND id < $1 || 'g' ORDER BY id LIMIT 3", id).ListAsync(Map, cancellationToken)
            : [];
        return found switch
        {
            [var one] => one,
            [] => throw new EngineException("restore-point-unknown", ErrorKind.NotFound, $"there is no restore point '{id}'", "List them with: drconsole restore-points"),
            _ => throw new EngineException("restore-point-ambiguous", ErrorKind.Input, $"several restore points begin with '{id}'", "Give more digits of the id."),
        };
    }

    /// <summary>Newest first; a null source means all.</summary>
    public Task<IReadOnlyList<RestorePointRow>> ListAsync(string? source, int limit, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM restore_point WHERE ($1::text IS NULL OR source = $1) AND expired_at IS NULL ORDER BY created_at DESC, id LIMIT $2", source, limit)
            .ListAsync(Map, cancellationToken);

    /// <summary>
    /// What a source may be put back from, newest first: the few newest, so that whoever looks sees why they do not do, and those that were
    /// complete before a moment, however many have been made since.
    /// </summary>
    /// <param name="strategy">Only points that were made so; null: however they were made.</param>
    /// <param name="before">The moment; null: none is too new.</param>
    /// <param name="limit">So many at most.</param>
    public Task<IReadOnlyList<RestorePointRow>> CandidatesAsync(string source, string? strategy, DateTimeOffset? before, int limit, CancellationToken cancellationToken) =>
        catalog.Command(
            $"""
            SELECT {Columns} FROM restore_point p WHERE source = $1 AND expired_at IS NULL AND ($2::text IS NULL OR properties->>'strategy' = $2)
              AND ($3::timestamptz IS NULL OR completed_at < $3 OR id IN (
                SELECT n.id FROM restore_point n WHERE n.source = $1 AND n.expired_at IS NULL AND ($2::text IS NULL OR n.properties->>'strategy' = $2) ORDER BY n.created_at DESC, n.id LIMIT 10))
            ORDER BY created_at DESC, id LIMIT $4
            """, source, strategy, before?.ToUniversalTime(), limit).ListAsync(Map, cancellationToken);

    /// <summary>The tiers that hold a point.</summary>
    public Task<IReadOnlyList<RestorePointTierRow>> TiersAsync(string restorePoint, CancellationToken cancellationToken) =>
        catalog.Command("SELECT restore_point, tier, state, stored_at, verified_at, detail FROM restore_point_tier WHERE restore_point = $1 ORDER BY stored_at", restorePoint)
            .ListAsync(MapTier, cancellationToken);

    /// <summary>How far the WAL of a source's cluster is stored in the tier that had most of it when the receiver said so last; null where none did.</summary>
    public async Task<(uint Timeline, ulong Until)?> FurthestWalAsync(string source, string systemIdentifier, CancellationToken cancellationToken)
    {
        var found = await catalog.Command(
            """
            SELECT timeline, durable_lsn FROM wal_tier WHERE source = $1 AND system_identifier = $2 AND timeline IS NOT NULL AND durable_lsn IS NOT NULL
            ORDER BY timeline DESC, durable_lsn DESC LIMIT 1
            """, source, systemIdentifier).ListAsync(row => ((uint)row.GetInt64(0), (ulong)row.GetFieldValue<NpgsqlLogSequenceNumber>(1)), cancellationToken);
        return found is [var one] ? one : null;
    }

    /// <summary>When each tier gave a point up, and why, as the audit has it; oldest first.</summary>
    public Task<IReadOnlyList<PointExpiry>> ExpiriesAsync(string restorePoint, CancellationToken cancellationToken) =>
        catalog.Command(
            """
            SELECT e.subject, e.at, p ->> 'reason' FROM audit_event e, jsonb_array_elements(e.details::jsonb -> 'points') p
            WHERE e.action = 'points.expired' AND p ->> 'id' = $1 ORDER BY e.seq
            """, restorePoint).ListAsync(row => new PointExpiry(row.GetString(0), row.Time(1), row.GetString(2)), cancellationToken);

    /// <summary>SQL that is true where retention of the source <c>p.source</c> is frozen: corruption of it is suspected or confirmed.</summary>
    internal const string Frozen = "EXISTS (SELECT 1 FROM incident i WHERE i.kind = 'DATABASE_CORRUPTION' AND i.state <> 'resolved' AND p.source = ANY (i.sources))";

    /// <summary>SQL of what the newest validation of the point <c>p</c> says that could run: <c>passed</c>. One that could not says nothing of it.</summary>
    internal const string Verdict =
        "SELECT v.passed FROM validation v WHERE v.restore_point = p.id AND NOT v.not_provable ORDER BY v.validated_at DESC, v.id DESC LIMIT 1";

    /// <summary>SQL that is true where the point <c>p</c> is on hold.</summary>
    internal const string Held = $"EXISTS (SELECT 1 FROM hold h WHERE h.restore_point = p.id AND {HoldCatalog.Standing})";

    /// <summary>SQL that is true where a run that has not ended needs the point <c>p</c>.</summary>
    internal const string InUse =
        "EXISTS (SELECT 1 FROM run r JOIN run_source o ON o.run_id = r.id WHERE o.restore_point = p.id AND r.state IN ('queued', 'running', 'waiting', 'needs_decision'))";

    /// <summary>
    /// SQL of the runs for whose sake the WAL behind the base backup <c>p</c> stays: those that need the point and have not ended, but
    /// for one that never began and whose approval is expired. That one waits until somebody asks again, which may be never.
    /// </summary>
    private const string UsedBy =
        """
        ARRAY (SELECT 'R-' || r.id FROM run r JOIN run_source o ON o.run_id = r.id
          WHERE o.restore_point = p.id AND r.state IN ('queued', 'running', 'waiting', 'needs_decision')
            AND NOT (r.state = 'waiting' AND NOT EXISTS (SELECT FROM recovery_step s WHERE s.run_id = r.id AND s.started_at IS NOT NULL)
              AND coalesce((SELECT g.state = 'expired' OR (g.state = 'open' AND g.approve_until < clock_timestamp())
                  OR (g.state = 'granted' AND g.granted_at + g.execute_within < clock_timestamp())
                FROM approval_gate g WHERE g.run_id = r.id ORDER BY g.id DESC LIMIT 1), false)) ORDER BY r.id)
        """;

    /// <summary>The sources whose retention is frozen: of their points and WAL nothing may be given up.</summary>
    public async Task<IReadOnlySet<string>> FrozenSourcesAsync(CancellationToken cancellationToken) =>
        (await catalog.Command("SELECT DISTINCT unnest(sources) FROM incident WHERE kind = 'DATABASE_CORRUPTION' AND state <> 'resolved'")
            .ListAsync(row => row.GetString(0), cancellationToken)).ToHashSet();

    /// <summary>All living points of some sources as retention sees them, grouped by source. A validation that could not run says nothing of a point, and takes no older proof away.</summary>
    public async Task<ILookup<string, RetainedPoint>> RetainedAsync(string[] sources, CancellationToken cancellationToken)
    {
        var rows = await catalog.Command(
            $"""
            SELECT p.source, p.id, p.created_at, coalesce(last.passed, false), {Held}, {InUse},
              ARRAY (SELECT t.tier FROM restore_point_tier t WHERE t.restore_point = p.id AND t.state <> 'behind'),
              EXISTS (SELECT 1 FROM wal_receiver r WHERE r.source = p.source AND r.system_identifier = p.properties->>'systemIdentifier'), {Frozen},
              ARRAY (SELECT t.tier FROM restore_point_tier t WHERE t.restore_point = p.id AND t.state = 'damaged'), coalesce(NOT last.passed, false),
              p.properties->>'strategy', p.properties->>'consistentAt', p.completed_at, p.properties->>'timeline', p.properties->>'startLsn', p.properties->>'stopLsn',
              p.properties->>'lineage', {UsedBy}
            FROM restore_point p
            LEFT JOIN LATERAL ({Verdict}) last ON true
            WHERE p.source = ANY ($1) AND p.expired_at IS NULL
            """, (object)sources).ListAsync(MapRetained, cancellationToken);
        return rows.ToLookup(row => row.Source, row => row.Point);
    }

    /// <summary>The workspaces of whose restore points a tier holds any.</summary>
    public Task<IReadOnlyList<string>> WorkspacesAsync(string tier, CancellationToken cancellationToken) =>
        catalog.Command(
            "SELECT DISTINCT p.workspace FROM restore_point p JOIN restore_point_tier t ON t.restore_point = p.id WHERE t.tier = $1 ORDER BY 1", tier)
            .ListAsync(row => row.GetString(0), cancellationToken);

    /// <summary>The living restore points of a workspace that were stored in a tier, damaged ones too.</summary>
    public async Task<IReadOnlyList<RestorePointId>> StoredInAsync(string tier, string workspace, CancellationToken cancellationToken) =>
        await catalog.Command(
            """
            SELECT p.id FROM restore_point p JOIN restore_point_tier t ON t.restore_point = p.id
            WHERE t.tier = $1 AND p.workspace = $2 AND t.state <> 'behind' AND p.expired_at IS NULL ORDER BY p.created_at, p.id
            """, tier, workspace).ListAsync(row => new RestorePointId(row.GetString(0)), cancellationToken);

    /// <summary>The workspaces of which a tier holds a living restore point that is known to be damaged there.</summary>
    public Task<IReadOnlyList<string>> DamagedWorkspacesAsync(string tier, CancellationToken cancellationToken) =>
        catalog.Command(
            """
            SELECT DISTINCT p.workspace FROM restore_point p JOIN restore_point_tier t ON t.restore_point = p.id
            WHERE t.tier = $1 AND t.state = 'damaged' AND p.expired_at IS NULL ORDER BY 1
            """, tier).ListAsync(row => row.GetString(0), cancellationToken);

    /// <summary>The workspaces that have living restore points.</summary>
    public Task<IReadOnlyList<string>> WorkspacesAsync(CancellationToken cancellationToken) =>
        catalog.Command("SELECT DISTINCT workspace FROM restore_point WHERE expired_at IS NULL ORDER BY 1").ListAsync(row => row.GetString(0), cancellationToken);

    /// <summary>Living restore points by their full ids, oldest first, without those whose backup run is still at work on them.</summary>
    public Task<IReadOnlyList<RestorePointRow>> CompleteAsync(string[] ids, CancellationToken cancellationToken) =>
        catalog.Command(
            $"""
            SELECT {Columns} FROM restore_point p WHERE id = ANY ($1) AND expired_at IS NULL
              AND NOT EXISTS (SELECT 1 FROM run r WHERE r.id = p.run_id AND r.state IN ('queued', 'running', 'waiting', 'needs_decision')) ORDER BY created_at, id
            """, (object)ids).ListAsync(Map, cancellationToken);

    /// <summary>The sources of a workspace that have living restore points, each with the class of its newest.</summary>
    public Task<IReadOnlyList<(string Name, string Class)>> SourcesOfAsync(string workspace, CancellationToken cancellationToken) =>
        catalog.Command(
            "SELECT DISTINCT ON (source) source, class FROM restore_point WHERE workspace = $1 AND expired_at IS NULL ORDER BY source, created_at DESC", workspace)
            .ListAsync(row => (row.GetString(0), row.GetString(1)), cancellationToken);

    /// <summary>The tiers that hold any of these points.</summary>
    public Task<IReadOnlyList<RestorePointTierRow>> TiersOfAsync(string[] points, CancellationToken cancellationToken) =>
        catalog.Command("SELECT restore_point, tier, state, stored_at, verified_at, detail FROM restore_point_tier WHERE restore_point = ANY ($1) ORDER BY stored_at", (object)points)
            .ListAsync(MapTier, cancellationToken);

    /// <summary>Restore points of a workspace that a tier could not take when they were made, oldest first.</summary>
    public Task<IReadOnlyList<RestorePointRow>> BehindAsync(string tier, string workspace, CancellationToken cancellationToken) =>
        catalog.Command(
            $"""
            SELECT {Columns} FROM restore_point WHERE workspace = $2 AND expired_at IS NULL
              AND id IN (SELECT restore_point FROM restore_point_tier WHERE tier = $1 AND state = 'behind') ORDER BY created_at
            """, tier, workspace).ListAsync(Map, cancellationToken);

    /// <summary>The last validation of each of these points that has one.</summary>
    public Task<IReadOnlyList<ValidationRow>> LastValidationsOfAsync(string[] points, CancellationToken cancellationToken) => LastOfAsync(points, "true", cancellationToken);

    /// <summary>The last validation of each of these points that could run: one that could not says nothing of the point, and takes no verdict away.</summary>
    public Task<IReadOnlyList<ValidationRow>> LastVerdictsOfAsync(string[] points, CancellationToken cancellationToken) => LastOfAsync(points, "NOT not_provable", cancellationToken);

    private Task<IReadOnlyList<ValidationRow>> LastOfAsync(string[] points, string condition, CancellationToken cancellationToken) =>
        catalog.Command(
            $"SELECT DISTINCT ON (restore_point) {ValidationColumns} FROM validation WHERE restore_point = ANY ($1) AND {condition} ORDER BY restore_point, validated_at DESC, id DESC", (object)points)
            .ListAsync(MapValidation, cancellationToken);

    /// <summary>Validations of a point, newest first.</summary>
    public Task<IReadOnlyList<ValidationRow>> ValidationsAsync(string restorePoint, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {ValidationColumns} FROM validation WHERE restore_point = $1 ORDER BY validated_at DESC, id DESC", restorePoint)
            .ListAsync(MapValidation, cancellationToken);

    /// <summary>Records a restore point. Repeatable: a resumed run, or a rebuild, may find it there already.</summary>
    public static Task RecordAsync(NpgsqlTransaction transaction, Manifest manifest, long? runId, CancellationToken cancellationToken) =>
        transaction.Command(
            """
            INSERT INTO restore_point (id, source, kind, class, workspace, created_at, completed_at, bytes, stored_bytes, artifacts, facts, properties, run_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (id) DO NOTHING
            """,
            manifest.Id.Value, manifest.Source, manifest.Kind, manifest.Class ?? "standard", manifest.Workspace ?? "default", manifest.CreatedAt.ToUniversalTime(), manifest.CompletedAt.ToUniversalTime(),
            manifest.Bytes, manifest.StoredBytes, Json(manifest.Artifacts), new Jsonb(manifest.Facts?.GetRawText()), Json(manifest.Properties), runId).RunAsync(cancellationToken);

    /// <summary>Records where a tier stands with a point. One that expired while it was copied is living again: retention must see it, to give it up there too.</summary>
    public static Task RecordTierAsync(
        NpgsqlTransaction transaction, RestorePointId point, string tier, string state, string? detail, CancellationToken cancellationToken) =>
        transaction.Command(
            """
            WITH back AS (UPDATE restore_point SET expired_at = NULL WHERE id = $1 AND $3 = 'stored' AND expired_at IS NOT NULL)
            INSERT INTO restore_point_tier (restore_point, tier, state, stored_at, verified_at, detail)
            VALUES ($1, $2, $3, clock_timestamp(), CASE WHEN $3 = 'verified' THEN clock_timestamp() END, $4)
            ON CONFLICT (restore_point, tier) DO UPDATE SET state = $3, detail = $4,
              verified_at = CASE WHEN $3 = 'verified' THEN clock_timestamp() ELSE restore_point_tier.verified_at END
            """, point.Value, tier, state, detail).RunAsync(cancellationToken);

    /// <summary>Notes that a point cannot be read in a tier; of a tier that does not hold it nothing is noted.</summary>
    public Task MarkDamagedAsync(RestorePointId point, string tier, string detail, CancellationToken cancellationToken) =>
        catalog.Command("UPDATE restore_point_tier SET state = 'damaged', detail = $3 WHERE restore_point = $1 AND tier = $2 AND state <> 'behind'", point.Value, tier, detail)
            .RunAsync(cancellationToken);

    /// <summary>
    /// Records that a tier gave points up. One that no tier holds any more has expired; its row stays, since its validations are
    /// measured restore times.
    /// </summary>
    public static async Task ExpireAsync(NpgsqlTransaction transaction, string tier, string[] points, CancellationToken cancellationToken)
    {
        await transaction.Command("DELETE FROM restore_point_tier WHERE tier = $1 AND restore_point = ANY ($2)", tier, points).RunAsync(cancellationToken);
        await transaction.Command(
            """
            UPDATE restore_point p SET expired_at = clock_timestamp() WHERE id = ANY ($1) AND expired_at IS NULL
              AND NOT EXISTS (SELECT 1 FROM restore_point_tier t WHERE t.restore_point = p.id AND t.state <> 'behind')
            """, (object)points).RunAsync(cancellationToken);
    }

    /// <summary>Says in the audit that a tier gave points up, and why each.</summary>
    public static Task AuditExpiredAsync(
        NpgsqlTransaction transaction, string tier, string workspace, string[] points, IReadOnlyDictionary<string, string> reasons, CancellationToken cancellationToken) =>
        AuditLog.AppendAsync(
            transaction, "engine", "points.expired", tier, new { workspace, points = points.Select(id => new { id, reason = reasons[id] }) }, cancellationToken);

    /// <summary>Claims points that a tier is about to give up; those that are on hold, in use or of a frozen source by now are left out.</summary>
    /// <param name="reasons">Why each goes, by its id; for the audit.</param>
    public async Task<IExpiryClaim> ClaimAsync(
        string tier, string workspace, IReadOnlyDictionary<string, string> reasons, IReadOnlyList<RestorePointId> going, CancellationToken cancellationToken) =>
        await ExpiryClaim.TakeAsync(catalog, tier, workspace, reasons, going, cancellationToken);

    /// <summary>Forgets copies that a tier missed of points that have expired meanwhile: nobody shall fetch them any more.</summary>
    public static Task DropUnwantedCopiesAsync(NpgsqlTransaction transaction, string tier, string workspace, CancellationToken cancellationToken) =>
        transaction.Command(
            """
            DELETE FROM restore_point_tier t USING restore_point p
            WHERE p.id = t.restore_point AND t.tier = $1 AND t.state = 'behind' AND p.workspace = $2 AND p.expired_at IS NOT NULL
            """, tier, workspace).RunAsync(cancellationToken);

    /// <summary>Records a validation that ended.</summary>
    public static Task RecordValidationAsync(NpgsqlTransaction transaction, NewValidation validation, CancellationToken cancellationToken) =>
        transaction.Command(
            """
            INSERT INTO validation (restore_point, run_id, tier, passed, steps, comparison, restore_seconds, isolation, validated_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            """,
            validation.RestorePoint, validation.RunId, validation.Tier, validation.Passed, new Jsonb(validation.StepsJson), new Jsonb(validation.ComparisonJson),
            validation.RestoreSeconds, new Jsonb(validation.IsolationJson), validation.ValidatedAt.ToUniversalTime()).RunAsync(cancellationToken);

    internal const string ValidationColumns =
        "id, restore_point, run_id, tier, passed, steps::text, comparison::text, restore_seconds, isolation::text, validated_at, not_provable";

    internal static ValidationRow MapValidation(NpgsqlDataReader row) => new(
        row.GetInt64(0), row.GetString(1), row.LongOrNull(2), row.GetString(3), row.GetBoolean(4), row.GetString(5),
        row.TextOrNull(6), row.DoubleOrNull(7), row.TextOrNull(8), row.Time(9), row.GetBoolean(10));

    private static Jsonb Json<T>(T value) => new(JsonSerializer.Serialize(value, JsonSerializerOptions.Web));

    private static RestorePointRow Map(NpgsqlDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4), row.Time(5), row.Time(6),
        row.GetInt64(7), row.GetInt64(8), row.GetString(9), row.TextOrNull(10), row.GetString(11), row.LongOrNull(12)) { ExpiredAt = row.TimeOrNull(13) };

    private static (string Source, RetainedPoint Point) MapRetained(NpgsqlDataReader row) => (
        row.GetString(0),
        new RetainedPoint(row.GetString(1), row.Time(2), row.GetBoolean(3))
        {
            IsHeld = row.GetBoolean(4),
            IsInUse = row.GetBoolean(5),
            Tiers = row.GetFieldValue<string[]>(6),
            IsBase = row.GetBoolean(7),
            IsFrozen = row.GetBoolean(8),
            DamagedIn = row.GetFieldValue<string[]>(9),
            HasFailed = row.GetBoolean(10),
            Strategy = row.TextOrNull(11),
            UsedBy = row.GetFieldValue<string[]>(18),
            // As RecoveryPath has it of the manifest: old base backups say only when they were complete.
            ConsistentAt = row.TextOrNull(12) is { } text ? DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind) : row.Time(13),
            Place = row.TextOrNull(14) is { } timeline && row.TextOrNull(15) is { } start && row.TextOrNull(16) is { } stop
                ? new TimelinePlace(Lsn.Parse(start).Value, Lsn.Parse(stop).Value, LineOf(uint.Parse(timeline, CultureInfo.InvariantCulture), row.TextOrNull(17))) : null,
        });

    /// <summary>As a base backup wrote it down: <c>1@0/3000000 2@0/6000000</c>.</summary>
    private static List<TimelinePart> LineOf(uint timeline, string? lineage)
    {
        var line = new List<TimelinePart>();
        foreach (var part in lineage?.Split(' ') ?? [])
        {
            var at = part.IndexOf('@', StringComparison.Ordinal);
            line.Add(new TimelinePart(uint.Parse(part.AsSpan(0, at), CultureInfo.InvariantCulture), line is [.., var last] ? last.EndLsn : 0, Lsn.Parse(part[(at + 1)..]).Value));
        }

        return [.. line, new TimelinePart(timeline, line is [.., var parent] ? parent.EndLsn : 0, ulong.MaxValue)];
    }

    private static RestorePointTierRow MapTier(NpgsqlDataReader row) =>
        new(row.GetString(0), row.GetString(1), row.GetString(2), row.Time(3), row.TimeOrNull(4), row.TextOrNull(5));
}
