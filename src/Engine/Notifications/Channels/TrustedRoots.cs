using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Hexabase.DrConsole.Engine.Notifications.Channels;

/// <summary>Checks a server's certificate against a file of certificates instead of the system's.</summary>
internal static class TrustedRoots
{
    /// <summary>The check; null where the system's own certificates decide. The file is read at each call: it may have been renewed.</summary>
    public static RemoteCertificateValidationCallback? Of(string? caFile) => caFile is null ? null : (_, certificate, _, errors) =>
    {
        // The name must be right in any case; only who vouches for it is ours to say.
        if ((errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != SslPolicyErrors.None || certificate is null)
        {
            return false;
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.ImportFromPemFile(caFile);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        using var copy = X509CertificateLoader.LoadCertificate(certificate.GetRawCertData());
        return chain.Build(copy);
    };
}
