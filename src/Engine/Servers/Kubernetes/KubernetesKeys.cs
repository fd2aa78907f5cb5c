using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Hexabase.DrConsole.Engine.Servers.Kubernetes;

/// <summary>
/// The certificates and keys of one cluster, in a folder of mode 0700: an authority of its own, a server's and an
/// administrator's certificate, and the key that signs service accounts' tokens.
/// </summary>
public sealed class KubernetesKeys
{
    private static readonly TimeSpan s_lifetime = TimeSpan.FromDays(3650);

    private KubernetesKeys(string folder) => Folder = folder;

    /// <summary>Where the files are.</summary>
    public string Folder { get; }

    /// <summary>PEM of the authority's certificate.</summary>
    public string Authority => PathOf("ca.crt");

    /// <summary>PEM of API server's and etcd's certificate.</summary>
    public string ServerCertificate => PathOf("server.crt");

    /// <summary>PEM of its key.</summary>
    public string ServerKey => PathOf("server.key");

    /// <summary>PEM of an administrator's certificate (group system:masters); etcd takes it too.</summary>
    public string AdminCertificate => PathOf("admin.crt");

    /// <summary>PEM of its key.</summary>
    public string AdminKey => PathOf("admin.key");

    /// <summary>PEM of the public key of service accounts' tokens.</summary>
    public string TokenPublicKey => PathOf("sa.pub");

    /// <summary>PEM of the private key of service accounts' tokens.</summary>
    public string TokenKey => PathOf("sa.key");

    /// <summary>Takes the keys of a folder, or makes them there.</summary>
    /// <param name="owner">Who runs the servers; this process's user where null.</param>
    public static KubernetesKeys Ensure(string folder, TimeProvider time, ServerUser? owner)
    {
        LocalFolder.CreatePrivate(folder, owner);
        var keys = new KubernetesKeys(folder);
        if (!File.Exists(keys.TokenKey))
        {
            keys.Make(time, owner);
        }

        return keys;
    }

    private void Make(TimeProvider time, ServerUser? owner)
    {
        var from = time.GetUtcNow().AddDays(-1);
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=kubernetes", authorityKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        using var authority = request.CreateSelfSigned(from, from + s_lifetime);
        Write("ca.crt", authority.ExportCertificatePem(), owner);
        Issue(authority, "CN=kube-apiserver", "server", isServer: true, owner);
        Issue(authority, "O=system:masters, CN=admin", "admin", isServer: false, owner);
        using var tokens = RSA.Create(2048);
        Write("sa.pub", tokens.ExportSubjectPublicKeyInfoPem(), owner);
        // The last of all: a folder with it is complete.
        Write("sa.key", tokens.ExportRSAPrivateKeyPem(), owner);
    }

    private void Issue(X509Certificate2 authority, string subject, string name, bool isServer, ServerUser? owner)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        // etcd's gateway shows the server's certificate to itself, as a client.
        OidCollection uses = isServer ? [new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")] : [new Oid("1.3.6.1.5.5.7.3.2")];
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(uses, false));
        if (isServer)
        {
            var names = new SubjectAlternativeNameBuilder();
            names.AddIpAddress(IPAddress.Loopback);
            names.AddDnsName("localhost");
            names.AddDnsName("kubernetes.default.svc");
            request.CertificateExtensions.Add(names.Build());
        }

        using var issued = request.Create(authority, authority.NotBefore, authority.NotAfter, RandomNumberGenerator.GetBytes(12));
        Write(name + ".crt", issued.ExportCertificatePem(), owner);
        Write(name + ".key", key.ExportPkcs8PrivateKeyPem(), owner);
    }

    private string PathOf(string name) => Path.Combine(Folder, name);

    private void Write(string name, string text, ServerUser? owner) => LocalFolder.WritePrivateFile(PathOf(name), Encoding.ASCII.GetBytes(text + "\n"), owner);
}
