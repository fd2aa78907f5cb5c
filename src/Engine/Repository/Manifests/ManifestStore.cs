using System.Runtime.CompilerServices;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Manifests;

/// <summary>The encrypted manifests, one object per restore point, named by its id.</summary>
internal sealed class ManifestStore(KeyRing keys, IObjectStore store)
{
    public const string Prefix = "manifests/";
    private const int ParallelReads = 8;

    public static string KeyOf(RestorePointId id) => Prefix + id.Value;

    public Task WriteAsync(Manifest manifest, CancellationToken ct) => JsonObject.WriteAsync(
        store, keys, ObjectType.Manifest, Prefix, Guid.ParseExact(manifest.Id.Value, "N"), manifest, RepositoryJson.Default.Manifest, ct);

    /// <summary>Reads one manifest.</summary>
    /// <exception cref="EngineException">Kind NotFound, Damaged or Unsupported.</exception>
    public Task<Manifest> ReadAsync(string key, CancellationToken ct) =>
        JsonObject.ReadAsync(store, keys, ObjectType.Manifest, Prefix, key, RepositoryJson.Default.Manifest, ct);

    /// <summary>The keys of all manifests; ids begin with the time, so this is oldest first.</summary>
    /// <param name="ct">Ends it.</param>
    /// <param name="since">Only of those that the store took then or later, on its own clock; null: all.</param>
    public async Task<List<string>> KeysAsync(CancellationToken ct, DateTimeOffset? since = null)
    {
        var found = new List<string>();
        await foreach (var item in store.ListAsync(Prefix, ct))
        {
            if (since is null || item.LastModified >= since)
            {
                found.Add(item.Key);
            }
        }

        return found;
    }

    /// <summary>Reads several at a time and gives those that can be read; what is damaged or gone is passed over.</summary>
    public async IAsyncEnumerable<Manifest> ReadEachAsync(IReadOnlyList<string> keys, [EnumeratorCancellation] CancellationToken ct)
    {
        foreach (var batch in keys.Chunk(ParallelReads))
        {
            foreach (var (manifest, _) in await Task.WhenAll(batch.Select(key => TryReadAsync(key, ct))))
            {
                if (manifest is not null)
                {
                    yield return manifest;
                }
            }
        }
    }

    public async Task<RestorePointList> ListAsync(CancellationToken ct, DateTimeOffset? since = null)
    {
        var points = new List<Manifest>();
        var damaged = new List<string>();
        foreach (var batch in (await KeysAsync(ct, since)).Chunk(ParallelReads))
        {
            foreach (var (manifest, fault) in await Task.WhenAll(batch.Select(key => TryReadAsync(key, ct))))
            {
                if (manifest is not null)
                {
                    points.Add(manifest);
                }
                else if (fault is not null)
                {
                    damaged.Add(fault);
                }
            }
        }

        points.Sort((left, right) => left.CreatedAt.CompareTo(right.CreatedAt) is var order and not 0
            ? order : string.CompareOrdinal(left.Id.Value, right.Id.Value));
        return new RestorePointList(points, damaged);
    }

    private async Task<(Manifest? Manifest, string? Fault)> TryReadAsync(string key, CancellationToken ct)
    {
        try
        {
            return (await ReadAsync(key, ct), null);
        }
        catch (EngineException error) when (error.Kind == ErrorKind.Damaged)
        {
            return (null, error.Message);
        }
        catch (EngineException error) when (error.Kind == ErrorKind.NotFound)
        {
            // Expired between the listing and the reading.
            return (null, null);
        }
    }
}
