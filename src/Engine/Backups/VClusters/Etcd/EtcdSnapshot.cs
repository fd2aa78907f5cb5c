using System.IO.Pipelines;
using System.Security.Cryptography;
using Etcdserverpb;
using Grpc.Core;
using Grpc.Net.Client;
using Hexabase.DrConsole.Engine.Estate;

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
    private readonly TimeSpan _longestSilence;

    /// <param name="settings">How etcd is reached.</param>
    /// <param name="longestSilence">So long the next part of a snapshot may take; a minute where null.</param>
    public EtcdSnapshot(EtcdSettings settings, TimeSpan? longestSilence = null)
    {
        _settings = settings;
        _longestSilence = longestSilence ?? TimeSpan.FromMinutes(1);
        _channel = EtcdChannel.Open(settings);
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
            // A server that is frozen, or whose disk is, keeps its connection: only the silence tells.
            using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            silence.CancelAfter(_longestSilence);
            using var call = new Etcdserverpb.Maintenance.MaintenanceClient(_channel).Snapshot(new SnapshotRequest(), cancellationToken: silence.Token);
            var held = Array.Empty<byte>();
            while (await call.ResponseStream.MoveNext(silence.Token).ConfigureAwait(false))
            {
                // What is behind this may take as long as it likes to store it.
                silence.CancelAfter(Timeout.InfiniteTimeSpan);
                var bytes = call.ResponseStream.Current.Blob.Memory;
                Bytes += bytes.Length;
                // The last 32 bytes of everything are the hash: as many are held back until more has come.
                byte[] joined = [.. held, .. bytes.Span];
                var known = Math.Max(0, joined.Length - HashBytes);
                hash.AppendData(joined.AsSpan(0, known));
                held = joined[known..];
                await writer.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
                silence.CancelAfter(_longestSilence);
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
        catch (Exception exception) when (exception is OperationCanceledException or RpcException { StatusCode: StatusCode.Cancelled } && !cancellationToken.IsCancellationRequested)
        {
            fault = Unreachable($"it has sent nothing of its snapshot for {_longestSilence.TotalSeconds:0} s", exception);
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

    private EngineException Unreachable(RpcException exception) => Unreachable(exception.Status.Detail, exception);

    private EngineException Unreachable(string why, Exception exception) => new(
        "etcd-unreachable", ErrorKind.Unavailable, $"etcd at {_settings.Endpoint} does not answer: {why}",
        "check that it runs, and VCluster:Etcd with its certificates", exception) { IsTransient = true };
}
