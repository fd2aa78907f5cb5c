using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>Makes a stream's coverage of a listing: names say what each object holds, only histories and horizons are opened.</summary>
internal static class WalListing
{
    public static async Task<WalCoverage> ReadAsync(WalStore wal, string stream, int segmentBytes, CancellationToken ct)
    {
        var names = new List<WalName>();
        var histories = new Dictionary<uint, DateTimeOffset>();
        var extents = new SortedDictionary<uint, List<WalExtent>>();
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

                list.Add(ExtentOf(name, new WalSegmentSize(segmentBytes), item.Info.LastModified, item.Info.Length));
            }
        }

        var horizons = await wal.HorizonsAsync(names, ct);
        var read = await wal.HistoriesAsync(names, ct);
        return new WalCoverage(
            segmentBytes,
            [.. extents.Select(pair => Timeline(pair.Key, pair.Value, horizons.GetValueOrDefault(pair.Key))).Where(timeline => timeline.Extents.Count > 0)],
            [.. read.Select(history => history with { StoredAt = histories[history.Timeline] }).OrderBy(history => history.Timeline)]);
    }

    public static WalExtent ExtentOf(WalName name, WalSegmentSize size, DateTimeOffset at, long stored)
    {
        var (start, isWhole) = (size.StartOf(name.Segment), name.Type == ObjectType.WalSegment);
        return new WalExtent(start + (ulong)name.From, start + (ulong)(isWhole ? size.Bytes : name.To), at, stored, isWhole) { Name = name };
    }

    /// <summary>What a half-done expiry left below the horizon is not offered any more.</summary>
    private static TimelineCoverage Timeline(uint number, IEnumerable<WalExtent> extents, ulong horizon)
    {
        var kept = extents.Where(extent => extent.EndLsn > horizon).OrderBy(extent => extent.StartLsn).ThenByDescending(extent => extent.EndLsn).ToList();
        return new TimelineCoverage(number, WalCoverage.SpansOf(kept), kept);
    }
}
