using System.Globalization;
using System.Text;
using Hexabase.DrConsole.Engine.RedisProtocol;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>
/// A throw-away Redis on somebody else's snapshot: reachable by its unix socket only, as a user that can read neither keys nor
/// the data folder, without network, with an own configuration and no modules. It believes itself a replica of a master that
/// is away: then it keeps keys whose time is over, which a master drops as it loads, and what it holds is all of the snapshot.
/// </summary>
public sealed class ScratchRedis : IAsyncDisposable
{
    private const string Program = "redis-server";
    private readonly LocalServer _server;
    private readonly string _snapshot;

    private ScratchRedis(LocalServer server, RedisEndpoint endpoint, string snapshot)
    {
        _server = server;
        _snapshot = snapshot;
        Endpoint = endpoint;
    }

    /// <summary>Where it listens.</summary>
    public RedisEndpoint Endpoint { get; }

    /// <summary>The process while it runs.</summary>
    public ProcessIdentity? Process => _server.Process;

    /// <summary>True where this machine has a Redis.</summary>
    public static bool IsInstalled => ChildProcess.TryResolve(Program) is not null;

    /// <summary>The file in a folder that a scratch server loads; write it as the folder's user.</summary>
    public static string SnapshotIn(ScratchFolder folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return Path.Combine(folder.DataFolder, "dump.rdb");
    }

    /// <summary>Starts a server on the folder's snapshot and waits until it has loaded it.</summary>
    /// <exception cref="EngineException"><c>tool-missing</c>; <c>server-start-failed</c> with the end of its log: mostly it could not load.</exception>
    public static async Task<ScratchRedis> StartAsync(ScratchFolder folder, TimeSpan patience, ProcessRegistry registry, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(folder);
        var socket = folder.FileOf("redis.sock");
        LocalFolder.WritePrivateFile(folder.FileOf("redis.conf"), Encoding.UTF8.GetBytes(Configuration(folder, socket)), folder.User);
        var server = new LocalServer(
            new LocalServerOptions
            {
                Name = folder.Name + "-redis",
                Purpose = "scratch Redis",
                Command = new ToolCommand(Program, [folder.FileOf("redis.conf")]) { RunAs = folder.User, Isolation = folder.Command, Purpose = "scratch Redis" },
                LogFile = folder.FileOf("server.log"),
                StartTimeout = patience,
            },
            registry, time);
        var endpoint = new RedisEndpoint(socket, 0);
        try
        {
            await server.StartAsync(token => HasLoadedAsync(endpoint, token), cancellationToken);
            return new ScratchRedis(server, endpoint, SnapshotIn(folder));
        }
        catch
        {
            await server.KillTreeAsync(CancellationToken.None);
            throw;
        }
    }

    /// <summary>Lets it write what it holds into a new file, in the place of the one that it loaded: that is removed first.</summary>
    public async Task<string> SaveAsync(CancellationToken cancellationToken)
    {
        await using var connection = await RedisConnection.OpenAsync(Endpoint, cancellationToken);
        File.Delete(_snapshot);
        await connection.RequireAsync(["SAVE"], cancellationToken);
        return _snapshot;
    }

    /// <summary>Ends it at once: nothing of it is to be kept.</summary>
    public async ValueTask DisposeAsync() => await _server.KillTreeAsync(CancellationToken.None);

    private static async Task<bool> HasLoadedAsync(RedisEndpoint endpoint, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await RedisConnection.OpenAsync(endpoint, cancellationToken);
            return (await connection.CallAsync(["PING"], cancellationToken)) is { } answer && (!answer.IsError || answer.Text.StartsWith("MASTERDOWN", StringComparison.Ordinal));
        }
        catch (EngineException fault) when (fault.Kind == ErrorKind.Unavailable)
        {
            return false;
        }
    }

    private static string Configuration(ScratchFolder folder, string socket) => string.Create(CultureInfo.InvariantCulture, $"""
        port 0
        unixsocket {socket}
        unixsocketperm 700
        daemonize no
        dir {folder.DataFolder}
        dbfilename dump.rdb
        save ""
        appendonly no
        maxmemory 0
        databases 16384
        rdbchecksum yes
        rdbcompression no
        stop-writes-on-bgsave-error no
        crash-memcheck-enabled no
        replicaof 127.0.0.1 1
        replica-serve-stale-data yes
        logfile ""

        """);
}
