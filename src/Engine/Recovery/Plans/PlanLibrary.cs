using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Plans;

/// <summary>A version of a plan, as it was saved.</summary>
/// <param name="Plan">The plan's name.</param>
/// <param name="Version">From 1.</param>
/// <param name="Text">JSON of the template.</param>
/// <param name="Hash">SHA-256 of that text.</param>
/// <param name="Author">Who saved it; <c>engine</c> for those that come with the product.</param>
/// <param name="Note">Why.</param>
public sealed record PlanVersion(string Plan, int Version, string Text, string Hash, string Author, string Note, DateTimeOffset CreatedAt);

/// <summary>The plans and their versions in the catalog; a version is never changed. Those that come with the product are saved at start.</summary>
public sealed class PlanLibrary(NpgsqlDataSource catalog, RecoveryActions actions)
{
    /// <summary>Whose versions come with the product.</summary>
    public const string BuiltInAuthor = "engine";

    private const string Columns = "plan, version, body, hash, author, note, created_at";

    /// <summary>Saves the product's own plans where they are new, and a new version of those that the product changed and nobody else did.</summary>
    public async Task SaveBuiltInAsync(CancellationToken cancellationToken)
    {
        foreach (var text in ReadBuiltIn())
        {
            var template = PlanTemplate.Read(text, actions.Names);
            var newest = await NewestAsync(template.Name, cancellationToken);
            if (newest is null || (newest.Author == BuiltInAuthor && newest.Hash != HashOf(template.ToText())))
            {
                await SaveOnceAsync(template.ToText(), newest?.Version ?? 0, cancellationToken);
            }
        }
    }

    private async Task SaveOnceAsync(string text, int basedOn, CancellationToken cancellationToken)
    {
        try
        {
            await SaveAsync(text, BuiltInAuthor, "comes with the product", basedOn, cancellationToken);
        }
        catch (EngineException taken) when (taken.Code is TakenCode or ExistsCode)
        {
            // A process that started at the same time has saved it.
        }
    }

    private const string TakenCode = "plan-version-taken";
    private const string ExistsCode = "plan-exists";

    /// <summary>The newest version of each plan, by name.</summary>
    public Task<IReadOnlyList<PlanVersion>> ListAsync(CancellationToken cancellationToken) =>
        catalog.Command($"SELECT DISTINCT ON (plan) {Columns} FROM plan_version ORDER BY plan, version DESC").ListAsync(Map, cancellationToken);

    /// <summary>All versions of a plan, newest first.</summary>
    public Task<IReadOnlyList<PlanVersion>> VersionsAsync(string plan, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM plan_version WHERE plan = $1 ORDER BY version DESC", plan).ListAsync(Map, cancellationToken);

    /// <summary>The newest version, or null.</summary>
    public Task<PlanVersion?> NewestAsync(string plan, CancellationToken cancellationToken) =>
        catalog.Command($"SELECT {Columns} FROM plan_version WHERE plan = $1 ORDER BY version DESC LIMIT 1", plan).FirstAsync(Map, cancellationToken);

    /// <summary>The template of a version.</summary>
    public PlanTemplate Read(PlanVersion version) => PlanTemplate.Read(version.Text, actions.Names);

    /// <summary>The same; or why it cannot be read, as one that another build saved may not be: it must hold up no other plan.</summary>
    public (PlanTemplate? Template, EngineException? Fault) TryRead(PlanVersion version)
    {
        try
        {
            return (Read(version), null);
        }
        catch (EngineException fault)
        {
            return (null, fault);
        }
    }

    /// <summary>Saves a new version.</summary>
    /// <param name="text">JSON of the template.</param>
    /// <param name="basedOn">The version that the author saw; 0 for a new plan.</param>
    /// <exception cref="EngineException"><c>plan-invalid</c>, with all mistakes; <c>plan-version-taken</c>: somebody saved one meanwhile; <c>plan-exists</c>: a new plan has the name of another.</exception>
    public async Task<PlanVersion> SaveAsync(string text, string author, string note, int basedOn, CancellationToken cancellationToken)
    {
        var template = PlanTemplate.Read(text, actions.Names);
        if (PlanMistakes.OfStages(template, actions).ToList() is { Count: > 0 } mistakes)
        {
            throw PlanTemplate.Invalid(mistakes);
        }

        var body = template.ToText();
        await using var connection = await catalog.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        try
        {
            var saved = await transaction.Command(
                $"""
                INSERT INTO plan_version (plan, version, body, hash, author, note)
                SELECT $1, $2 + 1, $3, $4, $5, $6 WHERE $2 = (SELECT coalesce(max(version), 0) FROM plan_version WHERE plan = $1)
                RETURNING {Columns}
                """, template.Name, basedOn, body, HashOf(body), author, note).FirstAsync(Map, cancellationToken) ?? throw Taken(template.Name, basedOn);
            await AuditLog.AppendAsync(transaction, author, "plan.saved", $"{saved.Plan} v{saved.Version}", new { saved.Hash, note }, cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            return saved;
        }
        catch (PostgresException fault) when (fault.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            throw Taken(template.Name, basedOn);
        }
    }

    /// <summary>Saves what was edited from a version: the next version of its plan, or, under another name, the first one of a new plan.</summary>
    /// <exception cref="EngineException">As <see cref="SaveAsync"/>; <c>plan-exists</c>: there is a plan of the other name.</exception>
    public Task<PlanVersion> SaveEditedAsync(string text, string author, string note, PlanVersion seen, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(seen);
        return SaveAsync(text, author, note, PlanTemplate.Read(text, actions.Names).Name == seen.Plan ? seen.Version : 0, cancellationToken);
    }

    private static EngineException Taken(string plan, int basedOn) => basedOn == 0
        ? new EngineException(ExistsCode, ErrorKind.Conflict, $"there is a plan {plan} already", "give yours another name, or save it as that plan's next version")
        : new EngineException(TakenCode, ErrorKind.Conflict, $"somebody saved another version of {plan} meanwhile", "look at it, then save yours on top of it");

    private static string HashOf(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static IEnumerable<string> ReadBuiltIn()
    {
        var assembly = typeof(PlanLibrary).Assembly;
        foreach (var name in assembly.GetManifestResourceNames().Where(name => name.Contains(".Recovery.Plans.BuiltIn.", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            yield return reader.ReadToEnd();
        }
    }

    private static PlanVersion Map(NpgsqlDataReader row) => new(
        row.GetString(0), row.GetInt32(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5), row.Time(6));
}
