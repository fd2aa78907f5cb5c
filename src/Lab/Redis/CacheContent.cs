using System.Globalization;
using System.Text;
using Hexabase.DrConsole.Engine.RedisProtocol;

namespace Hexabase.DrConsole.Lab.Redis;

/// <summary>What the shop keeps in its cache: sessions that expire, carts, rankings, queues, events; and some of every awkward form.</summary>
public static class CacheContent
{
    private const int KeysPerBatch = 2000;
    private const string Library = "#!lua name=shop\nredis.register_function('shop_ping', function() return 'pong' end)\n";

    /// <summary>Writes sessions of about half a kilobyte each, and what else a cache holds.</summary>
    public static async Task FillAsync(RedisEndpoint server, int sessions, CancellationToken cancellationToken)
    {
        var connection = await RedisConnection.OpenAsync(server, cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            await AwkwardAsync(connection, cancellationToken).ConfigureAwait(false);
            var random = new Random(7);
            for (var next = 0; next < sessions; next += KeysPerBatch)
            {
                var count = Math.Min(KeysPerBatch, sessions - next);
                for (var index = next; index < next + count; index++)
                {
                    Session(connection, index, random);
                }

                await connection.SendAsync(cancellationToken).ConfigureAwait(false);
                for (var answers = 0; answers < count; answers++)
                {
                    await connection.ReadAsync(cancellationToken).ConfigureAwait(false);
                }
            }
        }
    }

    private static void Session(RedisConnection connection, int index, Random random)
    {
        var body = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{{\"customer\":{random.Next(100000)},\"token\":\"{Convert.ToHexString(Bytes(random, 160))}\",\"seen\":{random.NextInt64()}}}"));
        var lives = (index % 3) switch { 0 => "0", 1 => "86400", _ => "604800" };
        connection.BeginCommand(lives == "0" ? 3 : 5);
        connection.WriteArgument("SET"u8);
        connection.WriteArgument(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"session:{index}")));
        connection.WriteArgument(body);
        if (lives != "0")
        {
            connection.WriteArgument("EX"u8);
            connection.WriteArgument(Encoding.ASCII.GetBytes(lives));
        }
    }

    private static byte[] Bytes(Random random, int count)
    {
        var bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }

    /// <summary>Each type in each of its packings, names of any bytes, numbers at their limits, expiries, two databases, a library.</summary>
    private static async Task AwkwardAsync(RedisConnection connection, CancellationToken cancellationToken)
    {
        string[] many = [.. Enumerable.Range(0, 600).Select(index => string.Create(CultureInfo.InvariantCulture, $"element-{index}"))];
        List<string[]> commands =
        [
            ["SELECT", "0"],
            ["SET", "text", new string('a', 5000) + "end"],
            ["SET", "empty", ""],
            ["SET", "number:8", "-128"], ["SET", "number:16", "32767"], ["SET", "number:32", "-2147483648"], ["SET", "number:64", "9223372036854775807"],
            ["SET", "japanese:日本語", "災害復旧", "EX", "3600"],
            ["RPUSH", "queue:small", "first", "2", "-70000", "5000000000", new string('x', 70)],
            ["RPUSH", "queue:large", .. many],
            ["RPUSH", "queue:plain", new string('p', 9000), "after"],
            ["SADD", "tags:numbers", "1", "70000", "-9000000000"],
            ["SADD", "tags:large", .. many],
            ["ZADD", "ranking:small", "1.5", "a", "-inf", "b", "inf", "c", "3", "d"],
            ["ZADD", "ranking:large", .. many.SelectMany((name, index) => new[] { (index * 0.1).ToString("R", CultureInfo.InvariantCulture), name })],
            ["HSET", "cart:small", "product", "17", "note", "ring twice"],
            ["HSET", "cart:large", .. many.SelectMany(name => new[] { name, name + "!" })],
            ["XADD", "events", "*", "kind", "order", "id", "1"],
            ["XADD", "events", "*", "kind", "paid", "id", "1"],
            ["XGROUP", "CREATE", "events", "mailer", "0"],
            ["XREADGROUP", "GROUP", "mailer", "worker-1", "COUNT", "1", "STREAMS", "events", ">"],
            ["PFADD", "visitors", .. many[..50]],
            ["SELECT", "3"],
            ["SET", "text", "the same name in another database", "PX", "7200000"],
            ["SELECT", "0"],
        ];
        foreach (var command in commands)
        {
            await connection.RequireAsync(command, cancellationToken).ConfigureAwait(false);
        }

        // A name and a value of bytes that are no text; and the same value under two names, which a sum must not cancel.
        foreach (var name in new byte[][] { [0x00, 0xFF, 0x0A], [0xFE, 0x01] })
        {
            connection.BeginCommand(3);
            connection.WriteArgument("SET"u8);
            connection.WriteArgument(name);
            connection.WriteArgument([0x80, 0x00, 0x0D, 0x0A]);
            await connection.SendAsync(cancellationToken).ConfigureAwait(false);
            await connection.ReadAsync(cancellationToken).ConfigureAwait(false);
        }

        await connection.RequireAsync(["FUNCTION", "LOAD", "REPLACE", Library], cancellationToken).ConfigureAwait(false);
    }
}
