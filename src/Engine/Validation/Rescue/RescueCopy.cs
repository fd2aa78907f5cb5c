using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Servers;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Validation.Rescue;

/// <summary>A database as it was, on a scratch server that lives until this is disposed. Its process record ends it after a crash.</summary>
internal sealed class RescueCopy(ScratchPostgres server, IAsyncDisposable whole, string database) : IAsyncDisposable
{
    private readonly List<NpgsqlConnection> _open = [];

    /// <summary>A connection as the superuser, pinned; closed with the copy.</summary>
    public async Task<NpgsqlConnection> ConnectAsync(CancellationToken ct)
    {
        var settings = server.ConnectionString(database);
        (settings.Pooling, settings.CommandTimeout, settings.KeepAlive) = (false, 0, 30);
        var connection = new NpgsqlConnection(settings.ConnectionString);
        _open.Add(connection);
        await connection.OpenAsync(ct);
        await ContentFactsReader.PinAsync(connection, ct);
        return connection;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in _open)
        {
            await connection.DisposeAsync();
        }

        await whole.DisposeAsync();
    }
}
