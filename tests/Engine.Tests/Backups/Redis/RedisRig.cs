using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.RedisProtocol;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Engine.Validation;
using Hexabase.DrConsole.Lab;
using Hexabase.DrConsole.Lab.Redis;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Redis;

/// <summary>The vocabulary of the Redis driver's tests: real servers of the test's own, a repository, and both directions.</summary>
internal sealed class RedisRig : IAsyncDisposable
{
    public const int Sessions = 300;
    private readonly ServerFolder _folder = new();
    private readonly List<LabRedis> _servers = [];

    private RedisRig(BackupRepository repository, FileSystemStore store, string storeFolder)
    {
        Repository = repository;
        Store = store;
        StoreFolder = storeFolder;
        Lab = new LabFolder(_folder.Combine("lab"));
    }

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public BackupRepository Repository { get; }

    public FileSystemStore Store { get; }

    public string StoreFolder { get; }

    public LabFolder Lab { get; }

    public ServerFolder Folder => _folder;

    public List<string> Log { get; } = [];

    /// <summary>Called with each line of the log.</summary>
    public Action<string>? OnLog { get; set; }

    public static async Task<RedisRig> CreateAsync()
    {
        var folder = Directory.CreateTempSubdirectory("drconsole-tier-").FullName;
        var store = new FileSystemStore(folder);
        return new RedisRig(await RepositoryFixture.InitializeAsync(store), store, folder);
    }

    /// <summary>A server that runs; filled unless a size of 0 is asked for.</summary>
    public async Task<LabRedis> StartAsync(string name = "cache", LabRedisOptions? options = null, int sessions = Sessions)
    {
        var server = new LabRedis(Lab, (options ?? new LabRedisOptions()) with { Name = name, SyncDelaySeconds = 0 });
        _servers.Add(server);
        await server.StartAsync(Ct);
        if (sessions > 0)
        {
            await CacheContent.FillAsync(server.Admin, sessions, Ct);
        }

        return server;
    }

    public static Source SourceOf(RedisEndpoint endpoint) => new("cache", SourceKind.Redis, "critical", "shop")
    {
        Redis = new RedisSettings(endpoint.Host, endpoint.Port, endpoint.PasswordFile, endpoint.Tls) { Username = endpoint.Username, CaFile = endpoint.CaFile },
    };

    public Task<BackupResult> CaptureAsync(RedisEndpoint endpoint, TimeProvider? time = null) => new RedisBackup(time ?? TimeProvider.System).CaptureAsync(
        new CaptureRequest
        {
            Source = SourceOf(endpoint),
            Strategy = RedisBackup.Snapshot,
            Description = new BackupDescription { Source = "cache", Kind = "redis", Workspace = "shop" },
        }, Repository, null, Note, Ct);

    /// <summary>A capture that must fail; afterwards there is no restore point.</summary>
    public async Task<EngineException> FailToCaptureAsync(RedisEndpoint endpoint)
    {
        var fault = await Assert.ThrowsAsync<EngineException>(() => CaptureAsync(endpoint));
        Assert.Empty((await Repository.ListAsync(Ct)).Points);
        Assert.False(string.IsNullOrWhiteSpace(fault.Hint), fault.Message);
        return fault;
    }

    public async Task<RedisFacts> FactsAsync(RestorePointId id) => await RedisBackup.ReadFactsAsync(Repository, await Repository.ReadManifestAsync(id, Ct), Ct);

    public Task<ValidationResult> ValidateAsync(RestorePointId id) => new RestorePointValidation(
        new ValidationOptions { ScratchRoot = _folder.Combine("scratch"), ProtectedPaths = [StoreFolder] }, _folder.Registry, TimeProvider.System)
        .RunAsync(Repository, id, null, Note, Ct);

    public static RedisTarget Target(LabRedis server, string? keys = null, bool replace = false) => new(
        LabRedis.Host, server.Port, null, server.AdminPasswordFile, server.Admin.Tls, server.Admin.CaFile, keys, null, replace);

    public async Task<RestoreOutcome> RestoreAsync(RestorePointId id, RestoreTarget target, string operation = "R-1")
    {
        var manifest = await Repository.ReadManifestAsync(id, Ct);
        IRestoreDriver driver = target is RedisDirectoryTarget ? new RedisDirectoryRestoreDriver(new RedisDirectoryRestore(TimeProvider.System)) : new RedisRestoreDriver(new RedisRestore(TimeProvider.System));
        var plan = await driver.PlanAsync(Repository, manifest, target, Ct);
        var outcome = await driver.ExecuteAsync(new RestoreWork(Repository, manifest, plan, plan.Hash, operation, null, Note), Ct);
        await driver.SettleAsync(plan, operation, Ct);
        return outcome;
    }

    /// <summary>A port that refuses: it is taken, and nobody listens. The port of a server that was killed may be another test's a moment later.</summary>
    public static Socket ClosedPort(out int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        port = ((IPEndPoint)socket.LocalEndPoint!).Port;
        return socket;
    }

    /// <summary>The server's own digest of all that it holds: not computed by us.</summary>
    public static async Task<string> DigestAsync(LabRedis server) => (await server.RunAsync(Ct, "DEBUG", "DIGEST")).Text;

    public static async Task<long> KeysAsync(LabRedis server)
    {
        await using var connection = await RedisConnection.OpenAsync(server.Admin, Ct);
        return (await RedisServerInfo.ReadAsync(connection, Ct)).Keys;
    }

    public void Note(string phase, string text)
    {
        var line = string.Create(CultureInfo.InvariantCulture, $"{phase}: {text}");
        lock (Log)
        {
            Log.Add(line);
        }

        OnLog?.Invoke(line);
    }

    public async ValueTask DisposeAsync()
    {
        await Repository.DisposeAsync();
        await Store.DisposeAsync();
        foreach (var server in _servers)
        {
            await server.KillAsync(CancellationToken.None);
        }

        await _folder.DisposeAsync();
        Directory.Delete(StoreFolder, recursive: true);
    }
}
