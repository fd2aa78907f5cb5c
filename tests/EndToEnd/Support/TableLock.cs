using Hexabase.DrConsole.Lab.Postgres;
using Npgsql;

namespace Hexabase.DrConsole.EndToEnd.Support;

/// <summary>
/// Another session of the source that keeps a table to itself, as a migration does. A backup waits for it for up to 20 seconds:
/// until then it stays running for as long as a test wants.
/// </summary>
internal sealed class TableLock : IAsyncDisposable
{
    private readonly NpgsqlConnection _connection;

    private TableLock(NpgsqlConnection connection) => _connection = connection;

    public static async Task<TableLock> TakeAsync(LabPostgres lab, CancellationToken cancellationToken)
    {
        var connection = new NpgsqlConnection(lab.AdminConnection().ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand("begin; lock table reviews in access exclusive mode", connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
        return new TableLock(connection);
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();
}
