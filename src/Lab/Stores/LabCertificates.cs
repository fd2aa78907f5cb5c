using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Lab.Stores;

/// <summary>An authority of the lab's own that nobody else trusts, and what it signed for 127.0.0.1; PEM files in one folder.</summary>
internal sealed class LabCertificates(string folder)
{
    private static readonly TimeSpan s_life = TimeSpan.FromDays(3650);

    /// <summary>For <c>ca=</c> in a store's URL.</summary>
    public string Authority => Path.Combine(folder, "ca.pem");

    /// <summary>The server's certificate.</summary>
    public string Server => Path.Combine(folder, "server.pem");

    /// <summary>The server's private key.</summary>
    public string ServerKey => Path.Combine(folder, "server.key");

    /// <summary>Makes all of it anew; the authority's own key is kept nowhere.</summary>
    public void Make(TimeProvider time)
    {
        LocalFolder.CreatePrivate(folder);
        var (from, to) = (time.GetUtcNow() - TimeSpan.FromDays(1), time.GetUtcNow() + s_life);
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=drconsole lab", authorityKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        using var authority = request.CreateSelfSigned(from, to);

        using var serverKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        var wanted = new CertificateRequest("CN=drconsole lab S3", serverKey, HashAlgorithmName.SHA256);
        wanted.CertificateExtensions.Add(names.Build());
        wanted.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1", "server authentication")], critical: false));
        using var server = wanted.Create(authority, from, to, RandomNumberGenerator.GetBytes(16));
        Write(Authority, authority.ExportCertificatePem());
        Write(Server, server.ExportCertificatePem());
        Write(ServerKey, serverKey.ExportPkcs8PrivateKeyPem());
    }

    private static void Write(string path, string pem) => LocalFolder.WritePrivateFile(path, Encoding.ASCII.GetBytes(pem + "\n"));
}
