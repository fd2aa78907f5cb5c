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

/// <summary>One look among the last ones.</summary>
/// <param name="IsWell">True where everything answered.</param>
public sealed record WatchLook(DateTimeOffset At, bool IsWell);

/// <summary>The watch on the watcher.</summary>
/// <param name="LookedAt">When the last complete round began; null before the first.</param>
/// <param name="Holder">The process that holds the lease now, as machine and pid; null where none does.</param>
/// <param name="Subjects">How many sources and tiers it looked at.</param>
/// <param name="Missing">How many of them do not answer, or are corrupt.</param>
/// <param name="IsIsolated">True where nothing answered at once.</param>
/// <param name="Patience">How old the last look may be before silence is called silence: two rounds and a probe's time.</param>
public sealed record WatchStanding(DateTimeOffset? LookedAt, string? Holder, int Subjects, int Missing, bool IsIsolated, TimeSpan Patience)
{
    /// <summary>How long the last round took.</summary>
    public double? RoundSeconds { get; init; }

    /// <summary>Why a later round came to nothing, where one did.</summary>
    public string? Error { get; init; }

    /// <summary>The last looks, oldest first.</summary>
    public IReadOnlyList<WatchLook> Recent { get; init; } = [];

    /// <summary>What it amounts to now: a standing that nobody could read again grows silent by its age alone.</summary>
    public WatchState StateAt(DateTimeOffset now) => this switch
    {
        { LookedAt: null } => WatchState.Silent,
        _ when now - LookedAt > Patience => WatchState.Silent,
        { IsIsolated: true } => WatchState.Isolated,
        { Missing: > 0 } => WatchState.Disagree,
        _ => WatchState.Agree,
    };
}

/// <summary>Reads who looks, and when that was last done.</summary>
public sealed class HealthWatch(NpgsqlDataSource catalog, ProtectedEstate estate)
{
    internal const string Monitor = "monitor";
    internal static readonly LeaseTable Lease = new("health_watch", "name");

    private const int LooksShown = 12;

    /// <summary>How it stands.</summary>
    public async Task<WatchStanding> ReadAsync(CancellationToken cancellationToken)
    {
        var patience = (2 * estate.Health.Interval) + estate.Health.Timeout + TimeSpan.FromSeconds(5);
        var standing = await catalog.Command(
            """
            SELECT looked_at, CASE WHEN lease_until >= clock_timestamp() THEN lease_owner END, subjects, missing, isolated, round_seconds,
              CASE WHEN error_at > coalesce(looked_at, '-infinity') THEN error END
            FROM health_watch WHERE name = $1
            """, Monitor).FirstAsync(
            row => new WatchStanding(row.TimeOrNull(0), Holder(row.TextOrNull(1)), row.GetInt32(2), row.GetInt32(3), row.GetBoolean(4), patience)
            {
                RoundSeconds = row.DoubleOrNull(5), Error = row.TextOrNull(6),
            }, cancellationToken);
        return standing is { LookedAt: { } at }
            ? standing with { Recent = await RecentAsync(at - (2 * LooksShown * estate.Health.Interval), cancellationToken) }
            : standing ?? new WatchStanding(null, null, 0, 0, false, patience);
    }

    private async Task<IReadOnlyList<WatchLook>> RecentAsync(DateTimeOffset since, CancellationToken cancellationToken) =>
    [
        .. (await catalog.Command(
            """
            SELECT at, NOT bool_or(NOT maintained AND answers @? '$.probes[*] ? (@.answer == "NoAnswer" || @.answer == "Refused" || @.answer == "Denied" || @.answer == "Corrupt")')
            FROM health_sample WHERE at >= $1 GROUP BY at ORDER BY at DESC LIMIT $2
            """, since.ToUniversalTime(), LooksShown).ListAsync(row => new WatchLook(row.Time(0), row.GetBoolean(1)), cancellationToken)).Reverse(),
    ];

    private static string? Holder(string? owner) => owner?.Split('/') is [var machine, _, var pid, _] ? $"{machine}, pid {pid}" : owner;
}
