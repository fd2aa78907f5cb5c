using System.Collections;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Streams;
using Hexabase.DrConsole.Engine.Repository.Trees;

namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>
/// The chunks that restore points need: one bit for each chunk of the index. Chunk lists and trees that several restore
/// points share are followed once. Anything that cannot be followed ends it: what is not seen must never be deleted.
/// </summary>
internal sealed class References(RepositoryParts parts)
{
    private readonly Lock _lock = new();
    private readonly HashSet<string> _walked = new(StringComparer.Ordinal);
    private readonly HashSet<(ChunkId Id, ObjectType Type, int Depth)> _lists = [];
    private readonly HashSet<(ChunkId Id, int Depth)> _trees = [];
    private readonly BitArray _needed = new(parts.Index.Index.Count + 1);
    private bool _isSpoiled;

    /// <summary>Restore points walked so far.</summary>
    public int Points => _walked.Count;

    /// <summary>Walks the manifests that were not walked before, several at a time; returns how many those were.</summary>
    /// <param name="keys">Keys of manifests, listed after the sessions were.</param>
    /// <param name="meter">Told manifests.</param>
    /// <param name="ct">Ends the walk.</param>
    /// <exception cref="EngineException">Kind Damaged where one cannot be followed to its end.</exception>
    public async Task<int> WalkAsync(IEnumerable<string> keys, ProgressMeter meter, CancellationToken ct)
    {
        var fresh = keys.Where(key => !_walked.Contains(key)).ToList();
        if (fresh.Count > 0)
        {
            // Manifests that came since the last look lean on packs that came since.
            await parts.Index.RefreshAsync(ct);
        }

        await WalkAllAsync(fresh, meter, ct);
        _walked.UnionWith(fresh);
        while (_isSpoiled)
        {
            // A restore point was expired in the middle of its walk: lists that it had begun count as followed and are not.
            _isSpoiled = false;
            _lists.Clear();
            _trees.Clear();
            await WalkAllAsync([.. _walked], meter, ct);
        }

        return fresh.Count;
    }

    private Task WalkAllAsync(List<string> keys, ProgressMeter meter, CancellationToken ct)
    {
        var options = new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = ct };
        return Parallel.ForEachAsync(keys, options, async (key, token) =>
        {
            await WalkAsync(key, token);
            meter.Add(1, 0);
        });
    }

    /// <summary>True where the chunk with this number, as <see cref="Index.ChunkIndex.FindFirst"/> gives it, is needed.</summary>
    public bool IsNeeded(int first) => first < _needed.Length && _needed[first];

    /// <summary>The numbers of all chunks that are needed, as <see cref="Index.ChunkIndex.FindFirst"/> gives them.</summary>
    public IEnumerable<int> Needed()
    {
        for (var number = 1; number < _needed.Length; number++)
        {
            if (_needed[number])
            {
                yield return number;
            }
        }
    }

    private async Task WalkAsync(string key, CancellationToken ct)
    {
        Manifest manifest;
        try
        {
            manifest = await parts.Manifests.ReadAsync(key, ct);
        }
        catch (EngineException error) when (error.Kind == ErrorKind.NotFound)
        {
            // Expired, or taken back by its writer, since the listing.
            return;
        }

        foreach (var artifact in manifest.Artifacts)
        {
            try
            {
                await FollowAsync(artifact, ct);
            }
            catch (EngineException error) when (error.Kind is ErrorKind.Damaged or ErrorKind.NotFound)
            {
                if (await parts.Store.StatAsync(key, ct) is null)
                {
                    _isSpoiled = true;
                    return;
                }

                throw new EngineException(
                    "prune-unknown-references", ErrorKind.Damaged,
                    $"restore point {manifest.Id} cannot be followed to its end, so nothing is pruned: artifact '{artifact.Name}': {error.Message}",
                    "run 'drconsole repository repair' with another tier, or expire that restore point", error);
            }
        }
    }

    private async Task FollowAsync(StoredArtifact artifact, CancellationToken ct)
    {
        var type = artifact.Type switch
        {
            StoredArtifact.StreamType => ObjectType.Stream,
            StoredArtifact.TreeType => ObjectType.FileTree,
            _ => throw RepositoryFormat.UnknownType($"artifact '{artifact.Name}'", $"'{artifact.Type}'"),
        };
        var root = artifact.Root.ToContentRoot();
        await FollowAsync(root, type, ct);
        if (type != ObjectType.FileTree || (root.Id is { } id && IsKnownTree(id, root.Depth)))
        {
            return;
        }

        await foreach (var node in TreeReader.ReadAsync(parts, artifact, ct))
        {
            if (node.Content.Id is not null)
            {
                await FollowAsync(node.Content, ObjectType.Stream, ct);
            }
        }
    }

    private async ValueTask FollowAsync(ContentRoot root, ObjectType type, CancellationToken ct)
    {
        if (root is { Depth: 0, Id: { } only })
        {
            Need(only, type);
            return;
        }

        var lists = parts.Contents.NeededAsync(root, list => Need(list, ObjectType.ChunkList), (id, depth) => IsKnownList(id, type, depth), ct);
        await foreach (var chunk in lists)
        {
            Need(chunk.Id, type);
        }
    }

    private bool IsKnownTree(ChunkId id, int depth)
    {
        lock (_lock)
        {
            return !_trees.Add((id, depth));
        }
    }

    private bool IsKnownList(ChunkId id, ObjectType type, int depth)
    {
        lock (_lock)
        {
            return !_lists.Add((id, type, depth));
        }
    }

    private void Need(ChunkId id, ObjectType type)
    {
        var number = parts.Index.Index.FindFirst(id, type);
        if (number == 0)
        {
            throw new EngineException(
                "chunk-unknown", ErrorKind.Damaged, $"chunk {id.ToString()[..16]} is in no pack that the index knows", "run 'drconsole repository check'");
        }

        lock (_lock)
        {
            if (number >= _needed.Length)
            {
                _needed.Length = Math.Max(number, parts.Index.Index.Count) + 1;
            }

            _needed[number] = true;
        }
    }
}
