using System.Security.Cryptography;
using System.Text;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>A person as the user directory knows them; one row of <c>console.app_user</c>.</summary>
/// <param name="Name">The sign-in name, in lower case.</param>
/// <param name="PasswordHash">A PHC string as <see cref="PasswordHasher"/> writes it, cost parameters inside.</param>
/// <param name="Role">What they may do.</param>
/// <param name="FailedAttempts">Wrong passwords in a row since the last good one.</param>
/// <param name="LockedUntil">Until when no password is looked at, or null.</param>
/// <param name="IsDisabled">True where the account may not be used.</param>
public sealed record ConsoleUser(
    string Name, string PasswordHash, ConsoleRole Role, int FailedAttempts, DateTimeOffset? LockedUntil, bool IsDisabled)
{
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
