using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Postgres;

/// <summary>What a restore must know about its target's server before it changes anything there.</summary>
internal sealed record TargetServer
{
    public required int Major { get; init; }

    public required string ServerVersion { get; init; }

    public required bool IsSuperuser { get; init; }

    public required IReadOnlySet<string> Roles { get; init; }

    /// <summary>Roles that the user may act as; all of them for a superuser.</summary>
    public required IReadOnlySet<string> OwnRoles { get; init; }

    public required IReadOnlySet<string> Tablespaces { get; init; }

    /// <summary>Extensions that can be created there, with their default version.</summary>
    public required IReadOnlySet<string> Extensions { get; init; }

    public static async Task<TargetServer> ReadAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var reader = new ContentFactsReader(connection);
        var isSuperuser = (await reader.QueryAsync(
            "SELECT rolsuper FROM pg_roles WHERE rolname = current_user", row => row.GetBoolean(0), cancellationToken)).Single();
        return new TargetServer
        {
            Major = connection.PostgreSqlVersion.Major,
            ServerVersion = connection.PostgreSqlVersion.ToString(),
            IsSuperuser = isSuperuser,
            Roles = await NamesAsync("SELECT rolname::text FROM pg_roles"),
            OwnRoles = await NamesAsync("SELECT rolname::text FROM pg_roles WHERE pg_has_role(current_user, oid, 'MEMBER')"),
            Tablespaces = await NamesAsync("SELECT spcname::text FROM pg_tablespace"),
            Extensions = await NamesAsync("SELECT name::text FROM pg_available_extensions"),
        };

        async Task<IReadOnlySet<string>> NamesAsync(string text) =>
            (await reader.QueryAsync(text, row => row.GetString(0), cancellationToken)).ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>
    /// What stands against the restore, all of it, and what a person should know. Roles that are missing count only where
    /// owners or privileges are kept.
    /// </summary>
    public TargetVerdict Judge(ContentFacts facts, PostgresTarget target)
    {
        var refusals = new List<string>();
        var hints = new List<string>();
        var notes = new List<string>();
        var missingRoles = facts.Roles.Where(role => !Roles.Contains(role)).ToList();
        var needsRoles = !(target.NoOwner && target.NoPrivileges);
        if (needsRoles && missingRoles.Count > 0 && !target.CreateRoles)
        {
            refusals.Add($"role {string.Join(", ", missingRoles)} does not exist there");
            hints.Add("make the roles first, or add createRoles=true, or leave them out with noOwner=true&noPrivileges=true");
        }
        else if (needsRoles && missingRoles.Count > 0)
        {
            notes.Add($"roles made from the restore point, without powers over the server: {string.Join(", ", missingRoles)}");
        }

        if (!IsSuperuser && !target.NoOwner && facts.Roles.Where(role => Roles.Contains(role) && !OwnRoles.Contains(role)).ToList() is { Count: > 0 } foreign)
        {
            refusals.Add($"user {target.Username} may not give objects to {string.Join(", ", foreign)}");
            hints.Add("restore as a superuser, or add noOwner=true");
        }

        if (facts.Extensions.Where(extension => !Extensions.Contains(extension.Name)).Select(extension => extension.Name).ToList() is { Count: > 0 } extensions)
        {
            refusals.Add($"extension {string.Join(", ", extensions)} is not installed there");
            hints.Add("install the extensions' packages on the target's machine");
        }

        var noTablespaces = facts.Tablespaces.Any(space => !Tablespaces.Contains(space));
        if (noTablespaces)
        {
            notes.Add("everything goes to the default tablespace: the source's tablespaces do not exist there");
        }

        if (Major < facts.ServerVersionNumber / 10000)
        {
            notes.Add($"the target runs PostgreSQL {Major}, older than the source's {facts.ServerVersionNumber / 10000}: the restore may fail");
        }

        if (facts.DanglingForeignKeys.Count > 0)
        {
            notes.Add($"left out, since the rows they refer to were not captured: foreign key {string.Join(", ", facts.DanglingForeignKeys.Select(key => $"{key.Schema}.{key.Table}.{key.Name}"))}");
        }

        return new TargetVerdict(refusals, hints, notes, needsRoles ? missingRoles : [], noTablespaces);
    }
}

/// <summary>The outcome of looking at a target's server.</summary>
internal sealed record TargetVerdict(
    IReadOnlyList<string> Refusals, IReadOnlyList<string> Hints, IReadOnlyList<string> Notes, IReadOnlyList<string> MissingRoles, bool NoTablespaces)
{
    /// <exception cref="EngineException"><c>target-not-ready</c>, naming everything at once.</exception>
    public void Require(PostgresTarget target)
    {
        if (Refusals.Count > 0)
        {
            throw new EngineException("target-not-ready", ErrorKind.Input,
                $"{target.Host}:{target.Port} cannot take the restore: {string.Join("; ", Refusals)}", string.Join("; ", Hints));
        }
    }
}
