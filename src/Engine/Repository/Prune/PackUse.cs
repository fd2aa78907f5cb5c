using Hexabase.DrConsole.Engine.Repository.Index;

namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>How much of each pack restore points need, at the store's state of one look: eight bytes a pack.</summary>
internal sealed class PackUse
{
    private readonly long[] _bytes;

    private PackUse(int packs) => _bytes = new long[packs];

    /// <summary>Sum of the stored bytes that are needed, each chunk counted at the one place where it is kept.</summary>
    public long TotalBytes { get; private set; }

    /// <summary>Counts. Each chunk is kept at one place only, so of packs that hold the same, one is needed.</summary>
    /// <exception cref="EngineException">Kind Damaged where a needed chunk is in no pack that is present.</exception>
    public static PackUse Of(RepositoryParts parts, References references)
    {
        var index = parts.Index.Index;
        var use = new PackUse(index.Packs.Count);
        foreach (var number in references.Needed())
        {
            var keeper = index.FindKeeper(number);
            if (keeper == 0)
            {
                throw new EngineException(
                    "prune-unknown-references", ErrorKind.Damaged,
                    $"chunk {index.Place(number).Id.ToString()[..16]} is needed and its pack {index.Pack(index.Place(number).Pack).Name} is gone or cut, so nothing is pruned",
                    "run 'drconsole repository repair' with another tier, or expire the restore points that 'check' names");
            }

            var place = index.Place(keeper);
            use._bytes[place.Pack] += place.StoredLength;
            use.TotalBytes += place.StoredLength;
        }

        return use;
    }

    /// <summary>Bytes of a pack that are needed.</summary>
    public long this[IndexedPack pack] => pack.Ordinal < _bytes.Length ? _bytes[pack.Ordinal] : 0;
}
