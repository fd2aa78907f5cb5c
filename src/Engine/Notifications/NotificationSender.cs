using System.Globalization;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications.Channels;
using Hexabase.DrConsole.Engine.Notifications.Texts;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Notifications;

/// <summary>
/// Brings notifications to their channels, in one process at a time under a lease on the catalog's clock. Each channel has a loop of
/// its own: one whose server hangs holds up no other. A try is written before it is made and its outcome after it, so that a
/// crash between the two sends the message again, with the same id.
/// </summary>
public sealed class NotificationSender(
    NpgsqlDataSource catalog, ProtectedEstate estate, IEnumerable<IMessenger> messengers, NotificationFeed feed, LeaseTimes times, TimeProvider time,
    ILogger<NotificationSender> log) : BackgroundService
{
    internal const string Name = "sender";
    internal static readonly LeaseTable Lease = new("notification_sender", "name");

    /// <summary>The notifications of the catalog wake it at once; this is for one that was lost.</summary>
    private static readonly TimeSpan s_atLeastEvery = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_forgetEvery = TimeSpan.FromHours(1);

    private readonly Dictionary<ChannelKind, IMessenger> _messengers = messengers.ToDictionary(one => one.Kind);
    private readonly NotificationRouting _routing = new(estate);

    private NotificationSettings Settings => estate.Notifications;

    /// <inheritdoc/>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        new Leadership(catalog, times, Lease, Name, time, log, "notifications are not sent")
            .ServeAsync((lease, over) => [RouteOnAsync(lease, over), .. Settings.Channels.Select(channel => SendOnAsync(lease, channel, over))], stoppingToken);

    private async Task RouteOnAsync(LeaderLease lease, CancellationToken ct)
    {
        using var wake = new Wake();
        using var subscription = feed.Subscribe(_ => wake.Set());
        var forgot = time.GetTimestamp();
        var isFirst = true;
        while (true)
        {
            await RouteAsync(lease, ct);
            if (isFirst || time.GetElapsedTime(forgot) > s_forgetEvery)
            {
                (isFirst, forgot) = (false, time.GetTimestamp());
                await lease.CommitAsync(transaction => DeliveryQueue.ForgetAsync(transaction, Settings.KeepDays, ct), ct);
            }

            await wake.WaitAsync(s_atLeastEvery, ct);
        }
    }

    private async Task SendOnAsync(LeaderLease lease, NotificationChannel channel, CancellationToken ct)
    {
        using var wake = new Wake();
        using var subscription = feed.Subscribe(_ => wake.Set());
        while (true)
        {
            if (!await SendNextAsync(lease, channel, ct))
            {
                var next = await DeliveryQueue.NextAsync(catalog, channel.Name, ct) ?? s_atLeastEvery;
                await wake.WaitAsync(next < s_atLeastEvery ? next : s_atLeastEvery, ct);
            }
        }
    }

    /// <summary>Writes the deliveries of what is new, and gives up what is too old.</summary>
    internal async Task RouteAsync(LeaderLease lease, CancellationToken ct)
    {
        var mayBeMore = true;
        while (mayBeMore)
        {
            await lease.CommitAsync(async transaction => mayBeMore = await _routing.RouteAsync(transaction, ct), ct);
        }

        IReadOnlyList<Delivery> over = [];
        await lease.CommitAsync(async transaction => over = await DeliveryQueue.GiveUpAsync(transaction, Settings, ct), ct);
        foreach (var one in over)
        {
            log.LogError("{Subject} did not reach {Channel} in {Attempts} tries and is given up", one.Notification.Subject, one.Channel, one.Attempt);
        }
    }

    /// <summary>Tries what is due next; false where nothing is.</summary>
    /// <exception cref="LeadershipLostException">Another process sends; nothing was written.</exception>
    internal async Task<bool> SendNextAsync(LeaderLease lease, NotificationChannel channel, CancellationToken ct)
    {
        Delivery? due = null;
        await lease.CommitAsync(async transaction => due = await DeliveryQueue.TakeAsync(transaction, channel.Name, Random.Shared.NextDouble(), ct), ct);
        if (due is null)
        {
            return false;
        }

        var result = await TryAsync(channel, due, ct);
        var state = DeliveryState.Sending;
        // Not cancellable: what is said here has happened.
        await lease.CommitAsync(async transaction => state = await DeliveryQueue.EndAsync(transaction, due, result, Random.Shared.NextDouble()), CancellationToken.None);
        if (!result.IsDelivered)
        {
            log.Log(state == DeliveryState.Failed ? LogLevel.Error : LogLevel.Warning, "{Subject} did not reach {Channel}, try {Attempt}: {Reason}; {Then}",
                due.Notification.Subject, channel.Name, due.Attempt, result.Reason, state == DeliveryState.Failed ? "given up" : "tried again");
        }

        return true;
    }

    private async Task<SendResult> TryAsync(NotificationChannel channel, Delivery due, CancellationToken ct)
    {
        using var patience = new CancellationTokenSource(Settings.Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, patience.Token);
        try
        {
            var text = NotificationText.Of(due.Notification, CultureInfo.GetCultureInfo(channel.Language), estate.Name, Settings.PublicUrl);
            return await _messengers[channel.Kind].SendAsync(channel, new OutgoingMessage(due.MessageId, due.Attempt, estate.Name, due.Notification, text), either.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return SendResult.Failed($"no answer within {Settings.Timeout.TotalSeconds:0} s");
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            // The edge of a try: a fault that nobody foresaw is a failed delivery, shown as such, and not the end of the others.
            log.LogError(fault, "{Channel} failed in a way that it should not", channel.Name);
            return SendResult.Failed($"{fault.GetType().Name}: {fault.Message}");
        }
    }
}
