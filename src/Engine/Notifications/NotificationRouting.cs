using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Notifications;

/// <summary>Decides who hears of what, and writes a delivery for each.</summary>
internal sealed class NotificationRouting(ProtectedEstate estate)
{
    private const int AtOnce = 200;

    private IReadOnlyList<NotificationChannel> Channels => estate.Notifications.Channels;

    /// <summary>Routes what is not routed yet, oldest first; true where there may be more.</summary>
    public async Task<bool> RouteAsync(NpgsqlTransaction transaction, CancellationToken ct)
    {
        var found = await transaction.Command($"SELECT {NotificationStore.Columns} FROM notification n WHERE n.routed_at IS NULL ORDER BY n.id LIMIT $1 FOR UPDATE", AtOnce)
            .ListAsync(NotificationStore.Map, ct);
        foreach (var one in found)
        {
            var alerted = one.Closes ? await AlertedAsync(transaction, one, ct) : [];
            foreach (var channel in Of(one, alerted))
            {
                await transaction.Command(
                    "INSERT INTO notification_delivery (notification, channel, give_up_at) VALUES ($1, $2, $3::timestamptz + $4) ON CONFLICT DO NOTHING",
                    one.Id, channel.Name, one.At.ToUniversalTime(), estate.Notifications.MaximumAge).RunAsync(ct);
            }

            await transaction.Command("UPDATE notification SET routed_at = clock_timestamp() WHERE id = $1", one.Id).RunAsync(ct);
            await NotificationOutbox.TellAsync(transaction, one.Id, ct);
        }

        return found.Count == AtOnce;
    }

    /// <summary>The channels that hear of it.</summary>
    /// <param name="alerted">The channels that heard of its thread before: how it ended is theirs too, however little it matters then.</param>
    internal IEnumerable<NotificationChannel> Of(Notification one, IReadOnlyCollection<string> alerted)
    {
        if (one.OnlyChannel is { } only)
        {
            return Channels.Where(channel => channel.Name == only);
        }

        return Channels.Where(channel => Touches(channel, one) && (one.Severity >= channel.Minimum || alerted.Contains(channel.Name)));
    }

    /// <summary>What touches no source concerns everybody: channels without a filter, and all of them where there is none such.</summary>
    private bool Touches(NotificationChannel channel, Notification one)
    {
        if (!channel.IsFiltered)
        {
            return true;
        }

        return one.Sources.Count == 0
            ? Channels.All(other => other.IsFiltered)
            : one.Sources.Any(name => channel.Sources.Contains(name)
                || estate.Sources.FirstOrDefault(source => source.Name == name) is { } source && channel.Workspaces.Contains(source.Workspace));
    }

    private static async Task<HashSet<string>> AlertedAsync(NpgsqlTransaction transaction, Notification one, CancellationToken ct) =>
    [
        .. await transaction.Command(
            "SELECT DISTINCT d.channel FROM notification n JOIN notification_delivery d ON d.notification = n.id WHERE n.thread = $1 AND n.id < $2", one.Thread, one.Id)
            .ListAsync(row => row.GetString(0), ct),
    ];
}
