using System.Buffers.Binary;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Verification;

/// <summary>
/// When each pack of a tier was last read, kept in the tier itself so that a daily check with a time budget goes on where the
/// last one stopped, on any machine and without a catalog. Only a hint: what is lost or unreadable makes packs look unread.
/// </summary>
internal sealed class CheckMemory(RepositoryParts parts)
{
    public const string Prefix = "checks/";
    private const int RowLength = 32 + (2 * sizeof(long));
    private readonly Dictionary<string, (long Hashed, long Opened)> _seconds = new(StringComparer.Ordinal);
    private readonly List<string> _objects = [];

    /// <summary>Loads what the tier remembers; of several objects the latest time of each pack counts.</summary>
    public async Task LoadAsync(CancellationToken ct)
    {
        await foreach (var item in parts.Store.ListAsync(Prefix, ct))
        {
            try
            {
                Add(await ReadAsync(parts, item.Key, ct));
            }
            catch (EngineException error) when (error.Kind is ErrorKind.Damaged or ErrorKind.NotFound)
            {
                // Another check replaced it, or it is damaged: then these packs are read sooner than they need be.
            }

            _objects.Add(item.Key);
        }
    }

    /// <summary>When a pack was last read at a level; null for never.</summary>
    public DateTimeOffset? LastRead(string name, CheckLevel level) =>
        _seconds.TryGetValue(name, out var at) && (level == CheckLevel.L3 ? at.Opened : Math.Max(at.Hashed, at.Opened)) is > 0 and var seconds
            ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null;

    /// <summary>Notes that a pack was read and is sound.</summary>
    public void Note(string name, CheckLevel level, DateTimeOffset now)
    {
        var (hashed, opened) = _seconds.GetValueOrDefault(name);
        _seconds[name] = level == CheckLevel.L3 ? (hashed, now.ToUnixTimeSeconds()) : (now.ToUnixTimeSeconds(), opened);
    }

    /// <summary>Writes a new object with the packs and WAL objects that are there, then deletes those that it replaces.</summary>
    public async Task SaveAsync(IEnumerable<string> present, CancellationToken ct)
    {
        var names = present.Where(_seconds.ContainsKey).Order(StringComparer.Ordinal).ToList();
        var plain = new byte[names.Count * RowLength];
        for (var i = 0; i < names.Count; i++)
        {
            var row = plain.AsSpan(i * RowLength);
            Convert.FromHexString(names[i], row, out _, out _);
            BinaryPrimitives.WriteInt64LittleEndian(row[32..], _seconds[names[i]].Hashed);
            BinaryPrimitives.WriteInt64LittleEndian(row[40..], _seconds[names[i]].Opened);
        }

        var id = Guid.CreateVersion7(parts.Options.Time.GetUtcNow());
        await parts.Store.PutAsync(Prefix + id.ToString("N"), Envelope.Seal(parts.Keys, ObjectType.CheckMemory, id, plain), ct);
        foreach (var key in _objects)
        {
            await parts.Store.DeleteAsync(key, ct);
        }

        _objects.Clear();
        _objects.Add(Prefix + id.ToString("N"));
    }

    /// <summary>Puts one object in the place of several, which writers leave that may not delete.</summary>
    public async Task MergeAsync(CancellationToken ct)
    {
        await LoadAsync(ct);
        if (_objects.Count > 1)
        {
            await SaveAsync([.. _seconds.Keys], ct);
        }
    }

    /// <summary>The plaintext of one object.</summary>
    /// <exception cref="EngineException">Kind Damaged or NotFound.</exception>
    public static async Task<byte[]> ReadAsync(RepositoryParts parts, string key, CancellationToken ct) => await Envelope.OpenAsync(
        parts.Keys, ObjectType.CheckMemory, Guid.TryParseExact(key[Prefix.Length..], "N", out var id) ? id : Guid.Empty, key, await parts.Store.ReadAllAsync(key, ct), ct);

    private void Add(ReadOnlySpan<byte> plain)
    {
        for (; plain.Length >= RowLength; plain = plain[RowLength..])
        {
            var name = Convert.ToHexStringLower(plain[..32]);
            var (hashed, opened) = _seconds.GetValueOrDefault(name);
            _seconds[name] = (
                Math.Max(hashed, BinaryPrimitives.ReadInt64LittleEndian(plain[32..])), Math.Max(opened, BinaryPrimitives.ReadInt64LittleEndian(plain[40..])));
        }
    }
}
