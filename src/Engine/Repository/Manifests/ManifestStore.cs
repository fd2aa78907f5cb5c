using System.Runtime.CompilerServices;
using System.Text.Json;
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

    public async Task WriteAsync(Manifest manifest, CancellationToken ct)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(manifest, RepositoryJson.Default.Manifest);
        await store.PutAsync(
            KeyOf(manifest.Id), Envelope.Seal(keys, ObjectType.Manifest, Guid.ParseExact(manifest.Id.Value, "N"), json), ct);
    }

    /// <summary>Reads one manifest.</summary>
    /// <exception cref="EngineException">Kind NotFound, Damaged or Unsupported.</exception>
    public async Task<Manifest> ReadAsync(string key, CancellationToken ct)
    {
        if (!Guid.TryParseExact(key[Prefix.Length..], "N", out var id))
        {
            throw Invalid(key, "has a name that is no restore point id", null);
        }

        var json = Envelope.Open(keys, ObjectType.Manifest, id, key, await store.ReadAllAsync(key, ct));
        try
        {
            return JsonSerializer.Deserialize(json, RepositoryJson.Default.Manifest) ?? throw Invalid(key, "is empty", null);
        }
        catch (JsonException error)
        {
            throw Invalid(key, "is not a manifest of this format", error);
        }
    }

    /// <summary>The keys of all manifests; ids begin with the time, so this is oldest first.</summary>
    public async Task<List<string>> KeysAsync(CancellationToken ct)
    {
        var found = new List<string>();
        await foreach (var item in store.ListAsync(Prefix, ct))
        {
            found.Add(item.Key);
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

    public async Task<RestorePointList> ListAsync(CancellationToken ct)
    {
        var points = new List<Manifest>();
        var damaged = new List<string>();
        foreach (var batch in (await KeysAsync(ct)).Chunk(ParallelReads))
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

    private static EngineException Invalid(string key, string cause, Exception? inner) => new(
        "manifest-invalid", ErrorKind.Damaged, $"{key} {cause}", "run 'drconsole repository check', and copy the restore point from another tier", inner)
    {
        Context = new Dictionary<string, string> { ["object"] = key },
    };
}
