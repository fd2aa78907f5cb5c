using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.RedisProtocol;

namespace Hexabase.DrConsole.Engine.Health.Probes;

/// <summary>The probes of Redis sources. All of them are answered by the rights that a backup needs.</summary>
public sealed class RedisProbes(ProtectedEstate estate) : IProbeSource
{
    /// <inheritdoc/>
    public IReadOnlyList<IHealthProbe> Probes { get; } = [.. estate.Sources.Where(source => source.Redis is not null).SelectMany(Of)];

    private static IEnumerable<IHealthProbe> Of(Source source)
    {
        var subject = HealthSubject.Of(source);
        var server = RedisBackup.EndpointOf(source);
        yield return new TcpProbe(subject, server.Host, server.Port);
        yield return new RedisProbe(subject, "handshake", ProbeKind.Protocol, server, PingAsync);
        yield return new RedisProbe(subject, "info", ProbeKind.Query, server, Reading(RedisReading.Service));
        yield return new RedisProbe(subject, "replication", ProbeKind.Replication, server, Reading(RedisReading.Link));
        yield return new RedisProbe(subject, "memory", ProbeKind.Disk, server, Reading(RedisReading.Memory));
    }

    private static async Task<ProbeFinding> PingAsync(RedisConnection connection, CancellationToken cancellationToken)
    {
        var answer = await connection.RequireAsync(["PING"], cancellationToken);
        return new ProbeFinding(ProbeAnswer.Answered, answer.Text);
    }

    private static Func<RedisConnection, CancellationToken, Task<ProbeFinding>> Reading(Func<RedisServerInfo, ProbeFinding> judge) =>
        async (connection, cancellationToken) => judge(await RedisServerInfo.ReadAsync(connection, cancellationToken));
}

/// <summary>What a server's own figures amount to.</summary>
internal static class RedisReading
{
    private const double FullFrom = 0.95;

    /// <summary>Whether it serves: one that loads its data answers, and serves nobody.</summary>
    public static ProbeFinding Service(RedisServerInfo info) => info.IsLoading
        ? new ProbeFinding(ProbeAnswer.Refused, $"it is loading its data, {info.Text("loading_loaded_perc")} % done", "LOADING")
        : new ProbeFinding(ProbeAnswer.Answered, string.Create(CultureInfo.InvariantCulture, $"Redis {info.Version}, {info.Role}, {info.Keys} keys"), null, info.Keys);

    /// <summary>A replica's link to its master.</summary>
    public static ProbeFinding Link(RedisServerInfo info) => info.Role != "slave"
        ? new ProbeFinding(ProbeAnswer.NotDetectable, "it is no replica")
        : info.Text("master_link_status") == "up"
            ? new ProbeFinding(ProbeAnswer.Answered, string.Create(CultureInfo.InvariantCulture, $"heard of its master {info.Number("master_last_io_seconds_ago")} s ago"), null, info.Number("master_last_io_seconds_ago"))
            : new ProbeFinding(ProbeAnswer.Exceeded, string.Create(CultureInfo.InvariantCulture, $"its master has been away for {info.Number("master_link_down_since_seconds")} s"), "down", info.Number("master_link_down_since_seconds"));

    /// <summary>
    /// Memory against maxmemory. A cache that evicts is full all the time and well; one that may not evict refuses writes
    /// when it is full.
    /// </summary>
    public static ProbeFinding Memory(RedisServerInfo info)
    {
        if (info.Number("used_memory") is not { } used)
        {
            return new ProbeFinding(ProbeAnswer.NotDetectable, "the server does not say how much memory it uses");
        }

        if (info.Number("maxmemory") is not { } most || most == 0)
        {
            return new ProbeFinding(ProbeAnswer.NotDetectable, string.Create(CultureInfo.InvariantCulture, $"{used} bytes used, and no maxmemory is set"));
        }

        var share = (double)used / most;
        var evicts = info.Text("maxmemory_policy") != "noeviction";
        return new ProbeFinding(
            share >= FullFrom && !evicts ? ProbeAnswer.Exceeded : ProbeAnswer.Answered,
            string.Create(CultureInfo.InvariantCulture, $"{used} of {most} bytes used, {(evicts ? "it evicts when full" : "it refuses writes when full")}"), null, share);
    }
}

/// <summary>Asks a Redis server something over a connection of its own.</summary>
internal sealed class RedisProbe(
    HealthSubject subject, string name, ProbeKind kind, RedisEndpoint server, Func<RedisConnection, CancellationToken, Task<ProbeFinding>> ask) : IHealthProbe
{
    public HealthSubject Subject => subject;

    public string Name => name;

    public ProbeKind Kind => kind;

    /// <inheritdoc/>
    public async Task<ProbeFinding> AskAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await RedisConnection.OpenAsync(server, cancellationToken);
            return await ask(connection, cancellationToken);
        }
        catch (EngineException fault)
        {
            return new ProbeFinding(AnswerOf(fault), fault.Message, fault.Code);
        }
    }

    private static ProbeAnswer AnswerOf(EngineException fault) => fault switch
    {
        { Code: "redis-loading" or "redis-busy" or "redis-too-many-clients" } => ProbeAnswer.Refused,
        { Kind: ErrorKind.Denied or ErrorKind.Input } => ProbeAnswer.Denied,
        { InnerException: System.Net.Sockets.SocketException { SocketErrorCode: System.Net.Sockets.SocketError.ConnectionRefused } } => ProbeAnswer.Refused,
        _ => ProbeAnswer.NoAnswer,
    };
}
