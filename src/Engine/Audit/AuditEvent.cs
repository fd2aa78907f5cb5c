using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;

namespace Hexabase.DrConsole.Engine.Audit;

/// <summary>One link of the audit chain.</summary>
/// <param name="Seq">Position, from 1 without gaps.</param>
/// <param name="At">When, on the database's clock, to the microsecond.</param>
/// <param name="Actor">A user's name, or <c>engine</c>, <c>schedule</c>, <c>command line</c>.</param>
/// <param name="Action">What was done, for example <c>run.requested</c>.</param>
/// <param name="Subject">What it was done to: a source, a run, a user.</param>
/// <param name="Details">A JSON object as text; the hash covers these bytes.</param>
/// <param name="PreviousHash">Hash of the event before, 32 zero bytes for the first.</param>
/// <param name="Hash">SHA-256 over the previous hash and this event's canonical JSON.</param>
public sealed record AuditEvent(
    long Seq, DateTimeOffset At, string Actor, string Action, string Subject, string Details, byte[] PreviousHash, byte[] Hash)
{
    /// <summary>
    /// SHA-256(previous ‖ canonical JSON). Canonical: the members seq, at, actor, action, subject, details in this order,
    /// without white space, <c>at</c> as UTC with six fraction digits, details as a string.
    /// </summary>
    public static byte[] ComputeHash(
        ReadOnlySpan<byte> previous, long seq, DateTimeOffset at, string actor, string action, string subject, string details)
    {
        var buffer = new ArrayBufferWriter<byte>();
        buffer.Write(previous);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteNumber("seq", seq);
            json.WriteString("at", at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture));
            json.WriteString("actor", actor);
            json.WriteString("action", action);
            json.WriteString("subject", subject);
            json.WriteString("details", details);
            json.WriteEndObject();
        }

        return SHA256.HashData(buffer.WrittenSpan);
    }
}
