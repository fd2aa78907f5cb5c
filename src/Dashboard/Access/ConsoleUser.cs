using System.Security.Cryptography;
using System.Text;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>A person as the user directory knows them; one row of <c>console.app_user</c>.</summary>
/// <param name="Name">The sign-in name, in lower case.</param>
/// <param name="PasswordHash">A PHC string as <see cref="PasswordHasher"/> writes it, cost parameters inside.</param>
/// <param name="Role">What they may do.</param>
/// <param name="FailedAttempts">Wrong passwords in a row at the sign-in page since the last good one there.</param>
/// <param name="LockedUntil">Until when no password is looked at there, or null.</param>
/// <param name="IsDisabled">True where the account may not be used.</param>
public sealed record ConsoleUser(
    string Name, string PasswordHash, ConsoleRole Role, int FailedAttempts, DateTimeOffset? LockedUntil, bool IsDisabled)
{
    /// <summary>Wrong passwords in a row inside of their sessions.</summary>
    public int ConfirmFailures { get; init; }

    /// <summary>Until when no password is looked at inside of their sessions, or null.</summary>
    public DateTimeOffset? ConfirmLockedUntil { get; init; }

    /// <summary>Wrong passwords in a row of that use.</summary>
    public int FailuresOf(PasswordUse use) => use == PasswordUse.SignIn ? FailedAttempts : ConfirmFailures;

    /// <summary>Until when no password is looked at for that use, or null.</summary>
    public DateTimeOffset? LockOf(PasswordUse use) => use == PasswordUse.SignIn ? LockedUntil : ConfirmLockedUntil;

    /// <summary>
    /// Changes with the role, the password and the account's state, and with nothing else: a session that carries
    /// another stamp is over. It is a digest, so that a cookie tells nothing about the password's hash.
    /// </summary>
    public string SessionStamp()
    {
        var facts = Encoding.UTF8.GetBytes($"{Name}\n{Role}\n{IsDisabled}\n{PasswordHash}");
        return Convert.ToHexStringLower(SHA256.HashData(facts).AsSpan(0, 16));
    }

    /// <summary>The one spelling under which a name is stored, looked up and counted.</summary>
    public static string Normalize(string name) => name.Trim().ToLowerInvariant();
}
