using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Manifests;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Repository.Verification;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Repair;

/// <summary>Repairs what is not a pack: key slots, manifests, attestations, index segments, marks.</summary>
internal sealed class ObjectRepair(RepositoryParts parts, RepositoryParts? from)
{
    /// <summary>
    /// Writes the missing or damaged copies of key slots anew: from the twin, or from another tier where no copy is whole.
    /// A slot of which nothing is left is fetched only where the store has no other: it may have been dropped on purpose.
    /// </summary>
    public static async Task KeySlotsAsync(IObjectStore store, IObjectStore? from, CancellationToken ct)
    {
        var (slots, damaged) = await KeySlotStore.ReadAsync(store, ct);
        foreach (var slot in slots.Where(slot => KeySlotStore.IsAnyOf(slot, damaged)))
        {
            await KeySlotStore.WriteAsync(store, slot, ct);
        }

        if (from is not null)
        {
            var known = slots.Select(slot => slot.SlotId).ToHashSet();
            foreach (var slot in (await KeySlotStore.ReadAsync(from, ct)).Slots
                .Where(slot => !known.Contains(slot.SlotId) && (slots.Count == 0 || KeySlotStore.IsAnyOf(slot, damaged))))
            {
                await KeySlotStore.WriteAsync(store, slot, ct);
            }
        }
    }

    /// <summary>Writes the secrets of older epochs anew where a copy of them is damaged, and deletes that copy.</summary>
    public async Task EpochSecretsAsync(IReadOnlySet<string> damaged, CancellationToken ct)
    {
        var copies = damaged.Where(key => key.StartsWith(EpochStore.Prefix, StringComparison.Ordinal)).ToList();
        if (copies.Count > 0)
        {
            await EpochStore.WriteAsync(parts.Store, parts.Keys, ct);
        }

        foreach (var key in copies.Where(key => key != EpochStore.Missing))
        {
            await parts.Store.DeleteAsync(key, ct);
        }
    }

    /// <summary>The manifests that this tier lost or has damaged, whole, from the other tier; nothing is written yet.</summary>
    /// <param name="damaged">Keys of damaged manifests.</param>
    /// <param name="known">Restore points that are known to have been stored here.</param>
    /// <param name="ct">Ends it.</param>
    public async Task<IReadOnlyDictionary<string, Manifest>> FindManifestsAsync(
        IReadOnlySet<string> damaged, IReadOnlyCollection<RestorePointId> known, CancellationToken ct)
    {
        var found = new Dictionary<string, Manifest>(StringComparer.Ordinal);
        if (from is null)
        {
            return found;
        }

        var here = (await parts.Manifests.KeysAsync(ct)).ToHashSet(StringComparer.Ordinal);
        // After the manifests: one that retention gives up at this moment is not lost.
        var expired = (await new MarkStore(parts.Keys, parts.Store).LoadAsync(ct)).ExpiredPoints().Select(ManifestStore.KeyOf).ToHashSet(StringComparer.Ordinal);
        var lost = known.Select(ManifestStore.KeyOf).ToHashSet(StringComparer.Ordinal);
        var wanted = (await from.Manifests.KeysAsync(ct)).Where(key => damaged.Contains(key) || (!here.Contains(key) && !expired.Contains(key))).ToList();
        await foreach (var manifest in from.Manifests.ReadEachAsync(wanted, ct))
        {
            var key = ManifestStore.KeyOf(manifest.Id);
            // One that nobody knows to have been here was lost only where its chunks are here; else this tier never had it, and a copy brings it.
            if (damaged.Contains(key) || lost.Contains(key) || (await Closure.CollectAsync(parts, manifest, ct)).Faults.Count == 0)
            {
                found.Add(key, manifest);
            }
        }

        return found;
    }

    /// <summary>Fetches an object of the other tier byte by byte.</summary>
    public Task FetchAsync(string key, CancellationToken ct) => from is null ? Task.CompletedTask : CopyAsync(from.Store, key, ct);

    /// <summary>Attestations that are damaged or missing here and whole there; returns those that were missing.</summary>
    public async Task<IReadOnlyList<string>> AttestationsAsync(IReadOnlySet<string> damaged, CancellationToken ct) =>
        from is null ? [] : [.. (await new AttestationCopy(from, parts).RunAsync(damaged, ct)).Where(key => !damaged.Contains(key))];

    /// <summary>Attestations are given up only where neither this tier nor the other has them whole.</summary>
    /// <exception cref="EngineException">Kind Input, with all ids that may not be given up; nothing was changed.</exception>
    public async Task RequireUnreadableAsync(RepairOptions options, CancellationToken ct)
    {
        var problems = new List<string>();
        foreach (var text in options.DropAttestations)
        {
            if (!Guid.TryParseExact(text, "N", out var id) || await parts.Store.StatAsync(AttestationStore.Prefix + text, ct) is null)
            {
                problems.Add($"there is no attestation '{text}'; give all 32 digits of its id");
            }
            else if (await parts.Attestations.IsReadableAsync(id, ct))
            {
                problems.Add($"attestation {text} can be read; a hold is ended by its release");
            }
            else if (from is not null && await from.Attestations.IsReadableAsync(id, ct))
            {
                problems.Add($"attestation {text} is whole in {from.Store.Url}; a repair without this option fetches it");
            }
        }

        if (options.DropAttestations.Count > 0 && string.IsNullOrWhiteSpace(options.DropReason))
        {
            problems.Add("no reason is given");
        }

        if (problems.Count > 0)
        {
            throw new EngineException("attestation-not-dropped", ErrorKind.Input, string.Join("; ", problems), "Correct these; nothing was changed.");
        }
    }

    /// <summary>Gives attestations up: first the note that a person did so, then they are deleted.</summary>
    public async Task DropAttestationsAsync(RepairOptions options, CancellationToken ct)
    {
        foreach (var id in options.DropAttestations)
        {
            var content = JsonSerializer.SerializeToElement(new { attestation = id, reason = options.DropReason }, JsonSerializerOptions.Web);
            await parts.Attestations.WriteAsync(Prune.Attestations.Dropped, null, content, null, ct);
            await parts.Store.DeleteAsync(AttestationStore.Prefix + id, ct);
        }
    }

    /// <summary>
    /// Deletes unreadable segments, whose packs other segments cover by now, and unreadable marks where no prune is at work
    /// that may have read them before: their packs are simply not marked any more.
    /// </summary>
    public async Task DeleteUnreadableAsync(IEnumerable<string> keys, DateTimeOffset storeNow, string session, CancellationToken ct)
    {
        var living = LivingSessions.Of(await parts.Sessions.ListAsync(ct), storeNow, session, parts.Options.SessionLife);
        var isPruning = living.Living.Any(one => one is null || one.Kind == SessionRecord.Prune);
        foreach (var key in keys)
        {
            if (key.StartsWith(IndexSegment.Prefix, StringComparison.Ordinal)
                || key.StartsWith(CheckMemory.Prefix, StringComparison.Ordinal)
                || (key.StartsWith(MarkStore.Prefix, StringComparison.Ordinal) && !isPruning)
                || (key.StartsWith(SessionStore.Prefix, StringComparison.Ordinal) && living.Over.Contains(key)))
            {
                await parts.Store.DeleteAsync(key, ct);
            }
        }
    }

    private async Task CopyAsync(IObjectStore origin, string key, CancellationToken ct) =>
        await parts.Store.PutAsync(key, await origin.ReadAllAsync(key, ct), ct);
}
