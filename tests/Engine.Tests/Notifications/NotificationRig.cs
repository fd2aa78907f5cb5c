using System.Text;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Notifications.Channels;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Notifications;

/// <summary>A sender whose every try the test calls, and channels for one source that nobody else speaks of.</summary>
internal sealed class NotificationRig : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("drconsole-notify-");
    private readonly CatalogServer _catalog;
    private readonly List<NotificationChannel> _channels = [];
    private LeaderLease _lease = null!;

    public NotificationRig(CatalogServer catalog) => _catalog = catalog;

    public const string Secret = "a secret of the test, long enough";

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public string Source { get; } = $"told-{Guid.NewGuid():n}";

    public NpgsqlDataSource Pool => _catalog.Pool;

    public NotificationSettings Settings { get; set; } = new() { PublicUrl = new Uri("https://drconsole.example/ops"), Timeout = TimeSpan.FromSeconds(20) };

    public NotificationSender Sender { get; private set; } = null!;

    public NotificationStore Store => new(Pool);

    public NotificationDesk Desk => new(Pool, Estate);

    private ProtectedEstate Estate => new("test", _folder.FullName, ProtectionClass.Defaults, [], [new Source(Source, SourceKind.Postgres, "critical", "shop")], [])
    {
        Notifications = Settings with { Channels = [.. _channels] },
    };

    public string WriteFile(string name, string text)
    {
        var path = Path.Combine(_folder.FullName, name);
        LocalFolder.WritePrivateFile(path, Encoding.UTF8.GetBytes(text + "\n"));
        return path;
    }

    public string Combine(string name) => Path.Combine(_folder.FullName, name);

    /// <summary>A channel that takes what touches this rig's source.</summary>
    public NotificationChannel Add(ChannelKind kind, Func<NotificationChannel, NotificationChannel> settings)
    {
        var channel = settings(new NotificationChannel($"{kind.ToString().ToLowerInvariant()}-{Guid.NewGuid():n}", kind) { Sources = [Source], Minimum = NotificationSeverity.Info });
        _channels.Add(channel);
        return channel;
    }

    public NotificationChannel AddWebhook(string url) =>
        Add(ChannelKind.Webhook, channel => channel with { Webhook = new WebhookSettings(new Uri(url), null, WriteFile("secret", Secret), null) });

    /// <summary>A process that begins to send.</summary>
    public async Task BeginAsync()
    {
        Sender = new NotificationSender(
            Pool, Estate, [new MailMessenger(), new WebhookMessenger(TimeProvider.System), new SlackMessenger(TimeProvider.System)],
            new NotificationFeed(Pool, TimeProvider.System, NullLogger<NotificationFeed>.Instance), LeaseTimes.Default, TimeProvider.System, NullLogger<NotificationSender>.Instance);
        // Each rig has a lease of its own; a process that begins finds that of the one before run out.
        await Pool.Command("UPDATE notification_sender SET lease_until = NULL WHERE name = $1", Source).RunAsync(Ct);
        _lease = (await LeaderLease.AcquireAsync(Pool, LeaseTimes.Default, NotificationSender.Lease, Source, Ct))!;
    }

    /// <summary>Something happens to the source, in a transaction that commits or does not.</summary>
    public async Task<long> HappensAsync(Notice notice, bool commits = true)
    {
        await using var connection = await Pool.OpenConnectionAsync(Ct);
        await using var transaction = await connection.BeginTransactionAsync(Ct);
        var id = await NotificationOutbox.WriteAsync(transaction, notice, Ct);
        if (commits)
        {
            await transaction.CommitAsync(Ct);
        }

        return id;
    }

    public Notice Alert(NotificationEvent what = NotificationEvent.IncidentConfirmed, NotificationSeverity severity = NotificationSeverity.Critical) =>
        new(what, severity, "I-4711", "/incidents/4711", new NotificationFacts
        {
            Kind = "DATABASE_CORRUPTION",
            Incident = "I-4711",
            Sources = [Source],
            FirstEvidenceAt = new DateTimeOffset(2026, 11, 24, 14, 32, 10, TimeSpan.Zero),
            Evidence = [new EvidenceFact(Source, "checksums", "Corrupt", "3 checksum failures since 14:31", 0)],
        });

    /// <summary>Routes what happened to this rig's source; what other tests told in the shared catalog is nobody's here.</summary>
    public async Task RouteAsync()
    {
        await Pool.Command("UPDATE notification SET routed_at = clock_timestamp() WHERE routed_at IS NULL AND NOT $1 = ANY(sources)", Source).RunAsync(Ct);
        await Sender.RouteAsync(_lease, Ct);
    }

    public Task<bool> SendAsync(NotificationChannel channel, CancellationToken ct) => Sender.SendNextAsync(_lease, channel, ct);

    /// <summary>A sender with the lease that it had, as a process that was frozen has it.</summary>
    public Func<NotificationChannel, Task<bool>> AsNow()
    {
        var (sender, lease) = (Sender, _lease);
        return channel => sender.SendNextAsync(lease, channel, Ct);
    }

    /// <summary>Lets the pause of what waits be over.</summary>
    public Task PassAsync(NotificationChannel channel) =>
        Pool.Command("UPDATE notification_delivery SET next_at = clock_timestamp() WHERE channel = $1", channel.Name).RunAsync(Ct);

    public async Task<Delivery> DeliveryAsync(NotificationChannel channel) => Assert.Single(await Store.DeliveriesAsync(new DeliveryFilter(Channel: channel.Name), 10, Ct));

    public async ValueTask DisposeAsync()
    {
        if (_lease is not null)
        {
            await _lease.ReleaseAsync();
        }

        // Another rig's sender would give up what is left for channels that it does not know, and log of it.
        await Pool.Command("DELETE FROM notification_delivery WHERE channel = ANY ($1)", (object)_channels.Select(channel => channel.Name).ToArray()).RunAsync(CancellationToken.None);
        _folder.Delete(recursive: true);
    }
}
