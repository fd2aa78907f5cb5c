using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Repository;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>
/// Restore points that a tier gives up, locked in one transaction from the last look at holds, uses and freezes until the catalog
/// says that they went: whoever places a hold on one waits for that, and then finds it gone. The transaction is open while the tier
/// deletes, so it is asked before every delete: a process that was frozen, and lost its locks by that, deletes no more. After a
/// crash the catalog says what it said before, and the run done again writes down what went.
/// </summary>
internal sealed class ExpiryClaim : IExpiryClaim
{
    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlTransaction _transaction;
    private readonly string _tier;
    private readonly string _workspace;
    private readonly IReadOnlyDictionary<string, string> _reasons;

    private ExpiryClaim(NpgsqlConnection connection, NpgsqlTransaction transaction, string tier, string workspace, IReadOnlyDictionary<string, string> reasons) =>
        (_connection, _transaction, _tier, _workspace, _reasons) = (connection, transaction, tier, workspace, reasons);

    /// <inheritdoc/>
    public IReadOnlyDictionary<RestorePointId, string> Kept { get; private set; } = new Dictionary<RestorePointId, string>();

    /// <summary>Claims them.</summary>
    /// <param name="reasons">Why each goes, by its id; for the audit.</param>
    public static async Task<ExpiryClaim> TakeAsync(
        NpgsqlDataSource catalog, string tier, string workspace, IReadOnlyDictionary<string, string> reasons, IReadOnlyList<RestorePointId> going, CancellationToken cancellationToken)
    {
        var connection = await catalog.OpenConnectionAsync(cancellationToken);
        try
        {
            var claim = new ExpiryClaim(connection, await connection.BeginTransactionAsync(cancellationToken), tier, workspace, reasons);
            claim.Kept = await claim.LockAsync([.. going.Select(point => point.Value)], cancellationToken);
            return claim;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public Task RequireAsync() => _transaction.Command("SELECT 1").RunAsync(CancellationToken.None);

    /// <inheritdoc/>
    public async Task EndAsync(IReadOnlyList<RestorePointId> gone, bool isFaulted)
    {
        ArgumentNullException.ThrowIfNull(gone);
        try
        {
            await EndAsync(gone);
        }
        catch (NpgsqlException) when (isFaulted)
        {
            // As after a crash: the run done again writes down what went.
        }
    }

    private async Task EndAsync(IReadOnlyList<RestorePointId> gone)
    {
        if (gone.Count > 0)
        {
            await RestorePointCatalog.ExpireAsync(_transaction, _tier, [.. gone.Select(point => point.Value)], CancellationToken.None);
            await RestorePointCatalog.AuditExpiredAsync(_transaction, _tier, _workspace, [.. gone.Select(point => point.Value)], _reasons, CancellationToken.None);
        }

        await _transaction.CommitAsync(CancellationToken.None);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _transaction.DisposeAsync();
        await _connection.DisposeAsync();
    }

    /// <summary>Locks the rows; a second statement then sees what was committed while it waited for them.</summary>
    private async Task<Dictionary<RestorePointId, string>> LockAsync(string[] points, CancellationToken cancellationToken)
    {
        // A store may take a minute for one delete, and longer than other transactions this one waits for nothing else.
        await _transaction.Command("SET LOCAL idle_in_transaction_session_timeout = '3min'").RunAsync(cancellationToken);
        // Weaker than FOR UPDATE: what only names a point, as a validation that ends, does not wait.
        await _transaction.Command("SELECT 1 FROM restore_point WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE", (object)points).RunAsync(cancellationToken);
        return (await _transaction.Command(
            $"""
            SELECT id, reason FROM (
              SELECT p.id, CASE WHEN {RestorePointCatalog.Held} THEN 'it is on hold' WHEN {RestorePointCatalog.InUse} THEN 'it is in use'
                WHEN {RestorePointCatalog.Frozen} THEN 'retention of its source is frozen' END AS reason
              FROM restore_point p WHERE p.id = ANY ($1)) one WHERE reason IS NOT NULL
            """, (object)points).ListAsync(row => (new RestorePointId(row.GetString(0)), row.GetString(1)), cancellationToken)).ToDictionary();
    }
}
