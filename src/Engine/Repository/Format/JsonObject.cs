using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Format;

/// <summary>Sealed objects whose payload is JSON and whose key is a folder and an id: manifests, attestations, sessions, marks.</summary>
internal static class JsonObject
{
    /// <summary>Stores a value under <paramref name="folder"/> and its id.</summary>
    public static Task WriteAsync<T>(
        IObjectStore store, KeyRing keys, ObjectType type, string folder, Guid id, T value, JsonTypeInfo<T> shape, CancellationToken ct) =>
        store.PutAsync($"{folder}{id:N}", Envelope.Seal(keys, type, id, JsonSerializer.SerializeToUtf8Bytes(value, shape)), ct);

    /// <summary>Reads one.</summary>
    /// <exception cref="EngineException">Kind NotFound; Damaged where it is not as it was written; Unsupported for another version.</exception>
    public static async Task<T> ReadAsync<T>(
        IObjectStore store, KeyRing keys, ObjectType type, string folder, string key, JsonTypeInfo<T> shape, CancellationToken ct)
        where T : class
    {
        // A name that is no id belongs to no object: then the id inside cannot fit either.
        var id = Guid.TryParseExact(key[folder.Length..], "N", out var parsed) ? parsed : Guid.Empty;
        var json = await Envelope.OpenAsync(keys, type, id, key, await store.ReadAllAsync(key, ct), ct);
        try
        {
            return JsonSerializer.Deserialize(json, shape) ?? throw new JsonException("empty");
        }
        catch (JsonException error)
        {
            throw new EngineException(
                "object-invalid", ErrorKind.Damaged, $"{key} does not hold what this format says", "run 'drconsole repository check', and repair it from another tier", error)
            {
                Context = new Dictionary<string, string> { ["object"] = key },
            };
        }
    }
}
