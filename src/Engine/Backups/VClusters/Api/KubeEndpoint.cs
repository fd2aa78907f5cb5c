using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Trust;
using k8s;
using k8s.Exceptions;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Api;

/// <summary>Where an API server is, whom it must prove to be, and as whom this process speaks to it. Holds secrets: never printed.</summary>
public sealed class KubeEndpoint
{
    private KubeEndpoint(Uri server) => Server = server;

    /// <summary>Scheme, host, port and, behind a gateway, a path.</summary>
    public Uri Server { get; }

    private X509Certificate2Collection Authorities { get; init; } = [];

    private X509Certificate2? Client { get; init; }

    private bool SkipsVerification { get; init; }

    internal k8s.Authentication.ITokenProvider? Tokens { get; init; }

    /// <summary>Reads an operator's kubeconfig: its current context.</summary>
    /// <param name="file">The kubeconfig.</param>
    /// <param name="runsCommands">True to run the command that it may name for a token.</param>
    /// <exception cref="EngineException"><c>kubeconfig-missing</c>, <c>kubeconfig-unreadable</c>, <c>kubeconfig-runs-command</c>.</exception>
    public static KubeEndpoint FromKubeconfig(string file, bool runsCommands = true)
    {
        if (!File.Exists(file))
        {
            throw new EngineException("kubeconfig-missing", ErrorKind.NotFound, $"there is no kubeconfig {file}", "name an existing one");
        }

        try
        {
            if (!runsCommands && KubernetesClientConfiguration.LoadKubeConfig(new FileInfo(file)).Users?.Any(user => user.UserCredentials?.ExternalExecution is not null || user.UserCredentials?.AuthProvider is not null) == true)
            {
                throw new EngineException(
                    "kubeconfig-runs-command", ErrorKind.Denied, $"the kubeconfig {file} names a command to be run for a token, which is not done for a target",
                    "use a kubeconfig with a certificate or a token, or configure the cluster as a source");
            }

            var read = KubernetesClientConfiguration.BuildConfigFromConfigFile(new FileInfo(file));
            return new KubeEndpoint(new Uri(read.Host))
            {
                Authorities = read.SslCaCerts ?? [],
                Client = ClientOf(read),
                SkipsVerification = read.SkipTlsVerify,
                Tokens = read.TokenProvider ?? (string.IsNullOrEmpty(read.AccessToken) ? null : new k8s.Authentication.StringTokenProvider(read.AccessToken, "Bearer")),
            };
        }
        // A certificate's file that is missing, or that this user may not read, is of the kubeconfig that names it.
        catch (Exception exception) when (exception is KubeConfigException or YamlDotNet.Core.YamlException or FormatException or System.Security.Cryptography.CryptographicException
            or IOException or UnauthorizedAccessException or JsonException)
        {
            throw new EngineException("kubeconfig-unreadable", ErrorKind.Input, $"the kubeconfig {file} cannot be read: {exception.Message}", "check it with kubectl", exception);
        }
    }

    /// <summary>
    /// Takes certificates and address from the Secret <c>vc-NAME</c> that a vCluster leaves on its host. Its kubeconfig is a
    /// tenant's text: only the address is read from it, never a command.
    /// </summary>
    /// <param name="secret">The Secret as the host's API server gave it.</param>
    /// <param name="server">The address to use instead; null for the kubeconfig's.</param>
    /// <param name="serviceAddress">The address where the kubeconfig only names its own pod (localhost).</param>
    /// <exception cref="EngineException"><c>vcluster-secret-unreadable</c>.</exception>
    public static KubeEndpoint FromSecret(JsonObject secret, Uri? server, Uri serviceAddress)
    {
        ArgumentNullException.ThrowIfNull(secret);
        var data = secret["data"] as JsonObject ?? [];
        try
        {
            var authority = Encoding.ASCII.GetString(Value(data, "certificate-authority"));
            var certificate = Encoding.ASCII.GetString(Value(data, "client-certificate"));
            var key = Encoding.ASCII.GetString(Value(data, "client-key"));
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPem(authority);
            return new KubeEndpoint(server ?? AddressIn(data) ?? serviceAddress)
            {
                Authorities = authorities,
                Client = X509Certificate2.CreateFromPem(certificate, key),
            };
        }
        catch (Exception exception) when (exception is FormatException or System.Security.Cryptography.CryptographicException or YamlDotNet.Core.YamlException or UriFormatException)
        {
            throw new EngineException(
                "vcluster-secret-unreadable", ErrorKind.Damaged, $"Secret {secret["metadata"]?["name"]} does not hold the keys of a vCluster: {exception.Message}",
                "it needs certificate-authority, client-certificate and client-key; restart the vCluster, which writes it again", exception);
        }
    }

    internal SocketsHttpHandler CreateHandler(int connections)
    {
        var options = new SslClientAuthenticationOptions();
        if (Client is not null)
        {
            options.ClientCertificates = [Client];
            options.LocalCertificateSelectionCallback = (_, _, certificates, _, _) => certificates.Count > 0 ? certificates[0] : null!;
        }

        if (SkipsVerification)
        {
            // The operator's kubeconfig says insecure-skip-tls-verify; kubectl obeys it too.
#pragma warning disable CA5359
            options.RemoteCertificateValidationCallback = (_, _, _, _) => true;
#pragma warning restore CA5359
        }
        else if (Authorities.Count > 0)
        {
            options.CertificateChainPolicy = TrustedRoots.Only(Authorities);
        }

        return new SocketsHttpHandler
        {
            SslOptions = options,
            MaxConnectionsPerServer = connections,
            AutomaticDecompression = System.Net.DecompressionMethods.GZip,
            ConnectTimeout = TimeSpan.FromSeconds(15),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        };
    }

    private static X509Certificate2? ClientOf(KubernetesClientConfiguration read)
    {
        static string? Text(string? data, string? file) =>
            !string.IsNullOrEmpty(data) ? Encoding.ASCII.GetString(Convert.FromBase64String(data)) : !string.IsNullOrEmpty(file) ? File.ReadAllText(file) : null;
        return Text(read.ClientCertificateData, read.ClientCertificateFilePath) is { } certificate && Text(read.ClientCertificateKeyData, read.ClientKeyFilePath) is { } key
            ? X509Certificate2.CreateFromPem(certificate, key)
            : null;
    }

    private static Uri? AddressIn(JsonObject data)
    {
        if (data["config"] is null)
        {
            return null;
        }

        using var text = new MemoryStream(Value(data, "config"));
        var address = KubernetesClientConfiguration.LoadKubeConfig(text).Clusters?.FirstOrDefault()?.ClusterEndpoint?.Server;
        return address is null || new Uri(address) is { Host: "localhost" } ? null : new Uri(address);
    }

    private static byte[] Value(JsonObject data, string key) =>
        Convert.FromBase64String(data[key]?.GetValue<string>() ?? throw new FormatException($"key {key} is missing"));
}
