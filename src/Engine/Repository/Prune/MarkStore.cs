using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>All marks of a store as one look found them.</summary>
/// <param name="Marks">Those that can be read.</param>
/// <param name="Unreadable">Those that cannot: what they say about packs is unknown, so nobody may lean on any.</param>
internal sealed record MarkSet(IReadOnlyList<PackMark> Marks, IReadOnlyList<Index.DamagedObject> Unreadable)
{
    public static MarkSet Empty { get; } = new([], []);

    /// <summary>Restore points that this tier gave up.</summary>
    public HashSet<RestorePointId> ExpiredPoints() => [.. Marks.Where(mark => mark.Kind == PackMark.Expired).SelectMany(mark => mark.Points)];
}

/// <summary>Reads and writes marks. They are immutable, so each is read once.</summary>
internal sealed class MarkStore(KeyRing keys, IObjectStore store)
{
    public const string Prefix = "marks/";
    private readonly Dictionary<string, PackMark> _known = new(StringComparer.Ordinal);

    public static string KeyOf(PackMark mark) => Prefix + mark.Id;

    public Task WriteAsync(PackMark mark, CancellationToken ct) =>
        JsonObject.WriteAsync(store, keys, ObjectType.PruneMark, Prefix, Guid.ParseExact(mark.Id, "N"), mark, RepositoryJson.Default.PackMark, ct);

    /// <summary>Lists the marks anew. Not thread-safe.</summary>
    public async Task<MarkSet> LoadAsync(CancellationToken ct)
    {
        var marks = new List<PackMark>();
        var unreadable = new List<Index.DamagedObject>();
        await foreach (var item in store.ListAsync(Prefix, ct))
        {
            try
            {
                if (!_known.TryGetValue(item.Key, out var mark))
                {
                    _known.Add(item.Key, mark = await ReadAsync(item.Key, ct));
                }

                marks.Add(mark);
            }
            catch (EngineException error) when (error.Kind == ErrorKind.NotFound)
            {
                // Prune took it back between the listing and the reading, or wrote it anew under another id. Where it was
                // written anew the packs that are left in it are no fewer than those that are still to go, so look again.
                return await LoadAsync(ct);
            }
            catch (EngineException error) when (error.Kind == ErrorKind.Damaged)
            {
                unreadable.Add(new Index.DamagedObject(item.Key, error.Message));
            }
        }

        return new MarkSet(marks, unreadable);
    }

    private Task<PackMark> ReadAsync(string key, CancellationToken ct) =>
        JsonObject.ReadAsync(store, keys, ObjectType.PruneMark, Prefix, key, RepositoryJson.Default.PackMark, ct);
}
