using System.Collections.Concurrent;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>How an attempt to sign in ended.</summary>
public abstract record SignInOutcome
{
    /// <summary>Name and password are right.</summary>
    public sealed record Accepted(ConsoleUser User) : SignInOutcome;

    /// <summary>Wrong name, wrong password or a disabled account: the three are not told apart.</summary>
    public sealed record Refused : SignInOutcome;

    /// <summary>Too many failures for this name. The password was not looked at.</summary>
    /// <param name="Left">How long the name stays locked.</param>
    public sealed record LockedOut(TimeSpan Left) : SignInOutcome;
}

/// <summary>
/// Decides about names and passwords. Says the same, after the same time, about a name that nobody has as about one
/// that exists.
/// </summary>
public sealed class SignInDesk(
    IUserDirectory users, PasswordHasher passwords, LockOutPolicy policy, FailureMemory failures, TimeProvider time)
{
    /// <summary>Longer input is refused unread: hashing it would only cost time.</summary>
    public const int MaxPasswordLength = 256;

    /// <summary>Longer names are refused unread.</summary>
    public const int MaxNameLength = 128;

    // Argon2id takes 64 MiB a time: a flood of attempts must queue, not exhaust the machine.
    private static readonly SemaphoreSlim s_signInSlots = new(2);

    // A place of its own: who floods the sign-in page must not hold up whoever approves.
    private static readonly SemaphoreSlim s_confirmSlots = new(1);

    // Nor must one person who is signed in hold up another: of each one attempt at a time asks for that place.
    private static readonly ConcurrentDictionary<string, SemaphoreSlim> s_confirming = new(StringComparer.Ordinal);

    /// <summary>Checks one attempt to sign in and records how it ended.</summary>
    /// <param name="name">As it was typed.</param>
    /// <param name="password">As it was typed.</param>
    /// <param name="browser">Of <see cref="KnownBrowsers.MarkOf"/>: what its failures are counted by instead of by the name; null for one that is not known.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="Engine.EngineException">The directory does not answer.</exception>
    public Task<SignInOutcome> TryAsync(string? name, string? password, string? browser, CancellationToken cancellationToken) =>
        TryAsync(name, password, PasswordUse.SignIn, browser, s_signInSlots, cancellationToken);

    /// <summary>
    /// Checks the password of a person who is signed in, and records how that ended. Wrong ones are counted apart from those at the
    /// sign-in page, where anybody may guess: a name that is locked there can still approve.
    /// </summary>
    /// <param name="name">Whose session it is; never what somebody typed.</param>
    /// <param name="password">As they gave it for this act.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="Engine.EngineException">The directory does not answer.</exception>
    public async Task<SignInOutcome> ConfirmAsync(string name, string? password, CancellationToken cancellationToken)
    {
        var own = s_confirming.GetOrAdd(ConsoleUser.Normalize(name), _ => new SemaphoreSlim(1));
        await own.WaitAsync(cancellationToken);
        try
        {
            return await TryAsync(name, password, PasswordUse.Confirmation, browser: null, s_confirmSlots, cancellationToken);
        }
        finally
        {
            own.Release();
        }
    }

    private async Task<SignInOutcome> TryAsync(string? name, string? password, PasswordUse use, string? browser, SemaphoreSlim slots, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(name) || string.IsNullOrEmpty(password)
            || name.Length > MaxNameLength || password.Length > MaxPasswordLength)
        {
            return new SignInOutcome.Refused();
        }

        var normalized = ConsoleUser.Normalize(name);
        var user = await users.FindAsync(normalized, cancellationToken);
        if (LeftOf(LockOf(user, normalized, use, browser)) is { } left)
        {
            return new SignInOutcome.LockedOut(left);
        }

        await slots.WaitAsync(cancellationToken);
        try
        {
            return await TryInTurnAsync(normalized, password, use, browser, cancellationToken);
        }
        finally
        {
            slots.Release();
        }
    }

    /// <summary>
    /// The attempt itself, once it has its turn. The account is read again: of a thousand attempts that were let in at once, those
    /// behind the fifth wrong one find it locked.
    /// </summary>
    private async Task<SignInOutcome> TryInTurnAsync(string normalized, string password, PasswordUse use, string? browser, CancellationToken cancellationToken)
    {
        var user = await users.FindAsync(normalized, cancellationToken);
        if (LeftOf(LockOf(user, normalized, use, browser)) is { } left)
        {
            return new SignInOutcome.LockedOut(left);
        }

        var isRight = passwords.Verify(user?.PasswordHash, password);
        if (user is not null && isRight && !user.IsDisabled)
        {
            var renewed = passwords.NeedsRenewal(user.PasswordHash) ? passwords.Hash(password) : null;
            await users.RecordSuccessAsync(user.Name, use, renewed, cancellationToken);
            if (browser is not null)
            {
                failures.Forget(browser);
            }

            return new SignInOutcome.Accepted(user with { PasswordHash = renewed ?? user.PasswordHash });
        }

        return await RecordFailureAsync(user, normalized, use, browser, cancellationToken);
    }

    private DateTimeOffset? LockOf(ConsoleUser? user, string name, PasswordUse use, string? browser) =>
        user is null ? failures.LockedUntil(name) : browser is null ? user.LockOf(use) : failures.LockedUntil(browser);

    /// <remarks>A failure in a known browser counts for the name too, so that whoever has stolen its cookie does not guess twice as often.</remarks>
    private async Task<SignInOutcome> RecordFailureAsync(ConsoleUser? user, string name, PasswordUse use, string? browser, CancellationToken cancellationToken)
    {
        var recorded = user is null ? null : await users.RecordFailureAsync(user.Name, use, LockedUntil, cancellationToken);
        var lockedUntil = user is null ? failures.Record(name) : browser is null ? recorded?.LockOf(use) : failures.Record(browser);
        return LeftOf(lockedUntil) is { } left ? new SignInOutcome.LockedOut(left) : new SignInOutcome.Refused();
    }

    private DateTimeOffset? LockedUntil(int failures)
        => policy.LockFor(failures) is { } length ? time.GetUtcNow() + length : null;

    private TimeSpan? LeftOf(DateTimeOffset? lockedUntil)
        => lockedUntil - time.GetUtcNow() is { } left && left > TimeSpan.Zero ? left : null;
}
