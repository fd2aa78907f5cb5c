using System.Runtime.CompilerServices;
using System.Text.Json;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Audit;

/// <summary>What a walk along the audit chain found.</summary>
/// <param name="Events">How many events hold.</param>
/// <param name="Head">Hash of the last event that holds, lower-case hex; empty where there is none.</param>
/// <param name="BrokenAt">The first sequence number whose link does not hold, or null.</param>
/// <param name="Reason">What is wrong there.</param>
public sealed record AuditVerification(long Events, string Head, long? BrokenAt, string? Reason)
{
    /// <summary>True where every link holds.</summary>
    public bool IsIntact => BrokenAt is null;
}

/// <summary>
/// The audit hash chain. Events are appended in the very transaction of the change that they record, so neither can
/// exist without the other; an advisory lock makes the chain one line.
/// </summary>
public static class AuditLog
{
    private static readonly byte[] Genesis = new byte[32];

    /// <summary>Appends one event inside <paramref name="transaction"/>. Call it last: the chain's lock is held until commit.</summary>
    /// <param name="transaction">The transaction of the change itself.</param>
    /// <param name="actor">Who: a user's name, <c>schedule</c>, <c>engine</c> or <c>command line</c>.</param>
    /// <param name="action">What, dotted: <c>run.requested</c>.</param>
    /// <param name="subject">To what.</param>
    /// <param name="details">Any serialisable object; must hold no secret.</param>
    /// <param name="cancellationToken">Cancels the write.</param>
    public static async Task AppendAsync(
        NpgsqlTransaction transaction, string actor, string action, string subject, object details, CancellationToken cancellationToken)
    {
        var connection = transaction.Connection
            ?? throw new System.Diagnostics.UnreachableException("an audit event needs an open transaction");
        await using (var take = new NpgsqlCommand("SELECT pg_advisory_xact_lock(hashtextextended('drconsole.audit', 0))", connection, transaction))
        {
            await take.ExecuteNonQueryAsync(cancellationToken);
        }

        var (at, seq, previous) = await ReadHeadAsync(connection, transaction, cancellationToken);
        var text = JsonSerializer.Serialize(details, JsonSerializerOptions.Web);
        var hash = AuditEvent.ComputeHash(previous, seq, at, actor, action, subject, text);
        await using var write = new NpgsqlCommand(
            "INSERT INTO console.audit_event (seq, at, actor, action, subject, details, previous_hash, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            connection, transaction);
        foreach (var value in new object[] { seq, at, actor, action, subject, text, previous, hash })
        {
            write.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        await write.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Walks the chain from its first event and recomputes every hash.</summary>
    public static async Task<AuditVerification> VerifyAsync(NpgsqlDataSource catalog, CancellationToken cancellationToken)
    {
        long expected = 1;
        var previous = Genesis;
        await foreach (var link in ReadAsync(catalog, 0, int.MaxValue, cancellationToken))
        {
            if (FaultOf(link, expected, previous) is { } fault)
            {
                return new AuditVerification(expected - 1, expected == 1 ? "" : Convert.ToHexStringLower(previous), expected, fault);
            }

            previous = link.Hash;
            expected++;
        }

        return new AuditVerification(expected - 1, expected == 1 ? "" : Convert.ToHexStringLower(previous), null, null);
    }

    /// <summary>Events after <paramref name="afterSeq"/> in order, at most <paramref name="limit"/>.</summary>
    public static async IAsyncEnumerable<AuditEvent> ReadAsync(
        NpgsqlDataSource catalog, long afterSeq, int limit, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var command = catalog.CreateCommand(
            "SELECT seq, at, actor, action, subject, details, previous_hash, hash FROM console.audit_event WHERE seq > $1 ORDER BY seq LIMIT $2");
        command.Parameters.Add(new NpgsqlParameter { Value = afterSeq });
        command.Parameters.Add(new NpgsqlParameter { Value = limit });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            yield return new AuditEvent(
                reader.GetInt64(0), reader.GetFieldValue<DateTimeOffset>(1), reader.GetString(2), reader.GetString(3),
                reader.GetString(4), reader.GetString(5), reader.GetFieldValue<byte[]>(6), reader.GetFieldValue<byte[]>(7));
        }
    }

    /// <summary>The last events, newest first.</summary>
    public static async Task<IReadOnlyList<AuditEvent>> NewestAsync(NpgsqlDataSource catalog, int limit, CancellationToken cancellationToken)
    {
        await using var command = catalog.CreateCommand("SELECT coalesce(max(seq), 0) FROM console.audit_event");
        var newest = (long)(await command.ExecuteScalarAsync(cancellationToken))!;
        var events = new List<AuditEvent>();
        await foreach (var one in ReadAsync(catalog, newest - limit, limit, cancellationToken))
        {
            events.Add(one);
        }

        events.Reverse();
        return events;
    }

    private static string? FaultOf(AuditEvent link, long expected, byte[] previous)
    {
        if (link.Seq != expected)
        {
            return $"event {expected} is missing";
        }

        if (!link.PreviousHash.AsSpan().SequenceEqual(previous))
        {
            return "it does not follow the event before it";
        }

        var hash = AuditEvent.ComputeHash(previous, link.Seq, link.At, link.Actor, link.Action, link.Subject, link.Details);
        return link.Hash.AsSpan().SequenceEqual(hash) ? null : "its content is not what was written";
    }

    private static async Task<(DateTimeOffset At, long Seq, byte[] Previous)> ReadHeadAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, CancellationToken cancellationToken)
    {
        // A statement of its own, after the lock: only then does its snapshot hold the event that the lock waited for.
        await using var read = new NpgsqlCommand(
            """
            SELECT clock_timestamp(), e.seq, e.hash FROM (SELECT 1) one
            LEFT JOIN LATERAL (SELECT seq, hash FROM console.audit_event ORDER BY seq DESC LIMIT 1) e ON true
            """, connection, transaction);
        await using var reader = await read.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var at = reader.GetFieldValue<DateTimeOffset>(0);
        return await reader.IsDBNullAsync(1, cancellationToken)
            ? (at, 1, Genesis)
            : (at, reader.GetInt64(1) + 1, reader.GetFieldValue<byte[]>(2));
    }
}
