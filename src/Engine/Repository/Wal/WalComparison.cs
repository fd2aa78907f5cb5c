using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>
/// What another tier holds of the streams in this one and this one has lost: within its WAL, before it and after it. A listing
/// alone cannot tell what was deleted by a person from what was never written, and where no receiver lives nobody else looks.
/// </summary>
internal sealed class WalComparison(RepositoryParts here, RepositoryParts other)
{
    /// <summary>A tier that was away for a while is brought up by its receiver; only what is older than this should long be there.</summary>
    private static readonly TimeSpan s_settled = TimeSpan.FromHours(1);

    private readonly WalStore _here = new(here);
    private readonly WalStore _other = new(other);

    /// <summary>Looks once. What is missing in two looks, between which the tier did not grow, is lost.</summary>
    public async Task<WalLook> LookAsync(CancellationToken ct)
    {
        var missing = new Dictionary<WalName, ulong>();
        var ends = new Dictionary<(string Stream, uint Timeline), ulong>();
        foreach (var stream in (await _here.NamesAsync(WalName.Prefix, ct)).GroupBy(name => name.Stream))
        {
            if (await SizeAsync(stream.Key, ct) is { } size)
            {
                await CompareAsync(stream.Key, [.. stream], size, missing, ends, ct);
            }
        }

        return new WalLook(missing, ends);
    }

    private async Task CompareAsync(
        string stream, List<WalName> names, WalSegmentSize size, Dictionary<WalName, ulong> missing, Dictionary<(string Stream, uint Timeline), ulong> ends, CancellationToken ct)
    {
        var horizons = await _here.HorizonsAsync(names, ct);
        var spans = names.Where(name => name.IsWal).Select(name => (name.Timeline, Extent: WalListing.ExtentOf(name, size, default, 0))).GroupBy(pair => pair.Timeline)
            .ToDictionary(timeline => timeline.Key, timeline => WalCoverage.SpansOf([.. timeline.Select(pair => pair.Extent).OrderBy(extent => extent.StartLsn).ThenByDescending(extent => extent.EndLsn)]));
        foreach (var (timeline, there) in spans)
        {
            ends[(stream, timeline)] = there[^1].EndLsn;
        }

        var histories = names.Where(name => name.Type == ObjectType.TimelineHistory).Select(name => name.Timeline).ToHashSet();
        var settled = here.Options.Time.GetUtcNow() - s_settled;
        var items = new List<WalItem>();
        await foreach (var item in _other.ListAsync(WalName.FolderOf(stream), ct))
        {
            items.Add(item);
        }

        var given = await _other.HorizonsAsync(items.Where(item => item.Name is not null).Select(item => item.Name!.Value), ct);
        foreach (var item in items.Where(item => item.Info.LastModified <= settled))
        {
            if (item.Name is { Type: ObjectType.TimelineHistory } history && !histories.Contains(history.Timeline))
            {
                missing.Add(history, 0);
            }
            else if (item.Name is { IsWal: true } name)
            {
                var extent = WalListing.ExtentOf(name, size, default, 0);
                // What either tier gave up is nobody's loss.
                var horizon = Math.Max(horizons.GetValueOrDefault(name.Timeline), given.GetValueOrDefault(name.Timeline));
                if (extent.EndLsn > horizon && !spans.GetValueOrDefault(name.Timeline, []).Any(span => span.StartLsn <= extent.StartLsn && extent.EndLsn <= span.EndLsn))
                {
                    missing.Add(name, extent.StartLsn);
                }
            }
        }
    }

    /// <summary>The stream's segment size; null where neither tier can say it, which a check names by itself.</summary>
    private async Task<WalSegmentSize?> SizeAsync(string stream, CancellationToken ct)
    {
        foreach (var wal in (WalStore[])[_here, _other])
        {
            try
            {
                if (await wal.TryReadInfoAsync(stream, ct) is { } info)
                {
                    return new WalSegmentSize(info.SegmentBytes);
                }
            }
            catch (EngineException error) when (error.Kind == ErrorKind.Damaged)
            {
                // The other one may still say it.
            }
        }

        return null;
    }
}

/// <summary>One look at what a tier lacks.</summary>
/// <param name="Missing">Objects of the other tier of whose bytes this one does not hold all, with their first byte; 0 for a history.</param>
/// <param name="Ends">Where this tier's WAL ended, by stream and timeline.</param>
internal sealed record WalLook(IReadOnlyDictionary<WalName, ulong> Missing, IReadOnlyDictionary<(string Stream, uint Timeline), ulong> Ends)
{
    /// <summary>What this look and a later one miss. What follows the end of a timeline that grew in between is on its way: a receiver brings it.</summary>
    public IEnumerable<WalName> LostBy(WalLook later) =>
        from one in Missing
        where later.Missing.ContainsKey(one.Key)
        let place = (one.Key.Stream, one.Key.Timeline)
        let end = Ends.GetValueOrDefault(place)
        where one.Value < end || later.Ends.GetValueOrDefault(place) == end
        select one.Key;
}
