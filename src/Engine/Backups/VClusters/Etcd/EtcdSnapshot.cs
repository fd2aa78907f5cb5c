using System.IO.Pipelines;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Etcdserverpb;
using Grpc.Core;
using Grpc.Net.Client;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Trust;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Etcd;

/// <summary>
/// Takes a snapshot from a running etcd over gRPC: one consistent revision, streamed as it comes. etcd puts the SHA-256 of
/// everything before it at the end; it is computed on the way and compared before the snapshot counts.
/// </summary>
internal sealed class EtcdSnapshot : IDisposable
{
    private const int HashBytes = 32;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);
    private readonly EtcdSettings _settings;
    private readonly GrpcChannel _channel;

    public EtcdSnapshot(EtcdSettings settings)
    {
        _settings = settings;
        _channel = GrpcChannel.ForAddress(settings.Endpoint, new GrpcChannelOptions { HttpHandler = Handler(settings), MaxReceiveMessageSize = null, DisposeHttpClient = true });
    }

    /// <summary>Filled when the snapshot was read to its end and its hash was right.</summary>
    public string? Sha256 { get; private set; }

    /// <summary>Bytes of the snapshot, hash included.</summary>
    public long Bytes { get; private set; }

    /// <summary>What etcd says about itself.</summary>
    /// <exception cref="EngineException"><c>etcd-unreachable</c>.</exception>
    public async Task<EtcdFacts> DescribeAsync(CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(s_patience);
        try
        {
            var status = await new Etcdserverpb.Maintenance.MaintenanceClient(_channel).StatusAsync(new StatusRequest(), cancellationToken: patience.Token);
            var members = await new Etcdserverpb.Cluster.ClusterClient(_channel).MemberListAsync(new MemberListRequest(), cancellationToken: patience.Token);
            if (members.Members.Count != 1)
            {
                // A snapshot is the same whichever member gives it; a recovery in place is made for one.
                return new EtcdFacts(status.Version, status.Header.Revision, "", [], 0, "");
            }

            return new EtcdFacts(status.Version, status.Header.Revision, members.Members[0].Name, [.. members.Members[0].PeerURLs], 0, "");
        }
        catch (RpcException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw Unreachable(exception);
        }
    }

    /// <summary>The snapshot as a stream. What goes wrong on the way, a wrong hash too, is thrown by its reader.</summary>
    public Stream Open(CancellationToken cancellationToken)
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 4 * 1024 * 1024, resumeWriterThreshold: 2 * 1024 * 1024));
        _ = PumpAsync(pipe.Writer, cancellationToken);
        return pipe.Reader.AsStream();
    }

    public void Dispose() => _channel.Dispose();

    private async Task PumpAsync(PipeWriter writer, CancellationToken cancellationToken)
    {
        Exception? fault = null;
        try
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            using var call = new Etcdserverpb.Maintenance.MaintenanceClient(_channel).Snapshot(new SnapshotRequest(), cancellationToken: cancellationToken);
            var held = Array.Empty<byte>();
            await foreach (var part in call.ResponseStream.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                var bytes = part.Blob.Memory;
                Bytes += bytes.Length;
                // The last 32 bytes of everything are the hash: as many are held back until more has come.
                byte[] joined = [.. held, .. bytes.Span];
                var known = Math.Max(0, joined.Length - HashBytes);
                hash.AppendData(joined.AsSpan(0, known));
                held = joined[known..];
                await writer.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
            }

            var computed = hash.GetHashAndReset();
            if (Bytes % 512 != HashBytes || !CryptographicOperations.FixedTimeEquals(computed, held))
            {
                throw new EngineException(
                    "etcd-snapshot-damaged", ErrorKind.Damaged, $"the snapshot of {_settings.Endpoint} came with another hash than its {Bytes} bytes have",
                    "try again; where it stays, look at the network and at etcd's disk") { IsTransient = true };
            }

            Sha256 = Convert.ToHexStringLower(computed);
        }
        catch (RpcException exception) when (!cancellationToken.IsCancellationRequested)
        {
            fault = Unreachable(exception);
        }
        catch (Exception exception)
        {
            // The reader of the pipe throws it.
            fault = exception;
        }

        await writer.CompleteAsync(fault).ConfigureAwait(false);
    }

    private EngineException Unreachable(RpcException exception) => new(
        "etcd-unreachable", ErrorKind.Unavailable, $"etcd at {_settings.Endpoint} does not answer: {exception.Status.Detail}",
        "check that it runs, and VCluster:Etcd with its certificates", exception) { IsTransient = true };

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

        return new SocketsHttpHandler { SslOptions = tls, ConnectTimeout = TimeSpan.FromSeconds(15), EnableMultipleHttp2Connections = true };
    }
}
