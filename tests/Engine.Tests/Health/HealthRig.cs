using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Health.Probes;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Health;

/// <summary>Servers of a test's own and a monitor whose rounds the test calls; half a minute passes from one to the next without being waited for.</summary>
internal sealed class HealthRig : IAsyncDisposable
{
    private readonly ServerFolder _folder = new();
    private readonly CatalogServer _catalog;
    private readonly Clock _clock = new();
    private LeaderLease _lease = null!;

    private HealthRig(CatalogServer catalog) => _catalog = catalog;

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public List<PostgresCluster> Servers { get; } = [];

    public ProtectedEstate Estate { get; private set; } = null!;

    public HealthMonitor Monitor { get; private set; } = null!;

    public IncidentStore Incidents => new(_catalog.Pool);

    public HealthHistory History => new(_catalog.Pool);

    public HealthWatch Watch => new(_catalog.Pool, Estate);

    public MaintenanceWindows Windows => new(_catalog.Pool, Estate, _clock);

    public LeaderLease Lease => _lease;

    public DateTimeOffset Now => _clock.GetUtcNow();

    public string Name(int server = 0) => Estate.Sources[server].Name;

    public static async Task<HealthRig> CreateAsync(CatalogServer catalog, ClusterSeed seed, int servers = 1, HealthSettings? settings = null)
    {
        var rig = new HealthRig(catalog);
        rig._folder.Hold();
        // A catalog has one monitor. Rounds of an earlier rig, whose clock ran ahead, would lie among this one's and know nothing of its servers.
        await catalog.Pool.Command("DELETE FROM health_sample").RunAsync(Ct);
        // Nor does it hold the lease that an earlier rig left to run out, as a process that died does.
        await catalog.Pool.Command("UPDATE health_watch SET lease_until = NULL").RunAsync(Ct);
        LocalFolder.WritePrivateFile(rig._folder.Combine("password"), "a password"u8);
        for (var at = 0; at < servers; at++)
        {
            var options = rig._folder.ClusterOptions($"server{at}") with { Settings = new Dictionary<string, string> { ["fsync"] = "off", ["shared_buffers"] = "1MB", ["max_connections"] = "20" } };
            await seed.PlantAsync(options, Ct);
            var server = new PostgresCluster(options, rig._folder.Registry);
            await server.StartAsync(Ct);
            rig.Servers.Add(server);
        }

        rig.Estate = new ProtectedEstate("test", rig._folder.Path, ProtectionClass.Defaults, [], [.. rig.Servers.Select(rig.Source)], [])
        {
            Health = settings ?? HealthSettings.Default,
        };
        rig.Begin();
        rig._lease = (await LeaderLease.AcquireAsync(catalog.Pool, LeaseTimes.Default, HealthWatch.Lease, HealthWatch.Monitor, Ct))!;
        return rig;
    }

    /// <summary>A monitor that remembers nothing yet, as a process that has just started.</summary>
    public void Begin()
    {
        IProbeSource[] probes = [new PostgresProbes(Estate), new ProtectionProbes(Estate, new StandingCatalog(_catalog.Pool, Estate, _clock), _catalog.Pool, _clock)];
        Monitor = new HealthMonitor(
            _catalog.Pool, new ProbeRunner(probes, Estate, _clock, NullLogger<ProbeRunner>.Instance), Estate, LeaseTimes.Default, _clock, NullLogger<HealthMonitor>.Instance);
    }

    /// <summary>A watch on this rig's monitor, as another process has it.</summary>
    public PromiseWatch Promises() => new(
        _catalog.Pool, new StandingCatalog(_catalog.Pool, Estate, _clock),
        new WorkspaceRequests(requests: null!, new WorkspaceCatalog(_catalog.Pool), tiers: null!, Estate, _clock, NullLogger<WorkspaceRequests>.Instance),
        Watch, Estate, _clock, NullLogger<PromiseWatch>.Instance);

    /// <summary>Lets time pass in which nobody looks.</summary>
    public void Pass(TimeSpan span) => _clock.Pass(span);

    /// <summary>Rounds, half a minute apart; the verdicts of the last.</summary>
    public async Task<IReadOnlyList<Verdict>> LookAsync(int rounds = 1)
    {
        IReadOnlyList<Verdict> verdicts = [];
        for (var round = 0; round < rounds; round++)
        {
            _clock.Pass(Estate.Health.Interval);
            verdicts = await Monitor.LookAsync(_lease, Ct);
        }

        return verdicts;
    }

    /// <summary>This rig's incidents, oldest first.</summary>
    public async Task<IReadOnlyList<Incident>> IncidentsAsync() =>
        [.. (await Incidents.ListAsync(new IncidentFilter(Source: Name()), 50, Ct)).OrderBy(incident => incident.Id.Value)];

    public async Task ExecuteAsync(string sql)
    {
        await using var connection = await OpenAsync();
        await new NpgsqlCommand(sql, connection).RunAsync(Ct);
    }

    public async Task<string> ScalarAsync(string sql)
    {
        await using var connection = await OpenAsync();
        return (await new NpgsqlCommand(sql, connection).FirstAsync(row => row.GetString(0), Ct))!;
    }

    public async ValueTask DisposeAsync()
    {
        await _lease.ReleaseAsync();
        foreach (var server in Servers)
        {
            await server.KillAsync(CancellationToken.None);
        }

        await _folder.DisposeAsync();
    }

    private async Task<NpgsqlConnection> OpenAsync()
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder { Host = "127.0.0.1", Port = Servers[0].Port, Username = "postgres", Password = "a password", Database = "postgres", Pooling = false }.ConnectionString);
        await connection.OpenAsync(Ct);
        return connection;
    }

    private Source Source(PostgresCluster server) => new($"health-{Guid.NewGuid():n}", SourceKind.Postgres, "critical", "shop")
    {
        Postgres = new PostgresSettings("127.0.0.1", server.Port, "postgres", "postgres", _folder.Combine("password"), PostgresMode.Physical, []) { DataDirectory = server.DataFolder },
    };

    /// <summary>The system's clock, set forward between rounds.</summary>
    private sealed class Clock : TimeProvider
    {
        private TimeSpan _passed;

        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + _passed;

        public void Pass(TimeSpan span) => _passed += span;
    }
}
