using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>What restores of Kubernetes objects have done, object by object.</summary>
public sealed class ObjectRestoreCatalog(NpgsqlDataSource pool)
{
    /// <summary>Positions in the plan, with the identity that the object has in the target.</summary>
    public Task<IReadOnlyList<(int Position, string Uid)>> ReadAsync(string operation, CancellationToken cancellationToken) =>
        pool.Command("SELECT position, uid FROM object_restore WHERE operation = $1 ORDER BY position", operation)
            .ListAsync(row => (row.GetInt32(0), row.GetString(1)), cancellationToken);

    /// <summary>Notes an object that is as planned; noted twice it is noted once.</summary>
    public Task NoteAsync(string operation, int position, string uid, CancellationToken cancellationToken) =>
        pool.Command(
            "INSERT INTO object_restore (operation, position, uid) VALUES ($1, $2, $3) ON CONFLICT (operation, position) DO UPDATE SET uid = excluded.uid", operation, position, uid)
            .RunAsync(cancellationToken);

    /// <summary>Forgets an object that is again as it was.</summary>
    public Task ForgetAsync(string operation, int position, CancellationToken cancellationToken) =>
        pool.Command("DELETE FROM object_restore WHERE operation = $1 AND position = $2", operation, position).RunAsync(cancellationToken);
}
