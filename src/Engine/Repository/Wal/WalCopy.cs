using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>A copy of WAL into another tier.</summary>
/// <param name="Objects">Objects copied.</param>
/// <param name="Bytes">Their bytes as stored.</param>
/// <param name="AlreadyThere">Objects that the tier held, or held within a whole segment.</param>
/// <param name="Expired">Objects that the tier's retention gave up.</param>
/// <param name="Damaged">Objects that were not copied because they are damaged, with the reason.</param>
public sealed record WalCopyReport(int Objects, long Bytes, int AlreadyThere, int Expired, IReadOnlyList<Damage> Damaged);

/// <summary>
/// Copies what a tier lacks: descriptions and histories, whole segments by age, then the pieces of segments that are not whole.
/// Damage does not travel and does not stop the rest: a hole of one segment is better than one of all that follow.
/// </summary>
internal sealed class WalCopy(RepositoryParts source, RepositoryParts target, IProgress<TransferProgress>? progress)
{
    private readonly WalStore _from = new(source);
    private readonly WalStore _to = new(target);
    private readonly List<Damage> _damaged = [];
    private int _objects;
    private long _bytes;
    private int _there;
    private int _expired;

    public async Task<WalCopyReport> RunAsync(string? stream, CancellationToken ct)
    {
        if (source.Keys.RepositoryId != target.Keys.RepositoryId)
        {
            throw new EngineException(
                "other-repository", ErrorKind.Input, $"{target.Store.Url} is no tier of the repository in {source.Store.Url}", "name two tiers of one repository; nothing was changed");
        }

        var meter = new ProgressMeter(progress, source.Options.Time, "copy wal");
        var names = await _from.NamesAsync(stream is null ? WalName.Prefix : WalName.FolderOf(stream), ct);
        foreach (var one in names.GroupBy(name => name.Stream))
        {
            await CopyStreamAsync(one.Key, [.. one], meter, ct);
        }

        meter.Finish();
        return new WalCopyReport(_objects, _bytes, _there, _expired, _damaged);
    }

    private async Task CopyStreamAsync(string stream, List<WalName> names, ProgressMeter meter, CancellationToken ct)
    {
        var items = new List<WalItem>();
        await foreach (var item in _to.ListAsync(WalName.FolderOf(stream), ct))
        {
            items.Add(item);
        }

        // What is known to be damaged there is as good as missing: the same object is written over it.
        var damaged = await WalDamageNotes.ReadAsync(_to, items.Where(item => item.Name is not null).Select(item => item.Name!.Value), ct);
        var there = items.Where(item => item.Name is not null && !WalDamageNotes.IsDamaged(damaged, item)).Select(item => item.Name!.Value).ToList();
        var keys = there.Select(name => name.Key).ToHashSet(StringComparer.Ordinal);
        var wholeHere = names.Where(name => name.Type == ObjectType.WalSegment).Select(name => (name.Timeline, name.Segment)).ToHashSet();
        var wholeThere = there.Where(name => name.Type == ObjectType.WalSegment).Select(name => (name.Timeline, name.Segment)).ToHashSet();
        var horizons = await _to.HorizonsAsync(there, ct);
        var size = await SegmentSizeAsync(stream, ct);
        if (size is { } bytes && names.Where(name => name.IsWal).All(name => WalListing.ExtentOf(name, bytes, default, 0).EndLsn <= horizons.GetValueOrDefault(name.Timeline)) && horizons.Count > 0)
        {
            // The tier gave the whole stream up.
            _expired += names.Count(name => name.IsWal);
            return;
        }

        // A horizon is one tier's own, and so is what it knows of its damage. Descriptions come first: without one nobody can tell what the rest is.
        foreach (var name in names.Where(name => name.Type is not (ObjectType.WalHorizon or ObjectType.WalDamage)).OrderBy(Rank).ThenBy(name => name.Timeline).ThenBy(name => name.Segment))
        {
            var place = (name.Timeline, name.Segment);
            if (keys.Contains(name.Key) || (name.Type == ObjectType.WalPiece && wholeThere.Contains(place)))
            {
                _there++;
            }
            else if (name.IsWal && size is { } known && WalListing.ExtentOf(name, known, default, 0).EndLsn <= horizons.GetValueOrDefault(name.Timeline))
            {
                _expired++;
            }
            else if ((name.Type == ObjectType.WalSegment && wholeThere.Contains(place)) || there.Exists(other => other.Type == ObjectType.TimelineHistory && name.Type == other.Type && other.Timeline == name.Timeline))
            {
                _damaged.Add(new Damage(name.Key, $"is stored in {target.Store.Url} with other bytes: two servers wrote it"));
            }
            else if (name.Type != ObjectType.WalPiece || !wholeHere.Contains(place))
            {
                await CopyAsync(name, meter, ct);
            }
        }
    }

    private async Task CopyAsync(WalName name, ProgressMeter meter, CancellationToken ct)
    {
        byte[] stored;
        try
        {
            stored = await source.Store.ReadAllAsync(name.Key, ct);
            _ = await _from.OpenAsync(name, stored, ct);
        }
        catch (EngineException error) when (error.Kind is ErrorKind.Damaged or ErrorKind.NotFound)
        {
            if (error.Kind == ErrorKind.Damaged)
            {
                _damaged.Add(new Damage(name.Key, error.Message));
            }

            return;
        }

        await _to.PutAsync(name, stored, ct);
        _objects++;
        _bytes += stored.Length;
        meter.Add(1, stored.Length);
    }

    private async Task<WalSegmentSize?> SegmentSizeAsync(string stream, CancellationToken ct)
    {
        try
        {
            return await _from.TryReadInfoAsync(stream, ct) is { } info ? new WalSegmentSize(info.SegmentBytes) : null;
        }
        catch (EngineException error) when (error.Kind == ErrorKind.Damaged)
        {
            return null;
        }
    }

    private static int Rank(WalName name) => name.Type switch
    {
        ObjectType.WalStreamInfo => 0,
        ObjectType.TimelineHistory => 1,
        ObjectType.WalSegment => 2,
        _ => 3,
    };
}
