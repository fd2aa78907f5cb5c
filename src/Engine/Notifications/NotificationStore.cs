using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Notifications;

/// <summary>Reads what was told, to whom, and what became of it.</summary>
public sealed class NotificationStore(NpgsqlDataSource catalog)
{
    internal const string Columns = "n.id, n.at, n.event, n.severity, n.subject, n.thread, n.closes, n.page, n.sources, n.facts::text, n.only_channel";

    internal const string DeliveryColumns =
        $"{Columns}, d.id, d.channel, d.message_id, d.state, d.attempt, d.next_at, d.give_up_at, d.tried_at, d.ended_at, d.error, d.resent_by";

    private const int FirstOfDelivery = 11;

    /// <summary>Deliveries, newest first.</summary>
    public Task<IReadOnlyList<Delivery>> DeliveriesAsync(DeliveryFilter filter, int limit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(filter);
        return catalog.Command(
            $"""
            SELECT {DeliveryColumns} FROM notification_delivery d JOIN notification n ON n.id = d.notification
            WHERE ($1::text IS NULL OR d.state = $1 OR ($1 = 'waiting' AND d.state = 'sending')) AND ($2::text IS NULL OR d.channel = $2)
            ORDER BY d.id DESC LIMIT $3
            """, filter.State is { } state ? NotificationNames.Of(state) : null, filter.Channel, limit).ListAsync(MapDelivery, cancellationToken);
    }

    /// <summary>One delivery, or null.</summary>
    public Task<Delivery?> FindAsync(long delivery, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {DeliveryColumns} FROM notification_delivery d JOIN notification n ON n.id = d.notification WHERE d.id = $1", delivery)
            .FirstAsync(MapDelivery, cancellationToken);

    /// <summary>Notifications with a number below <paramref name="before"/>, newest first, whether or not a channel took them.</summary>
    public Task<IReadOnlyList<Notification>> ListAsync(long? before, int limit, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM notification n WHERE $1::bigint IS NULL OR n.id < $1 ORDER BY n.id DESC LIMIT $2", before, limit).ListAsync(Map, cancellationToken);

    /// <summary>How many of the last seven days went to no channel, tests apart.</summary>
    public async Task<int> UnheardAsync(CancellationToken cancellationToken) => (int)(long)(await catalog.Command(
        """
        SELECT count(*) FROM notification n WHERE n.routed_at IS NOT NULL AND n.at > clock_timestamp() - interval '7 days' AND n.severity <> 'info'
          AND NOT EXISTS (SELECT 1 FROM notification_delivery d WHERE d.notification = n.id)
        """).FirstAsync(row => (object)row.GetInt64(0), cancellationToken))!;

    /// <summary>How the channels stand, by name; one to which nothing ever went is not among them.</summary>
    public async Task<IReadOnlyDictionary<string, ChannelStanding>> StandingsAsync(CancellationToken cancellationToken) =>
        (await catalog.Command(
            """
            SELECT d.channel, max(d.ended_at) FILTER (WHERE d.state = 'delivered'),
              max(d.tried_at) FILTER (WHERE d.error IS NOT NULL AND d.state <> 'delivered'),
              (array_agg(d.error ORDER BY d.tried_at DESC) FILTER (WHERE d.error IS NOT NULL AND d.state <> 'delivered' AND d.tried_at IS NOT NULL))[1],
              count(*) FILTER (WHERE d.state IN ('waiting', 'sending')), min(n.at) FILTER (WHERE d.state IN ('waiting', 'sending')),
              count(*) FILTER (WHERE d.state = 'failed' AND d.ended_at > clock_timestamp() - interval '7 days')
            FROM notification_delivery d JOIN notification n ON n.id = d.notification GROUP BY d.channel
            """).ListAsync(
            row => new ChannelStanding(row.GetString(0), row.TimeOrNull(1), row.TimeOrNull(2), row.TextOrNull(3), (int)row.GetInt64(4), row.TimeOrNull(5), (int)row.GetInt64(6)), cancellationToken))
        .ToDictionary(standing => standing.Channel);

    internal static Notification Map(NpgsqlDataReader row) => new(
        row.GetInt64(0), row.Time(1), NotificationNames.Parse<NotificationEvent>(row.GetString(2)), NotificationNames.Parse<NotificationSeverity>(row.GetString(3)), row.GetString(4),
        row.GetString(5), row.GetBoolean(6), row.GetString(7), row.GetFieldValue<string[]>(8), NotificationFacts.Parse(row.GetString(9)), row.TextOrNull(10));

    internal static Delivery MapDelivery(NpgsqlDataReader row)
    {
        const int At = FirstOfDelivery;
        return new Delivery(
            row.GetInt64(At), Map(row), row.GetString(At + 1), row.GetGuid(At + 2), NotificationNames.Parse<DeliveryState>(row.GetString(At + 3)), row.GetInt32(At + 4), row.Time(At + 5),
            row.Time(At + 6), row.TimeOrNull(At + 7), row.TimeOrNull(At + 8), row.TextOrNull(At + 9), row.TextOrNull(At + 10));
    }
}
