using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Hexabase.DrConsole.Engine.Trust;

/// <summary>Trust in the authorities that an operator names, instead of the system's. They are asked nothing about revocation: such authorities rarely answer.</summary>
internal static class TrustedRoots
{
    public static X509ChainPolicy Only(X509Certificate2Collection authorities)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(authorities);
        return policy;
    }

    /// <summary>The authorities of a file of PEM certificates.</summary>
    /// <exception cref="IOException">It cannot be read; likewise UnauthorizedAccessException, CryptographicException.</exception>
    public static X509ChainPolicy Of(string pemFile)
    {
        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPemFile(pemFile);
        return Only(authorities);
    }

    /// <summary>The same for clients that take no policy but call back. The file is read at each call.</summary>
    public static RemoteCertificateValidationCallback CheckBy(string pemFile) => (_, certificate, sent, errors) =>
    {
        // The name must be right in any case; only who vouches for it is ours to say.
        if ((errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != SslPolicyErrors.None || certificate is null)
        {
            return false;
        }

        using var chain = new X509Chain { ChainPolicy = Of(pemFile) };
        // What the server sent beside its own certificate leads to the authority.
        chain.ChainPolicy.ExtraStore.AddRange(sent?.ChainPolicy.ExtraStore ?? []);
        using var copy = X509CertificateLoader.LoadCertificate(certificate.GetRawCertData());
        return chain.Build(copy);
    };
}
