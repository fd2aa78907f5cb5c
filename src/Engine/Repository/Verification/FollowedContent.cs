using System.Collections.Concurrent;
using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Verification;

/// <summary>
/// Which packs restore points lean on. Most restore points of a source share most of their content, so what was followed to its
/// end without a fault is not followed again: a few bytes a pack are kept for each content. Thread-safe.
/// </summary>
internal sealed class FollowedContent(RepositoryParts parts)
{
    private readonly ConcurrentDictionary<string, int[]> _packs = new(StringComparer.Ordinal);

    /// <summary>Ordinals of packs, and what is wrong.</summary>
    public async Task<(IReadOnlyCollection<int> Packs, IReadOnlyList<Damage> Faults)> FollowAsync(Manifest manifest, CancellationToken ct)
    {
        var name = NameOf(manifest);
        if (_packs.TryGetValue(name, out var known))
        {
            return (known, []);
        }

        var index = parts.Index.Index;
        var closure = await Closure.CollectAsync(parts, manifest, ct);
        int[] packs = [.. closure.Entries.Select(number => index.Place(number).Pack).Distinct()];
        if (closure.Faults.Count == 0)
        {
            _packs[name] = packs;
        }

        return (packs, closure.Faults);
    }

    /// <summary>The same for restore points of the same content: roots are ids of all that lies below them.</summary>
    private static string NameOf(Manifest manifest) =>
        string.Join(' ', manifest.Artifacts.Select(artifact => $"{artifact.Type}:{artifact.Root.Depth}:{artifact.Root.Chunk}").Order(StringComparer.Ordinal));
}
