using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Crypto;

/// <summary>Gives a tier the keys of another: a new one, one that lost them, or one that was away when they were rotated.</summary>
internal static class TierKeys
{
    private const int MaxLooks = 8;

    /// <summary>
    /// Copies the older epochs' secrets, then all slots. The slots that they supersede go where the rotation has ended: until then the
    /// tier would go on encrypting in the epoch before.
    /// </summary>
    /// <param name="from">The tier that has them; its keys are renewed where a rotation changed them meanwhile.</param>
    /// <param name="to">The other one.</param>
    /// <param name="known">The keys by which that one was opened; null for one that has none.</param>
    /// <param name="ct">Ends it.</param>
    /// <exception cref="EngineException"><c>keys-changing</c>; <c>epochs-diverged</c>: the other one has secrets that these keys do not know.</exception>
    public static async Task CopyAsync(RepositoryParts from, IObjectStore to, KeyRing? known, CancellationToken ct)
    {
        var keys = from.Keys;
        var look = await KeySlotStore.LookAsync(from.Store, ct);
        for (var count = 1; await keys.RenewAsync(ct); count++)
        {
            // A slot of an epoch that these keys do not know yet would come without the secrets that it needs.
            if (count == MaxLooks)
            {
                throw new EngineException("keys-changing", ErrorKind.Unavailable, $"the keys in {from.Store.Url} change all the time: they are being rotated", "try again in a minute") { IsTransient = true };
            }

            look = await KeySlotStore.LookAsync(from.Store, ct);
        }

        if (known is not null)
        {
            RequireAll(keys, known, to);
        }

        // One that was cut off is gone on with: what it has written stays as it is.
        if (keys.Epoch > 0 && !await EpochStore.IsThereAsync(to, keys, ct))
        {
            await EpochStore.WriteAsync(to, keys, ct);
        }

        var (there, broken) = await KeySlotStore.ReadAsync(to, ct);
        foreach (var slot in look.Slots.Where(slot => broken.Count > 0 || !there.Any(one => one.SlotId == slot.SlotId)))
        {
            await KeySlotStore.WriteAsync(to, slot, ct);
        }

        if (known is not null && keys.SealingEpoch == keys.Epoch)
        {
            await DropOlderAsync(keys, to, known, [.. look.Slots.Select(slot => slot.SlotId)], ct);
        }
    }

    /// <summary>What the other tier encrypted by keys that these do not have could be opened by nobody once its slots are superseded.</summary>
    private static void RequireAll(KeyRing keys, KeyRing known, IObjectStore to)
    {
        var secrets = keys.Secrets;
        // In an epoch whose rotation has not ended nothing was encrypted.
        foreach (var (epoch, secret) in known.Secrets.Where(one => one.Key <= known.SealingEpoch))
        {
            if (!secrets.TryGetValue(epoch, out var same) || !CryptographicOperations.FixedTimeEquals(same, secret))
            {
                throw new EngineException(
                    "epochs-diverged", ErrorKind.Conflict, $"{to.Url} was rotated apart from the others: it has keys of epoch {epoch} that they do not have",
                    "nothing was changed, and each tier opens what it holds; copy what only this one holds into a new tier");
            }
        }
    }

    private static async Task DropOlderAsync(KeyRing newest, IObjectStore to, KeyRing known, HashSet<Guid> brought, CancellationToken ct)
    {
        var (slots, damaged) = await KeySlotStore.ReadAsync(to, ct);
        if (!brought.IsSubsetOf(slots.Select(slot => slot.SlotId)) || damaged.Count > 0 || !await EpochStore.IsThereAsync(to, newest, ct))
        {
            // What was written does not read back: the tier keeps what it has, and a check names the damage.
            return;
        }

        try
        {
            // A passphrase that only this tier knows has none of the slots that came, and keeps its own.
            var heirs = new[] { newest, known }.Where(ring => slots.Any(slot => brought.Contains(slot.SlotId) && ring.EpochOf(slot) == newest.Epoch)).ToList();
            foreach (var slot in slots.Where(slot => !brought.Contains(slot.SlotId) && heirs.Exists(ring => ring.EpochOf(slot) < newest.Epoch)))
            {
                await KeySlotStore.DeleteAsync(to, slot.SlotId, ct);
            }
        }
        catch (EngineException refusal) when (refusal.Kind == ErrorKind.Denied)
        {
            // A role that may write but not delete: the next rotation drops them.
        }
    }
}
