using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Crypto;

/// <summary>
/// Gives a repository a new encryption epoch and new key slots in all its tiers. The order of writes: in each tier the older
/// secrets, then the slots, then all of it is read back and unwrapped; only when every tier has it do the old slots go, and only
/// when they are gone does anybody encrypt in the new epoch (<see cref="KeySource"/>). What a crash leaves opens with the same
/// passphrases, and the next rotation, or the same one found again, finishes it.
/// </summary>
internal sealed class KeyRotation(IReadOnlyList<IObjectStore> stores, IReadOnlyList<RepositoryKey> passphrases, KeyDerivation cost, DateTimeOffset now)
{
    /// <summary>Rotates, or finishes a rotation that was interrupted.</summary>
    /// <returns>The new epoch.</returns>
    /// <exception cref="EngineException">A slot opens with none of the passphrases: it would lose what is written from now on.</exception>
    public async Task<uint> RotateAsync(CancellationToken ct)
    {
        var standing = await LookAsync(ct);
        using var keys = await standing.ReadRingAsync(ct);
        return standing.IsFinished ? await BeginAsync(keys, ct) : await FinishAsync(standing, keys, ct);
    }

    /// <summary>Finishes a rotation that began after an epoch: every step of it that is not done yet, in every tier.</summary>
    /// <returns>The epoch that it began; null where nothing of it is there.</returns>
    public async Task<uint?> FinishAsync(uint after, CancellationToken ct)
    {
        var standing = await LookAsync(ct);
        if (standing.Epoch <= after)
        {
            return null;
        }

        using var keys = await standing.ReadRingAsync(ct);
        return await FinishAsync(standing, keys, ct);
    }

    private async Task<RotationStanding> LookAsync(CancellationToken ct)
    {
        var tiers = new List<TierSlots>();
        foreach (var store in stores)
        {
            tiers.Add(await TierSlots.ReadAsync(store, passphrases, ct));
        }

        if (tiers.Find(tier => tier.Shut.Count > 0) is { } tierOfAnother)
        {
            throw new EngineException(
                "slot-not-openable", ErrorKind.Conflict,
                $"{tierOfAnother.Shut.Count} key slots of {tierOfAnother.Store.Url} open with none of the passphrases given, the first is {tierOfAnother.Shut[0].SlotId:N}: it would not open what is written from now on",
                "name its key file too, or remove the slot first; nothing was changed");
        }

        return new RotationStanding(tiers, passphrases);
    }

    private async Task<uint> BeginAsync(KeyRing before, CancellationToken ct)
    {
        var epoch = before.Epoch + 1;
        if (epoch > RepositoryFormat.MaxEpoch)
        {
            throw new EngineException("epochs-exhausted", ErrorKind.Conflict, "this repository has had its last encryption epoch", "begin a new repository for its sources");
        }

        var secrets = new Dictionary<uint, byte[]>(before.Secrets) { [epoch] = RandomNumberGenerator.GetBytes(32) };
        using var ring = new KeyRing(before.RepositoryId, before.Master.ToArray(), secrets);
        var slots = passphrases.Select(one => SlotOf(ring, one)).ToList();
        foreach (var store in stores)
        {
            await EpochStore.WriteAsync(store, ring, ct);
            foreach (var slot in slots)
            {
                await KeySlotStore.WriteAsync(store, slot, ct);
            }

            if (!await IsReadBackAsync(store, slots, passphrases, epoch, ct))
            {
                // Another rotation that came to its end drops what is beside it.
                await WithdrawBesideAnotherAsync(ring, slots, ct);
                throw NotReadBack(store);
            }
        }

        await WithdrawBesideAnotherAsync(ring, slots, ct);
        await DropOthersAsync(ring, ct);
        return epoch;
    }

    /// <summary>Each step looks at what is there, so that it may be interrupted anywhere and begun again: secrets, slots, and only then what they replace.</summary>
    private async Task<uint> FinishAsync(RotationStanding standing, KeyRing keys, CancellationToken ct)
    {
        var made = new Dictionary<RepositoryKey, KeySlot>();
        foreach (var tier in standing.Tiers)
        {
            if (keys.Epoch > 0 && !await EpochStore.IsThereAsync(tier.Store, keys, ct))
            {
                await EpochStore.WriteAsync(tier.Store, keys, ct);
            }

            foreach (var half in tier.HalvesOf(standing.Newest))
            {
                await KeySlotStore.WriteAsync(tier.Store, half, ct);
            }

            // A rotation that ended between the slots of two passphrases left one of them without a slot of the new epoch.
            var lacking = passphrases.Where(one => !tier.HasSlotOf(one, standing.Newest)).ToList();
            foreach (var one in lacking.Where(one => !made.ContainsKey(one)))
            {
                made[one] = SlotOf(keys, one);
            }

            var slots = lacking.Select(one => made[one]).ToList();
            foreach (var slot in slots)
            {
                await KeySlotStore.WriteAsync(tier.Store, slot, ct);
            }

            if (!await IsReadBackAsync(tier.Store, slots, lacking, keys.Epoch, ct))
            {
                throw NotReadBack(tier.Store);
            }
        }

        await DropOthersAsync(keys, ct);
        return keys.Epoch;
    }

    private KeySlot SlotOf(KeyRing keys, RepositoryKey passphrase) =>
        KeySlot.Create(keys.RepositoryId, new SlotKeys(keys.Master.ToArray(), keys.Epoch, keys.Secrets.GetValueOrDefault(keys.Epoch)), passphrase.Passphrase.Span, cost, now);

    /// <summary>
    /// Nothing locks a store: somebody else may have begun the same epoch with another secret. Whoever sees the other one takes back its
    /// own while the older keys are still there; both may, and then the next rotation begins it. Where they are gone somebody finished
    /// one of the two, the one that was there first, and that one stays.
    /// </summary>
    private async Task WithdrawBesideAnotherAsync(KeyRing ring, List<KeySlot> mine, CancellationToken ct)
    {
        var own = new SlotKeys(ring.Master.ToArray(), ring.Epoch, ring.Secrets[ring.Epoch]);
        var (isAlone, isLeantOn) = (true, false);
        foreach (var store in stores)
        {
            var tier = await TierSlots.ReadAsync(store, passphrases, ct);
            isAlone &= tier.Opened.All(slot => slot.Keys.Epoch < own.Epoch || slot.Keys.IsSameEpoch(own));
            isLeantOn |= passphrases.Any(one => tier.OpenedBy(one) is { Count: > 0 } slots
                && slots.All(slot => slot.Keys.Epoch >= own.Epoch) && slots.MinBy(slot => slot.Slot.StoredAt)!.Keys.IsSameEpoch(own));
        }

        if (isAlone || isLeantOn)
        {
            return;
        }

        foreach (var store in stores)
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

    private static async Task<bool> IsReadBackAsync(IObjectStore store, List<KeySlot> written, IReadOnlyList<RepositoryKey> by, uint epoch, CancellationToken ct)
    {
        var (slots, damaged) = await KeySlotStore.ReadAsync(store, ct);
        var ids = slots.ToDictionary(slot => slot.SlotId);
        foreach (var (slot, passphrase) in written.Zip(by))
        {
            var keys = ids.GetValueOrDefault(slot.SlotId)?.TryUnwrap(passphrase.Passphrase.Span);
            if (keys?.Epoch != epoch || KeySlotStore.IsAnyOf(slot, damaged))
            {
                return false;
            }

            (await EpochStore.ReadRingAsync(store, slot.RepositoryId, keys, ct)).Dispose();
        }

        return true;
    }

    private static EngineException NotReadBack(IObjectStore store) => new(
        "slot-not-read-back", ErrorKind.Damaged, $"a new key slot in {store.Url} does not open right after it was written",
        "look at the disk or server behind this store; the old slots are still there");

    /// <summary>Drops the slots of older epochs, and those of another secret that a rotation beside this one left: nothing is encrypted by them.</summary>
    private async Task DropOthersAsync(KeyRing newest, CancellationToken ct)
    {
        if (newest.Epoch == 0)
        {
            return;
        }

        var kept = new SlotKeys(newest.Master.ToArray(), newest.Epoch, newest.Secrets[newest.Epoch]);
        foreach (var store in stores)
        {
            var tier = await TierSlots.ReadAsync(store, passphrases, ct);
            // A passphrase loses a slot only where it has one that stays.
            foreach (var slot in passphrases.Where(one => tier.HasSlotOf(one, kept)).SelectMany(tier.OpenedBy).Where(slot => slot.Keys.Epoch <= kept.Epoch && !slot.Keys.IsSameEpoch(kept)))
            {
                await KeySlotStore.DeleteAsync(store, slot.Slot.SlotId, ct);
            }

            foreach (var key in await EpochStore.KeysAsync(store, ct))
            {
                // One that is sealed in the same epoch and does not open is another's, and may be all that opens what that wrote.
                if (await EpochStore.EpochOfAsync(store, key, ct) < newest.Epoch)
                {
                    await store.DeleteAsync(key, ct);
                }
            }
        }
    }
}
