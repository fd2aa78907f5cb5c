using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications.Channels;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Notifications;

/// <summary>
/// The deliveries of the catalog, as whoever sends works on them: inside transactions behind the sender's fence, by the catalog's clock.
/// </summary>
internal static class DeliveryQueue
{
    private const int LongestError = 1000;

    /// <summary>To write down what became of a try takes no longer, even where the catalog is slow.</summary>
    private static readonly TimeSpan s_slack = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Takes the next one that is due: what matters most first, then what was tried least, so that a new alert does not stand behind
    /// a queue. That it is tried is written before it is, with the moment of the next try: whoever finds it so after a crash goes on then.
    /// </summary>
    public static async Task<Delivery?> TakeAsync(NpgsqlTransaction transaction, string channel, double random, CancellationToken ct)
    {
        var next = await transaction.Command(
            $"""
            SELECT {NotificationStore.DeliveryColumns} FROM notification_delivery d JOIN notification n ON n.id = d.notification
            WHERE d.channel = $1 AND d.state IN ('waiting', 'sending') AND d.next_at <= clock_timestamp() AND d.give_up_at > clock_timestamp()
            ORDER BY array_position('{"{critical,warning,info}"}'::text[], n.severity), d.attempt, d.id LIMIT 1
            """, channel).FirstAsync(NotificationStore.MapDelivery, ct);
        if (next is null)
        {
            return null;
        }

        await transaction.Command(
            "UPDATE notification_delivery SET state = 'sending', attempt = attempt + 1, tried_at = clock_timestamp(), next_at = clock_timestamp() + $2 WHERE id = $1",
            next.Id, RetryPause.After(next.Attempt + 1, random)).RunAsync(ct);
        await NotificationOutbox.TellAsync(transaction, next.Notification.Id, ct);
        return next with { Attempt = next.Attempt + 1, State = DeliveryState.Sending };
    }

    /// <summary>Writes down what became of a try.</summary>
    public static async Task<DeliveryState> EndAsync(NpgsqlTransaction transaction, Delivery delivery, SendResult result, double random)
    {
        var pause = RetryPause.After(delivery.Attempt, random, result.RetryAfter);
        var state = (await transaction.Command(
            """
            UPDATE notification_delivery SET error = $2, next_at = clock_timestamp() + $3,
              state = CASE WHEN $4 THEN 'delivered' WHEN $5 OR clock_timestamp() + $3 >= give_up_at THEN 'failed' ELSE 'waiting' END,
              ended_at = CASE WHEN $4 OR $5 OR clock_timestamp() + $3 >= give_up_at THEN clock_timestamp() END
            WHERE id = $1 RETURNING state
            """, delivery.Id, Short(result.Reason), pause, result.IsDelivered, result.IsFinal).FirstAsync(row => row.GetString(0), CancellationToken.None))!;
        await NotificationOutbox.TellAsync(transaction, delivery.Notification.Id, CancellationToken.None);
        if (state == NotificationNames.Of(DeliveryState.Failed))
        {
            await AuditAsync(transaction, delivery, result.Reason);
        }

        return NotificationNames.Parse<DeliveryState>(state);
    }

    /// <summary>
    /// Gives up what is too old, and what is for a channel that nobody configures any more. Not what is being sent, which may arrive
    /// yet: only where a try has lasted longer than any is let last did the process die that made it.
    /// </summary>
    /// <returns>What was given up.</returns>
    public static async Task<IReadOnlyList<Delivery>> GiveUpAsync(NpgsqlTransaction transaction, NotificationSettings settings, CancellationToken ct)
    {
        var over = await transaction.Command(
            $"""
            SELECT {NotificationStore.DeliveryColumns} FROM notification_delivery d JOIN notification n ON n.id = d.notification
            WHERE (d.state = 'waiting' OR (d.state = 'sending' AND d.tried_at < clock_timestamp() - $2)) AND (d.give_up_at <= clock_timestamp() OR NOT d.channel = ANY ($1))
            ORDER BY d.id FOR UPDATE OF d
            """, settings.Channels.Select(channel => channel.Name).ToArray(), settings.Timeout + s_slack).ListAsync(NotificationStore.MapDelivery, ct);
        var names = settings.Channels.Select(channel => channel.Name).ToHashSet();
        foreach (var one in over)
        {
            var why = !names.Contains(one.Channel) ? "the channel is configured no longer"
                : one.Attempt == 0 ? "nothing was sent before it was too old: no console ran"
                : one.Error ?? "the process that sent it ended before it said what became of it";
            await transaction.Command("UPDATE notification_delivery SET state = 'failed', ended_at = clock_timestamp(), error = $2 WHERE id = $1", one.Id, why).RunAsync(ct);
            await NotificationOutbox.TellAsync(transaction, one.Notification.Id, ct);
            await AuditAsync(transaction, one, why);
        }

        return over;
    }

    /// <summary>Forgets what was told long ago, unless it still waits.</summary>
    public static Task<int> ForgetAsync(NpgsqlTransaction transaction, int keepDays, CancellationToken ct) => transaction.Command(
        """
        DELETE FROM notification n WHERE n.at < clock_timestamp() - make_interval(days => $1) AND n.routed_at IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM notification_delivery d WHERE d.notification = n.id AND d.state IN ('waiting', 'sending'))
        """, keepDays).RunAsync(ct);

    /// <summary>How long until the next one of a channel is due; null where none waits.</summary>
    public static async Task<TimeSpan?> NextAsync(NpgsqlDataSource catalog, string channel, CancellationToken ct)
    {
        var seconds = await catalog.Command(
            "SELECT extract(epoch FROM min(next_at) - clock_timestamp())::float8 FROM notification_delivery WHERE channel = $1 AND state IN ('waiting', 'sending')", channel)
            .FirstAsync(row => (object?)row.DoubleOrNull(0) ?? "none", ct);
        return seconds is double due ? TimeSpan.FromSeconds(Math.Max(due, 0)) : null;
    }

    private static Task AuditAsync(NpgsqlTransaction transaction, Delivery delivery, string? why) => AuditLog.AppendAsync(
        transaction, "engine", "notification.given-up", delivery.Channel,
        new { delivery.Notification.Subject, @event = NotificationNames.Of(delivery.Notification.Event), delivery.Attempt, why = Short(why) }, CancellationToken.None);

    private static string? Short(string? text) => text is { Length: > LongestError } ? text[..LongestError] : text;
}
