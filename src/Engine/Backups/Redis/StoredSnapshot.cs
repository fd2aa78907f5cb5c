using System.IO.Pipelines;
using System.Threading.Channels;
using Hexabase.DrConsole.Engine.RedisProtocol;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>One key on its way back.</summary>
/// <param name="Payload">As <c>RESTORE</c> takes it.</param>
internal sealed record StoredKey(int Database, byte[] Key, long? ExpiresAtMs, UInt128 ValueDigest, byte[] Payload)
{
    /// <summary>True where the value is longer than a server takes: it has no payload.</summary>
    public bool IsTooLarge { get; init; }

    /// <summary>True where its time is over: a server makes no such key.</summary>
    public bool IsOver(long nowMs) => ExpiresAtMs <= nowMs;
}

/// <summary>Reads the keys of a stored snapshot in batches, without a file, in the memory of a few batches.</summary>
internal sealed class StoredSnapshot(BackupRepository repository, Manifest manifest)
{
    private const int BatchBytes = 1024 * 1024;
    private const int BatchKeys = 4096;
    private const int BatchesAhead = 4;
    private readonly List<string> _functions = [];

    public Manifest Manifest => manifest;

    /// <summary>The code of the libraries; known when all keys have come.</summary>
    public IReadOnlyList<string> Functions => _functions;

    /// <exception cref="EngineException"><c>not-a-redis-backup</c>.</exception>
    public static StoredSnapshot Of(BackupRepository repository, Manifest manifest) => manifest.Kind == RedisBackup.Kind
        ? new StoredSnapshot(repository, manifest)
        : throw new EngineException("not-a-redis-backup", ErrorKind.Input, $"restore point {manifest.Id.Short} of {manifest.Source} is no backup of Redis (kind {manifest.Kind})",
            "name a restore point of a Redis source");

    public Task<RedisFacts> ReadFactsAsync(CancellationToken cancellationToken) => RedisBackup.ReadFactsAsync(repository, manifest, cancellationToken);

    /// <summary>Writes the snapshot as it is.</summary>
    public Task CopyToAsync(Stream destination, IProgress<TransferProgress>? progress, CancellationToken cancellationToken) =>
        repository.ReadStreamAsync(manifest, RedisBackup.SnapshotArtifact, destination, progress, cancellationToken);

    /// <summary>The keys that are wanted, in batches, in the snapshot's order. Ends in what the repository or the snapshot says.</summary>
    public async IAsyncEnumerable<IReadOnlyList<StoredKey>> ReadAsync(
        Func<int, byte[], bool> isWanted, IProgress<TransferProgress>? progress, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 8 * 1024 * 1024, resumeWriterThreshold: 4 * 1024 * 1024, minimumSegmentSize: 64 * 1024, useSynchronizationContext: false));
        // The parser has a thread of its own and waits on it for room; a bounded channel would let it wait only asynchronously.
        var batches = Channel.CreateUnbounded<IReadOnlyList<StoredKey>>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        using var room = new SemaphoreSlim(BatchesAhead);
        var fetching = FetchAsync(pipe.Writer, progress, stop.Token);
        var parsing = Task.Factory.StartNew(() => Parse(pipe.Reader, batches.Writer, room, isWanted, stop.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            await foreach (var batch in batches.Reader.ReadAllAsync(cancellationToken))
            {
                yield return batch;
                room.Release();
            }

            // What the repository found wrong outweighs what the reader made of it.
            await fetching;
            await parsing;
        }
        finally
        {
            await stop.CancelAsync();
            await fetching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await ((Task)parsing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task FetchAsync(PipeWriter writer, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        try
        {
            await using var stream = writer.AsStream(leaveOpen: true);
            await CopyToAsync(stream, progress, cancellationToken);
            await writer.CompleteAsync();
        }
        catch (Exception exception)
        {
            await writer.CompleteAsync(exception);
            throw;
        }
    }

    private void Parse(PipeReader pipe, ChannelWriter<IReadOnlyList<StoredKey>> batches, SemaphoreSlim room, Func<int, byte[], bool> isWanted, CancellationToken cancellationToken)
    {
        try
        {
            using var stream = pipe.AsStream(leaveOpen: true);
            // Asked before a value is kept: one that nobody wants may be larger than memory.
            using var reader = new RdbReader(stream, isWanted);
            var batch = new List<StoredKey>();
            long bytes = 0;
            while (reader.Read() is { } entry)
            {
                if (!isWanted(entry.Database, entry.Key))
                {
                    continue;
                }

                batch.Add(new StoredKey(entry.Database, entry.Key, entry.ExpiresAtMs, entry.ValueDigest, entry.Payload.ToArray()) { IsTooLarge = entry.IsTooLarge });
                bytes += entry.Payload.Length;
                if (bytes >= BatchBytes || batch.Count >= BatchKeys)
                {
                    Give(batches, room, batch, cancellationToken);
                    (batch, bytes) = ([], 0);
                }
            }

            _functions.AddRange(reader.Functions);
            Give(batches, room, batch, cancellationToken);
            batches.TryComplete();
        }
        catch (Exception exception)
        {
            batches.TryComplete(exception);
            throw;
        }
        finally
        {
            pipe.Complete();
        }
    }

    private static void Give(ChannelWriter<IReadOnlyList<StoredKey>> batches, SemaphoreSlim room, List<StoredKey> batch, CancellationToken cancellationToken)
    {
        if (batch.Count > 0)
        {
            room.Wait(cancellationToken);
            batches.TryWrite(batch);
        }
    }
}
