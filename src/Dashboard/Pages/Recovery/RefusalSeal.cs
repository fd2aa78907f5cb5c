using System.Security.Cryptography;
using Microsoft.AspNetCore.DataProtection;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>
/// Carries why something was refused in the address of the page that says it. Only what this console wrote there itself is said: a
/// link that somebody sends cannot put words on the page.
/// </summary>
internal static class RefusalSeal
{
    private const string Refusal = "refused:";

    public static string Close(IDataProtectionProvider protection, string purpose, string why) => Refusal + protection.CreateProtector(purpose).Protect(why);

    /// <summary>Why it was refused; null where the address does not say so, or somebody else wrote it.</summary>
    public static string? Open(IDataProtectionProvider protection, string purpose, string said)
    {
        if (!said.StartsWith(Refusal, StringComparison.Ordinal))
        {
            return null;
        }

        try
        {
            return protection.CreateProtector(purpose).Unprotect(said[Refusal.Length..]);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }
}
