using System.Globalization;
using Hexabase.DrConsole.Engine.RedisProtocol;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>What a server says of itself (<c>INFO</c>).</summary>
public sealed class RedisServerInfo
{
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

    private RedisServerInfo(string text)
    {
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (line.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon)
            {
                _values[line[..colon]] = line[(colon + 1)..];
            }
        }
    }

    public string Version => Text("redis_version") ?? "unknown";

    /// <summary><c>master</c> or <c>slave</c>.</summary>
    public string Role => Text("role") ?? "unknown";

    public bool IsLoading => Number("loading") == 1;

    public bool IsCluster => Number("cluster_enabled") == 1;

    /// <summary>Seconds since the server started.</summary>
    public long? UptimeSeconds => Number("uptime_in_seconds");

    /// <summary>The first number of its version; 0 where it tells none. Forks tell the one of the Redis that they are compatible with.</summary>
    public int Major => int.TryParse(Version.Split('.')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;

    /// <summary>Its clock; null where it does not tell it, as old ones do.</summary>
    public DateTimeOffset? ServerTime => Number("server_time_usec") is { } microseconds ? DateTimeOffset.UnixEpoch.AddTicks(microseconds * 10) : null;

    /// <summary>The databases that hold keys.</summary>
    public IReadOnlyList<int> Databases =>
        [.. _values.Keys.Where(key => key.StartsWith("db", StringComparison.Ordinal)).Select(key => int.TryParse(key.AsSpan(2), CultureInfo.InvariantCulture, out var number) ? number : -1).Where(number => number >= 0).Order()];

    /// <summary>Keys in all databases.</summary>
    public long Keys => Databases.Sum(database => KeysOf(database));

    public string? Text(string name) => _values.GetValueOrDefault(name);

    public long? Number(string name) => long.TryParse(_values.GetValueOrDefault(name), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null;

    /// <summary>Asks a server.</summary>
    /// <exception cref="EngineException">As <see cref="RedisConnection.RequireAsync"/>.</exception>
    public static async Task<RedisServerInfo> ReadAsync(RedisConnection connection, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(connection);
        return new RedisServerInfo((await connection.RequireAsync(["INFO"], cancellationToken)).Text);
    }

    private long KeysOf(int database)
    {
        // db0:keys=3,expires=1,avg_ttl=0
        var text = _values.GetValueOrDefault(string.Create(CultureInfo.InvariantCulture, $"db{database}")) ?? "";
        var keys = text.Split(',').FirstOrDefault(part => part.StartsWith("keys=", StringComparison.Ordinal));
        return keys is not null && long.TryParse(keys.AsSpan("keys=".Length), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
    }
}
