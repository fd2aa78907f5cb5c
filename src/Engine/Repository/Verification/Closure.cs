using System.Collections;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Streams;
using Hexabase.DrConsole.Engine.Repository.Trees;

namespace Hexabase.DrConsole.Engine.Repository.Verification;

/// <summary>Everything that a restore point leans on: four bytes a chunk.</summary>
internal sealed class Closure
{
    /// <summary>Numbers of index entries, each once, in the order in which a restore wants them.</summary>
    public List<int> Entries { get; } = [];

    /// <summary>Chunks that no present pack holds, and artifacts that cannot be followed to their end.</summary>
    public List<Damage> Faults { get; } = [];

    /// <summary>True where something is not there, as opposed to being there and not readable at this moment.</summary>
    public bool IsLacking { get; private set; }

    /// <summary>Follows a manifest through its chunk lists and trees; content itself is not read.</summary>
    /// <exception cref="EngineException">Kind Unsupported for an unknown type; faults are values.</exception>
    public static async Task<Closure> CollectAsync(RepositoryParts parts, Manifest manifest, CancellationToken ct)
    {
        await parts.Index.EnsureLoadedAsync(ct);
        for (var look = 1; ; look++)
        {
            var seen = parts.Index.Generation;
            var closure = await FollowAllAsync(parts, manifest, ct);
            if (closure.Faults.Count == 0 || look == IndexStore.MaxLooks)
            {
                return closure;
            }

            // A backup committed it after the index was loaded, or prune moved its chunks while packs were listed: only a newer
            // look can tell that from damage, and where that shows other packs, the walk is as old as what it walked.
            await parts.Index.RefreshAsync(ct);
            if (parts.Index.Generation == seen)
            {
                return closure;
            }
        }
    }

    private static async Task<Closure> FollowAllAsync(RepositoryParts parts, Manifest manifest, CancellationToken ct)
    {
        var closure = new Closure();
        var visited = new BitArray(parts.Index.Index.Count + 1);
        foreach (var artifact in manifest.Artifacts)
        {
            try
            {
                await closure.FollowAsync(parts, artifact, visited, ct);
            }
            catch (EngineException error) when (error.Kind is ErrorKind.Damaged or ErrorKind.NotFound)
            {
                closure.IsLacking |= error.Kind == ErrorKind.NotFound;
                closure.Faults.Add(new Damage(
                    error.Context.GetValueOrDefault("pack") is { } pack ? Packs.PackBuilder.KeyOf(pack) : $"artifact {artifact.Name}",
                    $"artifact '{artifact.Name}': {error.Message}"));
            }
        }

        return closure;
    }

    private async Task FollowAsync(RepositoryParts parts, StoredArtifact artifact, BitArray visited, CancellationToken ct)
    {
        var type = artifact.Type switch
        {
            StoredArtifact.StreamType => ObjectType.Stream,
            StoredArtifact.TreeType => ObjectType.FileTree,
            _ => throw RepositoryFormat.UnknownType($"artifact '{artifact.Name}'", $"'{artifact.Type}'"),
        };
        await FollowContentAsync(parts, artifact.Name, artifact.Root.ToContentRoot(), type, visited, ct);
        if (type == ObjectType.FileTree)
        {
            await foreach (var node in TreeReader.ReadAsync(parts, artifact, ct))
            {
                if (node.Content.Id is not null)
                {
                    await FollowContentAsync(parts, artifact.Name, node.Content, ObjectType.Stream, visited, ct);
                }
            }
        }
    }

    private async Task FollowContentAsync(
        RepositoryParts parts, string artifact, ContentRoot root, ObjectType type, BitArray visited, CancellationToken ct)
    {
        if (root is { Depth: 0, Id: { } only })
        {
            Add(parts, artifact, only, type, visited);
            return;
        }

        await foreach (var chunk in parts.Contents.NeededAsync(root, list => Add(parts, artifact, list, ObjectType.ChunkList, visited), ct: ct))
        {
            Add(parts, artifact, chunk.Id, type, visited);
        }
    }

    private void Add(RepositoryParts parts, string artifact, ChunkId id, ObjectType type, BitArray visited)
    {
        var number = parts.Index.Index.FindNumber(id, type);
        if (number == 0)
        {
            IsLacking = true;
            var place = parts.Index.Index.Find(id, type).Select(p => parts.Index.Index.Pack(p.Pack).Name).FirstOrDefault();
            Faults.Add(new Damage(
                place is null ? $"chunk {id}" : Packs.PackBuilder.KeyOf(place),
                $"artifact '{artifact}' needs chunk {id.ToString()[..16]}, which {(place is null ? "no pack holds" : "this missing or cut pack held")}"));
        }
        else if (number >= visited.Length)
        {
            // The index grew while this walked (another process committed); a repeated entry only costs time.
            Entries.Add(number);
        }
        else if (!visited[number])
        {
            visited[number] = true;
            Entries.Add(number);
        }
    }
}
