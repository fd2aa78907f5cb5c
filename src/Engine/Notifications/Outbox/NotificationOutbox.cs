using System.Globalization;
using Hexabase.DrConsole.Engine.Catalog;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Notifications.Outbox;

/// <summary>What a room has to say.</summary>
/// <param name="Subject">What it is about, as pages write it: <c>I-12</c>, <c>R-5</c>.</param>
/// <param name="Page">The page's path.</param>
public sealed record Notice(NotificationEvent Event, NotificationSeverity Severity, string Subject, string Page, NotificationFacts Facts)
{
    /// <summary>What belongs together; the subject where nothing else is said.</summary>
    public string? Thread { get; init; }

    /// <summary>True where it says how something ended: whoever was alerted hears it, whatever its severity.</summary>
    public bool Closes { get; init; }

    /// <summary>The one channel that it goes to; null for those that the routing names.</summary>
    public string? OnlyChannel { get; init; }
}

/// <summary>
/// Writes down that people must hear of something, in the very transaction in which it happens: neither can be without the other.
/// Who hears of it, and how, is decided by whoever sends.
/// </summary>
public static class NotificationOutbox
{
    /// <summary>PostgreSQL's channel; the payload is the notification's number.</summary>
    public const string Channel = "drconsole_notification";

    /// <summary>Writes one row; returns its number.</summary>
    public static async Task<long> WriteAsync(NpgsqlTransaction transaction, Notice notice, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(notice);
        var id = (long)(await transaction.Command(
            """
            INSERT INTO notification (event, severity, subject, thread, closes, page, sources, facts, only_channel) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id
            """, NotificationNames.Of(notice.Event), NotificationNames.Of(notice.Severity), notice.Subject, notice.Thread ?? notice.Subject, notice.Closes, notice.Page,
            notice.Facts.Sources.ToArray(), new Jsonb(notice.Facts.ToJson()), notice.OnlyChannel).FirstAsync(row => (object)row.GetInt64(0), cancellationToken))!;
        await TellAsync(transaction, id, cancellationToken);
        return id;
    }

    /// <summary>Tells listeners that a notification or one of its deliveries changed.</summary>
    internal static Task TellAsync(NpgsqlTransaction transaction, long id, CancellationToken cancellationToken) =>
        transaction.Command("SELECT pg_notify($1, $2)", Channel, id.ToString(CultureInfo.InvariantCulture)).RunAsync(cancellationToken);
}
