using System.Collections.Concurrent;
using System.Globalization;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>WAL that was written into a directory.</summary>
/// <param name="Directory">Where it is.</param>
/// <param name="Timeline">The timeline that it leads along.</param>
/// <param name="StartLsn">Its first byte: the start of a segment.</param>
/// <param name="EndLsn">The byte after the last one that was stored; zeros follow to the end of the segment.</param>
/// <param name="Files">Names of the segment files, in order, then of the history files.</param>
/// <param name="Bytes">Bytes written.</param>
public sealed record WalFetch(string Directory, uint Timeline, ulong StartLsn, ulong EndLsn, IReadOnlyList<string> Files, long Bytes);

/// <summary>Plans which objects make up the segment files of a range, then writes the files side by side.</summary>
/// <param name="wal">Where they are.</param>
/// <param name="stream">The stream's name.</param>
/// <param name="coverage">What a listing showed.</param>
/// <param name="directory">Gets the files.</param>
/// <param name="written">Files of whole segments that an earlier look wrote; added to.</param>
internal sealed class WalFetcher(WalStore wal, string stream, WalCoverage coverage, string directory, ConcurrentDictionary<string, bool> written)
{
    /// <summary>The code of the fault that says that a range is not stored.</summary>
    public const string MissingCode = "wal-missing";

    /// <summary>A segment is in memory up to three times while it is opened, so few of the large ones are in work at once.</summary>
    private const int BytesInWork = 64 * 1024 * 1024;

    public async Task<WalFetch> RunAsync(uint timeline, ulong fromLsn, ulong? toLsn, IProgress<TransferProgress>? progress, CancellationToken ct)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(toLsn ?? fromLsn, fromLsn);
        if (coverage.SegmentBytes == 0)
        {
            throw Missing(timeline, fromLsn, toLsn);
        }

        var size = new WalSegmentSize(coverage.SegmentBytes);
        var first = size.SegmentOf(fromLsn);
        var end = RequireReadable(size, timeline, fromLsn, toLsn);
        var usable = coverage.UsableOf(timeline).Where(one => one.StartLsn < end && one.EndLsn > size.StartOf(first)).ToList();
        var files = new List<SegmentFile>();
        for (var segment = first; size.StartOf(segment) < end; segment++)
        {
            files.Add(PlanFile(size, segment, end, usable));
        }

        var meter = new ProgressMeter(progress, wal.Parts.Options.Time, "wal", files.Count, (long)files.Count * size.Bytes);
        try
        {
            Directory.CreateDirectory(directory);
            var options = new ParallelOptions { MaxDegreeOfParallelism = Math.Clamp(BytesInWork / size.Bytes, 1, Math.Max(1, wal.Parts.Options.Workers)), CancellationToken = ct };
            await Parallel.ForEachAsync(files, options, async (file, token) =>
            {
                var name = file.FileName(size);
                if (!written.ContainsKey(name))
                {
                    await WriteAsync(name, await AssembleAsync(file, size, token), token);
                    if (file.Parts is [{ Extent.IsWhole: true }])
                    {
                        written[name] = true;
                    }
                }

                meter.Add(1, size.Bytes);
            });
            var histories = await WriteHistoriesAsync(timeline, ct);
            Durability.SyncDirectory(directory);
            meter.Finish();
            return new WalFetch(directory, timeline, size.StartOf(first), end, [.. files.Select(file => file.FileName(size)), .. histories], (long)files.Count * size.Bytes);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw StoreFaults.From(error, directory);
        }
    }

    /// <summary>The end of what will be written: at least <paramref name="toLsn"/>, and as far as its segment is there.</summary>
    private ulong RequireReadable(WalSegmentSize size, uint timeline, ulong fromLsn, ulong? toLsn)
    {
        var readable = coverage.ReadableUntil(timeline, fromLsn);
        var wanted = toLsn ?? Math.Max(EndOf(timeline), fromLsn + 1);
        if (readable < wanted)
        {
            throw Missing(timeline, readable, Math.Min(coverage.NextStored(timeline, readable + 1) ?? wanted, wanted));
        }

        return wanted == 0 ? 0 : Math.Min(readable, size.StartOf(size.SegmentOf(wanted - 1) + 1));
    }

    private ulong EndOf(uint timeline) => Math.Max(
        coverage.LineageOf(timeline)[^1].StartLsn, coverage.Timelines.FirstOrDefault(one => one.Timeline == timeline)?.Spans is [.., var last] ? last.EndLsn : 0);

    /// <summary>PostgreSQL looks for a segment on the newest timeline first, so the file carries the newest that has a part in it.</summary>
    private static SegmentFile PlanFile(WalSegmentSize size, ulong segment, ulong end, List<UsableExtent> usable)
    {
        var (start, stop) = (size.StartOf(segment), Math.Min(size.StartOf(segment + 1), end));
        var parts = usable.Where(one => one.StartLsn < stop && one.EndLsn > start).OrderBy(one => one.Timeline).ThenBy(one => one.StartLsn).ToList();
        var timeline = parts[^1].Timeline;
        var whole = parts.Find(one => one.Timeline == timeline && one.Extent.IsWhole && one.StartLsn == start);
        return whole.Extent is null ? new SegmentFile(timeline, segment, stop, parts) : new SegmentFile(timeline, segment, stop, [whole]) { Pieces = CoveringOf([.. parts.Where(part => part != whole)], start, stop) };
    }

    /// <summary>The parts where they are all of a range without a hole; none otherwise.</summary>
    private static IReadOnlyList<UsableExtent> CoveringOf(List<UsableExtent> parts, ulong start, ulong stop)
    {
        var at = start;
        foreach (var part in parts.OrderBy(part => part.StartLsn).TakeWhile(part => part.StartLsn <= at))
        {
            at = Math.Max(at, part.EndLsn);
        }

        return at >= stop ? parts : [];
    }

    private async Task<byte[]> AssembleAsync(SegmentFile file, WalSegmentSize size, CancellationToken ct)
    {
        if (file.Parts is not [{ Extent.IsWhole: true } whole])
        {
            return await JoinAsync(file, file.Parts, size, ct);
        }

        try
        {
            var plain = await wal.ReadAsync(whole.Extent.Name, ct);
            return plain.Length == size.Bytes ? plain : throw WalStore.Damaged(whole.Extent.Name.Key, $"holds {plain.Length} bytes where a segment of {size.Bytes} belongs");
        }
        catch (EngineException damage) when (damage.Kind == ErrorKind.Damaged && file.Pieces.Count > 0)
        {
            // Whoever wrote it may not delete, or died before it did: what it was made of is there yet.
            return await JoinAsync(file, file.Pieces, size, ct);
        }
    }

    private async Task<byte[]> JoinAsync(SegmentFile file, IReadOnlyList<UsableExtent> parts, WalSegmentSize size, CancellationToken ct)
    {
        var start = size.StartOf(file.Segment);
        var bytes = new byte[size.Bytes];
        foreach (var part in parts)
        {
            var plain = await wal.ReadAsync(part.Extent.Name, ct);
            var (from, to) = (Math.Max(part.StartLsn, start), Math.Min(part.EndLsn, file.EndLsn));
            plain.AsSpan()[(int)(from - part.Extent.StartLsn)..(int)(to - part.Extent.StartLsn)].CopyTo(bytes.AsSpan((int)(from - start)));
        }

        return bytes;
    }

    /// <summary>
    /// Every history that is stored, not only those of the line: where a server is to be promoted it looks for the next number
    /// that has no history, and one that it takes a second time is another timeline under the same name.
    /// </summary>
    public async Task<List<string>> WriteHistoriesAsync(uint timeline, CancellationToken ct)
    {
        Directory.CreateDirectory(directory);
        var line = coverage.LineageOf(timeline).Select(step => step.Timeline).ToHashSet();
        var taken = coverage.Timelines.Select(one => one.Timeline).ToHashSet();
        var files = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var name in (await wal.NamesAsync(WalName.FolderOf(stream), ct)).Where(name => name.Type == Format.ObjectType.TimelineHistory))
        {
            taken.Add(name.Timeline);
            try
            {
                files.Add(await WriteHistoryAsync(name.Timeline, await wal.ReadAsync(name, ct), ct));
            }
            catch (EngineException fault) when (fault.Kind == ErrorKind.Damaged && !line.Contains(name.Timeline))
            {
                // Of another line only its number counts, which is held below.
            }
        }

        for (var number = timeline + 1; number <= taken.Max(); number++)
        {
            // The search ends with the first number that is missing, and histories of what was given up are gone.
            if (!files.Contains(HistoryFile(number)))
            {
                files.Add(await WriteHistoryAsync(number, "# not stored any more; the number is taken\n"u8.ToArray(), ct));
            }
        }

        return [.. files];
    }

    private async Task<string> WriteHistoryAsync(uint timeline, byte[] text, CancellationToken ct)
    {
        var file = HistoryFile(timeline);
        await WriteAsync(file, text, ct);
        return file;
    }

    /// <summary>The name by which a server asks for a timeline's history.</summary>
    internal static string HistoryFile(uint timeline) => string.Create(CultureInfo.InvariantCulture, $"{timeline:X8}.history");

    private async Task WriteAsync(string name, byte[] bytes, CancellationToken ct)
    {
        var path = Path.Combine(directory, name);
        var partial = path + ".partial";
        await using (var file = new FileStream(partial, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0))
        {
            await file.WriteAsync(bytes, ct);
            file.Flush(flushToDisk: true);
        }

        File.Move(partial, path, overwrite: true);
    }

    private EngineException Missing(uint timeline, ulong from, ulong? to) => new(
        MissingCode, ErrorKind.NotFound,
        $"WAL from {new Lsn(from)}{(to is { } end ? $" to {new Lsn(end)}" : "")} for timeline {timeline} is not in {wal.Parts.Store.Url}",
        "take another tier, or recover to a moment before that, or begin from a base backup after it")
    {
        Context = new Dictionary<string, string> { ["timeline"] = timeline.ToString(CultureInfo.InvariantCulture), ["from"] = new Lsn(from).ToString(), ["to"] = new Lsn(to ?? from).ToString() },
    };

    private sealed record SegmentFile(uint Timeline, ulong Segment, ulong EndLsn, IReadOnlyList<UsableExtent> Parts)
    {
        /// <summary>What the segment can be put together from where the whole one does not open; none where that is not enough.</summary>
        public IReadOnlyList<UsableExtent> Pieces { get; init; } = [];

        public string FileName(WalSegmentSize size) => size.FileName(Timeline, Segment);
    }
}
