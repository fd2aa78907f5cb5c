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
                await store.PutAsync($"{Prefix}{id:N}", Envelope.Seal(keys, ObjectType.EpochSecrets, id, plain, epoch: keys.Epoch), ct);
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    /// <summary>The whole ring of what a slot gave.</summary>
    /// <param name="store">The tier.</param>
    /// <param name="repositoryId">The repository.</param>
    /// <param name="slot">What the slot gave; its master is the ring's from now on.</param>
    /// <param name="ct">Ends it.</param>
    /// <param name="source">Where the ring looks for later epochs.</param>
    /// <exception cref="EngineException">Kind Damaged where no copy of the older secrets can be opened.</exception>
    public static async Task<KeyRing> ReadRingAsync(IObjectStore store, Guid repositoryId, SlotKeys slot, CancellationToken ct, KeySource? source = null)
    {
        if (slot.Secret is null)
        {
            return new KeyRing(repositoryId, slot.Master, null, source);
        }

        var newest = new Dictionary<uint, byte[]> { [slot.Epoch] = slot.Secret };
        using var alone = new KeyRing(repositoryId, [.. slot.Master], newest);
        foreach (var key in await KeysAsync(store, ct))
        {
            if (await TryOpenAsync(store, key, alone, ct) is { } older)
            {
                older[slot.Epoch] = slot.Secret;
                return new KeyRing(repositoryId, slot.Master, older, source);
            }
        }

        throw new EngineException(
            "epochs-damaged", ErrorKind.Damaged, $"the secrets of the encryption epochs before {slot.Epoch} cannot be read in {store.Url}",
            "copy the folder 'epochs' from another tier of this repository");
    }

    /// <summary>True where a copy opens with these keys.</summary>
    public static async Task<bool> IsThereAsync(IObjectStore store, KeyRing keys, CancellationToken ct)
    {
        foreach (var key in await KeysAsync(store, ct))
        {
            if (await TryOpenAsync(store, key, keys, ct) is not null)
            {
                return true;
            }
        }

        return false;
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

    /// <summary>The epoch in which a copy is sealed; null where it is damaged or gone.</summary>
    public static async Task<uint?> EpochOfAsync(IObjectStore store, string key, CancellationToken ct)
    {
        try
        {
            var bytes = await store.ReadAllAsync(key, ct);
            return Envelope.IsWhole(bytes) ? Envelope.EpochOf(bytes) : null;
        }
        catch (EngineException fault) when (fault.Kind == ErrorKind.NotFound)
        {
            return null;
        }
    }

    /// <summary>Copies that are not as they were written, and the one that is missing where fewer open with these keys than were written.</summary>
    public static async Task<IReadOnlyList<(string Key, string Reason)>> DamagedAsync(IObjectStore store, KeyRing keys, CancellationToken ct)
    {
        var look = await LookAsync(store, keys, ct);
        if (look.IsShort)
        {
            // A rotation deletes the copies of the epoch before one by one: at a second look it has ended.
            look = await LookAsync(store, keys, ct);
        }

        return look.IsShort ? [(Missing, $"{look.Opened} of {Copies} copies of the secrets of older encryption epochs are there")] : look.Damaged;
    }

    private static async Task<Look> LookAsync(IObjectStore store, KeyRing keys, CancellationToken ct)
    {
        var damaged = new List<(string Key, string Reason)>();
        var (opened, isOvertaken) = (0, false);
        foreach (var key in await KeysAsync(store, ct))
        {
            try
            {
                var bytes = await store.ReadAllAsync(key, ct);
                if (!Envelope.IsWhole(bytes))
                {
                    damaged.Add((key, "the secrets of older encryption epochs in it are cut or have a changed byte; its twin may be whole"));
                }
                else
                {
                    // One that a rotation which was interrupted, or taken back, left is whole and of no use to these keys.
                    opened += TryOpen(key, bytes, keys) is null ? 0 : 1;
                    isOvertaken |= Envelope.EpochOf(bytes) > keys.Epoch;
                }
            }
            catch (EngineException fault) when (fault.Kind == ErrorKind.NotFound)
            {
                // A rotation dropped it since the listing.
            }
        }

        return new Look(damaged, opened, keys.Epoch > 0 && damaged.Count == 0 && opened < Copies && !(isOvertaken && opened == 0));
    }

    /// <summary>What one look found.</summary>
    /// <param name="Opened">Copies that open with the keys.</param>
    /// <param name="IsShort">True where one is missing: not where all are gone and newer ones are there, since a rotation did that.</param>
    private sealed record Look(IReadOnlyList<(string Key, string Reason)> Damaged, int Opened, bool IsShort);

    /// <summary>Another epoch's object, a damaged one and one that vanished are passed over: any whole copy will do.</summary>
    public static async Task<Dictionary<uint, byte[]>?> TryOpenAsync(IObjectStore store, string key, KeyRing keys, CancellationToken ct)
    {
        try
        {
            return TryOpen(key, await store.ReadAllAsync(key, ct), keys);
        }
        catch (EngineException fault) when (fault.Kind is ErrorKind.Damaged or ErrorKind.NotFound)
        {
            return null;
        }
    }

    private static Dictionary<uint, byte[]>? TryOpen(string key, byte[] bytes, KeyRing keys)
    {
        try
        {
            return Envelope.IsWhole(bytes) && Envelope.EpochOf(bytes) == keys.Epoch && Guid.TryParseExact(key[Prefix.Length..], "N", out var id)
                ? JsonSerializer.Deserialize(Envelope.Open(keys, ObjectType.EpochSecrets, id, key, bytes), RepositoryJson.Default.DictionaryUInt32ByteArray)
                : null;
        }
        catch (Exception fault) when (fault is JsonException or EngineException { Kind: ErrorKind.Damaged })
        {
            return null;
        }
    }
}
