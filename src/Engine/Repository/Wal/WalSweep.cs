using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>What was given up.</summary>
/// <param name="Objects">Objects deleted.</param>
/// <param name="Bytes">Their bytes as stored.</param>
public sealed record WalExpiry(int Objects, long Bytes);

/// <summary>
/// Deletes WAL before a horizon. The horizon is written first, so that no reader is offered what is about to go and no copy
/// brings it back; then objects go, the oldest first, so that a crash leaves the newer part without a hole; then older horizons.
/// </summary>
internal sealed class WalSweep(WalStore wal, string stream)
{
    private int _objects;
    private long _bytes;

    public async Task<WalExpiry> RunAsync(IReadOnlyDictionary<uint, ulong> beforeLsn, CancellationToken ct)
    {
        var info = await wal.TryReadInfoAsync(stream, ct) ?? throw new EngineException(
            "wal-stream-missing", ErrorKind.NotFound, $"there is no WAL stream {stream} in {wal.Parts.Store.Url}", "list the streams first; nothing was changed");
        var size = new WalSegmentSize(info.SegmentBytes);
        var items = new List<WalItem>();
        await foreach (var item in wal.ListAsync(WalName.FolderOf(stream), ct))
        {
            items.Add(item);
        }

        foreach (var (timeline, before) in beforeLsn.OrderBy(pair => pair.Key))
        {
            await GiveUpAsync(timeline, before, size, [.. items.Where(item => item.Name?.Timeline == timeline && item.Name.Value.Type != ObjectType.WalStreamInfo)], ct);
        }

        await ForgetAsync(beforeLsn, ct);
        return new WalExpiry(_objects, _bytes);
    }

    private async Task GiveUpAsync(uint timeline, ulong before, WalSegmentSize size, List<WalItem> items, CancellationToken ct)
    {
        var gone = items.Where(item => item.Name!.Value.IsWal && WalListing.ExtentOf(item.Name.Value, size, default, 0).EndLsn <= before)
            .OrderBy(item => item.Name!.Value.Segment).ToList();
        var horizon = WalName.OfHorizon(stream, timeline, before);
        var older = items.Where(item => item.Name!.Value.Type == ObjectType.WalHorizon && item.Name.Value.Segment < before).ToList();
        if (items.Exists(item => item.Name!.Value.Type == ObjectType.WalHorizon && item.Name.Value.Segment > before) || (gone.Count == 0 && older.Count == 0))
        {
            // A later horizon holds already, or there is nothing that this one would give up.
            await DeleteAsync(gone, ct);
            return;
        }

        if (await wal.FaultOfAsync(horizon, ct) is not null || await wal.Parts.Store.StatAsync(horizon.Key, ct) is null)
        {
            await wal.PutAsync(horizon, Envelope.Seal(wal.Parts.Keys, horizon.Type, horizon.Id, []), ct);
        }

        await DeleteAsync(gone, ct);
        await DeleteAsync(older, ct);
    }

    /// <summary>Histories of timelines that were given up whole, and the description of a stream of which nothing is left.</summary>
    private async Task ForgetAsync(IReadOnlyDictionary<uint, ulong> beforeLsn, CancellationToken ct)
    {
        var items = new List<WalItem>();
        await foreach (var item in wal.ListAsync(WalName.FolderOf(stream), ct))
        {
            items.Add(item);
        }

        if (items.Exists(item => item.Name is not { } name || name.IsWal))
        {
            var living = items.Where(item => item.Name?.IsWal == true).Select(item => item.Name!.Value.Timeline).ToHashSet();
            await DeleteAsync(items.Where(item => item.Name is { Type: ObjectType.TimelineHistory } name && beforeLsn.GetValueOrDefault(name.Timeline) == ulong.MaxValue && !living.Contains(name.Timeline)), ct);
            return;
        }

        if (beforeLsn.Values.All(before => before == ulong.MaxValue) && beforeLsn.Count > 0)
        {
            // The description goes last of what makes it a stream: without it the rest could not be given up by a later call.
            await DeleteAsync(items.Where(item => item.Name is { Type: ObjectType.TimelineHistory or ObjectType.WalDamage }), ct);
            await DeleteAsync(items.Where(item => item.Name is { Type: ObjectType.WalStreamInfo }), ct);
        }
    }

    private async Task DeleteAsync(IEnumerable<WalItem> items, CancellationToken ct)
    {
        foreach (var item in items)
        {
            await wal.Parts.Store.DeleteAsync(item.Info.Key, ct);
            _objects++;
            _bytes += item.Info.Length;
        }
    }
}
