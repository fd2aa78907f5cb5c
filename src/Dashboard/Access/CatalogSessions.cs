using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>The sessions in the catalog.</summary>
internal sealed class CatalogSessions(NpgsqlDataSource catalog, IOptions<DashboardOptions> options) : ISessionStore
{
    private readonly SessionCatalog _sessions = new(catalog);

    /// <inheritdoc/>
    public Task<string> BeginAsync(string person, CancellationToken cancellationToken) => AskAsync(() => _sessions.BeginAsync(person, options.Value.LongestSession, cancellationToken));

    /// <inheritdoc/>
    public Task<bool> HoldsAsync(string id, string person, CancellationToken cancellationToken) => AskAsync(() => _sessions.HoldsAsync(id, person, cancellationToken));

    /// <inheritdoc/>
    public Task EndAsync(string id, CancellationToken cancellationToken) => AskAsync(async () =>
    {
        await _sessions.EndAsync(id, cancellationToken);
        return true;
    });

    /// <inheritdoc/>
    public Task EndAllAsync(string id, CancellationToken cancellationToken) => AskAsync(async () =>
    {
        await _sessions.EndAllAsync(id, cancellationToken);
        return true;
    });

    private static async Task<T> AskAsync<T>(Func<Task<T>> ask)
    {
        try
        {
            return await ask();
        }
        catch (NpgsqlException fault) when (RunExecution.IsCatalogAway(fault))
        {
            throw CatalogUserDirectory.Unavailable(fault);
        }
    }
}
