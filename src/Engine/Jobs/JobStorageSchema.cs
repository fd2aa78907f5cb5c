using Hangfire.PostgreSql;
using Hexabase.DrConsole.Engine.Catalog;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Jobs;

/// <summary>Installs Hangfire's tables as the owner, so that the application role needs no right to create anything.</summary>
public static class JobStorageSchema
{
    /// <summary>Creates or upgrades the tables and grants the application role their rows. Repeatable.</summary>
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
    }
}
