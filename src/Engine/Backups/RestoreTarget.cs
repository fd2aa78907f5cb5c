using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Postgres;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// Where a restore goes: a new database (<c>postgres://user@host:port/newdb?passwordFile=F</c>), a new data directory
/// (<c>pgdata:/path?port=P&amp;time=T</c>), a virtual cluster (<c>vcluster:namespace/name?kubeconfig=F</c>), a Redis server that runs or its
/// directory (<c>redis://host:port</c>, <c>redisdata:/path</c>), or a directory for a volume's files or the raw artifacts of any kind (<c>dir:/path</c>).
/// </summary>
public abstract record RestoreTarget
{
    private static readonly string[] s_postgresOptions = ["passwordFile", "noOwner", "noPrivileges", "createRoles", "sslMode", "host"];

    /// <summary>The target as one line: what a plan's hash covers and pages show. Holds no secret.</summary>
    public abstract string ToText();

    /// <summary>A file whose first line goes to the target's server as a password; null where none does.</summary>
    internal virtual string? PasswordFileToSend => null;

    /// <summary>The server that it goes to; null where none does.</summary>
    internal virtual PasswordReceiver? PasswordGoesTo => null;

    /// <summary>Reads a target.</summary>
    /// <param name="text">The URL.</param>
    /// <param name="baseFolder">Where relative paths in it start: the working directory for a command.</param>
    /// <exception cref="EngineException"><c>restore-target-invalid</c>, naming every mistake at once; <c>restore-target-unsupported</c>.</exception>
    public static RestoreTarget Parse(string text, string baseFolder)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var kind = colon > 0 ? text[..colon].ToLowerInvariant() : "";
        return kind switch
        {
            "postgres" or "postgresql" => ParsePostgres(text, baseFolder),
            "pgdata" => ParsePgData(text, baseFolder),
            "vcluster" => ParseVCluster(text, baseFolder),
            "redis" => Collected(faults => RedisTarget.Parse(text, baseFolder, faults)),
            "redisdata" => Collected(faults => RedisDirectoryTarget.Parse(text, baseFolder, faults)),
            "dir" => Collected(faults => DirectoryTarget.Parse(text, baseFolder, faults)),
            _ => throw Invalid([$"its kind {(kind.Length > 0 ? kind : "is missing and")} is none of postgres, pgdata, vcluster, redis, redisdata, dir"]),
        };
    }

    private static VClusterTarget ParseVCluster(string text, string baseFolder)
    {
        var faults = new List<string>();
        var target = VClusterTarget.ParseCluster(text, baseFolder, faults);
        return faults.Count == 0 ? target : throw Invalid(faults);
    }

    private static RestoreTarget Collected(Func<List<string>, RestoreTarget?> parse)
    {
        var faults = new List<string>();
        return parse(faults) is { } target && faults.Count == 0 ? target : throw Invalid(faults);
    }

    private static PgDataTarget ParsePgData(string text, string baseFolder)
    {
        var faults = new List<string>();
        var target = PgDataTarget.Parse(text, baseFolder, faults);
        return faults.Count == 0 ? target : throw Invalid(faults);
    }

    private static PostgresTarget ParsePostgres(string text, string baseFolder)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri))
        {
            throw Invalid(["it is not a URL"]);
        }

        var faults = new List<string>();
        var user = Uri.UnescapeDataString(uri.UserInfo);
        RefusePassword(user);

        var options = ReadOptions(uri.Query, s_postgresOptions, faults);
        var database = Uri.UnescapeDataString(uri.AbsolutePath.TrimStart('/'));
        var host = options.GetValueOrDefault("host") ?? uri.Host.Trim('[', ']');
        Require(user, "the user is missing (postgres://USER@…)", faults);
        Require(host, "the host is missing", faults);
        Require(database, "the new database's name is missing (…/NEWDB)", faults);
        if (System.Text.Encoding.UTF8.GetByteCount(database) > StagingDatabase.MaximumNameBytes)
        {
            faults.Add($"the database's name is longer than {StagingDatabase.MaximumNameBytes} bytes");
        }

        if (options.GetValueOrDefault("sslMode") is { } mode && !PostgresSource.SslModes.Contains(mode))
        {
            faults.Add($"sslMode {mode} is none of {string.Join(", ", PostgresSource.SslModes)}");
        }

        var target = new PostgresTarget(
            host, uri.Port > 0 ? uri.Port : 5432, database, user,
            options.GetValueOrDefault("passwordFile") is { } file ? Path.GetFullPath(file, baseFolder) : null,
            Flag(options, "noOwner", faults), Flag(options, "noPrivileges", faults), Flag(options, "createRoles", faults),
            options.GetValueOrDefault("sslMode"));
        return faults.Count == 0 ? target : throw Invalid(faults);
    }

    private protected static Dictionary<string, string> ReadOptions(string query, IReadOnlyList<string> known, List<string> faults)
    {
        var options = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var parts = pair.Split('=', 2);
            var name = Uri.UnescapeDataString(parts[0]);
            if (!known.Contains(name))
            {
                faults.Add($"option {name} is none of {string.Join(", ", known)}");
            }
            else if (!options.TryAdd(name, parts.Length == 2 ? Uri.UnescapeDataString(parts[1]) : "true"))
            {
                faults.Add($"option {name} is given twice");
            }
        }

        return options;
    }

    /// <summary>A value of an option, or a path, as a URL has it and a person can read it: not all that may be escaped there must be.</summary>
    private protected static string Escaped(string value) => Uri.EscapeDataString(value)
        .Replace("%2F", "/", StringComparison.Ordinal).Replace("%3A", ":", StringComparison.Ordinal).Replace("%2C", ",", StringComparison.Ordinal);

    private protected static bool Flag(Dictionary<string, string> options, string name, List<string> faults)
    {
        switch (options.GetValueOrDefault(name))
        {
            case null or "false":
                return false;
            case "true":
                return true;
            case var other:
                faults.Add($"option {name} is {other}, not true or false");
                return false;
        }
    }

    /// <summary>Its text would be in process lists and shells' histories: never accepted, never repeated.</summary>
    private protected static void RefusePassword(string user)
    {
        if (user.Contains(':', StringComparison.Ordinal))
        {
            throw new EngineException("restore-target-invalid", ErrorKind.Input, "the restore target carries a password in its URL",
                "write the password into a file that only you can read and name it with passwordFile=");
        }
    }

    private static void Require(string value, string fault, List<string> faults)
    {
        if (value.Length == 0)
        {
            faults.Add(fault);
        }
    }

    private static EngineException Invalid(IReadOnlyList<string> faults) => new(
        "restore-target-invalid", ErrorKind.Input, $"the restore target cannot be read: {string.Join("; ", faults)}",
        "use postgres://user@host:port/newdb?passwordFile=F&noOwner=true, pgdata:/path?port=P&time=2026-11-24T14:32:10Z, vcluster:namespace/name?kubeconfig=F, redis://host:port?passwordFile=F, redisdata:/path or dir:/path");
}

/// <summary>A new database on a server that runs.</summary>
/// <param name="Host">Host name, address or socket folder.</param>
/// <param name="Port">TCP port.</param>
/// <param name="Database">The database to make; it must not exist.</param>
/// <param name="Username">Who makes it; needs CREATEDB, and to keep foreign owners a superuser's rights.</param>
/// <param name="PasswordFile">Absolute path, or null.</param>
/// <param name="NoOwner">True: everything belongs to <paramref name="Username"/>.</param>
/// <param name="NoPrivileges">True: grants stay out.</param>
/// <param name="CreateRoles">True: roles that the server lacks are made from the restore point, without powers over the server.</param>
/// <param name="SslMode">As in <see cref="PostgresSource.SslMode"/>.</param>
public sealed record PostgresTarget(
    string Host, int Port, string Database, string Username, string? PasswordFile, bool NoOwner = false, bool NoPrivileges = false,
    bool CreateRoles = false, string? SslMode = null) : RestoreTarget
{
    /// <inheritdoc/>
    public override string ToText()
    {
        var options = new List<string>();
        Add("createRoles", CreateRoles);
        Add("noOwner", NoOwner);
        Add("noPrivileges", NoPrivileges);
        if (PasswordFile is not null)
        {
            options.Add($"passwordFile={Escaped(PasswordFile)}");
        }

        if (SslMode is not null)
        {
            options.Add($"sslMode={SslMode}");
        }

        var isSocket = Host.StartsWith('/');
        if (isSocket)
        {
            options.Insert(0, $"host={Escaped(Host)}");
        }

        var host = isSocket ? "localhost" : Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host;
        return string.Create(CultureInfo.InvariantCulture,
            $"postgres://{Uri.EscapeDataString(Username)}@{host}:{Port}/{Uri.EscapeDataString(Database)}{(options.Count > 0 ? "?" + string.Join('&', options) : "")}");

        void Add(string name, bool value)
        {
            if (value)
            {
                options.Add($"{name}=true");
            }
        }
    }

    /// <inheritdoc/>
    internal override string? PasswordFileToSend => PasswordFile;

    /// <inheritdoc/>
    internal override PasswordReceiver? PasswordGoesTo => PasswordReceiver.OfPostgres(Host, Port, SslMode);

    /// <summary>The target's server, signed in to one of its databases.</summary>
    internal PostgresSource Server(string database) => new()
    {
        Host = Host,
        Port = Port,
        Database = database,
        Username = Username,
        PasswordFile = PasswordFile,
        SslMode = SslMode,
    };
}
