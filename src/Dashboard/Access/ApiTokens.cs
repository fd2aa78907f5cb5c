using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Npgsql;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>A program's right to use the API.</summary>
/// <param name="Name">Unique for ever: a revoked name stays in the audit and is not given again.</param>
public sealed record ApiToken(string Name, ConsoleRole Role, string CreatedBy, DateTimeOffset CreatedAt, DateTimeOffset? LastUsedAt, DateTimeOffset? RevokedAt)
{
    /// <summary>As the audit and the runs name it: no user can have such a name.</summary>
    public string Actor => $"token/{Name}";
}

/// <summary>The tokens in the catalog. A token is shown once, when it is made; what is kept is its digest.</summary>
public sealed partial class ApiTokens(NpgsqlDataSource catalog)
{
    private const string Prefix = "drc_";
    private const int RandomBytes = 32;
    private const string Columns = "name, role, created_by, created_at, last_used_at, revoked_at";

    /// <summary>Everybody's, by name.</summary>
    public Task<IReadOnlyList<ApiToken>> ListAsync(CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM api_token ORDER BY name").ListAsync(Map, cancellationToken);

    /// <summary>Makes one; null where the name is taken, by a revoked one too.</summary>
    public async Task<string?> AddAsync(string name, ConsoleRole role, string actor, CancellationToken cancellationToken)
    {
        var token = Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(RandomBytes));
        var isNew = await ChangeAsync(
            transaction => transaction.Command(
                "INSERT INTO api_token (name, digest, role, created_by) VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING", name, DigestOf(token), role.ToString(), actor),
            "token.added", new { role = role.ToString() }, name, actor, cancellationToken);
        return isNew ? token : null;
    }

    /// <summary>Ends it at once; false where there is none that is not revoked.</summary>
    public Task<bool> RevokeAsync(string name, string actor, CancellationToken cancellationToken) => ChangeAsync(
        transaction => transaction.Command("UPDATE api_token SET revoked_at = clock_timestamp(), revoked_by = $2 WHERE name = $1 AND revoked_at IS NULL", name, actor),
        "token.revoked", new { }, name, actor, cancellationToken);

    /// <summary>Whose token this is, or null. Notes its use, at most once a minute.</summary>
    public async Task<ApiToken?> FindAsync(string token, CancellationToken cancellationToken)
    {
        if (token is not { Length: > 4 and < 128 } || !token.StartsWith(Prefix, StringComparison.Ordinal))
        {
            return null;
        }

        var found = await catalog.Command($"SELECT {Columns} FROM api_token WHERE digest = $1 AND revoked_at IS NULL", DigestOf(token)).FirstAsync(Map, cancellationToken);
        if (found is not null)
        {
            await catalog.Command(
                "UPDATE api_token SET last_used_at = clock_timestamp() WHERE name = $1 AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute')", found.Name)
                .RunAsync(cancellationToken);
        }

        return found;
    }

    /// <summary>True while it is not revoked.</summary>
    public async Task<bool> HoldsAsync(string name, CancellationToken cancellationToken) =>
        await catalog.Command("SELECT name FROM api_token WHERE name = $1 AND revoked_at IS NULL", name).FirstAsync(row => row.GetString(0), cancellationToken) is not null;

    private async Task<bool> ChangeAsync(
        Func<NpgsqlTransaction, NpgsqlCommand> change, string action, object details, string name, string actor, CancellationToken cancellationToken)
    {
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (await change(transaction).RunAsync(cancellationToken) == 0)
        {
            return false;
        }

        await AuditLog.AppendAsync(transaction, actor, action, name, details, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return true;
    }

    /// <summary>True for what may be a token's name.</summary>
    public static bool IsName(string name) => NameShape().IsMatch(name);

    private static byte[] DigestOf(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));

    private static ApiToken Map(NpgsqlDataReader row) =>
        new(row.GetString(0), Enum.Parse<ConsoleRole>(row.GetString(1)), row.GetString(2), row.Time(3), row.TimeOrNull(4), row.TimeOrNull(5));

    [GeneratedRegex("^[a-z0-9][a-z0-9._-]{0,62}$")]
    private static partial Regex NameShape();
}
