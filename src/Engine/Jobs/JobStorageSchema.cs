using Hangfire.PostgreSql;
using Hexabase.DrConsole.Engine.Catalog;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Jobs;

/// <summary>Installs Hangfire's tables as the owner, so that the application role needs no right to create anything.</summary>
public static class JobStorageSchema
{
    /// <summary>Creates or upgrades the tables, grants the application role their rows, and forgets locks of the dead. Repeatable.</summary>
    public static async Task InstallAsync(CatalogConnection connection, CancellationToken cancellationToken)
    {
        await using var owner = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connection.Owner) { Pooling = false }.ConnectionString);
        await owner.OpenAsync(cancellationToken);
        PostgreSqlObjectsInstaller.Install(owner, CatalogConnection.JobsSchema);
        var role = new NpgsqlCommandBuilder().QuoteIdentifier(connection.ApplicationRole);
        await using var grant = owner.CreateCommand();
        grant.CommandText = $"""
            GRANT USAGE ON SCHEMA {CatalogConnection.JobsSchema} TO {role};
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {CatalogConnection.JobsSchema} TO {role};
            GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA {CatalogConnection.JobsSchema} TO {role};
            """;
        await grant.ExecuteNonQueryAsync(cancellationToken);
        await ForgetLocksAsync(owner, cancellationToken);
    }

    /// <summary>
    /// Hangfire's locks are rows: a console that was killed with one keeps its successor from starting for ten minutes. They
    /// only keep Hangfire's own bookkeeping apart. Where a living process loses one, a backup may be asked for twice, and the
    /// second is refused.
    /// </summary>
    private static async Task ForgetLocksAsync(NpgsqlConnection owner, CancellationToken cancellationToken)
    {
        await using var forget = owner.CreateCommand();
        forget.CommandText = $"DELETE FROM {CatalogConnection.JobsSchema}.lock";
        await forget.ExecuteNonQueryAsync(cancellationToken);
    }
}
