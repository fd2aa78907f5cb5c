using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>Makes a stream's coverage of a listing: names say what each object holds, only histories, horizons and notes of damage are opened.</summary>
internal static class WalListing
{
    public static async Task<WalCoverage> ReadAsync(WalStore wal, string stream, int segmentBytes, CancellationToken ct)
    {
        var names = new List<WalName>();
        var histories = new Dictionary<uint, DateTimeOffset>();
        var extents = new SortedDictionary<uint, List<WalItem>>();
        await foreach (var item in wal.ListAsync(WalName.FolderOf(stream), ct))
        {
            if (item.Name is not { } name)
            {
                continue;
            }

            if (!name.IsWal)
            {
                names.Add(name);
                if (name.Type == ObjectType.TimelineHistory)
                {
                    histories[name.Timeline] = item.Info.LastModified;
                }
            }
            else if (segmentBytes > 0)
            {
                if (!extents.TryGetValue(name.Timeline, out var list))
                {
                    extents.Add(name.Timeline, list = []);
                }

                list.Add(item);
            }
        }

        var horizons = await wal.HorizonsAsync(names, ct);
        var read = await wal.HistoriesAsync(names, ct);
        var damaged = await WalDamageNotes.ReadAsync(wal, names, ct);
        return new WalCoverage(
            segmentBytes,
            [.. extents.Select(pair => Timeline(pair.Key, pair.Value, horizons.GetValueOrDefault(pair.Key))).Where(timeline => timeline.Extents.Count + timeline.Damaged.Count > 0)],
            [.. read.Select(history => history with { StoredAt = histories[history.Timeline] }).OrderBy(history => history.Timeline)]);

        // What a half-done expiry left below the horizon is not offered any more.
        TimelineCoverage Timeline(uint number, List<WalItem> items, ulong horizon)
        {
            var kept = items.Select(item => (Item: item, Extent: ExtentOf(item.Name!.Value, new WalSegmentSize(segmentBytes), item.Info.LastModified, item.Info.Length)))
                .Where(one => one.Extent.EndLsn > horizon).OrderBy(one => one.Extent.StartLsn).ThenByDescending(one => one.Extent.EndLsn)
                .ToLookup(one => WalDamageNotes.IsDamaged(damaged, one.Item), one => one.Extent);
            return new TimelineCoverage(number, WalCoverage.SpansOf([.. kept[false]]), [.. kept[false]]) { Damaged = [.. kept[true]] };
        }
    }

    public static WalExtent ExtentOf(WalName name, WalSegmentSize size, DateTimeOffset at, long stored)
    {
        var (start, isWhole) = (size.StartOf(name.Segment), name.Type == ObjectType.WalSegment);
        return new WalExtent(start + (ulong)name.From, start + (ulong)(isWhole ? size.Bytes : name.To), at, stored, isWhole) { Name = name };
    }
}
