using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Engine.Tests.Notifications;

/// <summary>A promise that is broken is told once, and once when it is kept again.</summary>
[Collection("notifications")]
public sealed class PromiseTests(CatalogServer server)
{
    /// <summary>The monitor that looks at this catalog is another test's, and is not what these tests wait for.</summary>
    private static readonly HealthSettings s_patient = new() { Interval = TimeSpan.FromDays(1000) };

    private readonly string _source = $"promised-{Guid.NewGuid():n}";
    private readonly string _workspace = $"shop-{Guid.NewGuid():n}";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    private ProtectedEstate Estate => new("test", "/nowhere", ProtectionClass.Defaults, [], [new Source(_source, SourceKind.Postgres, "standard", _workspace)], []);

    [Fact]
    public async Task An_RPO_that_is_not_kept_is_told_once_and_so_is_that_it_is_again()
    {
        var rpo = ProtectionClass.Defaults["standard"].Rpo;
        await Task.WhenAll(LookAsync(), LookAsync());
        Assert.Empty(await ToldAsync());

        await RecordAsync(Now - (rpo * 2));
        await Task.WhenAll(LookAsync(), LookAsync());
        await LookAsync();
        var broken = Assert.Single(await ToldAsync());
        Assert.Equal((NotificationEvent.RpoBreached, NotificationSeverity.Critical, _source, false), (broken.Event, broken.Severity, broken.Subject, broken.Closes));
        Assert.Equal(rpo.TotalSeconds, broken.Facts.RpoSeconds);
        Assert.True(broken.Facts.LossSeconds > rpo.TotalSeconds);

        await RecordAsync(Now);
        await Task.WhenAll(LookAsync(), LookAsync());
        await LookAsync();
        var told = await ToldAsync();
        Assert.Equal([NotificationEvent.RpoKept, NotificationEvent.RpoBreached], told.Select(one => one.Event));
        Assert.True(told[0].Closes);
        Assert.Equal(broken.Thread, told[0].Thread);
    }

    [Fact]
    public async Task Keys_that_are_due_for_rotation_are_told_once_and_so_is_that_they_were_rotated()
    {
        var days = ProtectionClass.Defaults["standard"].RotationDays;
        await RecordAsync(Now);
        await SeeAsync(Now.AddDays(-days - 1));
        await LookAsync();
        await LookAsync();
        var due = Assert.Single(await ToldAsync());
        Assert.Equal((NotificationEvent.RotationDue, _workspace), (due.Event, due.Subject));
        Assert.Equal([_source], due.Sources);
        Assert.True(due.Facts.DueAt < Now);

        await SeeAsync(Now);
        await LookAsync();
        await LookAsync();
        Assert.Equal([NotificationEvent.RotationDone, NotificationEvent.RotationDue], (await ToldAsync()).Select(one => one.Event));
    }

    [Fact]
    public async Task Commits_that_wait_are_told_once_and_ended_once_that_has_lasted()
    {
        var estate = Estate with
        {
            Sources =
            [
                new Source(_source, SourceKind.Postgres, "critical", _workspace)
                {
                    Postgres = new PostgresSettings("127.0.0.1", 5432, "shop", "backup", null, PostgresMode.Physical, []) { Wal = new WalSettings(true, null, true, TimeSpan.FromSeconds(1)) },
                },
            ],
        };
        var time = new FakeTimeProvider(Now);
        var watch = WatchOf(estate, time);
        await watch.LookAsync(Ct);
        Assert.Empty(await CommitsAsync());

        // A wait that has just begun may be over in a moment.
        await ReceiveAsync("streaming", time.GetUtcNow().AddSeconds(-6));
        await watch.LookAsync(Ct);
        Assert.Empty(await CommitsAsync());

        time.Advance(TimeSpan.FromSeconds(30));
        await Task.WhenAll(watch.LookAsync(Ct), WatchOf(estate, time).LookAsync(Ct));
        await watch.LookAsync(Ct);
        var told = Assert.Single(await CommitsAsync());
        Assert.Equal((NotificationEvent.CommitsWait, NotificationSeverity.Critical, _source, false), (told.Event, told.Severity, told.Subject, told.Closes));
        Assert.Contains("commits have been waiting", told.Facts.Reason, StringComparison.Ordinal);

        // A receiver that comes and goes is one story.
        await ReceiveAsync("streaming", null);
        await watch.LookAsync(Ct);
        await ReceiveAsync("failed", time.GetUtcNow());
        await watch.LookAsync(Ct);
        Assert.Single(await CommitsAsync());

        await ReceiveAsync("streaming", null);
        await watch.LookAsync(Ct);
        time.Advance(TimeSpan.FromSeconds(30));
        await watch.LookAsync(Ct);
        await watch.LookAsync(Ct);
        var all = await CommitsAsync();
        Assert.Equal([NotificationEvent.CommitsFlow, NotificationEvent.CommitsWait], all.Select(one => one.Event));
        Assert.True(all[0].Closes);
        Assert.Equal(told.Thread, all[0].Thread);

        // Where no process receives, nobody confirms anything.
        await server.Pool.Command("UPDATE wal_receiver SET lease_until = clock_timestamp() - interval '1 minute' WHERE source = $1", _source).RunAsync(Ct);
        await watch.LookAsync(Ct);
        Assert.Equal(2, (await CommitsAsync()).Count);
        time.Advance(TimeSpan.FromSeconds(30));
        await watch.LookAsync(Ct);
        Assert.Equal("no process receives its WAL", (await CommitsAsync())[0].Facts.Reason);
    }

    [Fact]
    public async Task Commits_alert_that_is_open_ends_where_the_source_is_synchronous_no_more()
    {
        var settings = new PostgresSettings("127.0.0.1", 5432, "shop", "backup", null, PostgresMode.Physical, []) { Wal = new WalSettings(true, null, true, TimeSpan.FromSeconds(1)) };
        ProtectedEstate With(WalSettings wal) => Estate with { Sources = [new Source(_source, SourceKind.Postgres, "critical", _workspace) { Postgres = settings with { Wal = wal } }] };
        await ReceiveAsync("streaming", Now.AddMinutes(-1));
        await WatchOf(With(settings.Wal), TimeProvider.System).LookAsync(Ct);
        var told = Assert.Single(await CommitsAsync());

        var changed = With(settings.Wal with { IsSynchronous = false });
        await WatchOf(changed, TimeProvider.System).LookAsync(Ct);
        await WatchOf(changed, TimeProvider.System).LookAsync(Ct);

        var all = await CommitsAsync();
        Assert.Equal([NotificationEvent.CommitsFlow, NotificationEvent.CommitsWait], all.Select(one => one.Event));
        Assert.Equal((told.Thread, true), (all[0].Thread, all[0].Closes));
    }

    [Fact]
    public async Task Nodes_worker_that_is_silent_is_told_once_for_all_of_the_nodes_sources_and_so_is_that_it_is_back()
    {
        var other = _source + "-logs";
        var settings = new VolumeSettings("/srv") { Node = _workspace };
        var estate = Estate with { Sources = [.. new[] { _source, other }.Select(name => new Source(name, SourceKind.Volume, "standard", _workspace) { Volume = settings })] };
        var agents = new Agents();
        var time = new FakeTimeProvider(Now);
        var watch = WatchOf(estate, time, agents);

        // Right after the catalog was away nobody has reported yet.
        await watch.LookAsync(Ct);
        time.Advance(TimeSpan.FromSeconds(110));
        await watch.LookAsync(Ct);
        Assert.Empty(await ToldAsync());
        time.Advance(TimeSpan.FromSeconds(10));
        await watch.LookAsync(Ct);
        await watch.LookAsync(Ct);
        var told = Assert.Single(await ToldAsync());
        Assert.Equal((NotificationEvent.AgentSilent, NotificationSeverity.Warning, "node-" + _workspace, false), (told.Event, told.Severity, told.Subject, told.Closes));
        Assert.Equal([_source, other], told.Sources);

        agents.Silence = TimeSpan.FromSeconds(3);
        await watch.LookAsync(Ct);
        await watch.LookAsync(Ct);
        var all = await ToldAsync();
        Assert.Equal([NotificationEvent.AgentBack, NotificationEvent.AgentSilent], all.Select(one => one.Event));
        Assert.Equal((told.Thread, true), (all[0].Thread, all[0].Closes));

        // One that nobody can know of changes nothing, and the patience begins anew.
        agents.Silence = TimeSpan.FromHours(1);
        await watch.LookAsync(Ct);
        await WatchOf(estate, time).LookAsync(Ct);
        time.Advance(TimeSpan.FromSeconds(60));
        await watch.LookAsync(Ct);
        Assert.Equal(2, (await ToldAsync()).Count);
    }

    private async Task<IReadOnlyList<Notification>> CommitsAsync() => [.. (await ToldAsync()).Where(one => one.Event is NotificationEvent.CommitsWait or NotificationEvent.CommitsFlow)];

    private Task ReceiveAsync(string state, DateTimeOffset? waitsSince) => server.Pool.Command(
        """
        INSERT INTO wal_receiver (source, state, lease_until, commits_wait_since, notices) VALUES ($1, $2, clock_timestamp() + interval '1 hour', $3, $4::text::jsonb)
        ON CONFLICT (source) DO UPDATE SET state = excluded.state, lease_until = excluded.lease_until, commits_wait_since = excluded.commits_wait_since, notices = excluded.notices
        """, _source, state, waitsSince, waitsSince is null ? "[]" : """["commits have been waiting for 6 s"]""").RunAsync(Ct);

    private Task LookAsync() => WatchOf(Estate, TimeProvider.System).LookAsync(Ct);

    private PromiseWatch WatchOf(ProtectedEstate estate, TimeProvider time, INodeAgents? agents = null)
    {
        var workspaces = new WorkspaceRequests(
            requests: null!, new WorkspaceCatalog(server.Pool), tiers: null!, estate, TimeProvider.System, NullLogger<WorkspaceRequests>.Instance);
        return new PromiseWatch(server.Pool, new StandingCatalog(server.Pool, estate, TimeProvider.System, agents), workspaces, new HealthWatch(server.Pool, estate with { Health = s_patient }), estate, time, NullLogger<PromiseWatch>.Instance);
    }

    private sealed class Agents : INodeAgents
    {
        public TimeSpan? Silence { get; set; }

        public Task<IReadOnlyDictionary<string, TimeSpan>?> SilencesAsync(IReadOnlyCollection<string> nodes, CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyDictionary<string, TimeSpan>?>(Silence is { } silence ? nodes.ToDictionary(node => node, _ => silence) : []);
    }

    private Task SeeAsync(DateTimeOffset rotatedAt) => new WorkspaceCatalog(server.Pool).SeeAsync(_workspace, 1, rotatedAt, ["hot"], Ct);

    private async Task<IReadOnlyList<Notification>> ToldAsync() =>
        [.. (await new NotificationStore(server.Pool).ListAsync(null, 1_000_000, Ct)).Where(one => one.Sources.Contains(_source))];

    private async Task RecordAsync(DateTimeOffset at)
    {
        await server.Pool.Command(
            """
            INSERT INTO restore_point (id, source, kind, class, workspace, created_at, completed_at, bytes, stored_bytes, artifacts)
            VALUES ($1, $2, 'postgres', 'standard', $3, $4, $4, 1, 1, '[]')
            """, Guid.NewGuid().ToString("n"), _source, _workspace, at.ToUniversalTime()).RunAsync(Ct);
        await server.Pool.Command(
            "INSERT INTO restore_point_tier (restore_point, tier, state, stored_at) SELECT p.id, t.tier, 'stored', p.created_at FROM restore_point p, unnest(ARRAY['hot', 'warm', 'cold']) AS t (tier) WHERE p.source = $1 ON CONFLICT DO NOTHING",
            _source).RunAsync(Ct);
    }
}
