using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>
/// Repairs damaged objects below <c>wal/</c>: the same object from another tier, or for a piece the whole segment that holds
/// it. Deletes only pieces that a segment supersedes which opens here.
/// </summary>
/// <param name="parts">The tier.</param>
/// <param name="from">Another tier; null where there is none.</param>
/// <param name="isAllRead">True where all WAL of the tier was read before, and what was damaged is noted.</param>
internal sealed class WalRepair(RepositoryParts parts, RepositoryParts? from, bool isAllRead)
{
    private readonly WalStore _here = new(parts);
    private readonly WalStore? _there = from is null ? null : new WalStore(from);

    /// <summary>True where the object could be repaired; writes nothing.</summary>
    public async Task<bool> CanRepairAsync(WalName name, CancellationToken ct) =>
        name.Type == ObjectType.WalHorizon || (name.Type == ObjectType.WalDamage && isAllRead) || await SoundSegmentAsync(_here, name, ct) is not null || await SoundObjectAsync(name, ct) is not null || await SoundSegmentAsync(_there, name, ct) is not null;

    /// <summary>Repairs an object; false where nobody has it whole.</summary>
    public async Task<bool> RepairAsync(WalName name, CancellationToken ct)
    {
        if (name.Type == ObjectType.WalDamage && !isAllRead)
        {
            // It may speak of what nobody has read since.
            return false;
        }

        if (name.Type is ObjectType.WalHorizon or ObjectType.WalDamage)
        {
            // A horizon gave up what is gone, and the next expiry writes another; what a note of damage spoke of this repair has read itself.
            await parts.Store.DeleteAsync(name.Key, ct);
            return true;
        }

        if (await SoundSegmentAsync(_here, name, ct) is null)
        {
            if (await SoundObjectAsync(name, ct) is { } stored)
            {
                await _here.PutAsync(name, stored, ct);
                return true;
            }

            if (await SoundSegmentAsync(_there, name, ct) is not { } whole)
            {
                return false;
            }

            await _here.PutAsync(whole.Name, whole.Stored, ct);
        }

        await parts.Store.DeleteAsync(name.Key, ct);
        return true;
    }

    private async Task<byte[]?> SoundObjectAsync(WalName name, CancellationToken ct) => _there is null ? null : await TryReadAsync(_there, name, ct);

    /// <summary>The whole segment that a piece is a part of, where a tier has it and it opens.</summary>
    private static async Task<(WalName Name, byte[] Stored)?> SoundSegmentAsync(WalStore? wal, WalName piece, CancellationToken ct)
    {
        if (wal is null || piece.Type != ObjectType.WalPiece)
        {
            return null;
        }

        foreach (var name in (await wal.NamesAsync(WalName.FolderOf(piece.Stream, piece.Timeline, piece.Segment), ct)).Where(name => name.Type == ObjectType.WalSegment))
        {
            if (await TryReadAsync(wal, name, ct) is { } stored && wal.DigestOf((await wal.OpenAsync(name, stored, ct)).AsSpan()[piece.From..piece.To]) == piece.Digest)
            {
                return (name, stored);
            }
        }

        return null;
    }

    private static async Task<byte[]?> TryReadAsync(WalStore wal, WalName name, CancellationToken ct)
    {
        try
        {
            var stored = await wal.Parts.Store.ReadAllAsync(name.Key, ct);
            _ = await wal.OpenAsync(name, stored, ct);
            return stored;
        }
        catch (EngineException error) when (error.Kind is ErrorKind.Damaged or ErrorKind.NotFound)
        {
            return null;
        }
    }
}
