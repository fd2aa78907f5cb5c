using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>Whether anybody looks.</summary>
public enum WatchState
{
    /// <summary>The last look is recent, and everything that it looked at answers.</summary>
    Agree,

    /// <summary>The last look is recent, and something does not answer.</summary>
    Disagree,

    /// <summary>The last look is recent, and nothing answered at once.</summary>
    Isolated,

    /// <summary>The last look is too old, or there was none: nothing is known now.</summary>
    Silent,
}

/// <summary>The watch on the watcher.</summary>
/// <param name="LookedAt">When the last complete round began; null before the first.</param>
/// <param name="Holder">The process that holds the lease now, as machine and pid; null where none does.</param>
/// <param name="Subjects">How many sources and tiers it looked at.</param>
/// <param name="Missing">How many of them do not answer, or are corrupt.</param>
/// <param name="RoundSeconds">How long the last round took.</param>
/// <param name="Error">Why the last round came to nothing, where it did.</param>
public sealed record WatchStanding(
    WatchState State, DateTimeOffset? LookedAt, string? Holder, int Subjects, int Missing, double? RoundSeconds, string? Error)
{
    /// <summary>Nobody has ever looked.</summary>
    public static WatchStanding Never { get; } = new(WatchState.Silent, null, null, 0, 0, null, null);
}

/// <summary>Reads who looks, and when that was last done.</summary>
public sealed class HealthWatch(NpgsqlDataSource catalog, ProtectedEstate estate, TimeProvider time)
{
    internal const string Monitor = "monitor";

    internal static readonly LeaseTable Lease = new("health_watch", "name");

    /// <summary>How it stands now.</summary>
    public async Task<WatchStanding> ReadAsync(CancellationToken cancellationToken) =>
        await catalog.Command(
            """
            SELECT looked_at, CASE WHEN lease_until >= clock_timestamp() THEN lease_owner END, subjects, missing, isolated, round_seconds,
              CASE WHEN error_at > coalesce(looked_at, '-infinity') THEN error END
            FROM health_watch WHERE name = $1
            """, Monitor).FirstAsync(
            row =>
            {
                var at = row.TimeOrNull(0);
                return new WatchStanding(
                    StateOf(at, row.GetBoolean(4), row.GetInt32(3)), at, Holder(row.TextOrNull(1)), row.GetInt32(2), row.GetInt32(3), row.DoubleOrNull(5), row.TextOrNull(6));
            }, cancellationToken) ?? WatchStanding.Never;

    /// <summary>Two rounds may be missed, or one that failed, before silence is called silence.</summary>
    private WatchState StateOf(DateTimeOffset? at, bool isIsolated, int missing)
    {
        var patience = (2 * estate.Health.Interval) + estate.Health.Timeout + TimeSpan.FromSeconds(5);
        return at is null || time.GetUtcNow() - at > patience ? WatchState.Silent
            : isIsolated ? WatchState.Isolated
            : missing > 0 ? WatchState.Disagree
            : WatchState.Agree;
    }

    private static string? Holder(string? owner) => owner?.Split('/') is [var machine, _, var pid, _] ? $"{machine}, pid {pid}" : owner;
}
