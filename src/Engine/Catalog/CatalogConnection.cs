using System.Globalization;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>
/// How the console reaches its own database. The owner changes its shape, the application role only its rows;
/// with an external database one connection string may serve both.
/// </summary>
/// <param name="Application">Connection string of the role that the console works with.</param>
/// <param name="Owner">Connection string of the role that owns the schema.</param>
public sealed record CatalogConnection(string Application, string Owner)
{
    /// <summary>The schema that holds the catalog.</summary>
    public const string Schema = "console";

    /// <summary>The schema that holds Hangfire's tables.</summary>
    public const string JobsSchema = "jobs";

    /// <summary>The application role's name, for grants.</summary>
    public string ApplicationRole => new NpgsqlConnectionStringBuilder(Application).Username
        ?? throw new EngineException("catalog-no-user", ErrorKind.Input, "the console's connection string names no user", "Add Username=… to ConnectionStrings:Console.");

    /// <summary>
    /// As long as a run's lease. A process that is frozen inside a transaction keeps its locks, the audit chain's among them, and
    /// everybody else would wait for it for ever; no transaction of the console's waits for anything but its own statements, and
    /// one for the deletes of a tier, between which it asks whether it still has its locks.
    /// </summary>
    private const int IdleTransactionLimitMs = 30_000;

    /// <summary>Opens a pool for the application role whose sessions find the catalog's tables by their bare names.</summary>
    public NpgsqlDataSource OpenPool()
    {
        var builder = new NpgsqlConnectionStringBuilder(Application)
        {
            SearchPath = Schema,
            ApplicationName = "drconsole",
            MaxPoolSize = 40,
            IncludeErrorDetail = false,
        };
        // Of two the server takes the last: an administrator's own setting stays.
        builder.Options = string.Create(CultureInfo.InvariantCulture, $"-c idle_in_transaction_session_timeout={IdleTransactionLimitMs} {builder.Options}").TrimEnd();
        return NpgsqlDataSource.Create(builder.ConnectionString);
    }
}
