using Hexabase.DrConsole.Engine.RedisProtocol;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>
/// Reads what a snapshot cost the server from what it says of itself. Its figures are those of the last fork, whoever that was for:
/// where it forked not exactly once since it was asked before, they are nobody's, and none is told.
/// </summary>
internal sealed class RedisCostReading(TimeProvider time)
{
    // The bytes arrive before the server has noticed that the child which sent them is gone, and only then it knows what was copied.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(50);

    /// <summary>The cost of what was read between an answer of before and now.</summary>
    /// <param name="hasForked">False where keys were read one after the other.</param>
    /// <param name="took">From asking to the last byte.</param>
    /// <param name="waited">Of that, before the first byte.</param>
    public async Task<RedisCost> ReadAsync(
        RedisConnection connection, RedisServerInfo before, bool hasForked, TimeSpan took, TimeSpan waited, CancellationToken cancellationToken)
    {
        var after = hasForked ? await SettledAsync(connection, cancellationToken) : await RedisServerInfo.ReadAsync(connection, cancellationToken);
        // Servers before 6.2 do not count their forks.
        var isOurs = hasForked && after.Number("total_forks") - before.Number("total_forks") is null or 1;
        return new RedisCost(
            isOurs ? after.Number("latest_fork_usec") : null, before.Number("used_memory"), after.Number("used_memory_peak") ?? before.Number("used_memory_peak"),
            isOurs && !IsAtWork(after) ? after.Number("rdb_last_cow_size") : null, took.TotalSeconds, waited.TotalSeconds);
    }

    private static bool IsAtWork(RedisServerInfo info) => info.Number("rdb_bgsave_in_progress") == 1;

    /// <summary>What it says once no child makes a snapshot, or what it says in the end.</summary>
    private async Task<RedisServerInfo> SettledAsync(RedisConnection connection, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            var info = await RedisServerInfo.ReadAsync(connection, cancellationToken);
            if (!IsAtWork(info) || time.GetElapsedTime(began) > s_patience)
            {
                return info;
            }

            await Task.Delay(s_poll, time, cancellationToken);
        }
    }
}
