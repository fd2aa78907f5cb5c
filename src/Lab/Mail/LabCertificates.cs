using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Hexabase.DrConsole.Lab.Mail;

/// <summary>An authority of the lab's own and a certificate for loopback that it vouches for.</summary>
public sealed class LabCertificates : IDisposable
{
    private static readonly TimeSpan s_validity = TimeSpan.FromDays(365);

    private LabCertificates(X509Certificate2 authority, X509Certificate2 server) => (Authority, Server) = (authority, server);

    public X509Certificate2 Authority { get; }

    /// <summary>For <c>127.0.0.1</c> and <c>localhost</c>, with its key.</summary>
    public X509Certificate2 Server { get; }

    public static LabCertificates Create(TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        var now = time.GetUtcNow().AddMinutes(-5);
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var authorityRequest = new CertificateRequest("CN=DrConsole lab", authorityKey, HashAlgorithmName.SHA256);
        authorityRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        authorityRequest.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, critical: true));
        var authority = authorityRequest.CreateSelfSigned(now, now + s_validity);

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false));
        using var bare = request.Create(authority, now, now + s_validity - TimeSpan.FromDays(1), RandomNumberGenerator.GetBytes(8));
        return new LabCertificates(authority, bare.CopyWithPrivateKey(key));
    }

    /// <summary>Writes the authority as PEM, for whoever is to trust it.</summary>
    public void WriteAuthority(string path) => File.WriteAllText(path, Authority.ExportCertificatePem());

    /// <inheritdoc/>
    public void Dispose()
    {
        Authority.Dispose();
        Server.Dispose();
    }
}
