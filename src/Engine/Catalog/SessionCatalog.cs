using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Audit;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Catalog;

/// <summary>The sessions of people at the pages. They end by the catalog's clock, so that all web processes agree; only digests of their ids are kept.</summary>
public sealed class SessionCatalog(NpgsqlDataSource catalog)
{
    private const int RandomBytes = 32;

    /// <summary>Begins a session, and removes those that have ended by themselves.</summary>
    /// <param name="person">A user's name.</param>
    /// <param name="longest">After how long it ends by itself.</param>
    /// <param name="cancellationToken">Cancels the write.</param>
    /// <returns>Its id.</returns>
    public async Task<string> BeginAsync(string person, TimeSpan longest, CancellationToken cancellationToken)
    {
        var id = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(RandomBytes));
        await catalog.Command("DELETE FROM web_session WHERE ends_at <= clock_timestamp()").RunAsync(cancellationToken);
        await catalog.Command("INSERT INTO web_session (digest, person, ends_at) VALUES ($1, $2, clock_timestamp() + $3)", DigestOf(id), person, longest).RunAsync(cancellationToken);
        return id;
    }

    /// <summary>True while it has not ended, and is that person's.</summary>
    public async Task<bool> HoldsAsync(string id, string person, CancellationToken cancellationToken) =>
        await catalog.Command("SELECT person FROM web_session WHERE digest = $1 AND person = $2 AND ends_at > clock_timestamp()", DigestOf(id), person)
            .FirstAsync(row => row.GetString(0), cancellationToken) is not null;

    /// <summary>Ends it, with its audit event; nothing where it has ended already.</summary>
    public Task EndAsync(string id, CancellationToken cancellationToken) =>
        EndAsync("DELETE FROM web_session WHERE digest = $1 RETURNING person", id, _ => new { }, cancellationToken);

    /// <summary>Ends it and all others of its person, with one audit event; nothing where it has ended already.</summary>
    public Task EndAllAsync(string id, CancellationToken cancellationToken) => EndAsync(
        "DELETE FROM web_session WHERE person = (SELECT person FROM web_session WHERE digest = $1 AND ends_at > clock_timestamp()) RETURNING person",
        id, ended => new { everywhere = true, sessions = ended }, cancellationToken);

    private async Task EndAsync(string delete, string id, Func<int, object> details, CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (await transaction.Command(delete, DigestOf(id)).ListAsync(row => row.GetString(0), cancellationToken) is [var person, ..] ended)
        {
            await AuditLog.AppendAsync(transaction, person, "access.signed-out", person, details(ended.Count), cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
    }

    private static byte[] DigestOf(string id) => SHA256.HashData(Encoding.UTF8.GetBytes(id));
}
