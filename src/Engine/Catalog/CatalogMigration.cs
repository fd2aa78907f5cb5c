using DbUp;
using DbUp.Engine.Output;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>Brings the catalog's schema to this build's version; runs as the owner, before anything else reads it.</summary>
public static class CatalogMigration
{
    /// <summary>Applies the missing migrations and the grants. Each script is one transaction, so a crash leaves whole versions only.</summary>
    /// <exception cref="EngineException">A script failed, or the database is newer than this build.</exception>
    public static async Task ApplyAsync(CatalogConnection connection, CancellationToken cancellationToken)
    {
        await PrepareSchemasAsync(connection, cancellationToken);
        var owner = new NpgsqlConnectionStringBuilder(connection.Owner) { SearchPath = CatalogConnection.Schema, Pooling = false }.ConnectionString;
        var engine = DeployChanges.To.PostgresqlDatabase(owner)
            .JournalToPostgresqlTable(CatalogConnection.Schema, "schema_version")
            .WithScriptsEmbeddedInAssembly(typeof(CatalogMigration).Assembly, name => name.Contains(".Catalog.Migrations.", StringComparison.Ordinal))
            .WithTransactionPerScript()
            .LogTo(new NoUpgradeLog())
            .Build();
        var unknown = engine.GetExecutedButNotDiscoveredScripts();
        if (unknown.Count > 0)
        {
            throw new EngineException("catalog-newer", ErrorKind.Unsupported,
                $"the catalog was written by a newer version of the console (it has {unknown[^1]})", "Start the newer version, or point this one at another data folder.");
        }

        var result = engine.PerformUpgrade();
        if (!result.Successful)
        {
            throw new EngineException("catalog-migration", ErrorKind.Conflict,
                $"the catalog could not be brought up to date: {result.ErrorScript?.Name}: {result.Error.Message}",
                "Nothing of the failed step was kept. Check that the owner role owns the schema, then start again.", result.Error);
        }

        await GrantAsync(connection, cancellationToken);
    }

    private static async Task PrepareSchemasAsync(CatalogConnection connection, CancellationToken cancellationToken)
    {
        await using var owner = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connection.Owner) { Pooling = false }.ConnectionString);
        await owner.OpenAsync(cancellationToken);
        await using var command = owner.CreateCommand();
        command.CommandText = $"CREATE SCHEMA IF NOT EXISTS {CatalogConnection.Schema}; CREATE SCHEMA IF NOT EXISTS {CatalogConnection.JobsSchema};";
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static async Task GrantAsync(CatalogConnection connection, CancellationToken cancellationToken)
    {
        var quoted = new NpgsqlCommandBuilder().QuoteIdentifier(connection.ApplicationRole);
        await using var owner = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connection.Owner) { Pooling = false }.ConnectionString);
        await owner.OpenAsync(cancellationToken);
        await using var command = owner.CreateCommand();
        command.CommandText = $"""
            GRANT USAGE ON SCHEMA {CatalogConnection.Schema}, {CatalogConnection.JobsSchema} TO {quoted};
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {CatalogConnection.Schema} TO {quoted};
            GRANT USAGE ON ALL SEQUENCES IN SCHEMA {CatalogConnection.Schema} TO {quoted};
            """;
        await command.ExecuteNonQueryAsync(cancellationToken);
        if (connection.Owner == connection.Application)
        {
            // One role for both: it cannot take rights from itself; the trigger still keeps the audit append-only.
            return;
        }

        command.CommandText = $"REVOKE UPDATE, DELETE, TRUNCATE ON {CatalogConnection.Schema}.audit_event FROM {quoted}; REVOKE INSERT, UPDATE, DELETE ON {CatalogConnection.Schema}.schema_version FROM {quoted};";
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>DbUp writes to the console by default; failures reach the caller through the result instead.</summary>
    private sealed class NoUpgradeLog : IUpgradeLog
    {
        public void LogTrace(string format, params object[] args) { }

        public void LogDebug(string format, params object[] args) { }

        public void LogInformation(string format, params object[] args) { }

        public void LogWarning(string format, params object[] args) { }

        public void LogError(string format, params object[] args) { }

        public void LogError(Exception ex, string format, params object[] args) { }
    }
}
