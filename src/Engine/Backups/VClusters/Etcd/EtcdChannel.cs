using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Grpc.Net.Client;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Trust;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Etcd;

/// <summary>The way to an etcd.</summary>
internal static class EtcdChannel
{
    private static readonly TimeSpan s_ping = TimeSpan.FromSeconds(20);

    /// <summary>Opens nothing yet.</summary>
    public static GrpcChannel Open(EtcdSettings settings) =>
        GrpcChannel.ForAddress(settings.Endpoint, new GrpcChannelOptions { HttpHandler = Handler(settings), MaxReceiveMessageSize = null, DisposeHttpClient = true });

    private static SocketsHttpHandler Handler(EtcdSettings settings)
    {
        var tls = new SslClientAuthenticationOptions();
        if (settings.CertificateAuthority is { } authority)
        {
            tls.CertificateChainPolicy = TrustedRoots.Of(authority);
        }

        if (settings is { Certificate: { } certificate, Key: { } key })
        {
            var client = X509Certificate2.CreateFromPemFile(certificate, key);
            tls.ClientCertificates = [client];
            tls.LocalCertificateSelectionCallback = (_, _, _, _, _) => client;
        }

        return new SocketsHttpHandler
        {
            SslOptions = tls,
            ConnectTimeout = TimeSpan.FromSeconds(15),
            EnableMultipleHttp2Connections = true,
            // A machine that went away without a word hangs up on nobody.
            KeepAlivePingDelay = s_ping,
            KeepAlivePingTimeout = s_ping,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
        };
    }
}
