using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>
/// What a check looks at below <c>wal/</c>. Descriptions, histories and horizons are opened at every level, and names compared
/// with one another; segments and pieces are read whole from L2 on (checksum) and opened at L3 (tag, frame, digest, length).
/// </summary>
internal sealed class WalCheck(RepositoryParts parts, CheckLevel level, Action<string, string> onDamage, Action<string> onNote)
{
    /// <summary>What is said of an object that an earlier look found damaged and that nobody wrote anew.</summary>
    public const string KnownBefore = "is known to be damaged";

    private readonly WalStore _wal = new(parts);
    private readonly Dictionary<string, int> _segmentBytes = new(StringComparer.Ordinal);
    private readonly HashSet<string> _noted = new(StringComparer.Ordinal);
    private readonly Dictionary<string, DateTimeOffset> _storedAt = new(StringComparer.Ordinal);

    /// <summary>Looks at everything that needs no reading of WAL, and returns the objects that hold some.</summary>
    public async Task<IReadOnlyList<WalItem>> LoadAsync(CancellationToken ct)
    {
        var items = new List<WalItem>();
        await foreach (var item in _wal.ListAsync(WalName.Prefix, ct))
        {
            items.Add(item);
            _storedAt[item.Info.Key] = item.Info.LastModified;
            if (item.Name is null)
            {
                onNote($"{item.Info.Key} is no object of this format version");
            }
        }

        foreach (var stream in items.Where(item => item.Name is not null).GroupBy(item => item.Name!.Value.Stream))
        {
            var known = await WalDamageNotes.ReadWhatOpensAsync(_wal, stream.Select(item => item.Name!.Value), ct);
            foreach (var noted in stream.Where(item => WalDamageNotes.IsDamaged(known, item) && _noted.Add(item.Info.Key)))
            {
                onDamage(noted.Info.Key, KnownBefore);
            }

            await CheckStreamAsync(stream.Key, [.. stream], ct);
        }

        return [.. items.Where(item => item.Name?.IsWal == true)];
    }

    /// <summary>When what is looked at was stored, by the listing before it was; null for what is no WAL.</summary>
    public DateTimeOffset? StoredAt(string key) => _storedAt.TryGetValue(key, out var at) ? at : null;

    /// <summary>True where the object is known to be damaged from before.</summary>
    public bool IsNoted(string key) => _noted.Contains(key);

    /// <summary>By which a slice and the memory of checks know an object: 64 hex digits, as a pack has.</summary>
    public static string MemoryName(WalItem item) => Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(item.Info.Key)));

    /// <summary>Reads an object; returns what is wrong with it, or null, also where it was given up meanwhile.</summary>
    public async Task<string?> ReadAsync(WalItem item, CancellationToken ct)
    {
        var name = item.Name!.Value;
        try
        {
            var stored = await parts.Store.ReadAllAsync(name.Key, ct);
            if (level < CheckLevel.L3)
            {
                return Envelope.IsWhole(stored) ? null : "is cut or has a changed byte";
            }

            var plain = await _wal.OpenAsync(name, stored, ct);
            return name.Type == ObjectType.WalSegment && _segmentBytes.TryGetValue(name.Stream, out var bytes) && plain.Length != bytes
                ? $"holds {plain.Length} bytes where a segment of {bytes} belongs" : null;
        }
        catch (EngineException error) when (error.Kind == ErrorKind.NotFound)
        {
            return null;
        }
        catch (EngineException error) when (error.Kind == ErrorKind.Damaged)
        {
            return error.Message;
        }
    }

    private async Task CheckStreamAsync(string stream, List<WalItem> items, CancellationToken ct)
    {
        foreach (var item in items)
        {
            if (item.Info.Length <= Envelope.Overhead)
            {
                onDamage(item.Info.Key, "is cut");
            }
            else if (!item.Name!.Value.IsWal && await _wal.FaultOfAsync(item.Name.Value, ct) is { } fault)
            {
                onDamage(item.Info.Key, fault);
            }
        }

        foreach (var twice in items.Select(item => item.Name!.Value).Where(name => name.Type is ObjectType.WalSegment or ObjectType.TimelineHistory)
            .GroupBy(name => (name.Type, name.Timeline, name.Segment)).Where(same => same.Count() > 1).SelectMany(same => same))
        {
            onDamage(twice.Key, "is there a second time with other bytes: two servers wrote it; delete the one that is not the source's");
        }

        var info = await TryReadInfoAsync(stream, ct);
        if (info is null)
        {
            if (items.Exists(item => item.Name!.Value.IsWal))
            {
                onDamage(WalName.OfStream(stream).Key, "is missing or damaged: without it nobody can tell whose WAL this is");
            }

            return;
        }

        _segmentBytes[stream] = info.SegmentBytes;
        await NoteHolesAsync(stream, info, ct);
    }

    private async Task NoteHolesAsync(string stream, WalStreamInfo info, CancellationToken ct)
    {
        WalCoverage coverage;
        try
        {
            coverage = await WalListing.ReadAsync(_wal, stream, info.SegmentBytes, ct);
        }
        catch (EngineException fault) when (fault.Code == WalDamageNotes.Unknown)
        {
            // The note that is not given is damage by itself, by which a repair reads all of it.
            onNote($"the WAL of '{info.Source}' is not looked through for holes: {fault.Message}");
            return;
        }

        foreach (var timeline in coverage.Timelines)
        {
            foreach (var (before, after) in timeline.Spans.Zip(timeline.Spans.Skip(1)))
            {
                onNote($"the WAL of '{info.Source}' has a hole on timeline {timeline.Timeline} from {new Lsn(before.EndLsn)} to {new Lsn(after.StartLsn)}");
            }
        }
    }

    private async Task<WalStreamInfo?> TryReadInfoAsync(string stream, CancellationToken ct)
    {
        try
        {
            return await _wal.TryReadInfoAsync(stream, ct);
        }
        catch (EngineException error) when (error.Kind == ErrorKind.Damaged)
        {
            return null;
        }
    }
}
