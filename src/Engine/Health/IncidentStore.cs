using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>Which incidents to list; what is null does not filter.</summary>
public sealed record IncidentFilter(string? Source = null, DisasterKind? Kind = null, IncidentState? State = null);

/// <summary>
/// The incidents in the catalog. The health monitor opens and resolves them; people acknowledge them, and a person or a recovery
/// closes those of corruption. Each change is one transaction with its audit event, and is told on
/// <see cref="IncidentFeed.Channel"/>.
/// </summary>
public sealed class IncidentStore(NpgsqlDataSource catalog)
{
    internal const string Columns =
        "i.id, i.kind, i.sources, i.state, i.first_evidence_at, i.confirmed_at, i.evidence::text, i.tiers, i.suspected_at, i.resolved_at, i.resolution, i.acknowledged_by, i.acknowledged_at, i.note";

    private const int LongestNote = 500;

    /// <summary>Newest first.</summary>
    public Task<IReadOnlyList<Incident>> ListAsync(IncidentFilter filter, int limit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(filter);
        return catalog.Command(
            $"""
            SELECT {Columns} FROM incident i
            WHERE ($1::text IS NULL OR $1 = ANY (i.sources)) AND ($2::text IS NULL OR i.kind = $2) AND ($3::text IS NULL OR i.state = $3)
            ORDER BY i.id DESC LIMIT $4
            """, filter.Source, filter.Kind?.ToName(), filter.State is { } state ? Text(state) : null, limit).ListAsync(Map, cancellationToken);
    }

    /// <summary>Those that are not resolved, confirmed ones first, then by kind, then the oldest first.</summary>
    public async Task<IReadOnlyList<Incident>> OpenAsync(CancellationToken cancellationToken) =>
        Ordered(await catalog.Command($"SELECT {Columns} FROM incident i WHERE i.state <> 'resolved'").ListAsync(Map, cancellationToken));

    /// <summary>The incident, or null.</summary>
    public Task<Incident?> FindAsync(IncidentId id, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM incident i WHERE i.id = $1", id.Value).FirstAsync(Map, cancellationToken);

    /// <summary>What happened to it, oldest first.</summary>
    public Task<IReadOnlyList<IncidentEvent>> EventsAsync(IncidentId id, CancellationToken cancellationToken) =>
        catalog.Command("SELECT at, what, actor, text FROM incident_event WHERE incident = $1 ORDER BY id", id.Value)
            .ListAsync(row => new IncidentEvent(row.Time(0), row.GetString(1), row.GetString(2), row.TextOrNull(3)), cancellationToken);

    /// <summary>The open corruption that freezes a source's retention, or null; of several the one whose evidence is the oldest.</summary>
    public Task<Incident?> FreezingAsync(string source, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM incident i WHERE i.kind = 'DATABASE_CORRUPTION' AND i.state <> 'resolved' AND $1 = ANY (i.sources) ORDER BY i.first_evidence_at, i.id LIMIT 1", source)
            .FirstAsync(Map, cancellationToken);

    /// <summary>Notes that a person has seen it.</summary>
    /// <param name="note">What that person has to say, or empty.</param>
    /// <exception cref="EngineException">Code <c>incident-unknown</c>, <c>incident-acknowledged</c>, or a note that is too long.</exception>
    public async Task AcknowledgeAsync(IncidentId id, string note, string actor, CancellationToken cancellationToken)
    {
        var text = Note(note);
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var changed = await transaction.Command(
            "UPDATE incident SET acknowledged_by = $2, acknowledged_at = clock_timestamp(), note = $3 WHERE id = $1 AND acknowledged_by IS NULL", id.Value, actor, text).RunAsync(cancellationToken);
        if (changed == 0)
        {
            throw await RefusalAsync(id, "incident-acknowledged", "has been acknowledged already", cancellationToken);
        }

        await TellAsync(transaction, id, "acknowledged", actor, text, new { note = text }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>
    /// Closes an incident: what caused it is dealt with. Of corruption the counters that rose are taken as they are now and retention
    /// goes on; a new sign opens a new incident.
    /// </summary>
    /// <param name="reason">Why; 1 to 500 characters.</param>
    /// <exception cref="EngineException">Code <c>incident-unknown</c>, <c>incident-resolved</c>, or no reason.</exception>
    public async Task CloseAsync(IncidentId id, string reason, string actor, CancellationToken cancellationToken)
    {
        var text = Note(reason) ?? throw new EngineException(
            "reason-missing", ErrorKind.Input, "a reason of 1 to 500 characters is needed", "Say how it was dealt with, so that whoever finds it later can judge it.");
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var closed = await transaction.Command(
            "UPDATE incident SET state = 'resolved', resolved_at = clock_timestamp(), resolution = 'closed' WHERE id = $1 AND state <> 'resolved' RETURNING sources, kind", id.Value)
            .FirstAsync(row => new Closed(row.GetFieldValue<string[]>(0), DisasterKinds.Parse(row.GetString(1)) == DisasterKind.DatabaseCorruption), cancellationToken);
        if (closed is null)
        {
            throw await RefusalAsync(id, "incident-resolved", "is resolved already", cancellationToken);
        }

        if (closed.WasCorrupt)
        {
            // Of an outage alone: what the counters count may be news yet.
            await transaction.Command("DELETE FROM health_baseline WHERE subject = ANY ($1)", (object)closed.Sources.Select(name => "source/" + name).ToArray()).RunAsync(cancellationToken);
        }

        await TellAsync(transaction, id, "closed", actor, text, new { reason = text, sources = closed.Sources }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>Writes an event of an incident: its timeline, the notification, the audit. Call it last in a transaction.</summary>
    internal static async Task TellAsync(
        NpgsqlTransaction transaction, IncidentId id, string what, string actor, string? text, object details, CancellationToken cancellationToken)
    {
        await transaction.Command("INSERT INTO incident_event (incident, at, what, actor, text) VALUES ($1, clock_timestamp(), $2, $3, $4)", id.Value, what, actor, text)
            .RunAsync(cancellationToken);
        await transaction.Command("SELECT pg_notify($1, $2)", IncidentFeed.Channel, id.Value.ToString(System.Globalization.CultureInfo.InvariantCulture)).RunAsync(cancellationToken);
        await IncidentNotices.WriteAsync(transaction, id, what, actor, text, cancellationToken);
        await AuditLog.AppendAsync(transaction, actor, $"incident.{what}", id.ToString(), details, cancellationToken);
    }

    internal static IReadOnlyList<Incident> Ordered(IEnumerable<Incident> incidents) =>
        [.. incidents.OrderByDescending(incident => incident.State == IncidentState.Confirmed).ThenBy(incident => incident.Kind).ThenBy(incident => incident.Id.Value)];

    internal static string Text(IncidentState state) => state switch
    {
        IncidentState.Suspected => "suspected",
        IncidentState.Confirmed => "confirmed",
        _ => "resolved",
    };

    internal static Incident Map(NpgsqlDataReader row) => new(
        new IncidentId(row.GetInt64(0)), DisasterKinds.Parse(row.GetString(1)) ?? DisasterKind.Unknown, row.GetFieldValue<string[]>(2), State(row.GetString(3)), row.Time(4),
        row.TimeOrNull(5), row.GetString(6))
    {
        Tiers = row.GetFieldValue<string[]>(7),
        SuspectedAt = row.Time(8),
        ResolvedAt = row.TimeOrNull(9),
        Resolution = row.TextOrNull(10),
        AcknowledgedBy = row.TextOrNull(11),
        AcknowledgedAt = row.TimeOrNull(12),
        Note = row.TextOrNull(13),
    };

    private static IncidentState State(string text) => text switch
    {
        "suspected" => IncidentState.Suspected,
        "confirmed" => IncidentState.Confirmed,
        _ => IncidentState.Resolved,
    };

    private static string? Note(string note)
    {
        var text = (note ?? "").Trim();
        return text.Length switch
        {
            0 => null,
            <= LongestNote => text,
            _ => throw new EngineException("note-too-long", ErrorKind.Input, $"the note has {text.Length} characters", $"Write at most {LongestNote}."),
        };
    }

    private sealed record Closed(string[] Sources, bool WasCorrupt);

    private async Task<EngineException> RefusalAsync(IncidentId id, string code, string what, CancellationToken cancellationToken) =>
        await FindAsync(id, cancellationToken) is null
            ? new EngineException("incident-unknown", ErrorKind.NotFound, $"there is no incident {id}", "Look at the list of incidents.")
            : new EngineException(code, ErrorKind.Conflict, $"{id} {what}", "Look at its page again.");
}
