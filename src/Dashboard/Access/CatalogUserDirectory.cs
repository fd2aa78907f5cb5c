using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>The users in the catalog's <c>app_user</c> table. Every change is an audit event in its own transaction.</summary>
public sealed class CatalogUserDirectory(NpgsqlDataSource catalog) : IUserDirectory
{
    private const string Columns = "name, password_hash, role, failed_attempts, locked_until, disabled, confirm_failures, confirm_locked_until";

    /// <inheritdoc/>
    public async Task<ConsoleUser?> FindAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            return await catalog.Command($"SELECT {Columns} FROM app_user WHERE name = $1", name).FirstAsync(Map, cancellationToken);
        }
        catch (NpgsqlException fault) when (RunExecution.IsCatalogAway(fault))
        {
            throw Unavailable(fault);
        }
    }

    /// <summary>Everybody, by name.</summary>
    public Task<IReadOnlyList<ConsoleUser>> ListAsync(CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM app_user ORDER BY name").ListAsync(Map, cancellationToken);

    /// <inheritdoc/>
    public Task<ConsoleUser?> RecordFailureAsync(string name, PasswordUse use, Func<int, DateTimeOffset?> lockedUntil, CancellationToken cancellationToken) =>
        ChangeAsync(name, async transaction =>
        {
            var (failures, locked) = ColumnsOf(use);
            // One statement counts; parallel guesses wait for its row and each counts. The lock follows in the same transaction.
            var user = await transaction.Command($"UPDATE app_user SET {failures} = {failures} + 1 WHERE name = $1 RETURNING {Columns}", name)
                .FirstAsync(Map, cancellationToken);
            if (user is not null && lockedUntil(user.FailuresOf(use)) is { } until)
            {
                user = await transaction.Command($"UPDATE app_user SET {locked} = $2 WHERE name = $1 RETURNING {Columns}", name, until.ToUniversalTime())
                    .FirstAsync(Map, cancellationToken);
            }

            return user;
        }, user => (use == PasswordUse.SignIn ? "access.sign-in-failed" : "access.confirm-failed", new { failedAttempts = user.FailuresOf(use), lockedUntil = user.LockOf(use) }), name, cancellationToken);

    /// <inheritdoc/>
    public Task RecordSuccessAsync(string name, PasswordUse use, string? renewedPasswordHash, CancellationToken cancellationToken)
    {
        var (failures, locked) = ColumnsOf(use);

        // Who signs in anew starts afresh inside, too: somebody else may have guessed in a session of theirs.
        var also = use == PasswordUse.SignIn ? ", confirm_failures = 0, confirm_locked_until = NULL" : "";
        return ChangeAsync(
            name,
            transaction => transaction.Command(
                $"UPDATE app_user SET {failures} = 0, {locked} = NULL{also}, password_hash = coalesce($2, password_hash) WHERE name = $1 RETURNING {Columns}",
                name, renewedPasswordHash).FirstAsync(Map, cancellationToken),
            _ => (use == PasswordUse.SignIn ? "access.signed-in" : "access.confirmed", new { }), name, cancellationToken);
    }

    /// <summary>Adds a user, or none where the name is taken.</summary>
    /// <returns>False where the name is taken.</returns>
    public async Task<bool> AddAsync(string name, string passwordHash, ConsoleRole role, string actor, CancellationToken cancellationToken) =>
        await ChangeAsync(
            name,
            transaction => transaction.Command(
                $"INSERT INTO app_user (name, password_hash, role, created_by) VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING RETURNING {Columns}",
                name, passwordHash, role.ToString(), actor).FirstAsync(Map, cancellationToken),
            _ => ("user.added", new { role = role.ToString() }), actor, cancellationToken) is not null;

    /// <summary>Changes what is not null; the sessions of a changed user end, also where it is changed back. With nothing to change only locks are lifted.</summary>
    /// <returns>False where there is no such user.</returns>
    public async Task<bool> ChangeAsync(string name, string? passwordHash, ConsoleRole? role, bool? disabled, string actor, CancellationToken cancellationToken) =>
        await ChangeAsync(
            name,
            async transaction =>
            {
                if (passwordHash is not null || role is not null || disabled is not null)
                {
                    await transaction.Command("DELETE FROM web_session WHERE person = $1", name).RunAsync(cancellationToken);
                }

                return await transaction.Command(
                    $"""
                    UPDATE app_user SET password_hash = coalesce($2, password_hash), role = coalesce($3, role), disabled = coalesce($4, disabled),
                      failed_attempts = 0, locked_until = NULL, confirm_failures = 0, confirm_locked_until = NULL
                    WHERE name = $1 RETURNING {Columns}
                    """, name, passwordHash, role?.ToString(), disabled).FirstAsync(Map, cancellationToken);
            },
            _ => ("user.changed", new { password = passwordHash is not null, role = role?.ToString(), disabled }), actor, cancellationToken) is not null;

    private async Task<ConsoleUser?> ChangeAsync(
        string name, Func<NpgsqlTransaction, Task<ConsoleUser?>> change, Func<ConsoleUser, (string Action, object Details)> audit, string actor, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            var user = await change(transaction);
            if (user is not null)
            {
                var (action, details) = audit(user);
                await AuditLog.AppendAsync(transaction, actor, action, name, details, cancellationToken);
                await transaction.CommitAsync(cancellationToken);
            }

            return user;
        }
        catch (NpgsqlException fault) when (RunExecution.IsCatalogAway(fault))
        {
            throw Unavailable(fault);
        }
    }

    private static ConsoleUser Map(NpgsqlDataReader row) => new(
        row.GetString(0), row.GetString(1), Enum.Parse<ConsoleRole>(row.GetString(2)), row.GetInt32(3), row.TimeOrNull(4), row.GetBoolean(5))
    { ConfirmFailures = row.GetInt32(6), ConfirmLockedUntil = row.TimeOrNull(7) };

    private static (string Failures, string Locked) ColumnsOf(PasswordUse use) =>
        use == PasswordUse.SignIn ? ("failed_attempts", "locked_until") : ("confirm_failures", "confirm_locked_until");

    internal static EngineException Unavailable(NpgsqlException fault) => new(
        "catalog-unavailable", ErrorKind.Unavailable, "the console's database does not answer", "Look at its log in the data folder; sign-in works again when it is back.", fault)
    { IsTransient = true };
}
