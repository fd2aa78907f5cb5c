using System.Security.Cryptography;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Crypto;

/// <summary>
/// The secrets of older epochs, sealed in the newest: a slot wraps only the newest secret, so that it stays small and that a
/// master alone opens nothing of a later epoch. Two copies under random ids, since one lost object must not lose them.
/// </summary>
internal static class EpochStore
{
    public const string Prefix = "epochs/";

    /// <summary>Stands for a copy that is not there; no object has this name.</summary>
    public const string Missing = Prefix + "missing";
    private const int Copies = 2;

    /// <summary>Writes the older secrets of a ring, sealed in its newest epoch.</summary>
    public static async Task WriteAsync(IObjectStore store, KeyRing keys, CancellationToken ct)
    {
        var plain = JsonSerializer.SerializeToUtf8Bytes(
            keys.Secrets.Where(pair => pair.Key < keys.Epoch).ToDictionary(pair => pair.Key, pair => pair.Value), RepositoryJson.Default.DictionaryUInt32ByteArray);
        try
        {
            for (var copy = 0; copy < Copies; copy++)
            {
                var id = Guid.CreateVersion7();
                await store.PutAsync($"{Prefix}{id:N}", Envelope.Seal(keys, ObjectType.EpochSecrets, id, plain), ct);
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    /// <summary>The whole ring of what a slot gave.</summary>
    /// <exception cref="EngineException">Kind Damaged where no copy of the older secrets can be opened.</exception>
    public static async Task<KeyRing> ReadRingAsync(IObjectStore store, Guid repositoryId, SlotKeys slot, CancellationToken ct)
    {
        if (slot.Secret is null)
        {
            return new KeyRing(repositoryId, slot.Master);
        }

        var newest = new Dictionary<uint, byte[]> { [slot.Epoch] = slot.Secret };
        using var alone = new KeyRing(repositoryId, [.. slot.Master], newest);
        foreach (var key in await KeysAsync(store, ct))
        {
            if (await TryOpenAsync(store, key, alone, ct) is { } older)
            {
                older[slot.Epoch] = slot.Secret;
                return new KeyRing(repositoryId, slot.Master, older);
            }
        }

        throw new EngineException(
            "epochs-damaged", ErrorKind.Damaged, $"the secrets of the encryption epochs before {slot.Epoch} cannot be read in {store.Url}",
            "copy the folder 'epochs' from another tier of this repository");
    }

    /// <summary>All objects, in no order.</summary>
    public static async Task<IReadOnlyList<string>> KeysAsync(IObjectStore store, CancellationToken ct)
    {
        var found = new List<string>();
        await foreach (var item in store.ListAsync(Prefix, ct))
        {
            found.Add(item.Key);
        }

        return found;
    }

    /// <summary>Copies that are not as they were written, and the one that is missing where fewer are there than were written.</summary>
    public static async Task<IReadOnlyList<(string Key, string Reason)>> DamagedAsync(IObjectStore store, KeyRing keys, CancellationToken ct)
    {
        var found = new List<(string Key, string Reason)>();
        var whole = 0;
        foreach (var key in await KeysAsync(store, ct))
        {
            try
            {
                var bytes = await store.ReadAllAsync(key, ct);
                if (!Envelope.IsWhole(bytes))
                {
                    found.Add((key, "the secrets of older encryption epochs in it are cut or have a changed byte; its twin may be whole"));
                }
                else if (Envelope.EpochOf(bytes) >= keys.Epoch)
                {
                    whole++;
                }
            }
            catch (EngineException fault) when (fault.Kind == ErrorKind.NotFound)
            {
                // A rotation dropped it since the listing.
            }
        }

        if (keys.Epoch > 0 && found.Count == 0 && whole < Copies)
        {
            found.Add((Missing, $"{whole} of {Copies} copies of the secrets of older encryption epochs are there"));
        }

        return found;
    }

    /// <summary>Another epoch's object, a damaged one and one that vanished are passed over: any whole copy will do.</summary>
    public static async Task<Dictionary<uint, byte[]>?> TryOpenAsync(IObjectStore store, string key, KeyRing keys, CancellationToken ct)
    {
        try
        {
            var bytes = await store.ReadAllAsync(key, ct);
            return Envelope.IsWhole(bytes) && Envelope.EpochOf(bytes) == keys.Epoch && Guid.TryParseExact(key[Prefix.Length..], "N", out var id)
                ? JsonSerializer.Deserialize(Envelope.Open(keys, ObjectType.EpochSecrets, id, key, bytes), RepositoryJson.Default.DictionaryUInt32ByteArray)
                : null;
        }
        catch (EngineException fault) when (fault.Kind is ErrorKind.Damaged or ErrorKind.NotFound)
        {
            return null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
