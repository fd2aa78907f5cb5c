using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>An object of WAL as it was when a check found it damaged.</summary>
/// <param name="Key">The object's key.</param>
/// <param name="StoredAt">When the store had taken those bytes: what is stored there later is another matter.</param>
internal sealed record DamagedWal(string Key, DateTimeOffset StoredAt);

/// <summary>A note about damaged WAL.</summary>
/// <param name="Damaged">What is damaged.</param>
/// <param name="Replaces">The numbers of the notes that hold no longer, since this one says what they said: 16 hex digits each.</param>
internal sealed record WalDamageNote(IReadOnlyList<DamagedWal> Damaged, IReadOnlyList<string> Replaces);

/// <summary>
/// One of the entries that a note is stored as: a list, as builds know it that replace notes by their numbers alone. What this note replaces
/// stands in an entry of its own, whose key is that of no object, so that they read it as saying nothing.
/// </summary>
internal sealed record WalDamageEntry(string Key, DateTimeOffset StoredAt, IReadOnlyList<string>? Replaces = null);

/// <summary>
/// What a tier knows of its damaged WAL. A listing shows that an object is there, not that it opens; so what a check, or a restore,
/// found is written beside the stream, and whoever asks what is stored is not offered it any more. Never copied to another tier. A
/// note ends by itself where the object is written anew, by a receiver, a copy or a repair, and where a later check reads it whole.
/// </summary>
/// <remarks>
/// Several processes may write at the same time, and no store has locks for them. So each note has a name of its own and says which others
/// it replaces: those that its writer had read. What another wrote meanwhile is among them in no case, and holds as well. Nor is one that
/// could not be read: nobody knows what it speaks of, until a repair has read all of the stream's WAL (<see cref="WalRepair"/>).
/// </remarks>
internal static class WalDamageNotes
{
    /// <summary>Code of the fault that nobody knows what of a stream is damaged.</summary>
    public const string Unknown = "wal-damage-unknown";

    /// <summary>Notes of smaller numbers were lists, counted from one: of those the highest says it all.</summary>
    private const int CounterShift = 40;

    /// <summary>A note that is gone was replaced after it was listed; whoever writes one after the other for so long is no check.</summary>
    private const int MostLooks = 10;

    /// <summary>The damaged objects of a stream, by key, each with when the damaged bytes were stored.</summary>
    /// <param name="wal">The tier.</param>
    /// <param name="names">What a listing of the stream showed.</param>
    /// <param name="ct">Ends it.</param>
    /// <exception cref="EngineException">
    /// Code <c>wal-damage-unknown</c>, kind Unavailable: the disk does not give a note, so that nobody knows what of the stream may be offered.
    /// </exception>
    public static async Task<Dictionary<string, DateTimeOffset>> ReadAsync(WalStore wal, IEnumerable<WalName> names, CancellationToken ct)
    {
        var notes = await ReadHoldingAsync(wal, [.. names.Where(name => name.Type == ObjectType.WalDamage)], ct);
        return notes.NotGiven is not { } fault ? notes.Known : throw new EngineException(
            Unknown, ErrorKind.Unavailable, $"which WAL is damaged in {wal.Parts.Store.Url} cannot be told: {fault.Message}",
            "repair this store with 'drconsole repository repair': it reads all of the WAL", fault);
    }

    /// <summary>The same for who looks at the objects themselves: what a note says that cannot be read is left out.</summary>
    public static async Task<Dictionary<string, DateTimeOffset>> ReadWhatOpensAsync(WalStore wal, IEnumerable<WalName> names, CancellationToken ct) =>
        (await ReadHoldingAsync(wal, [.. names.Where(name => name.Type == ObjectType.WalDamage)], ct)).Known;

    /// <summary>Writes down what was found damaged and takes out what was read whole.</summary>
    /// <param name="wal">The tier.</param>
    /// <param name="damaged">Keys, each with when the bytes had been stored that were read; those that are no WAL, are gone or were stored anew since need no note.</param>
    /// <param name="sound">Keys that were read whole.</param>
    /// <param name="ct">Ends it.</param>
    /// <returns>The streams in which something is known to be damaged now.</returns>
    public static async Task<IReadOnlyList<string>> WriteAsync(WalStore wal, IEnumerable<DamagedWal> damaged, IReadOnlySet<string> sound, CancellationToken ct)
    {
        var wanted = damaged.Where(one => WalName.TryParse(one.Key)?.IsWal == true).DistinctBy(one => one.Key).ToDictionary(one => one.Key, one => one.StoredAt, StringComparer.Ordinal);
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

    /// <summary>True where these very bytes are known to be damaged.</summary>
    public static bool IsDamaged(IReadOnlyDictionary<string, DateTimeOffset> damaged, WalItem item) =>
        damaged.TryGetValue(item.Info.Key, out var at) && item.Info.LastModified <= at;

    private static async Task<bool> WriteAsync(
        WalStore wal, string stream, List<WalItem> items, Dictionary<string, DateTimeOffset> wanted, IReadOnlySet<string> sound, CancellationToken ct)
    {
        var (known, all, notes, _) = await ReadHoldingAsync(wal, [.. items.Select(item => item.Name!.Value).Where(name => name.Type == ObjectType.WalDamage)], ct);
        var now = items.Where(item => IsDamaged(wanted, item) || (IsDamaged(known, item) && !sound.Contains(item.Info.Key)))
            .Select(item => new DamagedWal(item.Info.Key, item.Info.LastModified)).ToList();
        if (notes.Count <= 1 && now.Count == known.Count && now.All(one => known.TryGetValue(one.Key, out var at) && at == one.StoredAt))
        {
            return now.Count > 0;
        }

        // The new note first: at no time is a reader offered what is damaged. Without any damage no note is needed, but where one has to stay.
        var name = WalName.OfDamage(stream, NumberAfter(all));
        var isWritten = now.Count > 0;
        if (isWritten)
        {
            await PutAsync(wal, name, now, notes, ct);
        }

        foreach (var note in notes)
        {
            if (!await wal.TryDeleteAsync(note.Key, ct) && !isWritten)
            {
                await PutAsync(wal, name, now, notes, ct);
                isWritten = true;
            }
        }

        return now.Count > 0;
    }

    private static async Task<ReadNotes> ReadHoldingAsync(WalStore wal, List<WalName> notes, CancellationToken ct)
    {
        for (var look = 1; ; look++)
        {
            var read = new List<(WalName Name, WalDamageNote Note)>();
            var unread = new List<(WalName Name, EngineException Fault)>();
            var isGone = false;
            foreach (var name in notes)
            {
                try
                {
                    read.Add((name, await ReadAsync(wal, name, ct)));
                }
                catch (EngineException fault) when (fault.Kind == ErrorKind.NotFound)
                {
                    isGone = true;
                }
                catch (EngineException fault) when (fault.Kind == ErrorKind.Damaged)
                {
                    // A check names it.
                    unread.Add((name, fault));
                }
            }

            if (!isGone || look == MostLooks)
            {
                return Of(notes, read, unread);
            }

            // The one that replaced it came before it went, and stands in another listing only.
            notes = [.. (await wal.NamesAsync(WalName.FolderOf(notes[0].Stream), ct)).Where(name => name.Type == ObjectType.WalDamage)];
        }
    }

    private static ReadNotes Of(List<WalName> all, List<(WalName Name, WalDamageNote Note)> read, List<(WalName Name, EngineException Fault)> unread)
    {
        var replaced = read.SelectMany(one => one.Note.Replaces).ToHashSet(StringComparer.Ordinal);
        var newest = read.Where(one => one.Name.Segment >> CounterShift == 0).Select(one => one.Name.Segment).DefaultIfEmpty().Max();
        var known = read.Where(one => !replaced.Contains(NumberOf(one.Name)) && (one.Name.Segment >> CounterShift > 0 || one.Name.Segment == newest))
            .SelectMany(one => one.Note.Damaged).GroupBy(one => one.Key, StringComparer.Ordinal)
            .ToDictionary(same => same.Key, same => same.Max(one => one.StoredAt), StringComparer.Ordinal);
        return new ReadNotes(
            known, all, [.. read.Select(one => one.Name), .. unread.Select(one => one.Name).Where(name => replaced.Contains(NumberOf(name)))],
            unread.FirstOrDefault(one => one.Fault.Code == StoreFaults.Unreadable && !replaced.Contains(NumberOf(one.Name))).Fault);
    }

    /// <summary>A count, so that the newest stands last, and by chance what no other writer chooses at the same time.</summary>
    private static ulong NumberAfter(List<WalName> notes)
    {
        Span<byte> chance = stackalloc byte[sizeof(ulong)];
        RandomNumberGenerator.Fill(chance[..(CounterShift / 8)]);
        return ((notes.Select(note => note.Segment >> CounterShift).DefaultIfEmpty().Max() + 1) << CounterShift) | BitConverter.ToUInt64(chance);
    }

    private static string NumberOf(WalName note) => note.Segment.ToString("x16", CultureInfo.InvariantCulture);

    private static Task PutAsync(WalStore wal, WalName name, List<DamagedWal> damaged, List<WalName> replaced, CancellationToken ct) => wal.PutAsync(
        name,
        Envelope.Seal(wal.Parts.Keys, name.Type, name.Id, JsonSerializer.SerializeToUtf8Bytes(EntriesOf(damaged, replaced), RepositoryJson.Default.ListWalDamageEntry)), ct);

    private static List<WalDamageEntry> EntriesOf(List<DamagedWal> damaged, List<WalName> replaced) =>
    [
        .. damaged.Select(one => new WalDamageEntry(one.Key, one.StoredAt)),
        .. replaced.Count == 0 ? (WalDamageEntry[])[] : [new WalDamageEntry("", DateTimeOffset.MinValue, [.. replaced.Select(NumberOf)])],
    ];

    /// <exception cref="EngineException">Kind NotFound; Damaged for one that does not open.</exception>
    private static async Task<WalDamageNote> ReadAsync(WalStore wal, WalName note, CancellationToken ct)
    {
        var text = await wal.ReadAsync(note, ct);
        try
        {
            if (text is [(byte)'{', ..])
            {
                return JsonSerializer.Deserialize(text, RepositoryJson.Default.WalDamageNote) ?? throw new JsonException("empty");
            }

            var entries = JsonSerializer.Deserialize(text, RepositoryJson.Default.ListWalDamageEntry) ?? [];
            return new WalDamageNote(
                [.. entries.Where(one => one.Key.Length > 0).Select(one => new DamagedWal(one.Key, one.StoredAt))], [.. entries.SelectMany(one => one.Replaces ?? [])]);
        }
        catch (JsonException)
        {
            throw WalStore.Damaged(note.Key, "does not hold what this format says");
        }
    }

    /// <param name="Known">What the notes that hold say together.</param>
    /// <param name="All">All notes that were looked at.</param>
    /// <param name="Settled">Those of them that a note may replace: whose content is known, or was to who replaced them.</param>
    /// <param name="NotGiven">The fault of one that holds and that the disk does not give; null where there is none.</param>
    private sealed record ReadNotes(Dictionary<string, DateTimeOffset> Known, List<WalName> All, List<WalName> Settled, EngineException? NotGiven);
}
