using System.Security.Cryptography;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
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

    /// <summary>What became of a form that a person sent with their password, in the reader's words; null for what the caller says itself.</summary>
    public static string? TextOf(IDataProtectionProvider protection, string purpose, string? said) => said switch
    {
        "password" => RecoveryTexts.SaidPassword,
        "role" => RecoveryTexts.SaidRole,
        "stale" => RecoveryTexts.SaidStale,
        "unknown" => RecoveryTexts.SaidUnknown,
        not null when Open(protection, purpose, said) is { } why => Figures.Format(RecoveryTexts.SaidRefused, why),
        _ => null,
    };

    /// <summary>Why it was refused; null where the address does not say so, or somebody else wrote it.</summary>
    private static string? Open(IDataProtectionProvider protection, string purpose, string said)
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
