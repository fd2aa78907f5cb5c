using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Repository;

public sealed partial class BackupRepository
{
    /// <summary>
    /// Opens the WAL of a cluster in this tier; of one that nothing is stored of yet, an empty archive, which
    /// <see cref="WalArchive.DescribeAsync"/> begins.
    /// </summary>
    /// <exception cref="EngineException">Kind Unavailable. A damaged description is no error here, only where it is needed.</exception>
    public async Task<WalArchive> OpenWalAsync(string source, ulong systemIdentifier, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(source);
        var wal = new WalStore(_parts);
        var stream = wal.StreamOf(source, systemIdentifier);
        WalStreamInfo? info = null;
        try
        {
            info = await wal.TryReadInfoAsync(stream, cancellationToken);
        }
        catch (EngineException error) when (error.Kind == ErrorKind.Damaged)
        {
            // The receiver describes its stream anew; who reads is told then.
        }

        return new WalArchive(wal, source, systemIdentifier, stream, info);
    }

    /// <summary>The streams of WAL in this tier, by source and then by age.</summary>
    /// <exception cref="EngineException">Kind Damaged where a description cannot be read.</exception>
    public async Task<IReadOnlyList<WalStreamInfo>> ListWalAsync(CancellationToken cancellationToken)
    {
        var wal = new WalStore(_parts);
        var found = new List<WalStreamInfo>();
        foreach (var name in (await wal.NamesAsync(WalName.Prefix, cancellationToken)).Where(name => name.Type == ObjectType.WalStreamInfo))
        {
            if (await wal.TryReadInfoAsync(name.Stream, cancellationToken) is { } info)
            {
                found.Add(info);
            }
        }

        return [.. found.OrderBy(info => info.Source, StringComparer.Ordinal).ThenBy(info => info.CreatedAt)];
    }

    /// <summary>
    /// Gives WAL up that no base backup and no point-in-time window needs: what lies wholly before an LSN, of each timeline named.
    /// The largest number gives the whole timeline up, and the stream with it where nothing else is left. A copy from another
    /// tier does not bring it back. May be killed at any instant and repeated.
    /// </summary>
    /// <param name="stream">The stream's name, from <see cref="WalStreamInfo.Stream"/>.</param>
    /// <param name="beforeLsn">Per timeline the first byte that stays.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="EngineException">Kind Denied where the store refuses to delete; NotFound where there is no such stream.</exception>
    public Task<WalExpiry> ExpireWalAsync(string stream, IReadOnlyDictionary<uint, ulong> beforeLsn, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(beforeLsn);
        return new WalSweep(new WalStore(_parts), stream).RunAsync(beforeLsn, cancellationToken);
    }

    /// <summary>Clears away pieces of segments that are there whole, which a writer that may not delete had to leave.</summary>
    /// <exception cref="EngineException">Kind Denied where the store refuses to delete.</exception>
    public Task<WalExpiry> ClearWalLeftoversAsync(CancellationToken cancellationToken) => WalLeftovers.ClearAsync(new WalStore(_parts), cancellationToken);

    /// <summary>
    /// Writes down which WAL of this tier is damaged, so that nobody is offered it any more, and which was read whole again. The note
    /// holds until the object is written anew.
    /// </summary>
    /// <param name="damaged">What a check found; what is no WAL, and what was stored anew since, is passed over.</param>
    /// <param name="sound">Keys of objects that were opened and are as their names say.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The streams of which something is known to be damaged now.</returns>
    /// <exception cref="EngineException">Kind Denied or OutOfSpace where the note cannot be written.</exception>
    public Task<IReadOnlyList<string>> NoteDamagedWalAsync(IEnumerable<CheckDamage> damaged, IReadOnlySet<string> sound, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(damaged);
        ArgumentNullException.ThrowIfNull(sound);
        return WalDamageNotes.WriteAsync(
            new WalStore(_parts), damaged.Where(one => one.StoredAt is not null).Select(one => new DamagedWal(one.Name, one.StoredAt!.Value)), sound, cancellationToken);
    }

    /// <summary>Writes down that an object of WAL is damaged which somebody could not open, where it does not open now either: it may have been written anew since.</summary>
    /// <param name="key">The object's key.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>False where it is no WAL, is gone, or opens.</returns>
    /// <exception cref="EngineException">Kind Denied or OutOfSpace where the note cannot be written.</exception>
    public async Task<bool> NoteUnreadableWalAsync(string key, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        var wal = new WalStore(_parts);
        // First when it was stored, then what is in it: what is stored in between is not meant.
        return WalName.TryParse(key) is { IsWal: true } name && await _parts.Store.StatAsync(key, cancellationToken) is { } stored
            && await wal.FaultOfAsync(name, cancellationToken) is not null
            && (await WalDamageNotes.WriteAsync(wal, [new DamagedWal(key, stored.LastModified)], new HashSet<string>(), cancellationToken)).Contains(name.Stream);
    }

    /// <summary>
    /// Brings the WAL that another tier lacks: ciphertext as it is, opened on the way and read back there. Nothing is deleted.
    /// </summary>
    /// <param name="to">Another tier of this repository.</param>
    /// <param name="stream">One stream; all where null.</param>
    /// <param name="progress">Told objects and bytes.</param>
    /// <param name="cancellationToken">Ends it; what was copied stays.</param>
    /// <exception cref="EngineException">Kind Input where it is no tier of this repository; Damaged where nothing but damage was left to copy.</exception>
    public async Task<WalCopyReport> CopyWalAsync(
        BackupRepository to, string? stream, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(to);
        if (_parts.Keys.SealingEpoch > to._parts.Keys.SealingEpoch && _parts.Keys.RepositoryId == to._parts.Keys.RepositoryId)
        {
            await TierKeys.CopyAsync(_parts, to._parts.Store, to._parts.Keys, cancellationToken);
            using var newer = new RepositoryParts(to._parts.Store, _parts.Keys.Copy(to._parts.Store), to._parts.Options);
            return await new WalCopy(_parts, newer, progress).RunAsync(stream, cancellationToken);
        }

        return await new WalCopy(_parts, to._parts, progress).RunAsync(stream, cancellationToken);
    }
}
