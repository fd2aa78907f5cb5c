using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Crypto;

/// <summary>The key slots of a store as one look found them.</summary>
/// <param name="Slots">Those of which a copy is whole.</param>
/// <param name="Damaged">The names of copies that are damaged or missing.</param>
/// <param name="Names">The names that the listing showed.</param>
internal sealed record SlotLook(IReadOnlyList<KeySlot> Slots, IReadOnlyList<string> Damaged, IReadOnlySet<string> Names);

/// <summary>The key slots of a store: two copies each, <c>keys/&lt;slot&gt;.1</c> and <c>.2</c>.</summary>
internal static class KeySlotStore
{
    public const string Prefix = "keys/";
    private const int MaxLooks = 8;

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

    /// <summary>True where one of these names is a copy of the slot.</summary>
    public static bool IsAnyOf(KeySlot slot, IEnumerable<string> names) => names.Any(name => name.StartsWith($"{Prefix}{slot.SlotId:N}.", StringComparison.Ordinal));

    /// <summary>The names of all copies as one listing shows them.</summary>
    public static async Task<IReadOnlySet<string>> NamesAsync(IObjectStore store, CancellationToken ct)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        await foreach (var item in store.ListAsync(Prefix, ct))
        {
            names.Add(item.Key);
        }

        return names;
    }

    /// <summary>Reads all copies: the whole ones by slot, and the names of what is damaged or lacks its twin.</summary>
    public static async Task<(IReadOnlyList<KeySlot> Slots, IReadOnlyList<string> Damaged)> ReadAsync(IObjectStore store, CancellationToken ct)
    {
        var look = await LookAsync(store, ct);
        return (look.Slots, look.Damaged);
    }

    /// <summary>The same with what the listing showed.</summary>
    public static async Task<SlotLook> LookAsync(IObjectStore store, CancellationToken ct)
    {
        for (var count = 1; ; count++)
        {
            try
            {
                return await TryLookAsync(store, ct);
            }
            catch (EngineException fault) when (fault.Kind == ErrorKind.NotFound && count < MaxLooks)
            {
                // A rotation dropped it between the listing and the reading.
            }
        }
    }

    private static async Task<SlotLook> TryLookAsync(IObjectStore store, CancellationToken ct)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var slots = new Dictionary<Guid, KeySlot>();
        var damaged = new List<string>();
        var whole = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        await foreach (var item in store.ListAsync(Prefix, ct))
        {
            names.Add(item.Key);
            var bytes = await store.ReadAllAsync(item.Key, ct);
            var slot = KeySlot.TryDecode(item.Key, bytes);
            if (slot is null || !item.Key.StartsWith($"{Prefix}{slot.SlotId:N}.", StringComparison.Ordinal))
            {
                damaged.Add(item.Key);
                continue;
            }

            whole.Add(item.Key, bytes);
            slots.TryAdd(slot.SlotId, slot with { StoredAt = item.LastModified });
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

        return new SlotLook([.. slots.Values], damaged, names);
    }
}
