using System.Globalization;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>A role as pg_dumpall described it.</summary>
public sealed record GlobalRole(string Name)
{
    /// <summary>Options in upper case as written, for example <c>NOSUPERUSER</c>, <c>LOGIN</c>.</summary>
    public IReadOnlySet<string> Options { get; init; } = new HashSet<string>();

    /// <summary>The stored verifier (SCRAM or md5), or null where it was not dumped or the role has none.</summary>
    internal string? PasswordVerifier { get; init; }

    public int? ConnectionLimit { get; init; }

    public string? ValidUntil { get; init; }

    /// <summary>True where the role has powers over the whole server, which a restore never gives to a role that it makes.</summary>
    public bool IsPowerful => Options.Overlaps(["SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS"]);
}

/// <summary>Member is a member of Role.</summary>
public sealed record RoleMembership(string Role, string Member, bool WithAdmin);

/// <summary>
/// The roles in pg_dumpall's output. The text is foreign, so it is never executed: statements are read into this model and
/// written anew. Tablespaces, settings and comments are read over.
/// </summary>
public sealed class GlobalsScript
{
    /// <summary>The artifact that holds the text in a restore point.</summary>
    public const string ArtifactName = "globals.sql";

    private readonly Dictionary<string, GlobalRole> _roles = new(StringComparer.Ordinal);
    private readonly List<RoleMembership> _memberships = [];

    private GlobalsScript()
    {
    }

    public IReadOnlyDictionary<string, GlobalRole> Roles => _roles;

    public IReadOnlyList<RoleMembership> Memberships => _memberships;

    /// <exception cref="EngineException">The text cannot be cut into statements.</exception>
    public static GlobalsScript Parse(string text)
    {
        var script = new GlobalsScript();
        foreach (var statement in new GlobalsLexer(text).Statements())
        {
            script.Read(statement);
        }

        return script;
    }

    /// <summary>
    /// Statements that create the roles named, for a server that lacks them. Powers over the server are left out; a role
    /// signs in only with the password that it had. Only memberships between roles that are created here are granted, so
    /// that a foreign text never enlarges a role that exists.
    /// </summary>
    /// <param name="missing">Names to create; those that the script does not know become plain NOLOGIN roles.</param>
    /// <param name="forScratch">True for a scratch server: no role signs in, and owners of event triggers keep SUPERUSER.</param>
    public IReadOnlyList<string> CreateStatements(IReadOnlyCollection<string> missing, bool forScratch)
    {
        var statements = missing.Order(StringComparer.Ordinal)
            .Select(name => Create(_roles.GetValueOrDefault(name) ?? new GlobalRole(name), forScratch)).ToList();
        var made = missing.ToHashSet(StringComparer.Ordinal);
        statements.AddRange(_memberships.Where(membership => made.Contains(membership.Role) && made.Contains(membership.Member)).Select(membership =>
            $"GRANT {SqlName.Quote(membership.Role)} TO {SqlName.Quote(membership.Member)}{(membership.WithAdmin ? " WITH ADMIN OPTION" : "")}"));
        return statements;
    }

    private static string Create(GlobalRole role, bool forScratch)
    {
        var options = new List<string>();
        if (forScratch)
        {
            options.Add("NOLOGIN");
            if (role.Options.Contains("SUPERUSER"))
            {
                options.Add("SUPERUSER");
            }
        }
        else if (role is { PasswordVerifier: { } verifier } && role.Options.Contains("LOGIN"))
        {
            options.Add($"LOGIN PASSWORD {SqlName.Literal(verifier)}");
        }
        else
        {
            options.Add("NOLOGIN");
        }

        if (role.Options.Contains("NOINHERIT"))
        {
            options.Add("NOINHERIT");
        }

        if (role.ConnectionLimit is { } limit)
        {
            options.Add(string.Create(CultureInfo.InvariantCulture, $"CONNECTION LIMIT {limit}"));
        }

        if (role.ValidUntil is { } until)
        {
            options.Add($"VALID UNTIL {SqlName.Literal(until)}");
        }

        return $"CREATE ROLE {SqlName.Quote(role.Name)} {string.Join(' ', options)}";
    }

    private void Read(IReadOnlyList<GlobalsToken> statement)
    {
        if (statement.Count >= 3 && statement[0].Is("CREATE") && statement[1].Is("ROLE") && statement[2].AsName() is { } created)
        {
            _roles.TryAdd(created, new GlobalRole(created));
        }
        else if (statement.Count >= 4 && statement[0].Is("ALTER") && statement[1].Is("ROLE") && statement[3].Is("WITH")
            && statement[2].AsName() is { } altered)
        {
            _roles[altered] = ReadOptions(new GlobalRole(altered), statement.Skip(4).ToArray());
        }
        else if (statement.Count >= 4 && statement[0].Is("GRANT") && statement[2].Is("TO")
            && statement[1].AsName() is { } role && statement[3].AsName() is { } member)
        {
            _memberships.Add(new RoleMembership(role, member, HasAdmin(statement)));
        }
    }

    // "WITH ADMIN OPTION" until PostgreSQL 15, "WITH ADMIN TRUE, INHERIT …" or "WITH ADMIN OPTION, …" later.
    private static bool HasAdmin(IReadOnlyList<GlobalsToken> grant)
    {
        for (var i = 4; i < grant.Count - 1; i++)
        {
            if (grant[i].Is("ADMIN"))
            {
                return grant[i + 1].Is("OPTION") || grant[i + 1].Is("TRUE");
            }
        }

        return false;
    }

    private static GlobalRole ReadOptions(GlobalRole role, GlobalsToken[] tokens)
    {
        var options = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < tokens.Length; i++)
        {
            var next = i + 1 < tokens.Length ? tokens[i + 1] : default;
            if (tokens[i].Is("PASSWORD"))
            {
                role = role with { PasswordVerifier = next.Kind == GlobalsTokenKind.Text ? next.Value : null };
                i++;
            }
            else if (tokens[i].Is("VALID") && next.Is("UNTIL") && i + 2 < tokens.Length)
            {
                role = role with { ValidUntil = tokens[i + 2].Value };
                i += 2;
            }
            else if (tokens[i].Is("CONNECTION") && next.Is("LIMIT") && i + 2 < tokens.Length
                && int.TryParse(tokens[i + 2].Value, CultureInfo.InvariantCulture, out var limit))
            {
                role = role with { ConnectionLimit = limit };
                i += 2;
            }
            else
            {
                options.Add(tokens[i].Value.ToUpperInvariant());
            }
        }

        return role with { Options = options };
    }
}
