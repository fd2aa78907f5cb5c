using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Wal;

/// <summary>A tier that WAL is stored in.</summary>
/// <param name="Name">The tier's name.</param>
/// <param name="OpenAsync">Opens the workspace's repository there, or makes it.</param>
public sealed record WalTier(string Name, Func<CancellationToken, Task<BackupRepository>> OpenAsync);

/// <summary>How a tier stands to the stream.</summary>
public enum WalTierState
{
    /// <summary>It does not answer, or refuses what comes.</summary>
    Down,

    /// <summary>It answers and lacks WAL, which is copied from another tier.</summary>
    CatchingUp,

    /// <summary>It stores what comes as it comes.</summary>
    Streaming,
}

/// <summary>A tier's part of a report.</summary>
/// <param name="Tier">Its name.</param>
/// <param name="State">How it stands.</param>
/// <param name="Timeline">The timeline of <paramref name="DurableLsn"/>.</param>
/// <param name="DurableLsn">The byte after the last that is stored there and was read back; null where nothing is known.</param>
/// <param name="DurableAt">When that was reached.</param>
/// <param name="Message">What is wrong, or null.</param>
/// <param name="ReadBackLsn">Up to where the newest bytes were last read back and opened, apart from the writing.</param>
/// <param name="ReadBackAt">When that was.</param>
/// <param name="LagBytes">What the server had written beyond <paramref name="DurableLsn"/>.</param>
/// <param name="LagSeconds">For how long the server has been beyond it: what a disaster would lose now.</param>
public sealed record WalTierReport(
    string Tier, WalTierState State, uint Timeline, Lsn? DurableLsn, DateTimeOffset? DurableAt, string? Message, Lsn? ReadBackLsn, DateTimeOffset? ReadBackAt,
    long? LagBytes, double? LagSeconds);

/// <summary>How a receiver stands.</summary>
/// <param name="SystemIdentifier">The cluster that it receives from.</param>
/// <param name="Timeline">The timeline that streams.</param>
/// <param name="ServerLsn">The server's end of WAL.</param>
/// <param name="MeasuredAt">When that was.</param>
/// <param name="ConfirmedLsn">What the server was told is safe: durable in as many tiers as the class asks for. Null where fewer have
/// answered in this session; then what it was told before still holds.</param>
/// <param name="Notices">What is worth telling, each a sentence.</param>
/// <param name="Tiers">All tiers.</param>
public sealed record WalReport(
    ulong SystemIdentifier, uint Timeline, Lsn ServerLsn, DateTimeOffset MeasuredAt, Lsn? ConfirmedLsn, IReadOnlyList<string> Notices, IReadOnlyList<WalTierReport> Tiers)
{
    /// <summary>Since when commits of the server have been waiting for the tiers; null while they do not, or nobody makes them wait.</summary>
    public DateTimeOffset? CommitsWaitSince { get; init; }
}

/// <summary>WAL that is stored nowhere and cannot be had any more.</summary>
/// <param name="SystemIdentifier">The cluster.</param>
/// <param name="Timeline">The timeline on which it is missing.</param>
/// <param name="FromLsn">Its first byte.</param>
/// <param name="ToLsn">The byte after its last; the same where another cluster took the place.</param>
/// <param name="Reason">How it came about.</param>
public sealed record WalGap(ulong SystemIdentifier, uint Timeline, Lsn FromLsn, Lsn ToLsn, string Reason)
{
    /// <summary>True where receiving begins for the first time: nothing was lost, only the next base backup is the first that WAL continues.</summary>
    public bool IsBeginning { get; init; }
}

/// <summary>What was known of a source's WAL before this session.</summary>
/// <param name="SystemIdentifier">The cluster; null where none was received from.</param>
/// <param name="Timeline">The timeline of <paramref name="DurableLsn"/>.</param>
/// <param name="DurableLsn">The most that any tier was known to hold, also one that is down now.</param>
public sealed record WalKnown(ulong? SystemIdentifier, uint Timeline, Lsn DurableLsn)
{
    /// <summary>The source's newest base backup; null where there is none.</summary>
    public WalBase? NewestBase { get; init; }
}

/// <summary>A base backup, as far as WAL is concerned.</summary>
/// <param name="SystemIdentifier">Its cluster.</param>
/// <param name="StartLsn">From where on it needs WAL.</param>
public sealed record WalBase(ulong SystemIdentifier, Lsn StartLsn);

/// <summary>Keeps what a receiver finds. Its writes stand behind the fence of the lease.</summary>
public interface IWalJournal
{
    /// <summary>What earlier sessions wrote down.</summary>
    Task<WalKnown> KnownAsync(CancellationToken cancellationToken);

    /// <summary>Writes down how the receiver stands.</summary>
    Task ReportAsync(WalReport report, CancellationToken cancellationToken);

    /// <summary>Writes a gap down, once however often it is found, and asks for a base backup that ends it.</summary>
    Task RecordGapAsync(WalGap gap, CancellationToken cancellationToken);
}

/// <summary>Tells whether this process still is the one that receives.</summary>
public interface IWalFence
{
    /// <summary>Returns where it is, by the database's clock.</summary>
    /// <exception cref="WalFenceException">Another process has taken over, or nobody can tell.</exception>
    Task RequireAsync(CancellationToken cancellationToken);
}

/// <summary>This process may not write any more: it lost the lease, or cannot prove that it holds it.</summary>
public sealed class WalFenceException(string message, Exception? inner = null) : Exception(message, inner);
