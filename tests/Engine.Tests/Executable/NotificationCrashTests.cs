using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Notifications;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>The console is killed while a receiver has a notification and it has not heard so.</summary>
public sealed class NotificationCrashTests(PostgresLab lab, ConsoleSeed seed)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Killed_between_sending_and_writing_that_down_the_next_start_sends_again_with_the_same_id()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        await ConfigureAsync(estate, receiver.Url);
        string first;
        await using (var console = await estate.ServeAsync())
        {
            receiver.Answer = async (context, _) =>
            {
                console.Signal(UnixSignal.Kill);
                await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            };
            await using var catalog = estate.OpenCatalog();
            await using var connection = await catalog.OpenConnectionAsync(Ct);
            await using var transaction = await connection.BeginTransactionAsync(Ct);
            await NotificationOutbox.WriteAsync(
                transaction, new Notice(NotificationEvent.RunFailed, NotificationSeverity.Warning, "R-1", "/runs/1", new NotificationFacts { Sources = [ConsoleEstate.Source], Run = "R-1" }), Ct);
            await transaction.CommitAsync(Ct);
            first = (await receiver.NextAsync(Ct)).Id;
            await console.EndAsync();
        }

        receiver.Answer = (_, _) => Task.CompletedTask;
        await using var second = await estate.ServeAsync();
        Assert.Equal(first, (await receiver.NextAsync(Ct)).Id);
        await using var pool = estate.OpenCatalog();
        var store = new NotificationStore(pool);
        Delivery delivery;
        do
        {
            // Its answer has been given; that it is written down takes a moment.
            await Task.Delay(50, Ct);
            delivery = Assert.Single(await store.DeliveriesAsync(new DeliveryFilter(), 10, Ct));
        }
        while (delivery.IsOpen);

        Assert.Equal((DeliveryState.Delivered, 2), (delivery.State, delivery.Attempt));
        await second.StopAsync();
    }

    private static async Task ConfigureAsync(ConsoleEstate estate, string url)
    {
        var secret = estate.Combine("hook.secret");
        LocalFolder.WritePrivateFile(secret, "a secret of the test, long enough\n"u8);
        var json = JsonNode.Parse(await File.ReadAllTextAsync(estate.Configuration, Ct))!;
        json["DrConsole"]!["Notifications"] = new JsonObject
        {
            ["Channels"] = new JsonArray(new JsonObject { ["Name"] = "hook", ["Kind"] = "webhook", ["Webhook"] = new JsonObject { ["Url"] = url, ["SecretFile"] = secret } }),
        };
        await File.WriteAllTextAsync(estate.Configuration, json.ToJsonString(), Ct);
    }
}
