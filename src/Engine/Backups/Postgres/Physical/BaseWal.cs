using System.Globalization;
using System.IO.Pipelines;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Streams;
using Npgsql;
using Npgsql.Replication;
using Npgsql.Replication.Internal;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>
/// The WAL that a base backup needs to become consistent, held back by a temporary slot while the files are copied and read by
/// streaming replication: it needs no access to the server's files, and the slot ends with its session, whatever ends that.
/// </summary>
internal sealed class BaseWal : IAsyncDisposable
{
    /// <summary>The artifact that holds it: segments one after the other, the last one cut.</summary>
    public const string ArtifactName = "base.wal";

    private readonly PhysicalReplicationConnection _connection;
    private readonly PostgresSource _source;
    private readonly PhysicalReplicationSlot _slot;

    private BaseWal(PhysicalReplicationConnection connection, PostgresSource source, PhysicalReplicationSlot slot, uint timeline)
    {
        _connection = connection;
        _source = source;
        _slot = slot;
        Timeline = timeline;
    }

    /// <summary>The server's timeline when the slot was made.</summary>
    public uint Timeline { get; }

    /// <summary>Connects for replication and holds all WAL from now on.</summary>
    /// <exception cref="EngineException">
    /// <c>replication-denied</c>: the user lacks REPLICATION, or pg_hba.conf an entry for it; <c>slots-exhausted</c>; or as any connection.
    /// </exception>
    public static async Task<BaseWal> ReserveAsync(PostgresSource source, CancellationToken cancellationToken)
    {
        var connection = new PhysicalReplicationConnection(await source.ConnectionStringAsync(cancellationToken));
        try
        {
            await connection.Open(cancellationToken);
            var system = await connection.IdentifySystem(cancellationToken);
            var name = string.Create(CultureInfo.InvariantCulture, $"drconsole_base_{Guid.NewGuid():N}");
            var slot = await connection.CreateReplicationSlot(name, isTemporary: true, reserveWal: true, cancellationToken);
            return new BaseWal(connection, source, slot, system.Timeline);
        }
        catch (Exception exception) when (PostgresFault.Recognises(exception))
        {
            await connection.DisposeAsync();
            throw ReplicationFault.From(exception, source);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Stores the WAL between two places as one artifact.</summary>
    /// <param name="session">Gets it.</param>
    /// <param name="from">The beginning of a segment.</param>
    /// <param name="to">Where it ends; waited for until the server has flushed it.</param>
    /// <param name="touches">Looks at the bytes; null where nobody does.</param>
    /// <param name="progress">Told the bytes.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="EngineException"><c>wal-removed</c>: the server removed what the slot should have kept; or as any connection.</exception>
    public Task<StoredArtifact> StoreAsync(
        BackupSession session, NpgsqlLogSequenceNumber from, NpgsqlLogSequenceNumber to, WalTouches? touches, IProgress<TransferProgress>? progress,
        CancellationToken cancellationToken) =>
        BoundedPipe.ThroughAsync(
            (output, token) => ReceiveAsync(output, from, to, touches, token),
            (wal, token) => session.WriteStreamAsync(ArtifactName, "WAL", wal, progress, token),
            cancellationToken);

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    private async Task ReceiveAsync(
        PipeWriter output, NpgsqlLogSequenceNumber from, NpgsqlLogSequenceNumber to, WalTouches? touches, CancellationToken cancellationToken)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var at = from;
        try
        {
            await foreach (var message in _connection.StartReplication(_slot, from, enough.Token, Timeline))
            {
                if (at >= to)
                {
                    // What was on its way when there was enough.
                    break;
                }

                if (message.WalStart != at)
                {
                    throw new EngineException("wal-gap", ErrorKind.Unavailable,
                        $"{_source.Address} sent WAL from {message.WalStart} where {at} was expected", "run the backup again");
                }

                var length = (long)Math.Min((ulong)message.Data.Length, (ulong)to - (ulong)at);
                await CopyAsync(message.Data, output, length, touches, enough.Token);
                at = new NpgsqlLogSequenceNumber((ulong)at + (ulong)length);
                if (at >= to)
                {
                    touches?.Complete();
                    await enough.CancelAsync();
                }
            }
        }
        catch (OperationCanceledException) when (at >= to && !cancellationToken.IsCancellationRequested)
        {
            // That is how streaming ends: there is all that was wanted.
        }
        catch (Exception exception) when (PostgresFault.Recognises(exception))
        {
            throw ReplicationFault.From(exception, _source);
        }

        if (at < to)
        {
            throw new EngineException("wal-ended", ErrorKind.Unavailable, $"{_source.Address} stopped sending WAL at {at}, before {to}",
                "the server shut down or changed its timeline; run the backup again") { IsTransient = true };
        }
    }

    private static async Task CopyAsync(Stream data, PipeWriter output, long length, WalTouches? touches, CancellationToken ct)
    {
        while (length > 0)
        {
            var memory = output.GetMemory(1);
            var read = await data.ReadAsync(memory[..(int)Math.Min(memory.Length, length)], ct);
            if (read == 0)
            {
                throw new IOException("the message ended too early");
            }

            touches?.Append(memory.Span[..read]);
            output.Advance(read);
            length -= read;
        }

        await output.FlushAsync(ct);
    }
}
