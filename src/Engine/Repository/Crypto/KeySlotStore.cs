using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Crypto;

/// <summary>The key slots of a store: two copies each, <c>keys/&lt;slot&gt;.1</c> and <c>.2</c>.</summary>
internal static class KeySlotStore
{
    public const string Prefix = "keys/";

    public static async Task WriteAsync(IObjectStore store, KeySlot slot, CancellationToken ct)
    {
        var bytes = slot.Encode();
        await store.PutAsync($"{Prefix}{slot.SlotId:N}.1", bytes, ct);
        await store.PutAsync($"{Prefix}{slot.SlotId:N}.2", bytes, ct);
    }

    public static async Task DeleteAsync(IObjectStore store, Guid slot, CancellationToken ct)
    {
        await store.DeleteAsync($"{Prefix}{slot:N}.1", ct);
        await store.DeleteAsync($"{Prefix}{slot:N}.2", ct);
    }

    /// <summary>
    /// The keys that a passphrase opens: of the slot with the newest epoch, since an interrupted rotation leaves older ones too.
    /// </summary>
    public static SlotKeys? TryUnwrap(IEnumerable<KeySlot> slots, ReadOnlySpan<byte> passphrase)
    {
        SlotKeys? newest = null;
        foreach (var slot in slots)
        {
            if (slot.TryUnwrap(passphrase) is { } keys && (newest is null || keys.Epoch > newest.Epoch))
            {
                newest = keys;
            }
        }

        return newest;
    }

    /// <summary>Reads all copies: the whole ones by slot, and the names of what is damaged or lacks its twin.</summary>
    public static async Task<(IReadOnlyList<KeySlot> Slots, IReadOnlyList<string> Damaged)> ReadAsync(IObjectStore store, CancellationToken ct)
    {
        var slots = new Dictionary<Guid, KeySlot>();
        var damaged = new List<string>();
        var whole = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        await foreach (var item in store.ListAsync(Prefix, ct))
        {
            var bytes = await store.ReadAllAsync(item.Key, ct);
            var slot = KeySlot.TryDecode(item.Key, bytes);
            if (slot is null || !item.Key.StartsWith($"{Prefix}{slot.SlotId:N}.", StringComparison.Ordinal))
            {
                damaged.Add(item.Key);
                continue;
            }

            whole.Add(item.Key, bytes);
            slots.TryAdd(slot.SlotId, slot);
        }

        foreach (var slot in slots.Keys)
        {
            var (first, second) = ($"{Prefix}{slot:N}.1", $"{Prefix}{slot:N}.2");
            damaged.AddRange(new[] { first, second }.Where(key => !whole.ContainsKey(key) && !damaged.Contains(key)));
            if (whole.TryGetValue(first, out var one) && whole.TryGetValue(second, out var two) && !one.AsSpan().SequenceEqual(two))
            {
                damaged.Add(second);
            }
        }

        return ([.. slots.Values], damaged);
    }
}
