using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Crypto;

/// <summary>
/// Where a repository's keys come from: a store and the passphrase that opens a slot in it. Kept beside the keys, so that a backup
/// that began before a rotation reads what others write since, and goes on.
/// </summary>
internal sealed class KeySource(IObjectStore store, ReadOnlyMemory<byte> passphrase) : IDisposable
{
    /// <summary>How often the keys are read anew while a rotation changes them. It writes and deletes a few objects, so this is not met twice in practice.</summary>
    private const int MaxLooks = 8;

    private readonly SemaphoreSlim _gate = new(1);
    private readonly byte[] _passphrase = passphrase.ToArray();
    private IReadOnlySet<string> _seen = new HashSet<string>();

    /// <summary>
    /// Opens the keys of the newest epoch. They encrypt in that epoch only where its rotation has ended, which shows by every slot of
    /// this passphrase being of it, under one secret: a rotation that sees another beside it takes its slots back while the older ones
    /// are there, and nothing may have been encrypted by them then.
    /// </summary>
    /// <returns>What the store shows, and the keys; none where the passphrase opens no slot.</returns>
    /// <exception cref="EngineException">Kind Damaged where the older epochs' secrets cannot be read; code <c>keys-changing</c>, transient.</exception>
    public static async Task<(SlotLook Look, KeyRing? Keys)> OpenAsync(IObjectStore store, ReadOnlyMemory<byte> passphrase, CancellationToken ct)
    {
        var source = new KeySource(store, passphrase);
        var isOwned = false;
        try
        {
            var (look, keys) = await source.ReadAsync(source, ct);
            isOwned = keys is not null;
            return (look, keys);
        }
        finally
        {
            if (!isOwned)
            {
                source.Dispose();
            }
        }
    }

    /// <summary>Gives keys the epochs that began since they were read, where one of them is the one that is looked for.</summary>
    public async Task LearnAsync(KeyRing keys, uint epoch, CancellationToken ct)
    {
        await _gate.WaitAsync(ct);
        try
        {
            if (!keys.Knows(epoch))
            {
                await RefreshAsync(keys, ct);
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Gives keys what began since they were read.</summary>
    /// <returns>True where the store shows other slots than at the last look.</returns>
    public async Task<bool> RenewAsync(KeyRing keys, CancellationToken ct)
    {
        await _gate.WaitAsync(ct);
        try
        {
            return await RefreshAsync(keys, ct);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>The same passphrase in another tier of the repository.</summary>
    public KeySource For(IObjectStore other) => new(other, _passphrase) { _seen = ReferenceEquals(other, store) ? _seen : new HashSet<string>() };

    /// <summary>What this passphrase finds in a slot; null where it does not open it.</summary>
    public SlotKeys? TryUnwrap(KeySlot slot) => slot.TryUnwrap(_passphrase);

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_passphrase);
        _gate.Dispose();
    }

    private async Task<bool> RefreshAsync(KeyRing keys, CancellationToken ct)
    {
        // A damaged blob may name any epoch: then one listing is all that it costs.
        if (_seen.SetEquals(await KeySlotStore.NamesAsync(store, ct)))
        {
            return false;
        }

        var (_, newer) = await ReadAsync(null, ct);
        using (newer)
        {
            if (newer is not null)
            {
                keys.Take(newer);
            }
        }

        return true;
    }

    private async Task<(SlotLook Look, KeyRing? Keys)> ReadAsync(KeySource? owned, CancellationToken ct)
    {
        for (var count = 1; ; count++)
        {
            var look = await KeySlotStore.LookAsync(store, ct);
            var (keys, fault) = await TryReadAsync(look, owned, ct);
            // In the first epoch no other look could show anything that changes what is encrypted, or opens.
            if ((keys is { Epoch: 0 } && fault is null) || look.Names.SetEquals(await KeySlotStore.NamesAsync(store, ct)))
            {
                _seen = look.Names;
                return fault is null ? (look, keys) : throw fault;
            }

            if (count == MaxLooks)
            {
                keys?.Dispose();
                throw new EngineException("keys-changing", ErrorKind.Unavailable, $"the keys in {store.Url} change all the time: they are being rotated", "try again in a minute") { IsTransient = true };
            }
        }
    }

    /// <summary>The keys of the newest slot that opens with what it needs. Of slots of one epoch with two secrets the one that was there first: the later one is taken back.</summary>
    private async Task<(KeyRing? Keys, EngineException? Fault)> TryReadAsync(SlotLook look, KeySource? owned, CancellationToken ct)
    {
        var mine = look.Slots.Select(slot => (Slot: slot, Keys: TryUnwrap(slot))).Where(one => one.Keys is not null)
            .OrderByDescending(one => one.Keys!.Epoch).ThenBy(one => one.Slot.StoredAt).ToList();
        EngineException? fault = null;
        foreach (var (slot, found) in mine.TakeWhile(one => one.Keys!.Epoch == mine[0].Keys!.Epoch))
        {
            try
            {
                var keys = await EpochStore.ReadRingAsync(store, slot.RepositoryId, found!, ct, owned);
                if (mine.Exists(other => !other.Keys!.IsSameEpoch(found!)))
                {
                    keys.HoldBack();
                }

                return (keys, null);
            }
            catch (EngineException error) when (error.Kind == ErrorKind.Damaged)
            {
                fault ??= error;
            }
        }

        return (null, fault);
    }
}
