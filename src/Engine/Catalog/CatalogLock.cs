using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>
/// A lock on a name among all processes that share the catalog, for what asks other systems meanwhile and so must not keep a
/// transaction open. It belongs to a connection: that of a process that dies ends with it.
/// </summary>
internal sealed class CatalogLock : IAsyncDisposable
{
    private static readonly TimeSpan s_again = TimeSpan.FromMilliseconds(200);

    private readonly NpgsqlConnection _connection;
    private readonly string _name;

    private CatalogLock(NpgsqlConnection connection, string name) => (_connection, _name) = (connection, name);

    /// <summary>Takes it as soon as nobody else has it.</summary>
    /// <param name="patience">So long at most.</param>
    /// <returns>Null where somebody else had it all the time.</returns>
    public static async Task<CatalogLock?> TakeAsync(NpgsqlDataSource catalog, string name, TimeSpan patience, TimeProvider time, CancellationToken cancellationToken)
    {
        var connection = await catalog.OpenConnectionAsync(cancellationToken);
        try
        {
            for (var began = time.GetTimestamp(); ; await Task.Delay(s_again, time, cancellationToken))
            {
                if (await ScalarAsync(connection, "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", name, cancellationToken))
                {
                    return new CatalogLock(connection, name);
                }

                if (time.GetElapsedTime(began) > patience)
                {
                    await connection.DisposeAsync();
                    return null;
                }
            }
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        try
        {
            // By name: a connection that goes back into the pool keeps what it has locked until it is used again.
            await ScalarAsync(_connection, "SELECT pg_advisory_unlock(hashtextextended($1, 0))", _name, CancellationToken.None);
        }
        catch (NpgsqlException)
        {
            // The connection is gone, and the lock with it.
        }

        await _connection.DisposeAsync();
    }

    private static async Task<bool> ScalarAsync(NpgsqlConnection connection, string sql, string name, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection) { Parameters = { new NpgsqlParameter { Value = name } } };
        return await command.ExecuteScalarAsync(cancellationToken) is true;
    }
}
