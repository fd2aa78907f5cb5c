using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>A time in which a source, or everything, may be away without an incident.</summary>
/// <param name="Source">The source; null for everything.</param>
/// <param name="EndedBy">Who ended it before its time, or null.</param>
public sealed record MaintenanceWindow(
    long Id, string? Source, DateTimeOffset From, DateTimeOffset To, string Reason, string By, DateTimeOffset CreatedAt, string? EndedBy, DateTimeOffset? EndedAt)
{
    /// <summary>When it ends or ended.</summary>
    public DateTimeOffset Until => EndedAt < To ? EndedAt.Value : To;

    public bool Covers(DateTimeOffset at) => From <= at && at < Until;
}

/// <summary>The maintenance windows; each change is one transaction with its audit event. Probing goes on through them.</summary>
public sealed class MaintenanceWindows(NpgsqlDataSource catalog, ProtectedEstate estate, TimeProvider time)
{
    private const int LongestReason = 500;
    private const string Columns = "id, source, starts_at, ends_at, reason, created_by, created_at, ended_by, ended_at";
    private static readonly TimeSpan Longest = TimeSpan.FromDays(7);

    /// <summary>The newest first.</summary>
    public Task<IReadOnlyList<MaintenanceWindow>> ListAsync(int limit, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM maintenance_window ORDER BY starts_at DESC, id DESC LIMIT $1", limit).ListAsync(Map, cancellationToken);

    /// <summary>Announces maintenance.</summary>
    /// <exception cref="EngineException">Every mistake at once, kind Input.</exception>
    public async Task<MaintenanceWindow> AddAsync(string? source, DateTimeOffset? from, DateTimeOffset? to, string reason, string actor, CancellationToken cancellationToken)
    {
        var text = (reason ?? "").Trim();
        List<string> problems = [];
        if (source is not null && estate.Sources.All(one => one.Name != source))
        {
            problems.Add($"there is no source named '{source}'");
        }

        if (from is null)
        {
            problems.Add("when it begins is missing");
        }

        if (to is null)
        {
            problems.Add("when it ends is missing");
        }

        if (to <= from)
        {
            problems.Add("it ends before it begins");
        }
        else if (to - from > Longest)
        {
            problems.Add($"it lasts longer than {Longest.TotalDays:0} days: nothing would be watched for so long");
        }

        if (to <= time.GetUtcNow())
        {
            problems.Add("it is over already");
        }

        if (text.Length is 0 or > LongestReason)
        {
            problems.Add($"a reason of 1 to {LongestReason} characters is needed");
        }

        if (problems.Count > 0)
        {
            throw new EngineException("maintenance-window", ErrorKind.Input, string.Join("; ", problems), "Correct it and send it again; nothing was changed.");
        }

        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var added = await transaction.Command(
            $"INSERT INTO maintenance_window (source, starts_at, ends_at, reason, created_by) VALUES ($1, $2, $3, $4, $5) RETURNING {Columns}",
            source, from!.Value.ToUniversalTime(), to!.Value.ToUniversalTime(), text, actor).FirstAsync(Map, cancellationToken);
        await AuditLog.AppendAsync(transaction, actor, "maintenance.announced", source ?? "*", new { window = added!.Id, from, to, reason = text }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return added;
    }

    /// <summary>Ends a window now, also one that has not begun.</summary>
    /// <returns>The window as it is then.</returns>
    /// <exception cref="EngineException"><c>maintenance-over</c>: it is over; <c>maintenance-unknown</c>: there is none of that number.</exception>
    public async Task<MaintenanceWindow> EndAsync(long id, string actor, CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var ended = await transaction.Command(
            $"UPDATE maintenance_window SET ended_by = $2, ended_at = clock_timestamp() WHERE id = $1 AND ended_at IS NULL AND ends_at > clock_timestamp() RETURNING {Columns}", id, actor)
            .FirstAsync(Map, cancellationToken)
            ?? throw (await transaction.Command("SELECT 'there' FROM maintenance_window WHERE id = $1", id).FirstAsync(row => row.GetString(0), cancellationToken) is null
                ? new EngineException("maintenance-unknown", ErrorKind.NotFound, $"there is no maintenance {id}", "Look at the list again.")
                : new EngineException("maintenance-over", ErrorKind.Conflict, "this maintenance is over already", "Look at the list again."));
        await AuditLog.AppendAsync(transaction, actor, "maintenance.ended", ended.Source ?? "*", new { window = id }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return ended;
    }

    internal static async Task<IReadOnlyList<MaintenanceWindow>> CurrentAsync(NpgsqlDataSource catalog, DateTimeOffset at, CancellationToken cancellationToken) =>
        await catalog.Command($"SELECT {Columns} FROM maintenance_window WHERE starts_at <= $1 AND least(ends_at, coalesce(ended_at, ends_at)) > $1", at.ToUniversalTime())
            .ListAsync(Map, cancellationToken);

    private static MaintenanceWindow Map(NpgsqlDataReader row) => new(
        row.GetInt64(0), row.TextOrNull(1), row.Time(2), row.Time(3), row.GetString(4), row.GetString(5), row.Time(6), row.TextOrNull(7), row.TimeOrNull(8));
}
