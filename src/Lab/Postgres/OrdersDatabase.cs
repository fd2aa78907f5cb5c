using System.Globalization;
using Hexabase.DrConsole.Engine;
using Npgsql;

namespace Hexabase.DrConsole.Lab.Postgres;

/// <summary>
/// Makes the database <c>orders</c>: a web shop with everything that backups stumble over. It is built under another
/// name and renamed when complete, so that a lab killed in between starts over.
/// </summary>
internal sealed class OrdersDatabase(Func<string, NpgsqlConnectionStringBuilder> admin, LabSize size, TimeProvider time)
{
    private const string Unfinished = "orders_unfinished";

    /// <summary>Makes the database where it is missing. True where it was made now.</summary>
    /// <exception cref="EngineException"><c>lab-database</c>: the server refuses it; mostly a full disk.</exception>
    internal async Task<bool> EnsureAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            return await TryEnsureAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (NpgsqlException exception)
        {
            throw new EngineException(
                "lab-database", exception.SqlState == PostgresErrorCodes.DiskFull ? ErrorKind.OutOfSpace : ErrorKind.Unavailable,
                $"the database {name} cannot be made: {exception.Message}",
                "look at the server's log in the lab's folder; starting again makes it from the beginning", exception);
        }
    }

    /// <summary>One of the lab's SQL files.</summary>
    internal static string ReadSql(string name)
    {
        using var stream = typeof(OrdersDatabase).Assembly.GetManifestResourceStream(name)
            ?? throw new System.Diagnostics.UnreachableException($"{name} is built in");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private async Task<bool> TryEnsureAsync(string name, CancellationToken cancellationToken)
    {
        var settings = admin("postgres");
        settings.Pooling = false;
        var server = NpgsqlDataSource.Create(settings);
        await using (server.ConfigureAwait(false))
        {
            var exists = await ScalarAsync(server, "select exists (select from pg_database where datname = $1)", name, cancellationToken)
                .ConfigureAwait(false);
            if (exists is true)
            {
                return false;
            }

            await RunAsync(server, $"drop database if exists {Unfinished} with (force)", cancellationToken).ConfigureAwait(false);
            await RunAsync(server, $"create database {Unfinished} template template0", cancellationToken).ConfigureAwait(false);
            await BuildAsync(cancellationToken).ConfigureAwait(false);
            await RunAsync(server, $"alter database {Unfinished} rename to \"{name}\"", cancellationToken).ConfigureAwait(false);
            return true;
        }
    }

    private async Task BuildAsync(CancellationToken cancellationToken)
    {
        var settings = admin(Unfinished);
        settings.Pooling = false;
        settings.CommandTimeout = 0;
        settings.Options = string.Create(
            CultureInfo.InvariantCulture,
            $"-c synchronous_commit=off -c maintenance_work_mem=256MB -c work_mem=64MB -c lab.customers={size.Customers} -c lab.products={size.Products} -c lab.events={size.Events} -c lab.manuals={size.Manuals}");
        var connection = new NpgsqlConnection(settings.ConnectionString);
        await using (connection.ConfigureAwait(false))
        {
            await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
            await RunAsync(connection, ReadSql("01-types.sql"), cancellationToken).ConfigureAwait(false);
            await RunAsync(connection, ReadSql("02-tables.sql"), cancellationToken).ConfigureAwait(false);
            await RunAsync(connection, ReadSql("03-awkward.sql"), cancellationToken).ConfigureAwait(false);
            var rows = new ShopRows(size, time.GetUtcNow());
            await CopyAsync(connection, ShopRows.CustomerColumns, rows.Customers(), cancellationToken).ConfigureAwait(false);
            await CopyAsync(connection, ShopRows.ProductColumns, rows.Products(), cancellationToken).ConfigureAwait(false);
            await CopyAsync(connection, ShopRows.OrderColumns, rows.Orders(), cancellationToken).ConfigureAwait(false);
            await CopyAsync(connection, ShopRows.ReviewColumns, rows.Reviews(), cancellationToken).ConfigureAwait(false);
            await CopyAsync(connection, ShopRows.NoteColumns, rows.Notes(), cancellationToken).ConfigureAwait(false);
            await RunAsync(connection, ReadSql("04-fill.sql"), cancellationToken).ConfigureAwait(false);
            await RunAsync(connection, ReadSql("05-rules.sql"), cancellationToken).ConfigureAwait(false);
            await RunAsync(connection, ReadSql("06-rights.sql"), cancellationToken).ConfigureAwait(false);
            await RunAsync(connection, "analyze", cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task CopyAsync(
        NpgsqlConnection connection, string target, IEnumerable<string> lines, CancellationToken cancellationToken)
    {
        var writer = await connection.BeginTextImportAsync($"copy {target} from stdin", cancellationToken).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            foreach (var line in lines)
            {
                await writer.WriteAsync(line).ConfigureAwait(false);
            }
        }
    }

    private static async Task RunAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        var command = new NpgsqlCommand(sql, connection);
        await using (command.ConfigureAwait(false))
        {
            await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task RunAsync(NpgsqlDataSource server, string sql, CancellationToken cancellationToken)
    {
        var command = server.CreateCommand(sql);
        await using (command.ConfigureAwait(false))
        {
            await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task<object?> ScalarAsync(NpgsqlDataSource server, string sql, string argument, CancellationToken cancellationToken)
    {
        var command = server.CreateCommand(sql);
        await using (command.ConfigureAwait(false))
        {
            command.Parameters.Add(new NpgsqlParameter { Value = argument });
            return await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}
