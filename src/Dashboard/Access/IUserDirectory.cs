namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>
/// The people who may sign in. Names are given as <see cref="ConsoleUser.Normalize"/> spells them. Every write is
/// atomic on its own and, where the store keeps an audit chain, is recorded there in the same transaction.
/// Failures of the store are <see cref="Engine.EngineException"/>s of kind Unavailable.
/// </summary>
public interface IUserDirectory
{
    /// <summary>The user of that name, disabled ones included, or null.</summary>
    Task<ConsoleUser?> FindAsync(string name, CancellationToken cancellationToken);

    /// <summary>
    /// Adds one to the failed attempts of that use and, where the new count reaches the policy's limit, locks the account.
    /// Counting and locking happen in one statement (<c>update … returning</c>): parallel guesses each count.
    /// </summary>
    /// <param name="name">An existing user.</param>
    /// <param name="use">What the password was for; the counts and locks of the others stay as they are.</param>
    /// <param name="lockedUntil">Gives, for the new count, until when the account is locked, or null.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The user after the change, or null where they were removed meanwhile.</returns>
    Task<ConsoleUser?> RecordFailureAsync(
        string name, PasswordUse use, Func<int, DateTimeOffset?> lockedUntil, CancellationToken cancellationToken);

    /// <summary>Sets the failed attempts of that use to zero and clears its lock.</summary>
    /// <param name="name">An existing user.</param>
    /// <param name="use">What the password was for.</param>
    /// <param name="renewedPasswordHash">A hash of the same password at today's cost to store, or null to keep the old one.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task RecordSuccessAsync(string name, PasswordUse use, string? renewedPasswordHash, CancellationToken cancellationToken);
}
