using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Recovery.Approvals;

/// <summary>What ties a person to whoever a run is of.</summary>
public enum Tie
{
    /// <summary>Nothing does.</summary>
    None,

    /// <summary>They are the same.</summary>
    Own,

    /// <summary>The owner made the person's account.</summary>
    Made,

    /// <summary>The person's account came from the command line when the run had been asked for already.</summary>
    MadeLate,

    /// <summary>The account got a role or a password, or was enabled, on the command line or by the owner, when the run had been asked for already.</summary>
    ChangedLate,
}

/// <summary>
/// Who is independent of whoever asked. The command line makes most accounts, for whomever: what it made before the question binds
/// nobody. What it does to an account after it may be the requester's way to answer themselves. The question is the run's, not the
/// gate's: a gate opens later, and opens again where it is asked for again.
/// </summary>
internal static class Independence
{
    private const string Sql =
        """
        SELECT CASE
          WHEN $1 = $2 THEN 'Own'
          WHEN u.created_by = $2 AND $2 <> $3 THEN 'Made'
          WHEN u.created_by = $3 AND u.created_at > r.created_at THEN 'MadeLate'
          WHEN EXISTS (
            SELECT FROM audit_event e WHERE e.subject = $1 AND e.at > r.created_at AND e.action IN ('user.added', 'user.changed') AND e.actor IN ($2, $3)
              AND (e.action = 'user.added' OR e.details::jsonb ->> 'password' = 'true' OR e.details::jsonb ->> 'role' IS NOT NULL OR e.details::jsonb ->> 'disabled' = 'false')) THEN 'ChangedLate'
          ELSE 'None' END
        FROM run r LEFT JOIN app_user u ON u.name = $1 WHERE r.id = $4
        """;

    /// <summary>What ties a person to the owner of a run.</summary>
    public static Task<Tie> OfAsync(NpgsqlDataSource catalog, RunId run, string owner, string person, CancellationToken cancellationToken) =>
        ReadAsync(catalog.Command(Sql, person, owner, RestoreAsker.CommandLine, run.Value), cancellationToken);

    /// <summary>The same inside the caller's transaction.</summary>
    public static Task<Tie> OfAsync(NpgsqlTransaction transaction, RunId run, string owner, string person, CancellationToken cancellationToken) =>
        ReadAsync(transaction.Command(Sql, person, owner, RestoreAsker.CommandLine, run.Value), cancellationToken);

    /// <summary>The same as a refusal's words; null where nothing ties them.</summary>
    /// <param name="act">What the person wants to do with it.</param>
    /// <param name="whose">What the owner has done with it.</param>
    public static string? WhyNot(Tie tie, string owner, string act, string whose) => tie switch
    {
        Tie.None => null,
        Tie.Own => $"you {whose}; somebody else must {act} it",
        Tie.Made => $"{owner}, who {whose}, made your account; somebody independent must {act} it",
        Tie.MadeLate => $"your account was made on the command line while it waited; somebody independent must {act} it",
        _ => $"your account got its role or its password while it waited, on the command line or by {owner}, who {whose}; somebody independent must {act} it",
    };

    private static async Task<Tie> ReadAsync(NpgsqlCommand look, CancellationToken cancellationToken)
    {
        await using (look)
        {
            return await look.ExecuteScalarAsync(cancellationToken) is string tie ? Enum.Parse<Tie>(tie) : Tie.None;
        }
    }
}
