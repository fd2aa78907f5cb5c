using System.Collections.Concurrent;
using System.Diagnostics;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Receiving;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Receiving;

/// <summary>A server that is written to, two tiers, and a receiver between them.</summary>
internal sealed class WalRig : IAsyncDisposable, IBaseBackupRequests
{
    private readonly ServerFolder _folder = new();
    private readonly CatalogServer _catalog;
    private readonly HeartbeatLoad _load;
    private CancellationTokenSource? _receiving;
    private Task _receiver = Task.CompletedTask;

    private WalRig(CatalogServer catalog, WalSettings settings)
    {
        _catalog = catalog;
        _folder.Hold();
        LocalFolder.WritePrivateFile(_folder.Combine("key"), "a passphrase of the test"u8);
        LocalFolder.WritePrivateFile(_folder.Combine("password"), "a password"u8);
        Server = new PostgresCluster(Options("source"), _folder.Registry);
        Settings = settings;
        Wal = new WalCatalog(catalog.Pool);
        _load = new HeartbeatLoad(() => OpenAsync());
    }

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public PostgresCluster Server { get; private set; }

    public WalSettings Settings { get; }

    public WalCatalog Wal { get; }

    public ProcessRegistry Registry => _folder.Registry;

    public ProtectedEstate Estate { get; private set; } = null!;

    public TierRepositories Tiers { get; private set; } = null!;

    public Source Source => Estate.Sources[0];

    public string Slot => Settings.SlotOf(Source.Name);

    public ConcurrentQueue<Heartbeat> Heartbeats => _load.Heartbeats;

    public ConcurrentQueue<string> BaseBackupsAsked { get; } = [];

    public Exception? ReceiverFault { get; private set; }

    /// <param name="warmUploads">How many megabits in a second go to the second tier; null for no bound.</param>
    public static async Task<WalRig> CreateAsync(CatalogServer catalog, WalSettings? settings = null, int minimumTiers = 2, TimeSpan? heartbeat = null, int? warmUploads = null)
    {
        var rig = new WalRig(catalog, settings ?? new WalSettings(null, null, false, TimeSpan.FromMilliseconds(300)));
        await rig.Server.StartAsync(Ct);
        var critical = ProtectionClass.Defaults["critical"] with { MinimumTiers = minimumTiers };
        rig.Estate = new ProtectedEstate(
            "test", rig._folder.Path, new Dictionary<string, ProtectionClass>(ProtectionClass.Defaults) { ["critical"] = critical }, [rig.Tier("hot"), rig.Tier("warm") with { UploadMbitPerSecond = warmUploads }],
            [
                new Source($"wal-{Guid.NewGuid().ToString("n")[..8]}", SourceKind.Postgres, "critical", "shop")
                {
                    Postgres = new PostgresSettings("127.0.0.1", rig.Server.Port, "postgres", "postgres", rig._folder.Combine("password"), PostgresMode.Physical, []) { Wal = rig.Settings, Heartbeat = heartbeat },
                },
            ],
            []);
        rig.Tiers = new TierRepositories(rig.Estate, TimeProvider.System) { KeyDerivation = RepositoryFixture.Cheap.KeyDerivation };
        await rig.ExecuteAsync("CREATE TABLE heartbeat (id bigint PRIMARY KEY, written_at timestamptz NOT NULL DEFAULT clock_timestamp(), filler text); ALTER TABLE heartbeat ALTER filler SET STORAGE EXTERNAL");
        return rig;
    }

    public void StartReceiver(LeaseTimes? times = null)
    {
        _receiving = new CancellationTokenSource();
        _receiver = RunReceiverAsync(times ?? new LeaseTimes(TimeSpan.FromSeconds(3), TimeSpan.FromMilliseconds(300)), _receiving.Token);
    }

    /// <summary>A second process's receiver, as far as the lease is concerned.</summary>
    public (CancellationTokenSource Stop, Task Ended) StartAnotherReceiver()
    {
        var stop = new CancellationTokenSource();
        return (stop, RunReceiverAsync(new LeaseTimes(TimeSpan.FromSeconds(3), TimeSpan.FromMilliseconds(300)), stop.Token));
    }

    public async Task StopReceiverAsync()
    {
        if (_receiving is { } running)
        {
            await running.CancelAsync();
            await _receiver;
            running.Dispose();
            _receiving = null;
        }
    }

    /// <summary>Commits heartbeats until the rig ends, through every death of the server.</summary>
    public void StartWriting(TimeSpan pause, int fillerBytes = 100) => _load.Start(pause, fillerBytes);

    public Task StopWritingAsync() => _load.StopAsync();

    public async Task ExecuteAsync(string sql)
    {
        await using var connection = await OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Ct);
    }

    public async Task<ulong> CurrentLsnAsync()
    {
        await using var connection = await OpenAsync();
        await using var command = new NpgsqlCommand("SELECT pg_current_wal_lsn()::text", connection);
        return Lsn.Parse((string)(await command.ExecuteScalarAsync(Ct))!).Value;
    }

    /// <summary>Waits until the catalog says that these tiers hold everything up to an LSN.</summary>
    public async Task WaitDurableAsync(ulong lsn, TimeSpan limit, params string[] tiers)
    {
        var began = Stopwatch.GetTimestamp();
        while (true)
        {
            var rows = await Wal.TiersAsync(Source.Name, Ct);
            if ((tiers.Length == 0 ? ["hot", "warm"] : tiers).All(tier => rows.Any(row => row.Tier == tier && (ulong)(row.DurableLsn ?? default) >= lsn)))
            {
                return;
            }

            if (Stopwatch.GetElapsedTime(began) > limit)
            {
                var receiver = await Wal.ReceiversAsync(Source.Name, Ct);
                Assert.Fail($"{new Lsn(lsn)} is not durable after {limit.TotalSeconds:0} s: {string.Join("; ", rows)}; {string.Join("; ", receiver)} {string.Join("; ", receiver.SelectMany(one => one.Notices))} {ReceiverFault}");
            }

            await Task.Delay(50, Ct);
        }
    }

    public async Task<WalReceiverRow> WaitForAsync(Func<WalReceiverRow, bool> isIt, TimeSpan limit)
    {
        var began = Stopwatch.GetTimestamp();
        while (true)
        {
            var row = (await Wal.ReceiversAsync(Source.Name, Ct)).SingleOrDefault();
            if (row is not null && isIt(row))
            {
                return row;
            }

            Assert.True(Stopwatch.GetElapsedTime(began) < limit, $"the receiver stands at {row} {string.Join("; ", row?.Notices ?? [])} {ReceiverFault}");
            await Task.Delay(50, Ct);
        }
    }

    public async Task KillServerAsync()
    {
        await Server.KillAsync(Ct);
        NpgsqlConnection.ClearAllPools();
    }

    public async Task StartServerAgainAsync()
    {
        var port = Server.Port;
        Server = new PostgresCluster(Options("source") with { Port = port }, _folder.Registry);
        await Server.StartAsync(Ct);
    }

    /// <summary>Stops the server and promotes it to a timeline of its own, as after a failover.</summary>
    public async Task PromoteAsync()
    {
        await Server.StopAsync(Ct);
        await File.WriteAllTextAsync(Path.Combine(Server.DataFolder, "standby.signal"), "", Ct);
        await ShellAsync($"chown postgres {Server.DataFolder}/standby.signal || true");
        await StartServerAgainAsync();
        await ExecuteAsync("SELECT pg_promote(true, 60)");
    }

    /// <summary>Puts another cluster on the source's port.</summary>
    public async Task ReplaceServerAsync()
    {
        var port = Server.Port;
        await Server.StopAsync(Ct);
        Server = new PostgresCluster(Options("other") with { Port = port }, _folder.Registry);
        await Server.StartAsync(Ct);
        await ExecuteAsync("CREATE TABLE heartbeat (id bigint PRIMARY KEY, written_at timestamptz NOT NULL DEFAULT clock_timestamp(), filler text); ALTER TABLE heartbeat ALTER filler SET STORAGE EXTERNAL");
    }

    public void TakeDown(string tier)
    {
        Directory.Move(_folder.Combine(tier), _folder.Combine(tier + ".away"));
        File.WriteAllText(_folder.Combine(tier), "no folder");
    }

    public void BringBack(string tier)
    {
        File.Delete(_folder.Combine(tier));
        Directory.Move(_folder.Combine(tier + ".away"), _folder.Combine(tier));
    }

    /// <summary>The file of a whole segment in a tier, counted from the oldest.</summary>
    public string SegmentOf(string tier, int position) => Directory.EnumerateFiles(StoreOf(tier), "*", SearchOption.AllDirectories)
        .Where(path => path.Contains("/wal/", StringComparison.Ordinal) && System.Text.RegularExpressions.Regex.IsMatch(Path.GetFileName(path), @"^[0-9a-f]{16}\.[0-9a-f]{16}$"))
        .Order(StringComparer.Ordinal).ElementAt(position);

    /// <summary>Deletes a whole segment from a tier, counted from the oldest, and returns its number.</summary>
    public ulong LoseSegment(string tier, int position)
    {
        var file = SegmentOf(tier, position);
        File.Delete(file);
        return Convert.ToUInt64(Path.GetFileName(file)[..16], 16);
    }

    public NpgsqlDataSource CatalogPool => _catalog.Pool;

    public string StoreOf(string tier) => _folder.Combine(tier);

    public async Task<WalCoverage> CoverageAsync(string tier)
    {
        await using var repository = await OpenRepositoryAsync(tier);
        return await (await OpenArchiveAsync(repository)).CoverageAsync(Ct);
    }

    public Task<BackupRepository> OpenRepositoryAsync(string tier) => Tiers.OpenAsync(Estate.TierNamed(tier), Source.Workspace, Ct);

    /// <summary>The newest stream of the source.</summary>
    public async Task<WalArchive> OpenArchiveAsync(BackupRepository repository)
    {
        var stream = (await repository.ListWalAsync(Ct)).Last(one => one.Source == Source.Name);
        return await repository.OpenWalAsync(Source.Name, stream.SystemIdentifier, Ct);
    }

    /// <summary>A base backup of the server, without WAL.</summary>
    public async Task<string> TakeBaseBackupAsync()
    {
        var folder = _folder.Combine("base");
        await ShellAsync($"PGPASSWORD='a password' {Server.Binaries!.Folder}/pg_basebackup -h 127.0.0.1 -p {Server.Port} -U postgres -D {folder} -X none --checkpoint=fast --no-sync");
        return folder;
    }

    /// <summary>Recovers from the base backup and one tier's WAL alone, and returns the heartbeats that are there.</summary>
    public async Task<HashSet<long>> RecoverAsync(string baseBackup, string tier, uint timeline, string name = "recovered")
    {
        var folder = _folder.Combine(name);
        await ShellAsync($"cp -a {baseBackup} {folder}");
        var start = (await File.ReadAllTextAsync(Path.Combine(folder, "backup_label"), Ct)).Split('(')[0].Split(':')[1].Trim();
        await using (var repository = await OpenRepositoryAsync(tier))
        {
            await (await OpenArchiveAsync(repository)).FetchAsync(timeline, Lsn.Parse(start).Value, null, _folder.Combine(name + "-wal"), null, Ct);
        }

        await File.WriteAllTextAsync(Path.Combine(folder, "recovery.signal"), "", Ct);
        await File.AppendAllTextAsync(
            Path.Combine(folder, "postgresql.auto.conf"),
            $"restore_command = 'cp {_folder.Combine(name + "-wal")}/%f %p'\nrecovery_target_timeline = '{timeline}'\nrecovery_target_action = 'promote'\narchive_mode = off\nsynchronous_standby_names = ''\n", Ct);
        await ShellAsync($"chmod -R a+rX {_folder.Combine(name + "-wal")}; rm -f {folder}/postmaster.pid; id postgres >/dev/null 2>&1 && chown -R postgres: {folder}; chmod 700 {folder}");
        var cluster = new PostgresCluster(Options(name), _folder.Registry);
        await using (cluster)
        {
            await cluster.StartAsync(Ct);
            await using var connection = await OpenAsync(cluster.Port);
            for (var tries = 0; tries < 600; tries++)
            {
                await using var recovering = new NpgsqlCommand("SELECT pg_is_in_recovery()", connection);
                if (await recovering.ExecuteScalarAsync(Ct) is false)
                {
                    break;
                }

                await Task.Delay(50, Ct);
            }

            var found = new HashSet<long>();
            await using var command = new NpgsqlCommand("SELECT id FROM heartbeat", connection);
            await using var reader = await command.ExecuteReaderAsync(Ct);
            while (await reader.ReadAsync(Ct))
            {
                found.Add(reader.GetInt64(0));
            }

            return found;
        }
    }

    public Task RequestAsync(Source source, string reason, CancellationToken cancellationToken)
    {
        BaseBackupsAsked.Enqueue(reason);
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await StopWritingAsync();
        await StopReceiverAsync();
        await Server.StopAsync(CancellationToken.None);
        Tiers.Dispose();
        _load.Dispose();
        await _folder.DisposeAsync();
    }

    public async Task<NpgsqlConnection> OpenAsync(int? port = null)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder
        {
            Host = "127.0.0.1",
            Port = port ?? Server.Port,
            Username = "postgres",
            Password = "a password",
            Database = "postgres",
            Pooling = false,
        }.ConnectionString);
        await connection.OpenAsync(Ct);
        return connection;
    }

    private async Task RunReceiverAsync(LeaseTimes times, CancellationToken ct)
    {
        try
        {
            await new WalReceivers(_catalog.Pool, Tiers, Estate, Wal, this, _folder.Registry, times, TimeProvider.System, new FaultLog(fault => ReceiverFault = fault)).SuperviseAsync(Source, ct);
        }
        catch (Exception fault) when (!ct.IsCancellationRequested)
        {
            ReceiverFault = fault;
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    private PostgresClusterOptions Options(string name) => _folder.ClusterOptions(name) with
    {
        Settings = new Dictionary<string, string> { ["fsync"] = "off", ["max_wal_senders"] = "8", ["max_slot_wal_keep_size"] = "512MB", ["max_wal_size"] = "64MB", ["min_wal_size"] = "32MB" },
        IsScratch = true,
    };

    private StorageTier Tier(string name) => new(name, new Uri(_folder.Combine(name)).AbsoluteUri, _folder.Combine("key"), null);

    private static async Task ShellAsync(string command)
    {
        using var shell = Process.Start(new ProcessStartInfo("sh", ["-c", command]) { RedirectStandardError = true })!;
        var error = await shell.StandardError.ReadToEndAsync(Ct);
        await shell.WaitForExitAsync(Ct);
        Assert.True(shell.ExitCode == 0, $"{command}: {error}");
    }

    /// <summary>Keeps what the supervisor did not expect.</summary>
    private sealed class FaultLog(Action<Exception> onFault) : ILogger<WalReceivers>
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (exception is not null)
            {
                onFault(exception);
            }
        }
    }
}
