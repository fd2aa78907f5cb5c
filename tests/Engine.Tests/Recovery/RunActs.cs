using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>What happens to runs and accounts around a test, done in the catalog.</summary>
internal static class RunActs
{
    /// <summary>An account, as an admin makes it.</summary>
    public static Task PersonAsync(this CatalogServer catalog, string name, string role) => catalog.Pool.Command(
        "INSERT INTO app_user (name, password_hash, role, created_by) VALUES ($1, '', $2, 'command line') ON CONFLICT DO NOTHING", name, role).RunAsync(Ct);

    /// <summary>Ends the run's lease and the process's part in it, as a kill would: nothing more is written.</summary>
    public static async Task DieAsync(this CatalogServer catalog, RunId run)
    {
        await catalog.Pool.Command("UPDATE run SET fence = fence + 1 WHERE id = $1", run.Value).RunAsync(Ct);
        throw new LeaseLostException(run);
    }

    /// <summary>Lets the lease of a run that its process died with run out.</summary>
    public static Task ExpireLeaseAsync(this CatalogServer catalog, RunId id) => catalog.Pool.Command("UPDATE run SET lease_until = NULL WHERE id = $1", id.Value).RunAsync(Ct);

    /// <summary>A run's log, a line each.</summary>
    public static async Task<string> LogAsync(this RunStore runs, RunId run) => string.Join('\n', (await runs.EventsAsync(run, 0, 1000, Ct)).Select(line => $"{line.Phase}: {line.Text}"));
}
