using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Packs;

namespace Hexabase.DrConsole.Engine.Repository.Streams;

/// <summary>Builds the tree of chunk lists while the content streams by; holds at most one open list per level.</summary>
internal sealed class ChunkListWriter(BlobWriter blobs, StoredTally tally)
{
    private readonly List<List<ChunkRef>> _levels = [];
    private long _length;

    /// <summary>Adds the content's next chunk.</summary>
    public async ValueTask AddAsync(ChunkRef chunk, CancellationToken ct)
    {
        _length += chunk.Length;
        for (var level = 0; ; level++)
        {
            if (level == _levels.Count)
            {
                _levels.Add([]);
            }

            var rows = _levels[level];
            rows.Add(chunk);
            if (!ChunkList.EndsAfter(rows.Count, chunk.Id))
            {
                return;
            }

            chunk = await StoreAsync(rows, ct);
        }
    }

    /// <summary>Stores the open lists and returns the root.</summary>
    public async ValueTask<ContentRoot> FinishAsync(CancellationToken ct)
    {
        for (var level = 0; level < _levels.Count; level++)
        {
            var rows = _levels[level];
            var isTop = level == _levels.Count - 1;
            if (isTop && rows.Count == 1)
            {
                return new ContentRoot(level, rows[0].Id, _length);
            }

            if (rows.Count == 0)
            {
                continue;
            }

            var list = await StoreAsync(rows, ct);
            if (isTop)
            {
                return new ContentRoot(level + 1, list.Id, _length);
            }

            _levels[level + 1].Add(list);
        }

        return ContentRoot.Empty;
    }

    private async ValueTask<ChunkRef> StoreAsync(List<ChunkRef> rows, CancellationToken ct)
    {
        var id = await blobs.StoreAsync(ObjectType.ChunkList, ChunkList.Encode(rows), tally, ct);
        var length = rows.Sum(row => row.Length);
        rows.Clear();
        return new ChunkRef(id, length);
    }
}
