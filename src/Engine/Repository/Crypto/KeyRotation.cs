using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Crypto;

/// <summary>
/// Gives a repository a new encryption epoch and new key slots in all its tiers. The order of writes: in each tier the older
/// secrets, then the slots, then all of it is read back and unwrapped; only when every tier has it do the old slots go. What
/// a crash leaves opens with the same passphrases, and the next rotation finishes it.
/// </summary>
internal static class KeyRotation
{
    /// <summary>Rotates, or finishes a rotation that was interrupted.</summary>
    /// <param name="tiers">All tiers of one repository.</param>
    /// <param name="passphrases">One for each slot that shall stay.</param>
    /// <param name="cost">What a guess costs from now on.</param>
    /// <param name="now">The slots' time.</param>
    /// <param name="ct">Ends it.</param>
    /// <returns>The new epoch.</returns>
    /// <exception cref="EngineException">A slot opens with none of the passphrases: it would lose what is written from now on.</exception>
    public static async Task<uint> RotateAsync(
        IReadOnlyList<RepositoryParts> tiers, IReadOnlyList<RepositoryKey> passphrases, KeyDerivation cost, DateTimeOffset now, CancellationToken ct)
    {
        foreach (var tier in tiers)
        {
            await RequireAllOpenAsync(tier.Store, passphrases, ct);
        }

        var (store, keys) = await NewestAsync(tiers, passphrases, ct);
        using (keys)
        {
            if (tiers.Any(tier => tier.Keys.Epoch < keys.Epoch))
            {
                foreach (var tier in tiers.Where(tier => tier.Keys.Epoch < keys.Epoch))
                {
                    await CopyKeysAsync(store, keys, tier.Store, ct);
                }

                await FillSlotsAsync(tiers, keys, passphrases, cost, now, ct);
                await DropOlderAsync(tiers, keys, passphrases, ct);
                return keys.Epoch;
            }

            return await BeginAsync(tiers, keys, passphrases, cost, now, ct);
        }
    }

    /// <summary>The newest keys that any of the passphrases opens in any tier: an interrupted rotation may have got no further than one of them.</summary>
    private static async Task<(IObjectStore Store, KeyRing Keys)> NewestAsync(IReadOnlyList<RepositoryParts> tiers, IReadOnlyList<RepositoryKey> passphrases, CancellationToken ct)
    {
        var opened = tiers.MaxBy(tier => tier.Keys.Epoch)!;
        var (store, keys) = (opened.Store, opened.Keys.Copy());
        foreach (var tier in tiers)
        {
            var (slots, _) = await KeySlotStore.ReadAsync(tier.Store, ct);
            foreach (var slot in passphrases.Select(one => KeySlotStore.TryUnwrap(slots, one.Passphrase)))
            {
                if (slot?.Epoch > keys.Epoch)
                {
                    var newer = await EpochStore.ReadRingAsync(tier.Store, keys.RepositoryId, slot, ct);
                    keys.Dispose();
                    (store, keys) = (tier.Store, newer);
                }
            }
        }

        return (store, keys);
    }

    private static async Task<uint> BeginAsync(
        IReadOnlyList<RepositoryParts> tiers, KeyRing before, IReadOnlyList<RepositoryKey> passphrases, KeyDerivation cost, DateTimeOffset now, CancellationToken ct)
    {
        var epoch = before.Epoch + 1;
        if (epoch > Format.RepositoryFormat.MaxEpoch)
        {
            throw new EngineException("epochs-exhausted", ErrorKind.Conflict, "this repository has had its last encryption epoch", "begin a new repository for its sources");
        }

        var secrets = new Dictionary<uint, byte[]>(before.Secrets) { [epoch] = RandomNumberGenerator.GetBytes(32) };
        using var ring = new KeyRing(before.RepositoryId, before.Master.ToArray(), secrets);
        var slots = passphrases.Select(one => SlotOf(ring, one, cost, now)).ToList();
        foreach (var tier in tiers)
        {
            await EpochStore.WriteAsync(tier.Store, ring, ct);
            foreach (var slot in slots)
            {
                await KeySlotStore.WriteAsync(tier.Store, slot, ct);
            }

            await RequireReadBackAsync(tier.Store, slots, passphrases, epoch, ct);
        }

        await WithdrawBesideAnotherAsync(tiers, ring, slots, passphrases, ct);
        await DropOlderAsync(tiers, ring, passphrases, ct);
        return epoch;
    }

    private static KeySlot SlotOf(KeyRing keys, RepositoryKey passphrase, KeyDerivation cost, DateTimeOffset now) =>
        KeySlot.Create(keys.RepositoryId, new SlotKeys(keys.Master.ToArray(), keys.Epoch, keys.Secrets[keys.Epoch]), passphrase.Passphrase, cost, now);

    /// <summary>A rotation that ended between the slots of two passphrases left one of them without a slot of the new epoch, in one tier or more.</summary>
    private static async Task FillSlotsAsync(
        IReadOnlyList<RepositoryParts> tiers, KeyRing keys, IReadOnlyList<RepositoryKey> passphrases, KeyDerivation cost, DateTimeOffset now, CancellationToken ct)
    {
        var made = new Dictionary<RepositoryKey, KeySlot>();
        foreach (var store in tiers.Select(tier => tier.Store))
        {
            var (there, _) = await KeySlotStore.ReadAsync(store, ct);
            var lacking = passphrases.Where(one => there.All(slot => slot.TryUnwrap(one.Passphrase)?.Epoch != keys.Epoch)).ToList();
            foreach (var one in lacking.Where(one => !made.ContainsKey(one)))
            {
                made[one] = SlotOf(keys, one, cost, now);
            }

            var slots = lacking.Select(one => made[one]).ToList();
            foreach (var slot in slots)
            {
                await KeySlotStore.WriteAsync(store, slot, ct);
            }

            await RequireReadBackAsync(store, slots, lacking, keys.Epoch, ct);
        }
    }

    /// <summary>
    /// Nothing locks a store: somebody else may have begun the same epoch with another secret. Whoever sees the other one takes back its
    /// own while the older keys are still there; both may, and then the next rotation begins it.
    /// </summary>
    private static async Task WithdrawBesideAnotherAsync(
        IReadOnlyList<RepositoryParts> tiers, KeyRing ring, List<KeySlot> mine, IReadOnlyList<RepositoryKey> passphrases, CancellationToken ct)
    {
        var secret = ring.Secrets[ring.Epoch];
        var isAlone = true;
        foreach (var store in tiers.Select(tier => tier.Store))
        {
            var (slots, _) = await KeySlotStore.ReadAsync(store, ct);
            isAlone &= !slots.Any(slot => passphrases.Any(one => slot.TryUnwrap(one.Passphrase) is { } keys && keys.Epoch >= ring.Epoch && !secret.AsSpan().SequenceEqual(keys.Secret)));
        }

        if (isAlone)
        {
            return;
        }

        foreach (var store in tiers.Select(tier => tier.Store))
        {
            foreach (var slot in mine)
            {
                await KeySlotStore.DeleteAsync(store, slot.SlotId, ct);
            }

            foreach (var key in await EpochStore.KeysAsync(store, ct))
            {
                if (await EpochStore.TryOpenAsync(store, key, ring, ct) is not null)
                {
                    await store.DeleteAsync(key, ct);
                }
            }
        }

        throw new EngineException(
            "rotation-beside-another", ErrorKind.Conflict, $"somebody else began epoch {ring.Epoch} at the same moment; this rotation was taken back", "wait until the other has ended, then rotate again where that is still wanted");
    }

    /// <summary>Gives a tier the newer keys of another; older slots stay until the next rotation drops them.</summary>
    public static async Task CopyKeysAsync(IObjectStore from, KeyRing newest, IObjectStore to, CancellationToken ct)
    {
        await EpochStore.WriteAsync(to, newest, ct);
        foreach (var slot in (await KeySlotStore.ReadAsync(from, ct)).Slots)
        {
            await KeySlotStore.WriteAsync(to, slot, ct);
        }
    }

    private static async Task RequireAllOpenAsync(IObjectStore store, IReadOnlyList<RepositoryKey> passphrases, CancellationToken ct)
    {
        var (slots, _) = await KeySlotStore.ReadAsync(store, ct);
        var shut = slots.Where(slot => passphrases.All(one => slot.TryUnwrap(one.Passphrase) is null)).ToList();
        if (shut.Count > 0)
        {
            throw new EngineException(
                "slot-not-openable", ErrorKind.Conflict,
                $"{shut.Count} key slots of {store.Url} open with none of the passphrases given, the first is {shut[0].SlotId:N}: it would not open what is written from now on",
                "name its key file too, or remove the slot first; nothing was changed");
        }
    }

    private static async Task RequireReadBackAsync(
        IObjectStore store, List<KeySlot> written, IReadOnlyList<RepositoryKey> passphrases, uint epoch, CancellationToken ct)
    {
        var (slots, damaged) = await KeySlotStore.ReadAsync(store, ct);
        var ids = slots.ToDictionary(slot => slot.SlotId);
        foreach (var (slot, passphrase) in written.Zip(passphrases))
        {
            var keys = ids.GetValueOrDefault(slot.SlotId)?.TryUnwrap(passphrase.Passphrase);
            if (keys?.Epoch != epoch || damaged.Any(name => name.Contains($"{slot.SlotId:N}", StringComparison.Ordinal)))
            {
                throw new EngineException(
                    "slot-not-read-back", ErrorKind.Damaged, $"a new key slot in {store.Url} does not open right after it was written",
                    "look at the disk or server behind this store; the old slots are still there");
            }

            (await EpochStore.ReadRingAsync(store, slot.RepositoryId, keys, ct)).Dispose();
        }
    }

    private static async Task DropOlderAsync(IReadOnlyList<RepositoryParts> tiers, KeyRing newest, IReadOnlyList<RepositoryKey> passphrases, CancellationToken ct)
    {
        foreach (var store in tiers.Select(tier => tier.Store))
        {
            // A passphrase loses an older slot only where it has a newer one.
            var (slots, _) = await KeySlotStore.ReadAsync(store, ct);
            foreach (var opened in passphrases.Select(one => slots.Select(slot => (slot.SlotId, slot.TryUnwrap(one.Passphrase)?.Epoch)).Where(pair => pair.Epoch is not null).ToList()))
            {
                foreach (var (slot, _) in opened.Where(pair => pair.Epoch < newest.Epoch && opened.Exists(other => other.Epoch == newest.Epoch)))
                {
                    await KeySlotStore.DeleteAsync(store, slot, ct);
                }
            }

            foreach (var key in await EpochStore.KeysAsync(store, ct))
            {
                // One that is sealed in the same epoch and does not open is another's, and may be all that opens what that wrote.
                var bytes = await store.ReadAllAsync(key, ct);
                if (Format.Envelope.IsWhole(bytes) && Format.Envelope.EpochOf(bytes) < newest.Epoch)
                {
                    await store.DeleteAsync(key, ct);
                }
            }
        }
    }
}
