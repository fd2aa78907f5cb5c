using System.Collections.Concurrent;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Packs;

namespace Hexabase.DrConsole.Engine.Repository.Streams;

/// <summary>
/// Chunks of gathered pages while a page list is read: neighbouring stretches lean on the same one, which is opened once.
/// A chunk is kept from its second use on, and only the last few are. Thread-safe.
/// </summary>
internal sealed class SharedChunks(BlobReader blobs)
{
    private const int Kept = 8;
    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<ChunkId, Lazy<Task<byte[]>>> _chunks = [];
    private readonly Queue<ChunkId> _order = new();
    private readonly HashSet<ChunkId> _seen = [];

    /// <summary>The chunk; null where nobody asked for it before: then it is most likely this stretch's alone.</summary>
    /// <exception cref="EngineException">Kind Damaged where no pack has it whole.</exception>
    public async Task<byte[]?> TryReadAsync(ChunkId id, ObjectType type, CancellationToken ct)
    {
        lock (_lock)
        {
            if (_seen.Add(id))
            {
                return null;
            }

            if (!_chunks.ContainsKey(id))
            {
                _chunks[id] = new Lazy<Task<byte[]>>(() => ReadAsync(id, type, ct));
                _order.Enqueue(id);
                if (_order.Count > Kept)
                {
                    _chunks.TryRemove(_order.Dequeue(), out _);
                }
            }
        }

        return _chunks.TryGetValue(id, out var chunk) ? await chunk.Value : null;
    }

    private async Task<byte[]> ReadAsync(ChunkId id, ObjectType type, CancellationToken ct)
    {
        using var bytes = await blobs.ReadAsync(id, type, ct);
        return bytes.Span.ToArray();
    }
}
