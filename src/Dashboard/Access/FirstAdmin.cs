using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>Makes the first admin of a console that has no user yet.</summary>
internal static class FirstAdmin
{
    /// <summary>The name of the first admin.</summary>
    public const string Name = "admin";

    /// <summary>
    /// Adds the admin where nobody exists. The password is in a file of mode 0600 before the user is added: a crash in
    /// between leaves a file without a user, never a user whose password nobody knows.
    /// </summary>
    /// <returns>The password file while its password still is the admin's, else null.</returns>
    public static async Task<string?> EnsureAsync(CatalogUserDirectory users, PasswordHasher hasher, DataFolder data, CancellationToken cancellationToken)
    {
        var file = Path.Combine(data.Keys, "first-admin-password");
        if ((await users.ListAsync(cancellationToken)).Count == 0)
        {
            var password = RandomNumberGenerator.GetString("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", 20);
            LocalFolder.WritePrivateFile(file, Encoding.ASCII.GetBytes(password + "\n"));
            await users.AddAsync(Name, hasher.Hash(password), ConsoleRole.Admin, "first start", cancellationToken);
        }

        var admin = await users.FindAsync(Name, cancellationToken);
        return File.Exists(file) && hasher.Verify(admin?.PasswordHash, (await File.ReadAllTextAsync(file, cancellationToken)).Trim()) ? file : null;
    }
}
