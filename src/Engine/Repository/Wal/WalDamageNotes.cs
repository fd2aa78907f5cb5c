using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>An object of WAL as it was when a check found it damaged.</summary>
/// <param name="Key">The object's key.</param>
/// <param name="StoredAt">When the store had taken those bytes: what is stored there later is another matter.</param>
internal sealed record DamagedWal(string Key, DateTimeOffset StoredAt);

/// <summary>
/// What a tier knows of its damaged WAL. A listing shows that an object is there, not that it opens; so what a check, or a restore,
/// found is written beside the stream, and whoever asks what is stored is not offered it any more. Never copied to another tier. A
/// note ends by itself where the object is written anew, by a receiver, a copy or a repair, and where a later check reads it whole.
/// </summary>
internal static class WalDamageNotes
{
    /// <summary>The damaged objects of a stream, by key, each with when the damaged bytes were stored.</summary>
    /// <param name="wal">The tier.</param>
    /// <param name="names">What a listing of the stream showed.</param>
    /// <param name="ct">Ends it.</param>
    public static async Task<Dictionary<string, DateTimeOffset>> ReadAsync(WalStore wal, IEnumerable<WalName> names, CancellationToken ct)
    {
        // The newest says it all; older ones are there only where whoever wrote it may not delete.
        foreach (var note in names.Where(name => name.Type == ObjectType.WalDamage).OrderByDescending(name => name.Segment))
        {
            if (await TryReadAsync(wal, note, ct) is { } known)
            {
                return known.ToDictionary(one => one.Key, one => one.StoredAt, StringComparer.Ordinal);
            }
        }

        return [];
    }

    /// <summary>Writes down what was found damaged and takes out what was read whole; one new note replaces all older ones.</summary>
    /// <param name="wal">The tier.</param>
    /// <param name="damaged">Keys; those that are no WAL, or are gone, need no note.</param>
    /// <param name="sound">Keys that were read whole.</param>
    /// <param name="ct">Ends it.</param>
    /// <returns>The streams in which something is known to be damaged now.</returns>
    public static async Task<IReadOnlyList<string>> WriteAsync(WalStore wal, IEnumerable<string> damaged, IReadOnlySet<string> sound, CancellationToken ct)
    {
        var wanted = damaged.Where(key => WalName.TryParse(key)?.IsWal == true).ToHashSet(StringComparer.Ordinal);
        var items = new List<WalItem>();
        if (wanted.Count > 0 || sound.Count > 0)
        {
            await foreach (var item in wal.ListAsync(WalName.Prefix, ct))
            {
                items.Add(item);
            }
        }

        var hurt = new List<string>();
        foreach (var stream in items.Where(item => item.Name is not null).GroupBy(item => item.Name!.Value.Stream))
        {
            if (await WriteAsync(wal, stream.Key, [.. stream], wanted, sound, ct))
            {
                hurt.Add(stream.Key);
            }
        }

        return hurt;
    }

    private static async Task<bool> WriteAsync(WalStore wal, string stream, List<WalItem> items, HashSet<string> wanted, IReadOnlySet<string> sound, CancellationToken ct)
    {
        var notes = items.Select(item => item.Name!.Value).Where(name => name.Type == ObjectType.WalDamage).ToList();
        var known = await ReadAsync(wal, notes, ct);
        var now = items.Where(item => wanted.Contains(item.Info.Key) || (IsDamaged(known, item) && !sound.Contains(item.Info.Key)))
            .Select(item => new DamagedWal(item.Info.Key, item.Info.LastModified)).ToList();
        if (now.Count == known.Count && now.All(one => known.TryGetValue(one.Key, out var at) && at == one.StoredAt))
        {
            return now.Count > 0;
        }

        // The new note first: at no time is a reader offered what is damaged. Without any damage no note is needed, but where one has to stay.
        var name = WalName.OfDamage(stream, notes.Select(note => note.Segment).DefaultIfEmpty().Max() + 1);
        var isWritten = now.Count > 0;
        if (isWritten)
        {
            await PutAsync(wal, name, now, ct);
        }

        foreach (var note in notes)
        {
            if (!await wal.TryDeleteAsync(note.Key, ct) && !isWritten)
            {
                await PutAsync(wal, name, now, ct);
                isWritten = true;
            }
        }

        return now.Count > 0;
    }

    /// <summary>True where these very bytes are known to be damaged.</summary>
    public static bool IsDamaged(IReadOnlyDictionary<string, DateTimeOffset> damaged, WalItem item) =>
        damaged.TryGetValue(item.Info.Key, out var at) && item.Info.LastModified <= at;

    private static Task PutAsync(WalStore wal, WalName name, List<DamagedWal> damaged, CancellationToken ct) =>
        wal.PutAsync(name, Envelope.Seal(wal.Parts.Keys, name.Type, name.Id, JsonSerializer.SerializeToUtf8Bytes(damaged, RepositoryJson.Default.ListDamagedWal)), ct);

    /// <summary>Null for a note that does not open: a check names it, and reads what it spoke of again.</summary>
    private static async Task<List<DamagedWal>?> TryReadAsync(WalStore wal, WalName note, CancellationToken ct)
    {
        try
        {
            return JsonSerializer.Deserialize(await wal.ReadAsync(note, ct), RepositoryJson.Default.ListDamagedWal);
        }
        catch (EngineException fault) when (fault.Kind is ErrorKind.Damaged or ErrorKind.NotFound)
        {
            return null;
        }
    }
}
