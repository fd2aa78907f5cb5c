using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Manifests;
using Hexabase.DrConsole.Engine.Repository.Packs;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Repository.Verification;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Repository.Repair;

/// <summary>
/// Finds damage by a check and repairs it from what is left and from another tier. The order of its writes: key slots, the
/// mark that damaged packs are not to be leaned on, new packs with what they held, their index, manifests, attestations; then
/// unreadable objects that nothing needs are deleted. Damaged packs stay until prune finds that no restore point needs them.
/// A crash anywhere leaves no less than there was, and the next repair goes on.
/// </summary>
internal sealed class RepositoryRepair(RepositoryParts parts, RepositoryParts? from, RepairOptions options, IProgress<TransferProgress>? progress)
{
    public async Task<RepairReport> RunAsync(CancellationToken ct)
    {
        if (from is not null && from.Keys.RepositoryId != parts.Keys.RepositoryId)
        {
            throw new EngineException(
                "other-repository", ErrorKind.Input, $"{from.Store.Url} is no tier of the repository in {parts.Store.Url}", "name a tier of the same repository with --from; nothing was changed");
        }

        await new ObjectRepair(parts, from).RequireUnreadableAsync(options, ct);
        var found = await CheckAsync(options.Level, ct);
        return options.IsDryRun ? await PlanAsync(found, ct) : await RepairAsync(found, ct);
    }

    private async Task<CheckReport> CheckAsync(CheckLevel level, CancellationToken ct)
    {
        using var fresh = parts.Fresh();
        return await new RepositoryCheck(fresh, level, CheckSlice.All, progress, others: from is null ? [] : [from]).RunAsync(ct);
    }

    private async Task<RepairReport> PlanAsync(CheckReport found, CancellationToken ct)
    {
        await parts.Index.RefreshAsync(ct);
        var objects = new List<RepairedObject>();
        var manifests = from is null ? [] : (await from.Manifests.KeysAsync(ct)).Concat(await from.Attestations.KeysAsync(ct)).ToHashSet(StringComparer.Ordinal);
        await (from?.Index.RefreshAsync(ct) ?? Task.CompletedTask);
        foreach (var damage in found.Damaged)
        {
            if (WalName.TryParse(damage.Name) is { } wal)
            {
                var can = await new WalRepair(parts, from, options.Level >= CheckLevel.L2).CanRepairAsync(wal, ct);
                objects.Add(new RepairedObject(damage.Name, damage.Reason, [], can, can ? "would be fetched, or is in a whole segment" : "no tier named has it whole"));
                continue;
            }

            var pack = damage.Name.StartsWith(IndexStore.PackPrefix, StringComparison.Ordinal) ? parts.Index.Index.FindPack(NameOf(damage.Name)) : null;
            var isPack = damage.Name.StartsWith(IndexStore.PackPrefix, StringComparison.Ordinal);
            var chunks = pack is null ? [] : parts.Index.Index.All().Where(entry => entry.Pack == pack.Ordinal).ToList();
            var known = from is null ? 0 : chunks.Count(entry => from.Index.Index.FindNumber(entry.Id, entry.Type) != 0);
            var isInOther = damage.Name.StartsWith(ManifestStore.Prefix, StringComparison.Ordinal) || damage.Name.StartsWith(AttestationStore.Prefix, StringComparison.Ordinal);
            objects.Add(isPack
                ? new RepairedObject(damage.Name, damage.Reason, damage.RestorePoints, known == chunks.Count, $"the other tier has {known} of its {chunks.Count} chunks")
                : new RepairedObject(
                    damage.Name, damage.Reason, damage.RestorePoints, !isInOther || manifests.Contains(damage.Name),
                    !isInOther ? "would be made anew from what is left" : manifests.Contains(damage.Name) ? "would be fetched" : "the other tier does not have it"));
        }

        foreach (var (key, manifest) in await new ObjectRepair(parts, from).FindManifestsAsync(new HashSet<string>(), options.Known, ct))
        {
            objects.Add(new RepairedObject(key, "is lost", [manifest.Id], true, "would be fetched"));
        }

        return new RepairReport { IsDryRun = true, Objects = objects, Salvaged = 0, Fetched = 0, Bytes = 0 };
    }

    private async Task<RepairReport> RepairAsync(CheckReport found, CancellationToken ct)
    {
        await ObjectRepair.KeySlotsAsync(parts.Store, from?.Store, ct);
        await using var blobs = new BlobWriter(parts.Keys, parts.Index.Index, parts.Store);
        await using var session = await WriterSession.BeginAsync(parts, blobs, SessionRecord.Repair, ct);
        await (from?.Index.RefreshAsync(ct) ?? Task.CompletedTask);
        var broken = await QuarantineAsync(found, ct);
        var meter = new ProgressMeter(progress, parts.Options.Time, "repair");
        var chunks = new ChunkRepair(parts, from, blobs, meter);
        await chunks.OfPacksAsync(broken, ct);
        await blobs.FlushAsync(ct);
        await session.IndexDurableAsync(ct);
        await parts.Index.RefreshAsync(ct);

        var objects = new ObjectRepair(parts, from);
        var damaged = found.Damaged.Select(damage => damage.Name).ToHashSet(StringComparer.Ordinal);
        var manifests = await objects.FindManifestsAsync(damaged, options.Known, ct);
        await FillHolesAsync(chunks, manifests.Values, ct);
        await blobs.FlushAsync(ct);
        await PackScrub.RequireAsWrittenAsync(parts.Store, blobs.Uploaded, ct);
        await session.IndexDurableAsync(ct);
        await session.ProveAsync(always: true, ct);
        var fetched = await FetchAsync(objects, manifests, damaged, session, ct);
        await objects.EpochSecretsAsync(damaged, ct);
        var missing = await objects.AttestationsAsync(damaged, ct);
        await objects.DropAttestationsAsync(options, ct);
        await parts.Index.StoreMissingSegmentsAsync(ct);
        await objects.DeleteUnreadableAsync(damaged, session.StoreNow, session.Id, ct);
        await session.ProveAsync(always: false, ct);
        await ReleaseAsync(found, ct);
        var lostWal = await RepairWalAsync(found, ct);
        meter.Finish();
        return await ReportAsync(found, lostWal, [.. fetched.Where(key => !damaged.Contains(key)), .. missing], chunks, ct);
    }

    /// <summary>Once more a look whether everything that they lean on is there: only then do they count.</summary>
    /// <returns>The keys of those that were fetched.</returns>
    private async Task<List<string>> FetchAsync(
        ObjectRepair objects, IReadOnlyDictionary<string, Manifest> manifests, HashSet<string> damaged, WriterSession session, CancellationToken ct)
    {
        var fetched = new List<string>();
        var isProven = false;
        try
        {
            foreach (var (key, manifest) in manifests)
            {
                if (!damaged.Contains(key) && (await Closure.CollectAsync(parts, manifest, ct)).Faults.Count > 0)
                {
                    // Neither tier has it whole: it stays lost here, and is said to be.
                    continue;
                }

                fetched.Add(key);
                await objects.FetchAsync(key, ct);
            }

            await session.ProveAsync(always: false, ct);
            isProven = true;
            return fetched;
        }
        finally
        {
            foreach (var key in isProven ? [] : fetched)
            {
                await TakenBack.TakeBackAsync(parts, key);
            }
        }
    }

    /// <summary>Marks damaged packs, so that nobody leans on them any more; returns them and the missing ones.</summary>
    private async Task<HashSet<int>> QuarantineAsync(CheckReport found, CancellationToken ct)
    {
        var names = found.Damaged.Where(damage => damage.Name.StartsWith(IndexStore.PackPrefix, StringComparison.Ordinal)).Select(damage => NameOf(damage.Name)).ToList();
        await Quarantine.MarkAsync(parts, names, "found damaged by a repair", ct);
        await parts.Index.RefreshAsync(ct);
        return [.. parts.Index.Index.Packs.Where(pack => names.Contains(pack.Name) || pack.IsDamaged || !pack.IsPresent).Select(pack => pack.Ordinal)];
    }

    /// <summary>What no pack of this tier even lists: restore points that still have holes are completed by the other tier's knowledge.</summary>
    private async Task FillHolesAsync(ChunkRepair chunks, IEnumerable<Manifest> fetched, CancellationToken ct)
    {
        foreach (var manifest in fetched)
        {
            // Nothing here used its chunks meanwhile, and prune may be about to delete their packs: each is leaned on or stored anew.
            await chunks.OfPointAsync(manifest, ct);
        }

        await foreach (var manifest in parts.Manifests.ReadEachAsync(await parts.Manifests.KeysAsync(ct), ct))
        {
            await FillAsync(chunks, manifest, ct);
        }
    }

    private async Task FillAsync(ChunkRepair chunks, Manifest manifest, CancellationToken ct)
    {
        var closure = await Closure.CollectAsync(parts, manifest, ct);
        if (closure.Faults.Count > 0 || closure.Entries.Any(number => parts.Index.Index.Pack(parts.Index.Index.Place(number).Pack).IsDamaged))
        {
            await chunks.OfPointAsync(manifest, ct);
        }
    }

    /// <summary>Packs that a full read found sound are no longer marked as damaged: it was the way to them that failed.</summary>
    private async Task ReleaseAsync(CheckReport found, CancellationToken ct)
    {
        if (options.Level >= CheckLevel.L2)
        {
            await Quarantine.ReleaseAsync(parts, pack => pack is { IsDamaged: true, IsPresent: true } && found.SoundPacks.Contains(pack.Name), ct);
        }
    }

    /// <summary>Repairs what is damaged of the WAL; returns what stays so, which the quick check at the end would not see.</summary>
    private async Task<IReadOnlyList<CheckDamage>> RepairWalAsync(CheckReport found, CancellationToken ct)
    {
        var lost = new List<CheckDamage>();
        // Noted first: what cannot be repaired is offered to nobody, and the note of what can ends when it is written anew.
        await WalDamageNotes.WriteAsync(
            new WalStore(parts), found.Damaged.Where(damage => damage.StoredAt is not null).Select(damage => new DamagedWal(damage.Name, damage.StoredAt!.Value)), found.SoundWal, ct);
        foreach (var damage in found.Damaged)
        {
            if (WalName.TryParse(damage.Name) is { } name && !await new WalRepair(parts, from, options.Level >= CheckLevel.L2).RepairAsync(name, ct))
            {
                lost.Add(damage);
            }
        }

        return lost;
    }

    private async Task<RepairReport> ReportAsync(
        CheckReport found, IReadOnlyList<CheckDamage> lostWal, IReadOnlyList<string> lost, ChunkRepair chunks, CancellationToken ct)
    {
        var left = (await CheckAsync(CheckLevel.L1, ct)).Damaged.UnionBy(lostWal, damage => damage.Name).ToDictionary(damage => damage.Name, StringComparer.Ordinal);
        var objects = found.Damaged.Select(damage => new RepairedObject(
            damage.Name, damage.Reason, damage.RestorePoints, !left.ContainsKey(damage.Name),
            IsGivenUp(damage.Name) ? "given up by a person; the note about that stays" : left.TryGetValue(damage.Name, out var still)
                ? $"could not be repaired{(from is null ? ": name another tier with --from" : " from the other tier")}: {still.Reason}"
                : damage.Name.StartsWith(IndexStore.PackPrefix, StringComparison.Ordinal)
                    ? "what was needed of it lies in new packs; nobody leans on it any more, and prune will delete it" : Remedy(damage.Name))).ToList();
        objects.AddRange(left.Values.Where(damage => objects.All(one => one.Name != damage.Name))
            .Select(damage => new RepairedObject(damage.Name, damage.Reason, damage.RestorePoints, false, "could not be repaired")));
        objects.AddRange((await LostPoints.FindAsync(parts, options.Known, ct)).Select(id => new RepairedObject(
            ManifestStore.KeyOf(id), "is lost", [id], false, $"could not be repaired{(from is null ? ": name another tier with --from" : ": the other tier does not have all of it")}")));
        objects.AddRange(lost.Select(key => new RepairedObject(
            key, "was lost", key.StartsWith(ManifestStore.Prefix, StringComparison.Ordinal) ? [new RestorePointId(key[ManifestStore.Prefix.Length..])] : [], true, "fetched from the other tier")));
        return new RepairReport { IsDryRun = false, Objects = objects, Salvaged = chunks.Salvaged, Fetched = chunks.Fetched, Bytes = chunks.Bytes };
    }

    private bool IsGivenUp(string name) => options.DropAttestations.Any(id => name == AttestationStore.Prefix + id);

    private static string Remedy(string name) =>
        name.StartsWith(ManifestStore.Prefix, StringComparison.Ordinal) || name.StartsWith(AttestationStore.Prefix, StringComparison.Ordinal) ? "fetched from the other tier"
        : name.StartsWith(IndexSegment.Prefix, StringComparison.Ordinal) ? "made anew from the packs"
        : name.StartsWith(MarkStore.Prefix, StringComparison.Ordinal) || name.StartsWith(SessionStore.Prefix, StringComparison.Ordinal) ? "deleted; the next prune marks anew"
        : name.StartsWith(KeySlotStore.Prefix, StringComparison.Ordinal) || name.StartsWith(EpochStore.Prefix, StringComparison.Ordinal) ? "written anew from its twin or the other tier"
        : name.StartsWith(WalName.Prefix, StringComparison.Ordinal) ? "fetched from the other tier, or held by a whole segment"
        : "what was missing was stored anew";

    private static string NameOf(string key) => key[(key.LastIndexOf('/') + 1)..];
}
