using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>A key slot as it shows without its passphrase.</summary>
/// <param name="Id">32 hex digits.</param>
/// <param name="CreatedAt">When it was made: the age of its key-encryption key.</param>
/// <param name="Derivation">What a guess at its passphrase costs.</param>
/// <param name="IsWhole">True where both copies are there and equal.</param>
public sealed record KeySlotInfo(string Id, DateTimeOffset CreatedAt, KeyDerivation Derivation, bool IsWhole);

public sealed partial class BackupRepository
{
    /// <summary>The encryption epoch in which new chunks and objects are written; 0 at first.</summary>
    public uint Epoch => _parts.Keys.SealingEpoch;

    /// <summary>The id of the repository in a store as its key slots have it, or null where there is no whole one; needs no key.</summary>
    public static async Task<Guid?> FindIdAsync(IObjectStore store, CancellationToken cancellationToken = default) =>
        (await KeySlotStore.ReadAsync(store, cancellationToken)).Slots is [var slot, ..] ? slot.RepositoryId : null;

    /// <summary>The key slots of a store, oldest first; needs no key.</summary>
    public static async Task<IReadOnlyList<KeySlotInfo>> ListKeySlotsAsync(IObjectStore store, CancellationToken cancellationToken = default)
    {
        var (slots, damaged) = await KeySlotStore.ReadAsync(store, cancellationToken);
        return
        [
            .. slots.OrderBy(slot => slot.CreatedAt).Select(slot => new KeySlotInfo(
                slot.SlotId.ToString("N"), slot.CreatedAt, new KeyDerivation(slot.MemoryKiB, slot.Passes),
                !damaged.Any(name => name.Contains(slot.SlotId.ToString("N"), StringComparison.Ordinal)))),
        ];
    }

    /// <summary>Makes a slot for another passphrase, and proves that it opens.</summary>
    /// <returns>The slot's id.</returns>
    /// <exception cref="EngineException">The passphrase has a slot already, or what was written does not read back.</exception>
    public async Task<string> AddKeySlotAsync(RepositoryKey key, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        var ring = _parts.Keys;
        var (slots, _) = await KeySlotStore.ReadAsync(_parts.Store, cancellationToken);
        await ring.RenewAsync(cancellationToken);
        if (ring.SealingEpoch != ring.Epoch)
        {
            throw new EngineException(
                "rotation-unfinished", ErrorKind.Conflict, $"the keys in {_parts.Store.Url} are being rotated, or a rotation of them was interrupted",
                "rotate the keys, which finishes it, then add the slot; nothing was changed");
        }

        if (slots.Any(one => one.TryUnwrap(key.Passphrase.Span)?.Epoch == ring.Epoch))
        {
            throw new EngineException("slot-exists", ErrorKind.Conflict, "this passphrase has a key slot already", "give another passphrase; nothing was changed");
        }

        var keys = new SlotKeys(ring.Master.ToArray(), ring.Epoch, ring.Secrets.GetValueOrDefault(ring.Epoch));
        var slot = KeySlot.Create(ring.RepositoryId, keys, key.Passphrase.Span, _parts.Options.KeyDerivation, _parts.Options.Time.GetUtcNow());
        await KeySlotStore.WriteAsync(_parts.Store, slot, cancellationToken);
        var back = (await KeySlotStore.ReadAsync(_parts.Store, cancellationToken)).Slots.FirstOrDefault(one => one.SlotId == slot.SlotId);
        return back?.TryUnwrap(key.Passphrase.Span)?.Master.AsSpan().SequenceEqual(ring.Master) == true
            ? slot.SlotId.ToString("N")
            : throw new EngineException(
                "slot-not-read-back", ErrorKind.Damaged, $"the new key slot in {_parts.Store.Url} does not open right after it was written",
                "look at the disk or server behind this store; the old slots are still there");
    }

    /// <summary>Removes a slot: its passphrase no longer opens the repository. It revokes nothing for whoever kept a copy of the slot.</summary>
    /// <exception cref="EngineException">There is no such slot, or it is the last whole one.</exception>
    public static async Task RemoveKeySlotAsync(IObjectStore store, string slot, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(slot);
        var slots = await ListKeySlotsAsync(store, cancellationToken);
        var found = slots.Where(one => slot.Length >= 4 && one.Id.StartsWith(slot, StringComparison.OrdinalIgnoreCase)).ToList();
        if (found is not [var one])
        {
            throw new EngineException(
                "slot-missing", ErrorKind.NotFound, $"{found.Count} key slots begin with '{slot}'", "see 'drconsole repository key list'; give at least 4 digits");
        }

        if (!slots.Any(other => other.Id != one.Id && other.IsWhole))
        {
            throw new EngineException(
                "last-slot", ErrorKind.Conflict, "this is the last whole key slot: without it nobody opens the repository again", "add another one first; nothing was changed");
        }

        await KeySlotStore.DeleteAsync(store, Guid.ParseExact(one.Id, "N"), cancellationToken);
    }

    /// <summary>
    /// Begins a new encryption epoch with new key slots in all tiers of a repository, or finishes a rotation that was interrupted.
    /// What was stored before stays readable, and chunks that are there are not stored again.
    /// </summary>
    /// <param name="tiers">All tiers of one repository, opened; open them again afterwards.</param>
    /// <param name="keys">The passphrase of each slot.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The epoch.</returns>
    /// <exception cref="EngineException">A slot opens with none of the passphrases, or a tier is of another repository.</exception>
    public static Task<uint> RotateKeysAsync(
        IReadOnlyList<BackupRepository> tiers, IReadOnlyList<RepositoryKey> keys, CancellationToken cancellationToken = default)
    {
        return RotationOf(tiers, keys).RotateAsync(cancellationToken);
    }

    /// <summary>Finishes a rotation that was interrupted, and begins none. Repeatable.</summary>
    /// <param name="tiers">All tiers of one repository, opened; open them again afterwards.</param>
    /// <param name="keys">The passphrase of each slot.</param>
    /// <param name="after">The epoch before it began.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The epoch that it began; null where it left nothing.</returns>
    /// <exception cref="EngineException">As <see cref="RotateKeysAsync"/>.</exception>
    public static Task<uint?> FinishRotationAsync(
        IReadOnlyList<BackupRepository> tiers, IReadOnlyList<RepositoryKey> keys, uint after, CancellationToken cancellationToken = default) =>
        RotationOf(tiers, keys).FinishAsync(after, cancellationToken);

    private static KeyRotation RotationOf(IReadOnlyList<BackupRepository> tiers, IReadOnlyList<RepositoryKey> keys)
    {
        ArgumentNullException.ThrowIfNull(tiers);
        return tiers.Select(tier => tier.Info.Id).Distinct().Count() == 1
            ? new KeyRotation([.. tiers.Select(tier => tier._parts.Store)], keys, tiers[0]._parts.Options.KeyDerivation, tiers[0]._parts.Options.Time.GetUtcNow())
            : throw new EngineException("not-a-tier", ErrorKind.Input, "these stores hold different repositories", "name tiers of one repository; nothing was changed");
    }

    /// <summary>
    /// Deletes every key of a store, former versions too, after which nothing in it can be decrypted by anybody, and proves that none
    /// is left. There is no way back but a copy of the keys.
    /// </summary>
    /// <returns>How many key objects were deleted, each version counted.</returns>
    /// <exception cref="EngineException">Kind Denied: the store still holds a key afterwards, or does not show whether it does.</exception>
    public static async Task<int> ShredKeysAsync(IObjectStore store, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        var deleted = 0;
        foreach (var prefix in (string[])[KeySlotStore.Prefix, EpochStore.Prefix])
        {
            deleted += await StoreErasure.EraseAsync(store, prefix, cancellationToken);
        }

        return deleted;
    }
}
