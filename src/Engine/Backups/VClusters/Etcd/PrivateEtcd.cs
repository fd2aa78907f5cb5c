using System.Globalization;
using Etcdserverpb;
using Grpc.Core;
using Grpc.Net.Client;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Servers.Kubernetes;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Etcd;

/// <summary>
/// An etcd over a data directory that nobody else uses, for as long as this lives: on loopback, and for whoever has the keys that were
/// made for it alone, since all Secrets of a cluster are in it. It writes as durably as any: what it leaves is a tenant's store.
/// </summary>
internal sealed class PrivateEtcd : IAsyncDisposable
{
    private const string Host = "127.0.0.1";
    private const int PortAttempts = 5;
    private static readonly TimeSpan s_answersWithin = TimeSpan.FromSeconds(2);
    private readonly LocalServer _server;

    private PrivateEtcd(LocalServer server, GrpcChannel channel) => (_server, Channel) = (server, channel);

    /// <summary>The way to it.</summary>
    public GrpcChannel Channel { get; }

    /// <summary>Starts it, and returns when it takes writes.</summary>
    /// <param name="program">The program etcd.</param>
    /// <param name="data">The data directory.</param>
    /// <param name="member">The name of its one member.</param>
    /// <param name="work">A folder for its keys and its log; who starts it removes it.</param>
    /// <param name="registry">Records the process.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Ends the starting.</param>
    /// <exception cref="EngineException"><c>server-start-failed</c>, with the end of its log.</exception>
    public static async Task<PrivateEtcd> StartAsync(
        string program, string data, string member, string work, ProcessRegistry registry, TimeProvider time, CancellationToken cancellationToken)
    {
        LocalFolder.CreatePrivate(work);
        var keys = KubernetesKeys.Ensure(Path.Combine(work, "keys"), time, owner: null);
        for (var attempt = 1; ; attempt++)
        {
            var (client, peer) = (Url("https", FreePort.Choose()), Url("http", FreePort.Choose()));
            const string Purpose = "etcd over a restored store";
            var server = new LocalServer(
                new LocalServerOptions
                {
                    Name = Path.GetFileName(data).Replace('.', '-'),
                    Purpose = Purpose,
                    Command = new ToolCommand(program,
                    [
                        "--name", member, "--data-dir", data, "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
                        "--cert-file", keys.ServerCertificate, "--key-file", keys.ServerKey, "--trusted-ca-file", keys.Authority, "--client-cert-auth", "--log-level", "warn",
                        // The tenant's may be allowed to grow further than etcd is of its own accord.
                        "--quota-backend-bytes=-1",
                    ]) { Purpose = Purpose },
                    LogFile = Path.Combine(work, "etcd.log"),
                    StartTimeout = TimeSpan.FromMinutes(3),
                },
                registry, time);
            var channel = EtcdChannel.Open(new EtcdSettings(new Uri(client), keys.Authority, keys.AdminCertificate, keys.AdminKey));
            try
            {
                await server.StartAsync(token => LeadsAsync(channel, token), cancellationToken).ConfigureAwait(false);
                return new PrivateEtcd(server, channel);
            }
            catch (EngineException fault) when (fault.Message.Contains("already in use", StringComparison.OrdinalIgnoreCase) && attempt < PortAttempts)
            {
                channel.Dispose();
                await server.DisposeAsync().ConfigureAwait(false);
            }
            catch
            {
                channel.Dispose();
                await server.DisposeAsync().ConfigureAwait(false);
                throw;
            }
        }
    }

    /// <summary>Stops it in good order: what it was told is in the store.</summary>
    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        await _server.DisposeAsync().ConfigureAwait(false);
    }

    private static string Url(string scheme, int port) => string.Create(CultureInfo.InvariantCulture, $"{scheme}://{Host}:{port}");

    /// <summary>It answers before it has elected itself, and takes no writes until then.</summary>
    private static async Task<bool> LeadsAsync(GrpcChannel channel, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(s_answersWithin);
        try
        {
            return (await new Etcdserverpb.Maintenance.MaintenanceClient(channel).StatusAsync(new StatusRequest(), cancellationToken: patience.Token)).Leader != 0;
        }
        catch (RpcException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }
}
