using System.Buffers;
using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Repository.Chunking;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Packs;

namespace Hexabase.DrConsole.Engine.Repository.Streams;

/// <summary>
/// Cuts content into chunks and stores them. Reading, cutting and the whole-stream hash run in the caller's flow, the rest
/// on workers, whose number is bounded over all contents of a session; chunk lists are built in the content's order.
/// </summary>
internal sealed class ContentWriter(BlobWriter blobs, KeyRing keys, int workers) : IDisposable
{
    private const int ReadStep = 256 * 1024;
    private readonly SemaphoreSlim _slots = new(workers);

    /// <summary>Stores what <paramref name="content"/> gives until its end.</summary>
    /// <param name="content">Read to its end, not disposed.</param>
    /// <param name="type">The type of the content's chunks.</param>
    /// <param name="profile">The bounds of its chunks.</param>
    /// <param name="tally">Counts the stored bytes.</param>
    /// <param name="hash">Takes all bytes in order; null where nobody needs that.</param>
    /// <param name="onRead">Told how many bytes were read, for progress.</param>
    /// <param name="ct">Ends the writing.</param>
    public async Task<ContentRoot> WriteAsync(
        Stream content, ObjectType type, ChunkerProfile profile, StoredTally tally, IncrementalHash? hash, Action<int>? onRead, CancellationToken ct)
    {
        var list = new ChunkListWriter(blobs, tally);
        var chunker = new GearChunker(keys.GearSeed, profile);
        var running = new Queue<Task<ChunkRef>>();
        var buffer = ArrayPool<byte>.Shared.Rent(profile.Maximum);
        var filled = 0;
        try
        {
            while (true)
            {
                var room = Math.Min(Math.Max(ReadStep, chunker.Wanted - filled), profile.Maximum - filled);
                var read = await content.ReadAsync(buffer.AsMemory(filled, room), ct);
                if (read == 0)
                {
                    break;
                }

                hash?.AppendData(buffer, filled, read);
                onRead?.Invoke(read);
                filled += read;
                for (var cut = chunker.FindCut(buffer.AsSpan(0, filled)); cut > 0; cut = chunker.FindCut(buffer.AsSpan(0, filled)))
                {
                    var next = ArrayPool<byte>.Shared.Rent(profile.Maximum);
                    buffer.AsSpan(cut, filled - cut).CopyTo(next);
                    var full = buffer;
                    (buffer, filled) = (next, filled - cut);
                    await DispatchAsync(running, list, type, full, cut, tally, ct);
                }
            }

            if (filled > 0)
            {
                var last = buffer;
                buffer = [];
                await DispatchAsync(running, list, type, last, filled, tally, ct);
            }

            while (running.TryDequeue(out var task))
            {
                await list.AddAsync(await task, ct);
            }

            return await list.FinishAsync(ct);
        }
        finally
        {
            if (buffer.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }

            // After a failure the other workers still own their buffers: wait for them, their faults are not the first one.
            foreach (var task in running)
            {
                await ((Task)task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    public void Dispose() => _slots.Dispose();

    /// <summary>Hands a buffer over to a worker, which returns it to the pool.</summary>
    private async Task DispatchAsync(
        Queue<Task<ChunkRef>> running, ChunkListWriter list, ObjectType type, byte[] buffer, int length, StoredTally tally, CancellationToken ct)
    {
        try
        {
            await _slots.WaitAsync(ct);
        }
        catch (OperationCanceledException)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            throw;
        }

        running.Enqueue(Task.Run(() => StoreAsync(type, buffer, length, tally, ct), CancellationToken.None));
        while (running.Count > workers || (running.Count > 0 && running.Peek().IsCompleted))
        {
            await list.AddAsync(await running.Dequeue(), ct);
        }
    }

    private async Task<ChunkRef> StoreAsync(ObjectType type, byte[] buffer, int length, StoredTally tally, CancellationToken ct)
    {
        try
        {
            return new ChunkRef(await blobs.StoreAsync(type, buffer.AsMemory(0, length), tally, ct), length);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            _slots.Release();
        }
    }
}
