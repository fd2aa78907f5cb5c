using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Crypto;

/// <summary>How far a rotation got that may have been interrupted: all tiers' slots, and which keys of them are the ones to go on with.</summary>
internal sealed class RotationStanding
{
    private readonly IReadOnlyList<RepositoryKey> _passphrases;

    /// <exception cref="EngineException">Code <c>epochs-diverged</c>: tiers were rotated apart from one another.</exception>
    public RotationStanding(IReadOnlyList<TierSlots> tiers, IReadOnlyList<RepositoryKey> passphrases)
    {
        (Tiers, _passphrases) = (tiers, passphrases);
        var opened = tiers.SelectMany(tier => tier.Opened).ToList();
        if (opened.Count == 0)
        {
            throw new EngineException("key-slots-damaged", ErrorKind.Damaged, "no key slot of this repository is whole in any tier", "put the folder 'keys' back from a copy of it");
        }

        Epoch = opened.Max(slot => slot.Keys.Epoch);
        var settled = tiers.SelectMany(tier => tier.Settled(passphrases)).Where(keys => keys.Epoch == Epoch).ToList();
        if (settled.Exists(keys => !keys.IsSameEpoch(settled[0])))
        {
            throw Diverged(Epoch);
        }

        // Of two that nobody leans on yet the one that was there first: whoever reads the slots decides by the same.
        Newest = settled is [var keys, ..] ? keys : opened.Where(slot => slot.Keys.Epoch == Epoch).MinBy(slot => slot.Slot.StoredAt)!.Keys;
    }

    public IReadOnlyList<TierSlots> Tiers { get; }

    /// <summary>The newest epoch of which any tier has a slot.</summary>
    public uint Epoch { get; }

    /// <summary>Its keys.</summary>
    public SlotKeys Newest { get; }

    /// <summary>True where every tier has slots of the newest keys and no others.</summary>
    public bool IsFinished => Tiers.All(tier => tier.Opened.All(slot => slot.Keys.IsSameEpoch(Newest)));

    /// <summary>The keys with all epochs, from any tier that has them.</summary>
    /// <exception cref="EngineException">Kind Damaged where no tier has the older secrets whole; code <c>epochs-diverged</c>.</exception>
    public async Task<KeyRing> ReadRingAsync(CancellationToken ct)
    {
        EngineException? fault = null;
        foreach (var tier in Tiers.Where(tier => tier.Opened.Any(slot => slot.Keys.IsSameEpoch(Newest))))
        {
            try
            {
                var keys = await EpochStore.ReadRingAsync(tier.Store, tier.Opened[0].Slot.RepositoryId, Newest with { Master = [.. Newest.Master] }, ct);
                try
                {
                    RequireAll(keys);
                    return keys;
                }
                catch
                {
                    keys.Dispose();
                    throw;
                }
            }
            catch (EngineException error) when (error.Kind == ErrorKind.Damaged)
            {
                fault ??= error;
            }
        }

        throw fault!;
    }

    /// <summary>A tier that encrypted under keys which are not among these would lose what it holds with its slots.</summary>
    private void RequireAll(KeyRing keys)
    {
        var secrets = keys.Secrets;
        foreach (var other in Tiers.SelectMany(tier => tier.Settled(_passphrases)).Where(other => other.Epoch > 0))
        {
            if (secrets.GetValueOrDefault(other.Epoch) is not { } secret || !secret.AsSpan().SequenceEqual(other.Secret))
            {
                throw Diverged(other.Epoch);
            }
        }
    }

    private static EngineException Diverged(uint epoch) => new(
        "epochs-diverged", ErrorKind.Conflict, $"tiers of this repository have different keys of epoch {epoch}: they were rotated apart, while each could not see the other",
        "nothing was changed, and each tier opens what it holds; copy what only one of them holds into a new tier");
}

/// <summary>A key slot that a passphrase opens.</summary>
internal sealed record OpenedSlot(KeySlot Slot, RepositoryKey By, SlotKeys Keys);

/// <summary>The key slots of one tier as the passphrases of a rotation open them.</summary>
/// <param name="Store">The tier.</param>
/// <param name="Opened">Each slot with the passphrase that opens it.</param>
/// <param name="Shut">Slots that none opens.</param>
/// <param name="Damaged">The names of copies that are damaged or missing.</param>
internal sealed record TierSlots(IObjectStore Store, IReadOnlyList<OpenedSlot> Opened, IReadOnlyList<KeySlot> Shut, IReadOnlyList<string> Damaged)
{
    public static async Task<TierSlots> ReadAsync(IObjectStore store, IReadOnlyList<RepositoryKey> passphrases, CancellationToken ct)
    {
        var (slots, damaged) = await KeySlotStore.ReadAsync(store, ct);
        List<OpenedSlot> opened =
        [
            .. from slot in slots
            from one in passphrases
            let keys = slot.TryUnwrap(one.Passphrase.Span)
            where keys is not null
            select new OpenedSlot(slot, one, keys),
        ];
        return new TierSlots(store, opened, [.. slots.Where(slot => !opened.Exists(one => one.Slot.SlotId == slot.SlotId))], damaged);
    }

    public IReadOnlyList<OpenedSlot> OpenedBy(RepositoryKey passphrase) => [.. Opened.Where(slot => slot.By == passphrase)];

    /// <summary>Slots of these keys of which a copy is missing or damaged.</summary>
    public IEnumerable<KeySlot> HalvesOf(SlotKeys keys) => Opened.Where(slot => slot.Keys.IsSameEpoch(keys)).Select(slot => slot.Slot).Where(slot => KeySlotStore.IsAnyOf(slot, Damaged));

    public bool HasSlotOf(RepositoryKey passphrase, SlotKeys keys) => Opened.Any(slot => slot.By == passphrase && slot.Keys.IsSameEpoch(keys));

    /// <summary>Keys under which somebody may have encrypted here: the only ones that a passphrase opens.</summary>
    public IEnumerable<SlotKeys> Settled(IReadOnlyList<RepositoryKey> passphrases) =>
        passphrases.Select(OpenedBy).Where(slots => slots.Count > 0 && slots.All(slot => slot.Keys.IsSameEpoch(slots[0].Keys))).Select(slots => slots[0].Keys);
}
