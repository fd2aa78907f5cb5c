using Hexabase.DrConsole.Engine.Catalog;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>Writes what a round changes in the incidents, inside the monitor's transaction.</summary>
internal static class IncidentWriter
{
    private const string Engine = "engine";

    public static async Task<IReadOnlyList<Incident>> OpenAsync(NpgsqlTransaction transaction, CancellationToken ct) =>
        await transaction.Command($"SELECT {IncidentStore.Columns} FROM incident i WHERE i.state <> 'resolved' ORDER BY i.id FOR UPDATE").ListAsync(IncidentStore.Map, ct);

    /// <summary>Superseded ones go first: one that comes instead may be of the same kind and set.</summary>
    public static async Task WriteAsync(NpgsqlTransaction transaction, IncidentChanges changes, DateTimeOffset at, CancellationToken ct)
    {
        foreach (var (incident, by) in changes.Superseded)
        {
            await ResolveAsync(transaction, incident, "superseded", by.Kind.ToName(), at, ct);
        }

        foreach (var incident in changes.Healthy)
        {
            await ResolveAsync(transaction, incident, "healthy", null, at, ct);
        }

        foreach (var (incident, verdict) in changes.Continued)
        {
            await ContinueAsync(transaction, incident, verdict, at, ct);
        }

        foreach (var verdict in changes.Opened)
        {
            await InsertAsync(transaction, verdict, at, ct);
        }
    }

    private static async Task InsertAsync(NpgsqlTransaction transaction, Verdict verdict, DateTimeOffset at, CancellationToken ct)
    {
        var isSure = verdict.State == IncidentState.Confirmed;
        var id = (IncidentId)(await transaction.Command(
            """
            INSERT INTO incident (kind, sources, tiers, state, first_evidence_at, suspected_at, confirmed_at, evidence) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id
            """, verdict.Kind.ToName(), verdict.Sources.ToArray(), verdict.Tiers.ToArray(), IncidentStore.Text(verdict.State), verdict.FirstEvidenceAt.ToUniversalTime(),
            at.ToUniversalTime(), isSure ? at.ToUniversalTime() : null, new Jsonb(verdict.Evidence.ToJson())).FirstAsync(row => (object)new IncidentId(row.GetInt64(0)), ct))!;
        await IncidentStore.TellAsync(transaction, id, IncidentStore.Text(verdict.State), Engine, null, Details(verdict), ct);
    }

    private static async Task ContinueAsync(NpgsqlTransaction transaction, Incident incident, Verdict verdict, DateTimeOffset at, CancellationToken ct)
    {
        var isOther = incident.Kind != verdict.Kind || !incident.Sources.SequenceEqual(verdict.Sources);
        var becomesSure = incident.State == IncidentState.Suspected && verdict.State == IncidentState.Confirmed;
        // What was full, and now does not serve any more, is another trouble: a restore would help against this one.
        var isWorse = incident.IsOnlyFullDisk && verdict.IsWorseThanFull;
        if (incident.State == IncidentState.Confirmed && !isOther && !isWorse)
        {
            // The card stays what it was when it became sure: that is what people decide by.
            return;
        }

        await transaction.Command(
            """
            UPDATE incident SET kind = $2, sources = $3, tiers = $4, evidence = $5, first_evidence_at = CASE WHEN $9 THEN $8 ELSE least(first_evidence_at, $8) END, state = CASE WHEN $6 THEN 'confirmed' ELSE state END,
              confirmed_at = CASE WHEN $6 THEN $7 ELSE confirmed_at END
            WHERE id = $1
            """, incident.Id.Value, verdict.Kind.ToName(), verdict.Sources.ToArray(), verdict.Tiers.ToArray(), new Jsonb(verdict.Evidence.ToJson()), becomesSure, at.ToUniversalTime(),
            // What joins it may have shown its first sign before: what is recovered from must be older than that. What was written while
            // something was only full is sound.
            verdict.FirstEvidenceAt.ToUniversalTime(), isWorse).RunAsync(ct);
        if (becomesSure)
        {
            await IncidentStore.TellAsync(transaction, incident.Id, "confirmed", Engine, null, Details(verdict), ct);
        }
        else if (isOther || isWorse)
        {
            await IncidentStore.TellAsync(transaction, incident.Id, "changed", Engine, $"{verdict.Kind.ToName()}: {string.Join(", ", verdict.Sources)}", Details(verdict), ct);
        }
    }

    private static async Task ResolveAsync(NpgsqlTransaction transaction, Incident incident, string resolution, string? text, DateTimeOffset at, CancellationToken ct)
    {
        await transaction.Command(
            "UPDATE incident SET state = 'resolved', resolved_at = $2, resolution = $3 WHERE id = $1", incident.Id.Value, at.ToUniversalTime(), resolution).RunAsync(ct);
        await IncidentStore.TellAsync(transaction, incident.Id, resolution, Engine, text, new { kind = incident.Kind.ToName(), incident.Sources, incident.Tiers }, ct);
    }

    private static object Details(Verdict verdict) => new { kind = verdict.Kind.ToName(), verdict.Sources, verdict.Tiers, verdict.FirstEvidenceAt };
}
