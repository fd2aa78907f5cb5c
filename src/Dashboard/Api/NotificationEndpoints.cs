using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Notifications.Outbox;

namespace Hexabase.DrConsole.Dashboard.Api;

/// <summary>What people were told.</summary>
public sealed record ApiNotification(long Id, DateTimeOffset At, string Event, string Severity, string Subject, string Thread, string Page, NotificationFacts Facts)
{
    internal static ApiNotification Of(Notification one) =>
        new(one.Id, one.At, NotificationNames.Of(one.Event), NotificationNames.Of(one.Severity), one.Subject, one.Thread, one.Page, one.Facts);
}

/// <summary>A notification's way to a channel.</summary>
/// <param name="State"><c>waiting</c>, <c>sending</c>, <c>delivered</c> or <c>failed</c>.</param>
public sealed record ApiDelivery(
    long Id, long Notification, string Channel, Guid MessageId, string State, int Attempt, DateTimeOffset NextAt, DateTimeOffset GiveUpAt, DateTimeOffset? EndedAt, string? Error);

/// <summary>A channel and how it stands.</summary>
public sealed record ApiChannel(string Name, string Kind, string Minimum, DateTimeOffset? LastSuccess, DateTimeOffset? LastFailure, string? LastError, int Queue);

/// <summary>What was told; for admins, to which channels and with what outcome.</summary>
internal static class NotificationEndpoints
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/notifications", async (long? before, int? limit, NotificationStore store, CancellationToken ct) =>
            (await store.ListAsync(before, ApiEndpoints.Limit(limit), ct)).Select(ApiNotification.Of)).Produces<IEnumerable<ApiNotification>>();
        api.MapGet("/notifications/deliveries", async (string? state, string? channel, int? limit, NotificationStore store, CancellationToken ct) =>
            (await store.DeliveriesAsync(new DeliveryFilter(ApiEndpoints.StateOf<DeliveryState>(state, "a delivery"), channel), ApiEndpoints.Limit(limit), ct)).Select(Of))
            .RequireAuthorization(ApiEndpoints.CanAdminister).Produces<IEnumerable<ApiDelivery>>();
        api.MapGet("/notifications/channels", async (ProtectedEstate estate, NotificationStore store, CancellationToken ct) =>
        {
            var standings = await store.StandingsAsync(ct);
            return estate.Notifications.Channels.Select(channel => Of(channel, standings.GetValueOrDefault(channel.Name)));
        }).RequireAuthorization(ApiEndpoints.CanAdminister).Produces<IEnumerable<ApiChannel>>();
    }

    private static ApiDelivery Of(Delivery delivery) => new(
        delivery.Id, delivery.Notification.Id, delivery.Channel, delivery.MessageId, NotificationNames.Of(delivery.State), delivery.Attempt, delivery.NextAt, delivery.GiveUpAt, delivery.EndedAt,
        delivery.Error);

    private static ApiChannel Of(NotificationChannel channel, ChannelStanding? standing) => new(
        channel.Name, NotificationNames.Of(channel.Kind), NotificationNames.Of(channel.Minimum), standing?.LastSuccess, standing?.LastFailure, standing?.LastError, standing?.Queue ?? 0);
}
