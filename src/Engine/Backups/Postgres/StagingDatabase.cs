using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>
/// The database that a restore fills before it gets its name. Nobody ever sees a half-restored database under the name
/// that was asked for: the staging database's own name is derived from the operation, so that after a kill -9 the same
/// operation finds its own leftovers, drops them and begins again, and never touches anybody else's database.
/// </summary>
internal sealed class StagingDatabase
{
    /// <summary>PostgreSQL's limit for a name.</summary>
    public const int MaximumNameBytes = 63;

    private const string Mark = "drconsole restore";
    private static readonly string[] s_privileges = ["CONNECT", "CREATE", "TEMPORARY"];

    private readonly NpgsqlConnection _server;
    private readonly PostgresTarget _target;
    private readonly string _operation;

    /// <param name="server">A connection to the target's server, in another database.</param>
    /// <param name="target">The database to make in the end.</param>
    /// <param name="operation">Names the operation; the same when it is resumed.</param>
    public StagingDatabase(NpgsqlConnection server, PostgresTarget target, string operation)
    {
        _server = server;
        _target = target;
        _operation = operation;
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{operation}\n{target.Database}"));
        Name = $"drconsole_restore_{Convert.ToHexStringLower(hash)[..16]}";
    }

    public string Name { get; }

    /// <summary>True where this very operation finished before and was not told so any more.</summary>
    /// <exception cref="EngineException"><c>database-exists</c>: somebody else's.</exception>
    public async Task<bool> IsFinishedAsync(CancellationToken cancellationToken)
    {
        var comment = await CommentAsync(cancellationToken);
        return comment is not null && (IsOurs(comment) ? true : throw Exists(null));
    }

    /// <summary>True where the target's name belongs to a database that this very operation made.</summary>
    public async Task<bool> IsPublishedAsync(CancellationToken cancellationToken) =>
        await CommentAsync(cancellationToken) is { } comment && IsOurs(comment);

    /// <summary>Drops the unfinished database; false where there is none.</summary>
    public async Task<bool> DropIfThereAsync(CancellationToken cancellationToken)
    {
        var isThere = await ReadAsync("SELECT datname::text FROM pg_database WHERE datname = $1", Name, cancellationToken) is not null;
        await DropAsync(cancellationToken);
        return isThere;
    }

    /// <summary>Makes it anew, empty, with the source's encoding and locale; what an earlier attempt left goes first.</summary>
    public async Task CreateAsync(DatabaseLocale locale, CancellationToken cancellationToken)
    {
        await DropAsync(cancellationToken);
        var provider = _server.PostgreSqlVersion.Major >= 15 && locale is { Provider: "i", IcuLocale: { } icu }
            ? $" LOCALE_PROVIDER icu ICU_LOCALE {SqlName.Literal(icu)}"
            : _server.PostgreSqlVersion.Major >= 17 && locale is { Provider: "b", IcuLocale: { } builtin }
                ? $" LOCALE_PROVIDER builtin BUILTIN_LOCALE {SqlName.Literal(builtin)}"
                : "";
        try
        {
            await ExecuteAsync(
                $"CREATE DATABASE {SqlName.Quote(Name)} TEMPLATE template0 ENCODING {SqlName.Literal(locale.Encoding)} "
                + $"LC_COLLATE {SqlName.Literal(locale.Collate)} LC_CTYPE {SqlName.Literal(locale.CharacterType)}{provider}",
                cancellationToken);
        }
        catch (PostgresException refusal) when (refusal.SqlState is "42809" or "22023" && refusal.MessageText.Contains("locale", StringComparison.Ordinal))
        {
            throw new EngineException("locale-missing", ErrorKind.Unavailable,
                $"{_target.Host}:{_target.Port} lacks the locale {locale.Collate} of the source: {refusal.MessageText}",
                "generate the locale on the target's machine (locale-gen) and restart its server", refusal);
        }
    }

    /// <summary>Sets what a dump leaves out: the database's settings, and those of roles that exist here.</summary>
    public async Task ApplySettingsAsync(IReadOnlyList<DatabaseSetting> settings, IReadOnlySet<string> roles, CancellationToken cancellationToken)
    {
        foreach (var setting in settings.Where(setting => setting.Role is null || roles.Contains(setting.Role)))
        {
            var subject = setting.Role is { } role
                ? $"ROLE {SqlName.Quote(role)} IN DATABASE {SqlName.Quote(Name)}"
                : $"DATABASE {SqlName.Quote(Name)}";
            // A list such as a search path is stored with its members quoted; other values are one literal.
            var value = setting.Name is "search_path" or "session_preload_libraries" or "local_preload_libraries" or "temp_tablespaces"
                ? setting.Value
                : SqlName.Literal(setting.Value);
            await ExecuteAsync($"ALTER {subject} SET {SettingName(setting.Name)} TO {(value.Length == 0 ? "''" : value)}", cancellationToken);
        }
    }

    /// <summary>Gives the rights on the database that the source's had, to everybody and to roles that exist here.</summary>
    public async Task ApplyGrantsAsync(IReadOnlyList<DatabaseGrant> grants, IReadOnlySet<string> roles, CancellationToken cancellationToken)
    {
        if (grants.Count == 0)
        {
            return;
        }

        await ExecuteAsync($"REVOKE ALL ON DATABASE {SqlName.Quote(Name)} FROM PUBLIC", cancellationToken);
        foreach (var grant in grants.Where(grant => (grant.Grantee is null || roles.Contains(grant.Grantee)) && s_privileges.Contains(grant.Privilege)))
        {
            var grantee = grant.Grantee is { } role ? SqlName.Quote(role) : "PUBLIC";
            await ExecuteAsync(
                $"GRANT {grant.Privilege} ON DATABASE {SqlName.Quote(Name)} TO {grantee}{(grant.WithGrantOption ? " WITH GRANT OPTION" : "")}", cancellationToken);
        }
    }

    /// <summary>Gives it the name that was asked for, in one step. It keeps a comment that says where it came from.</summary>
    /// <exception cref="EngineException"><c>database-exists</c>: somebody took the name meanwhile.</exception>
    public async Task PublishAsync(string restorePoint, string? owner, CancellationToken cancellationToken)
    {
        if (owner is not null)
        {
            await ExecuteAsync($"ALTER DATABASE {SqlName.Quote(Name)} OWNER TO {SqlName.Quote(owner)}", cancellationToken);
        }

        await ExecuteAsync(
            $"COMMENT ON DATABASE {SqlName.Quote(Name)} IS {SqlName.Literal($"{Mark} {_operation}: from restore point {restorePoint}")}",
            cancellationToken);
        try
        {
            await ExecuteAsync($"ALTER DATABASE {SqlName.Quote(Name)} RENAME TO {SqlName.Quote(_target.Database)}", cancellationToken);
        }
        catch (PostgresException refusal) when (refusal.SqlState == PostgresErrorCodes.DuplicateDatabase)
        {
            throw Exists(refusal);
        }
    }

    /// <summary>Drops it where it is, with whoever is connected to it.</summary>
    public Task DropAsync(CancellationToken cancellationToken) =>
        ExecuteAsync($"DROP DATABASE IF EXISTS {SqlName.Quote(Name)} WITH (FORCE)", cancellationToken);

    private Task<string?> CommentAsync(CancellationToken cancellationToken) => ReadAsync(
        "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = $1", _target.Database, cancellationToken);

    private bool IsOurs(string comment) => comment.StartsWith($"{Mark} {_operation}:", StringComparison.Ordinal);

    private EngineException Exists(Exception? inner) => new("database-exists", ErrorKind.Conflict,
        $"database {_target.Database} exists on {_target.Host}:{_target.Port}; it was not touched",
        "restore into a name that does not exist, and rename the databases by hand afterwards", inner);

    private async Task<string?> ReadAsync(string text, string parameter, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(text, _server) { Parameters = { new NpgsqlParameter { Value = parameter } } };
        return (string?)await command.ExecuteScalarAsync(cancellationToken);
    }

    private async Task ExecuteAsync(string text, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(text, _server);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    // Settings of extensions have two parts: "auto_explain.log_min_duration".
    private static string SettingName(string name) => string.Join('.', name.Split('.').Select(SqlName.Quote));
}
