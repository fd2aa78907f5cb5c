using Hexabase.DrConsole.Engine.Audit;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>An admin's word that a repository key is kept elsewhere too.</summary>
/// <param name="KeyFile">Absolute path of the key file that was meant.</param>
/// <param name="KeyDigest">Salted digest of the key that it held then.</param>
/// <param name="KeptAt">Where the copy is, in the admin's words; no secret.</param>
public sealed record KeyCustodyRow(string KeyFile, string KeyDigest, string KeptAt, string ConfirmedBy, DateTimeOffset ConfirmedAt);

/// <summary>Who confirmed that the keys are kept elsewhere. Rows are only added: a later word stands before an earlier one.</summary>
public sealed class KeyCustodyCatalog(NpgsqlDataSource catalog)
{
    /// <summary>The last word on each key file.</summary>
    public Task<IReadOnlyList<KeyCustodyRow>> LastAsync(CancellationToken cancellationToken) =>
        catalog.Command("SELECT DISTINCT ON (key_file) key_file, key_digest, kept_at, confirmed_by, confirmed_at FROM key_custody ORDER BY key_file, id DESC")
            .ListAsync(row => new KeyCustodyRow(row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), row.Time(4)), cancellationToken);

    /// <summary>Writes a word down, with its audit event, which holds no digest.</summary>
    /// <exception cref="EngineException">Where the copy is kept was not said, or at too great length.</exception>
    public async Task ConfirmAsync(string keyFile, string keyDigest, string keptAt, string actor, CancellationToken cancellationToken)
    {
        var place = (keptAt ?? "").Trim();
        if (place.Length is < 1 or > 200)
        {
            throw new EngineException("place-missing", ErrorKind.Input, "where the copy is kept is said in 1 to 200 characters", "Name the place, not the secret: \"safe in the Osaka office\".");
        }

        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await transaction.Command("INSERT INTO key_custody (key_file, key_digest, kept_at, confirmed_by) VALUES ($1, $2, $3, $4)", keyFile, keyDigest, place, actor).RunAsync(cancellationToken);
        await AuditLog.AppendAsync(transaction, actor, "key.custody-confirmed", keyFile, new { keptAt = place }, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }
}
