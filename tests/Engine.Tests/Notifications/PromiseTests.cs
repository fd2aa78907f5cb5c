using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hexabase.DrConsole.Engine.Tests.Notifications;

/// <summary>A promise that is broken is told once, and once when it is kept again.</summary>
[Collection("notifications")]
public sealed class PromiseTests(CatalogServer server)
{
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

    private Task LookAsync()
    {
        var estate = Estate;
        var workspaces = new WorkspaceRequests(
            requests: null!, new WorkspaceCatalog(server.Pool), tiers: null!, estate, TimeProvider.System, NullLogger<WorkspaceRequests>.Instance);
        return new PromiseWatch(server.Pool, new StandingCatalog(server.Pool, estate, TimeProvider.System), workspaces, new HealthWatch(server.Pool, estate), estate, TimeProvider.System, NullLogger<PromiseWatch>.Instance)
            .LookAsync(Ct);
    }

    private Task SeeAsync(DateTimeOffset rotatedAt) => new WorkspaceCatalog(server.Pool).SeeAsync(_workspace, 1, rotatedAt, ["hot"], Ct);

    private async Task<IReadOnlyList<Notification>> ToldAsync() =>
        [.. (await new NotificationStore(server.Pool).ListAsync(null, 1000, Ct)).Where(one => one.Sources.Contains(_source))];

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
