using System.Net;
using System.Net.Sockets;
using System.Text;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.RedisProtocol;
using static Hexabase.DrConsole.Engine.Tests.Backups.Redis.RedisRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Redis;

/// <summary>Servers that answer nothing, or nonsense: nobody waits for them for ever.</summary>
public sealed class RedisConnectionTests
{
    [Fact]
    public async Task Server_that_stands_still_ends_the_wait_with_what_to_look_at()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var endpoint = EndpointOf(listener) with { IdlePatience = TimeSpan.FromMilliseconds(100) };
        await using var connection = await RedisConnection.OpenAsync(endpoint, Ct);

        var fault = await Assert.ThrowsAsync<EngineException>(() => connection.CallAsync(["PING"], Ct));

        Assert.Equal(("redis-stalled", ErrorKind.Unavailable, true), (fault.Code, fault.Kind, fault.IsTransient));
        Assert.Equal("redis-stalled", (await Assert.ThrowsAsync<EngineException>(async () => await connection.ReadRawAsync(new byte[1], Ct))).Code);
    }

    [Fact]
    public async Task Copy_by_scan_gives_its_reader_every_fault()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var connection = await RedisConnection.OpenAsync(EndpointOf(listener), Ct);
        using var server = await listener.AcceptTcpClientAsync(Ct);
        // INFO with one database, no functions, a SELECT that is well, and a SCAN whose answer is no list.
        await server.GetStream().WriteAsync(Encoding.ASCII.GetBytes("$11\r\ndb0:keys=1\n\r\n$-1\r\n+OK\r\n+OK\r\n"), Ct);
        var info = await RedisServerInfo.ReadAsync(connection, Ct);
        await using var stream = new ScanCopy(connection, info, TimeProvider.System, _ => { }).Begin(Ct);

        var fault = await Record.ExceptionAsync(() => stream.CopyToAsync(Stream.Null, Ct).WaitAsync(TimeSpan.FromMinutes(1), Ct));

        Assert.NotNull(fault);
        Assert.IsNotType<TimeoutException>(fault);
    }

    [Theory]
    [InlineData("$1073741824\r\nsecret of a customer\r\n", "redis-value-too-large")]
    [InlineData("$99999999999\r\nsecret of a customer\r\n", "redis-value-too-large")]
    [InlineData("secret of a customer\r\n", "redis-not-understood")]
    public async Task Answer_that_cannot_be_taken_ends_the_connection_and_tells_nothing_of_what_it_holds(string answer, string code)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var connection = await RedisConnection.OpenAsync(EndpointOf(listener), Ct);
        using var server = await listener.AcceptTcpClientAsync(Ct);
        await server.GetStream().WriteAsync(Encoding.ASCII.GetBytes("$-1\r\n" + answer), Ct);
        Assert.Equal(RespValue.Nothing, await connection.ReadAsync(Ct));

        var fault = await Assert.ThrowsAsync<EngineException>(() => connection.ReadAsync(Ct));

        Assert.Equal(code, fault.Code);
        Assert.DoesNotContain("secret", fault.Message + fault.Hint, StringComparison.Ordinal);
        if (code == "redis-value-too-large")
        {
            // Nothing of the value is taken for the next answer.
            await Assert.ThrowsAnyAsync<Exception>(() => connection.CallAsync(["PING"], Ct));
        }
    }

    private static RedisEndpoint EndpointOf(TcpListener listener) => new("127.0.0.1", ((IPEndPoint)listener.LocalEndpoint).Port);
}
