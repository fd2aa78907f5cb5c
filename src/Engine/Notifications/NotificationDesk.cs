using System.Globalization;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Notifications;

/// <summary>What people do with notifications: try a channel, send one again. Each act is one transaction with its audit event.</summary>
public sealed class NotificationDesk(NpgsqlDataSource catalog, ProtectedEstate estate)
{
    /// <summary>Sends a message that says that it is a test, through the same outbox as every other.</summary>
    /// <returns>The delivery's number.</returns>
    /// <exception cref="EngineException"><c>channel-unknown</c>.</exception>
    public async Task<long> TestAsync(string channel, string actor, CancellationToken cancellationToken)
    {
        var found = Find(channel);
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var notification = await NotificationOutbox.WriteAsync(transaction, new Notice(
            NotificationEvent.Test, NotificationSeverity.Info, found.Name, "/settings/notifications", new NotificationFacts { Person = actor })
        {
            Thread = $"test {found.Name}", OnlyChannel = found.Name,
        }, cancellationToken);
        // Written here and not by the routing, so that the page can watch it from the first moment on.
        var delivery = (long)(await transaction.Command(
            "INSERT INTO notification_delivery (notification, channel, give_up_at) VALUES ($1, $2, clock_timestamp() + $3) RETURNING id", notification, found.Name, estate.Notifications.MaximumAge)
            .FirstAsync(row => (object)row.GetInt64(0), cancellationToken))!;
        await AuditLog.AppendAsync(transaction, actor, "notification.tested", found.Name, new { delivery }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return delivery;
    }

    /// <summary>Tries again what was given up, with the id that it had: should it have arrived after all, its receiver can tell.</summary>
    /// <exception cref="EngineException"><c>delivery-unknown</c>, <c>delivery-not-failed</c>, <c>channel-unknown</c>.</exception>
    public async Task ResendAsync(long delivery, string actor, CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var channel = await transaction.Command("SELECT channel FROM notification_delivery WHERE id = $1 FOR UPDATE", delivery).FirstAsync(row => row.GetString(0), cancellationToken)
            ?? throw new EngineException(
                "delivery-unknown", ErrorKind.NotFound, string.Create(CultureInfo.InvariantCulture, $"there is no delivery {delivery}"), "Look at the list; old ones are forgotten.");
        Find(channel);
        var notification = await transaction.Command(
            """
            UPDATE notification_delivery SET state = 'waiting', attempt = 0, next_at = clock_timestamp(), give_up_at = clock_timestamp() + $2, ended_at = NULL, resent_by = $3
            WHERE id = $1 AND state = 'failed' RETURNING notification
            """, delivery, estate.Notifications.MaximumAge, actor).FirstAsync(row => (object)row.GetInt64(0), cancellationToken)
            ?? throw new EngineException("delivery-not-failed", ErrorKind.Conflict, "it is not given up", "Only what was given up is sent again by hand.");
        await NotificationOutbox.TellAsync(transaction, (long)notification, cancellationToken);
        await AuditLog.AppendAsync(transaction, actor, "notification.resent", channel, new { delivery }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    private NotificationChannel Find(string channel) => estate.Notifications.Channels.FirstOrDefault(one => one.Name == channel)
        ?? throw new EngineException("channel-unknown", ErrorKind.NotFound, $"there is no channel '{channel}'",
            estate.Notifications.Channels.Count == 0 ? "The configuration declares none." : $"The configuration declares: {string.Join(", ", estate.Notifications.Channels.Select(one => one.Name))}.");
}
