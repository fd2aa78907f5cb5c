using System.Text.Json;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Notifications.Channels;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.AspNetCore.Http;

namespace Hexabase.DrConsole.Engine.Tests.Notifications;

/// <summary>What people must hear of arrives, by real receivers on loopback, or is shown not to have.</summary>
[Collection("notifications")]
public sealed class DeliveryTests(CatalogServer catalog) : IAsyncLifetime
{
    private readonly NotificationRig _rig = new(catalog);
    private WebhookReceiver _receiver = null!;

    private static CancellationToken Ct => NotificationRig.Ct;

    public async ValueTask InitializeAsync() => _receiver = await WebhookReceiver.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        await _receiver.DisposeAsync();
    }

    [Fact]
    public async Task What_happened_is_told_once_to_each_channel_and_what_did_not_happen_to_none()
    {
        var hook = _rig.AddWebhook(_receiver.Url);
        var chat = _rig.Add(ChannelKind.Slack, channel => channel with { Language = "ja", Webhook = new WebhookSettings(null, _rig.WriteFile("slack", _receiver.Url + "/chat"), null, null) });
        await _rig.BeginAsync();

        await _rig.HappensAsync(_rig.Alert(), commits: false);
        await _rig.HappensAsync(_rig.Alert());
        await _rig.RouteAsync();
        await _rig.RouteAsync();

        Assert.True(await _rig.SendAsync(hook, Ct));
        Assert.True(await _rig.SendAsync(chat, Ct));
        Assert.False(await _rig.SendAsync(hook, Ct));
        Assert.False(await _rig.SendAsync(chat, Ct));
        var (signed, said) = (await _receiver.NextAsync(Ct), await _receiver.NextAsync(Ct));
        Assert.Empty(_receiver.Left());
        Assert.Equal(DeliveryState.Delivered, (await _rig.DeliveryAsync(hook)).State);

        var body = JsonElement.Parse(signed.Body);
        Assert.Equal(("incident-confirmed", "critical", "I-4711"), (body.GetProperty("event").GetString(), body.GetProperty("severity").GetString(), body.GetProperty("subject").GetString()));
        Assert.Equal("https://drconsole.example/ops/incidents/4711", body.GetProperty("url").GetString());
        Assert.Equal(signed.Id, body.GetProperty("id").GetString());
        Assert.Equal($"EMERGENCY: database corruption of {_rig.Source} (I-4711)", body.GetProperty("title").GetString());
        Assert.Contains("3 checksum failures", body.GetProperty("text").GetString(), StringComparison.Ordinal);
        Assert.Equal(WebhookMessenger.Sign(NotificationRig.Secret, signed.Headers[WebhookMessenger.TimestampHeader], signed.Body), signed.Headers[WebhookMessenger.SignatureHeader]);
        Assert.NotEqual(WebhookMessenger.Sign(NotificationRig.Secret, signed.Headers[WebhookMessenger.TimestampHeader], [.. signed.Body, 32]), signed.Headers[WebhookMessenger.SignatureHeader]);
        Assert.NotEqual(WebhookMessenger.Sign(NotificationRig.Secret + "!", signed.Headers[WebhookMessenger.TimestampHeader], signed.Body), signed.Headers[WebhookMessenger.SignatureHeader]);

        Assert.Equal("/hook/chat", said.Path);
        Assert.Equal($"【緊急】{_rig.Source}のデータベース破損（I-4711）", JsonElement.Parse(said.Body).GetProperty("text").GetString());
    }

    [Fact]
    public async Task An_answer_of_500_and_a_closed_port_are_tried_again_with_the_same_id()
    {
        var port = FreePort.Choose();
        var channel = _rig.AddWebhook($"http://127.0.0.1:{port}/hook");
        await _rig.BeginAsync();
        await _rig.HappensAsync(_rig.Alert());
        await _rig.RouteAsync();

        Assert.True(await _rig.SendAsync(channel, Ct));
        Assert.Contains("refused", (await _rig.DeliveryAsync(channel)).Error, StringComparison.OrdinalIgnoreCase);
        Assert.False(await _rig.SendAsync(channel, Ct));

        await using var late = await WebhookReceiver.StartAsync(port);
        late.Answer = (context, _) =>
        {
            context.Response.StatusCode = 500;
            return context.Response.WriteAsync(new string('x', 100_000), Ct);
        };
        await _rig.PassAsync(channel);
        Assert.True(await _rig.SendAsync(channel, Ct));
        var failed = await _rig.DeliveryAsync(channel);
        Assert.Equal((DeliveryState.Waiting, 2), (failed.State, failed.Attempt));
        Assert.StartsWith("it answers 500", failed.Error, StringComparison.Ordinal);
        Assert.InRange(failed.Error!.Length, 100, 700);

        // A moment is by the receiver's clock, however wrong that is.
        late.Answer = (context, _) =>
        {
            context.Response.StatusCode = 503;
            context.Response.Headers.Date = "Tue, 24 Nov 2020 03:00:00 GMT";
            context.Response.Headers.RetryAfter = "Tue, 24 Nov 2020 03:10:00 GMT";
            return Task.CompletedTask;
        };
        await _rig.PassAsync(channel);
        Assert.True(await _rig.SendAsync(channel, Ct));
        var asked = await _rig.DeliveryAsync(channel);
        Assert.InRange((asked.NextAt - TimeProvider.System.GetUtcNow()).TotalSeconds, 540, 600);
        Assert.True(failed.NextAt > failed.TriedAt + RetryPause.First / 2);

        late.Answer = (_, _) => Task.CompletedTask;
        await _rig.PassAsync(channel);
        Assert.True(await _rig.SendAsync(channel, Ct));
        var (first, second) = (await late.NextAsync(Ct), await late.NextAsync(Ct));
        Assert.Equal(first.Id, second.Id);
        Assert.Equal(first.Body, second.Body);
        Assert.Equal(("2", "3"), (first.Headers[WebhookMessenger.AttemptHeader], second.Headers[WebhookMessenger.AttemptHeader]));
        Assert.Equal((DeliveryState.Delivered, null), ((await _rig.DeliveryAsync(channel)).State, (await _rig.DeliveryAsync(channel)).Error));
    }

    [Fact]
    public async Task A_sender_that_dies_between_sending_and_saying_so_leads_to_a_repeat_that_its_receiver_can_tell()
    {
        var channel = _rig.AddWebhook(_receiver.Url);
        await _rig.BeginAsync();
        await _rig.HappensAsync(_rig.Alert());
        await _rig.RouteAsync();
        using var death = new CancellationTokenSource();
        _receiver.Answer = async (context, _) =>
        {
            await death.CancelAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _rig.SendAsync(channel, death.Token));
        var frozen = _rig.AsNow();

        _receiver.Answer = (_, _) => Task.CompletedTask;
        await _rig.BeginAsync();
        Assert.Equal(DeliveryState.Sending, (await _rig.DeliveryAsync(channel)).State);
        await _rig.PassAsync(channel);
        Assert.True(await _rig.SendAsync(channel, Ct));

        Assert.Equal((await _receiver.NextAsync(Ct)).Id, (await _receiver.NextAsync(Ct)).Id);
        Assert.Equal((DeliveryState.Delivered, 2), ((await _rig.DeliveryAsync(channel)).State, (await _rig.DeliveryAsync(channel)).Attempt));
        await Assert.ThrowsAsync<LeadershipLostException>(() => frozen(channel));
    }

    [Fact]
    public async Task What_is_too_old_is_given_up_and_shown_and_a_person_can_send_it_again()
    {
        var channel = _rig.AddWebhook($"http://127.0.0.1:{FreePort.Choose()}/hook");
        await _rig.BeginAsync();
        await _rig.HappensAsync(_rig.Alert());
        await _rig.RouteAsync();
        await _rig.SendAsync(channel, Ct);
        await _rig.Pool.Command("UPDATE notification_delivery SET give_up_at = clock_timestamp() WHERE channel = $1", channel.Name).RunAsync(Ct);
        await _rig.RouteAsync();

        var given = await _rig.DeliveryAsync(channel);
        Assert.Equal(DeliveryState.Failed, given.State);
        Assert.Contains("refused", given.Error, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(1, (await _rig.Store.StandingsAsync(Ct))[channel.Name].Failed);
        Assert.Single(await _rig.Store.DeliveriesAsync(new DeliveryFilter(DeliveryState.Failed, channel.Name), 10, Ct));
        Assert.True(await IsAuditedAsync("engine", "notification.given-up", channel.Name));

        await _rig.Desk.ResendAsync(given.Id, "olga", Ct);
        var again = await _rig.DeliveryAsync(channel);
        Assert.Equal((DeliveryState.Waiting, 0, "olga", given.MessageId), (again.State, again.Attempt, again.ResentBy, again.MessageId));
        Assert.True(await IsAuditedAsync("olga", "notification.resent", channel.Name));
        var refused = await Assert.ThrowsAsync<EngineException>(() => _rig.Desk.ResendAsync(given.Id, "olga", Ct));
        Assert.Equal("delivery-not-failed", refused.Code);
    }

    [Fact]
    public async Task A_redirect_is_not_followed_and_a_400_is_not_tried_again()
    {
        var channel = _rig.AddWebhook(_receiver.Url);
        await _rig.BeginAsync();
        await _rig.HappensAsync(_rig.Alert());
        await _rig.RouteAsync();
        _receiver.Answer = (context, _) =>
        {
            context.Response.Redirect(_receiver.Url + "/elsewhere");
            return Task.CompletedTask;
        };
        await _rig.SendAsync(channel, Ct);
        Assert.Equal(DeliveryState.Waiting, (await _rig.DeliveryAsync(channel)).State);
        Assert.Contains("redirect (302), which is not followed", (await _rig.DeliveryAsync(channel)).Error, StringComparison.Ordinal);
        Assert.Equal("/hook", Assert.Single(_receiver.Left()).Path);

        _receiver.Answer = (context, _) =>
        {
            context.Response.StatusCode = 400;
            return context.Response.WriteAsync("no such field", Ct);
        };
        await _rig.PassAsync(channel);
        await _rig.SendAsync(channel, Ct);
        var refused = await _rig.DeliveryAsync(channel);
        Assert.Equal((DeliveryState.Failed, "it answers 400 Bad Request: no such field"), (refused.State, refused.Error));
    }

    [Fact]
    public async Task An_answer_that_repeats_the_address_gives_no_token_away()
    {
        const string Token = "T0AB1CD2EF/B3GH4IJ5KL/xyzzy%20plugh-99";
        var url = $"{_receiver.Url}/services/{Token}?key=hush-hush-key";
        var chat = _rig.Add(ChannelKind.Slack, channel => channel with { Webhook = new WebhookSettings(null, _rig.WriteFile("slack", url), null, null) });
        await _rig.BeginAsync();
        await _rig.HappensAsync(_rig.Alert());
        await _rig.RouteAsync();
        // Also where it would be cut off in the middle of it.
        foreach (var before in new[] { 0, 490, 505 })
        {
            _receiver.Answer = (context, _) =>
            {
                context.Response.StatusCode = 404;
                return context.Response.WriteAsync($"{new string('-', before)}no_service: {Uri.UnescapeDataString(url)} {url}", Ct);
            };
            await _rig.PassAsync(chat);
            Assert.True(await _rig.SendAsync(chat, Ct));

            var error = (await _rig.DeliveryAsync(chat)).Error!;
            Assert.StartsWith("it answers 404", error, StringComparison.Ordinal);
            Assert.All(["T0AB1", "B3GH4", "xyzzy", "plugh", "hush"], part => Assert.DoesNotContain(part, error, StringComparison.OrdinalIgnoreCase));
        }
    }

    [Fact]
    public async Task What_is_being_sent_is_not_given_up_before_its_try_has_ended()
    {
        var channel = _rig.AddWebhook(_receiver.Url);
        await _rig.BeginAsync();
        await _rig.HappensAsync(_rig.Alert());
        await _rig.RouteAsync();
        var isAnswered = new TaskCompletionSource();
        _receiver.Answer = (_, _) => isAnswered.Task;
        var sending = _rig.SendAsync(channel, Ct);
        await _receiver.NextAsync(Ct);
        await _rig.Pool.Command("UPDATE notification_delivery SET give_up_at = clock_timestamp() WHERE channel = $1", channel.Name).RunAsync(Ct);

        await _rig.RouteAsync();

        Assert.Equal(DeliveryState.Sending, (await _rig.DeliveryAsync(channel)).State);
        isAnswered.SetResult();
        Assert.True(await sending);
        Assert.Equal(DeliveryState.Delivered, (await _rig.DeliveryAsync(channel)).State);
        Assert.False(await IsAuditedAsync("engine", "notification.given-up", channel.Name));

        // Of a process that died meanwhile nobody writes down what became of it.
        await _rig.Pool.Command("UPDATE notification_delivery SET state = 'sending', ended_at = NULL, tried_at = clock_timestamp() - interval '10 minutes' WHERE channel = $1", channel.Name).RunAsync(Ct);
        await _rig.RouteAsync();
        Assert.Equal(DeliveryState.Failed, (await _rig.DeliveryAsync(channel)).State);
    }

    [Fact]
    public async Task A_receiver_that_hangs_costs_one_try_and_holds_up_no_other_channel()
    {
        _rig.Settings = _rig.Settings with { Timeout = TimeSpan.FromMilliseconds(300) };
        var hangs = _rig.AddWebhook(_receiver.Url);
        await _rig.BeginAsync();
        await _rig.HappensAsync(_rig.Alert());
        await _rig.RouteAsync();
        _receiver.Answer = (context, _) => Task.Delay(Timeout.Infinite, context.RequestAborted);

        Assert.True(await _rig.SendAsync(hangs, Ct));

        var waits = await _rig.DeliveryAsync(hangs);
        Assert.Equal(DeliveryState.Waiting, waits.State);
        Assert.StartsWith("no answer within", waits.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_test_goes_through_the_outbox_to_its_channel_alone()
    {
        var (tested, other) = (_rig.AddWebhook(_receiver.Url), _rig.AddWebhook(_receiver.Url + "/other"));
        await _rig.BeginAsync();

        var id = await _rig.Desk.TestAsync(tested.Name, "ada", Ct);
        await _rig.RouteAsync();
        Assert.True(await _rig.SendAsync(tested, Ct));
        Assert.False(await _rig.SendAsync(other, Ct));

        Assert.Equal(DeliveryState.Delivered, (await _rig.Store.FindAsync(id, Ct))!.State);
        Assert.Contains("ada", JsonElement.Parse((await _receiver.NextAsync(Ct)).Body).GetProperty("text").GetString(), StringComparison.Ordinal);
        Assert.True(await IsAuditedAsync("ada", "notification.tested", tested.Name));
        Assert.Equal("channel-unknown", (await Assert.ThrowsAsync<EngineException>(() => _rig.Desk.TestAsync("nobody", "ada", Ct))).Code);
    }

    [Fact]
    public async Task Whoever_was_alerted_hears_how_it_ended_and_whoever_was_not_does_not()
    {
        var alerted = _rig.Add(ChannelKind.Webhook, channel => channel with { Minimum = NotificationSeverity.Critical, Webhook = new WebhookSettings(new Uri(_receiver.Url), null, _rig.WriteFile("s", NotificationRig.Secret), null) });
        await _rig.BeginAsync();
        var thread = $"I-{Guid.NewGuid():n}";
        await _rig.HappensAsync(_rig.Alert(NotificationEvent.IncidentSuspected, NotificationSeverity.Warning) with { Thread = thread });
        await _rig.HappensAsync(_rig.Alert(NotificationEvent.IncidentResolved, NotificationSeverity.Info) with { Thread = $"other {thread}", Closes = true });
        await _rig.RouteAsync();
        Assert.Empty(await _rig.Store.DeliveriesAsync(new DeliveryFilter(Channel: alerted.Name), 10, Ct));

        await _rig.HappensAsync(_rig.Alert() with { Thread = thread });
        await _rig.HappensAsync(_rig.Alert(NotificationEvent.RecoveryEnded, NotificationSeverity.Info) with { Thread = thread, Closes = true });
        await _rig.RouteAsync();

        Assert.Equal(
            [NotificationEvent.RecoveryEnded, NotificationEvent.IncidentConfirmed],
            (await _rig.Store.DeliveriesAsync(new DeliveryFilter(Channel: alerted.Name), 10, Ct)).Select(delivery => delivery.Notification.Event));
    }

    private async Task<bool> IsAuditedAsync(string actor, string action, string subject)
    {
        await foreach (var link in AuditLog.ReadAsync(_rig.Pool, 0, int.MaxValue, Ct))
        {
            if ((link.Actor, link.Action, link.Subject) == (actor, action, subject))
            {
                Assert.DoesNotContain(NotificationRig.Secret, link.Details, StringComparison.Ordinal);
                return true;
            }
        }

        return false;
    }
}
