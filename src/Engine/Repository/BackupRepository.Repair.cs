using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Repository.Repair;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository;

public sealed partial class BackupRepository
{
    /// <summary>
    /// Repairs what is damaged or lost in this tier: chunks, packs, index, manifests, attestations, key slots, from what is
    /// left here and from another tier. Damaged packs stay, marked, until prune finds that nothing needs them.
    /// </summary>
    /// <param name="from">Another tier of this repository; null to use only what is left here.</param>
    /// <param name="options">What to look at.</param>
    /// <param name="progress">Told packs, chunks and bytes.</param>
    /// <param name="cancellationToken">Ends the repair; what it stored so far is found by the next.</param>
    /// <exception cref="EngineException">Kind Input where the other store is no tier of this repository.</exception>
    public async Task<RepairReport> RepairAsync(
        BackupRepository? from, RepairOptions? options = null, IProgress<TransferProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        using var fresh = _parts.Fresh();
        return await new RepositoryRepair(fresh, from?._parts, options ?? new RepairOptions(), progress).RunAsync(cancellationToken);
    }

    /// <summary>Puts back the key slots of a tier that none of its own copies opens, and opens it.</summary>
    /// <exception cref="EngineException">Kind Input where it holds another repository; else as <see cref="OpenAsync"/>.</exception>
    public static async Task<BackupRepository> OpenLosingKeysAsync(
        IObjectStore store, BackupRepository from, RepositoryKey key, RepositoryOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(from);
        try
        {
            return await OpenAsync(store, key, options, cancellationToken);
        }
        catch (EngineException error) when (error.Code is "key-slots-damaged" or "epochs-damaged")
        {
            // Its objects open only with this repository's keys, so another repository's store is never given them.
            await RequireOwnObjectsAsync(new RepositoryParts(store, from._parts.Keys.Copy(store), from._parts.Options), cancellationToken);
            await ObjectRepair.KeySlotsAsync(store, from._parts.Store, cancellationToken);
            if (from._parts.Keys.Epoch > 0)
            {
                await EpochStore.WriteAsync(store, from._parts.Keys, cancellationToken);
            }

            return await OpenAsync(store, key, options, cancellationToken);
        }
    }

    /// <summary>Marks packs that a verification found damaged, so that no later backup leans on them; returns how many were marked now.</summary>
    /// <exception cref="EngineException">Kind Denied or OutOfSpace where the mark cannot be written.</exception>
    public Task<int> QuarantineAsync(IEnumerable<string> damaged, string reason, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(damaged);
        return Quarantine.MarkAsync(
            _parts, damaged.Where(name => name.StartsWith(Index.IndexStore.PackPrefix, StringComparison.Ordinal)).Select(name => name[(name.LastIndexOf('/') + 1)..]), reason, cancellationToken);
    }

    private static async Task RequireOwnObjectsAsync(RepositoryParts parts, CancellationToken ct)
    {
        using (parts)
        {
            var keys = await parts.Manifests.KeysAsync(ct);
            await foreach (var _ in parts.Manifests.ReadEachAsync(keys, ct))
            {
                return;
            }

            await parts.Index.RefreshAsync(ct);
            if (keys.Count > 0 || (parts.Index.Damage.Count > 0 && parts.Index.Index.Packs.Count == 0))
            {
                throw new EngineException(
                    "other-repository", ErrorKind.Input, $"nothing in {parts.Store.Url} opens with the other tier's keys: it is no tier of that repository",
                    "name a tier of the same repository; nothing was changed");
            }
        }
    }
}
