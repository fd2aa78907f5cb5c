using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Manifests;
using Hexabase.DrConsole.Engine.Repository.Packs;
using Hexabase.DrConsole.Engine.Repository.Verification;

namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>
/// Gives up restore points and frees what no other needs, while backups, copies and checks go on. Works on parts whose index
/// was not loaded yet. The order of its writes, each of which may be the last before a crash: the note that restore points
/// expired, their manifests, new packs with what is left of half-empty ones, their index, marks; then, for packs whose mark
/// is old enough: index segments without them, the old segments, the packs, the marks. What a crash leaves the next prune
/// finishes.
/// </summary>
internal sealed class RepositoryPrune(RepositoryParts parts, PruneOptions options, IProgress<TransferProgress>? progress)
{
    private static readonly TimeSpan MaxClockDifference = TimeSpan.FromMinutes(5);
    private const int MarkMaxPacks = 20_000;

    /// <summary>Whoever wants one of them kept waits as long as these take.</summary>
    private const int ClaimedAtATime = 10;
    private readonly References _references = new(parts);
    private readonly Dictionary<string, PrunedPack> _packs = new(StringComparer.Ordinal);
    private readonly List<Damage> _refused = [];
    private readonly List<string> _notes = [];
    private AttestationList _attestations = new([], []);

    /// <summary>Says what a run would do now; writes nothing, not even a session.</summary>
    public async Task<PruneReport> PlanAsync(CancellationToken ct)
    {
        var now = parts.Options.Time.GetUtcNow();
        await parts.Index.RefreshAsync(ct);
        var expiry = await LookAsync(now, ct);
        var (decision, use) = await DecideAsync(null, now, expiry, ct);
        foreach (var pack in decision)
        {
            _packs[pack.Name] = pack;
        }

        if (WhyApproval(expiry, decision) is { } why)
        {
            _notes.Add($"{why}: a run needs the approval");
        }

        return Report(isDryRun: true, expiry, Totals(), use, (0, 0));
    }

    /// <summary>Prunes.</summary>
    /// <exception cref="EngineException">
    /// Kind Damaged where a manifest, a mark or the index cannot be read; Conflict where too much would go
    /// without approval; Unavailable where the store's clock or listing cannot be relied on. Then nothing was deleted.
    /// </exception>
    public async Task<PruneReport> RunAsync(CancellationToken ct)
    {
        // Its own packs lean on nothing: what is repacked must be stored anew.
        await using var blobs = new BlobWriter(parts.Keys, new ChunkIndex(), parts.Store, parallelUploads: 1);
        await using var session = await WriterSession.BeginAsync(parts, blobs, SessionRecord.Prune, ct);
        await ProbeStoreAsync(session, ct);
        var totals = Totals();
        var expiry = await LookAsync(session.StoreNow, ct);
        var (planned, _) = await DecideAsync(session.Id, session.StoreNow, expiry, ct);
        if (WhyApproval(expiry, planned) is { } why)
        {
            throw new EngineException(
                "prune-needs-approval", ErrorKind.Conflict, why, "look at it with --dry-run; allow it with --allow-delete-share; nothing was changed");
        }

        expiry = await ExpireAsync(session, expiry, ct);
        var (toMark, _) = await DecideAsync(session.Id, session.StoreNow, null, ct);
        await MarkAsync(session, blobs, toMark, ct);
        var sweep = new PruneSweep(parts, session, DeleteAsync);
        var (decided, use) = await DecideAsync(session.Id, session.StoreNow, null, ct);
        foreach (var pack in decided.Where(pack => pack.Action is PackAction.Delete or PackAction.Recover or PackAction.Wait))
        {
            if (pack.Action != PackAction.Wait || !_packs.ContainsKey(pack.Name))
            {
                _packs[pack.Name] = pack;
            }
        }

        var segments = await sweep.RunAsync(decided, progress, ct);
        _notes.AddRange(sweep.Notes);
        await ForgetNotesAsync(session.StoreNow, ct);
        await ForgetSessionsAsync(session, ct);
        await MergeCheckMemoryAsync(ct);
        return Report(isDryRun: false, expiry, totals, use, segments);
    }

    /// <summary>What cannot be read might be what keeps a pack alive, so nothing is pruned then.</summary>
    private async Task<PointExpiry> LookAsync(DateTimeOffset now, CancellationToken ct)
    {
        var unreadable = parts.Index.Damage.Where(damage => !IsQuarantined(damage.Key)).Concat(parts.Index.Marks.Unreadable).ToList();
        if (unreadable is [var first, ..])
        {
            throw Unreadable(first.Key, first.Reason, null);
        }

        _attestations = await parts.Attestations.LoadAsync(ct);
        _notes.AddRange(_attestations.Unreadable.Select(one =>
            $"{one.Reason}. It may be a hold, so nothing expires that was there when it was written; repair it from another tier, or give it up with 'drconsole repository repair --drop-attestation'"));
        return await PointExpiry.DecideAsync(parts, options.Expire, _attestations, now, ct);
    }

    private bool IsQuarantined(string key) => parts.Index.Index.FindPack(key[(key.LastIndexOf('/') + 1)..]) is { IsDamaged: true };

    /// <summary>Sessions before manifests: a writer that is seen no more has its manifest in the listing, or will never have one.</summary>
    private async Task<(List<PrunedPack> Packs, PackUse Use)> DecideAsync(string? own, DateTimeOffset now, PointExpiry? without, CancellationToken ct)
    {
        var stored = await parts.Sessions.ListAsync(ct);
        RequireListed(stored, own);
        var sessions = LivingSessions.Of(stored, now, own, parts.Options.SessionLife);
        var going = without is null ? [] : without.Expired.Select(point => ManifestStore.KeyOf(point.Id)).ToHashSet(StringComparer.Ordinal);
        var keys = (await parts.Manifests.KeysAsync(ct)).Where(key => !going.Contains(key)).ToList();
        var meter = new ProgressMeter(progress, parts.Options.Time, "references", keys.Count);
        if (await _references.WalkAsync(keys, meter, ct) == 0)
        {
            await parts.Index.RefreshAsync(ct);
        }

        meter.Finish();
        var use = PackUse.Of(parts, _references);
        return (new PruneDecision(parts, options, use, sessions, now).Decide(), use);
    }

    /// <summary>Writes are seen at once, and the store's clock is about ours: else no decision here would be worth anything.</summary>
    private async Task ProbeStoreAsync(WriterSession session, CancellationToken ct)
    {
        RequireListed(await parts.Sessions.ListAsync(ct), session.Id);
        var difference = (session.WrittenAt - parts.Options.Time.GetUtcNow()).Duration();
        if (difference > MaxClockDifference)
        {
            throw new EngineException(
                "store-clock-differs", ErrorKind.Unavailable, $"the clock of {parts.Store.Url} and this machine's differ by {difference:d\\.hh\\:mm\\:ss}, so nothing is pruned",
                "set the clocks");
        }
    }

    /// <summary>A listing that does not even show this prune's own session cannot be believed where it shows no other.</summary>
    private void RequireListed(IReadOnlyList<StoredSession> sessions, string? own)
    {
        if (own is not null && !sessions.Any(stored => stored.Record?.Session == own))
        {
            throw new EngineException(
                "store-listing-late", ErrorKind.Unavailable, $"{parts.Store.Url} does not list an object that was written before, so nothing more is pruned",
                "use a store whose listing is consistent, or look at its mount");
        }
    }

    private string? WhyApproval(PointExpiry expiry, List<PrunedPack> planned)
    {
        if (expiry.Expired.Count > options.MaxDeletedShare * expiry.Total)
        {
            return $"{Counted.Of(expiry.Expired.Count, expiry.Total, "restore point")} would go, more than {options.MaxDeletedShare:P0}";
        }

        var all = Totals().Bytes;
        var going = planned.Where(pack => pack.Action is PackAction.Mark or PackAction.Repack).Sum(pack => pack.Bytes - pack.UsedBytes);
        return going > options.MaxDeletedShare * all ? $"{going:N0} of {all:N0} bytes would go, more than {options.MaxDeletedShare:P0}" : null;
    }

    /// <summary>Gives up what may still go: all manifests were walked since that was decided, and a hold, a use or a freeze may have come meanwhile.</summary>
    private async Task<PointExpiry> ExpireAsync(WriterSession session, PointExpiry planned, CancellationToken ct)
    {
        if (planned.Expired.Count == 0)
        {
            return planned;
        }

        _attestations = await parts.Attestations.LoadAsync(ct);
        var expiry = await planned.AgainAsync(parts, _attestations, session.StoreNow, ct);
        foreach (var some in expiry.Expired.Chunk(ClaimedAtATime))
        {
            expiry = expiry.Without(await ExpireSomeAsync(session, [.. some.Select(point => point.Id)], ct));
        }

        return expiry;
    }

    /// <returns>Those that stay, each for a reason.</returns>
    private async Task<IReadOnlyDictionary<RestorePointId, string>> ExpireSomeAsync(WriterSession session, IReadOnlyList<RestorePointId> some, CancellationToken ct)
    {
        await using var claim = options.Claim is null ? null : await options.Claim(some, ct);
        var kept = claim?.Kept ?? new Dictionary<RestorePointId, string>();
        var (going, gone) = (some.Where(id => !kept.ContainsKey(id)).ToList(), new List<RestorePointId>());
        if (going.Count == 0)
        {
            return kept;
        }

        // First the note that this is meant, so that nobody takes the missing manifests for lost and fetches them back.
        await new MarkStore(parts.Keys, parts.Store).WriteAsync(PackMark.New(PackMark.Expired, session.StoreNow, TimeSpan.Zero, [], [.. going]), ct);
        var isDone = false;
        try
        {
            foreach (var id in going)
            {
                await (claim?.RequireAsync() ?? Task.CompletedTask);
                if (await DeleteAsync(ManifestStore.KeyOf(id), ct))
                {
                    gone.Add(id);
                }
            }

            isDone = true;
        }
        finally
        {
            await (claim?.EndAsync(gone, isFaulted: !isDone) ?? Task.CompletedTask);
        }

        return kept;
    }

    private async Task MarkAsync(WriterSession session, BlobWriter blobs, List<PrunedPack> decided, CancellationToken ct)
    {
        var damaged = await RepackAsync(session, blobs, [.. decided.Where(pack => pack.Action == PackAction.Repack)], ct);
        var marks = new MarkStore(parts.Keys, parts.Store);
        if (damaged.Count > 0)
        {
            _notes.Add($"{Counted.Of(damaged.Count, "pack", "is damaged and was", "are damaged and were")} not repacked, the first is {damaged.First()}: run 'drconsole repository repair'");
            await marks.WriteAsync(PackMark.New(PackMark.Damaged, session.StoreNow, TimeSpan.Zero, [.. damaged], null, "found damaged by prune"), ct);
        }

        var chosen = decided.Where(pack => pack.Action is PackAction.Mark or PackAction.Repack && !damaged.Contains(pack.Name)).ToList();
        foreach (var pack in chosen.Concat(decided.Where(pack => pack.Action == PackAction.Spare)))
        {
            _packs[pack.Name] = pack;
        }

        foreach (var some in chosen.Chunk(MarkMaxPacks))
        {
            await marks.WriteAsync(PackMark.New(PackMark.Unreferenced, session.StoreNow, options.Grace, [.. some.Select(pack => pack.Name)]), ct);
        }
    }

    /// <summary>Stores what is needed of half-empty packs anew; returns those that turned out damaged.</summary>
    private async Task<HashSet<string>> RepackAsync(WriterSession session, BlobWriter blobs, IReadOnlyList<PrunedPack> chosen, CancellationToken ct)
    {
        const int PacksAtATime = 64;
        var damaged = new HashSet<string>(StringComparer.Ordinal);
        if (chosen.Count == 0)
        {
            return damaged;
        }

        var meter = new ProgressMeter(progress, parts.Options.Time, "repack", null, chosen.Sum(pack => pack.UsedBytes));
        var repack = new Repack(parts, blobs, meter);
        foreach (var some in chosen.Chunk(PacksAtATime))
        {
            var entries = NeededEntries(some.Select(pack => parts.Index.Index.FindPack(pack.Name)!.Ordinal).ToHashSet());
            foreach (var pack in some)
            {
                var indexed = parts.Index.Index.FindPack(pack.Name)!;
                if (!await repack.CopyAsync(indexed, [.. entries[indexed.Ordinal]], ct))
                {
                    damaged.Add(pack.Name);
                }
            }
        }

        await blobs.FlushAsync(ct);
        meter.Finish();
        await PackScrub.RequireAsWrittenAsync(parts.Store, blobs.Uploaded, ct);
        await session.IndexDurableAsync(ct);
        await parts.Index.RefreshAsync(ct);
        return damaged;
    }

    /// <summary>The entries of packs at which a needed chunk is kept.</summary>
    private ILookup<int, BlobLocation> NeededEntries(HashSet<int> packs)
    {
        var index = parts.Index.Index;
        return index.All().Select((place, at) => (place, number: at + 1))
            .Where(entry => packs.Contains(entry.place.Pack) && _references.IsNeeded(index.FindFirst(entry.place.Id, entry.place.Type))
                && index.FindKeeper(entry.number) == entry.number)
            .ToLookup(entry => entry.place.Pack, entry => entry.place);
    }

    /// <summary>
    /// Deletes what was noted of restore points that are not here any more. A note younger than the grace period may be about one that
    /// is just being brought; should an older one go too early, the next copy brings it with its point from the tier that has both.
    /// </summary>
    private async Task ForgetNotesAsync(DateTimeOffset now, CancellationToken ct)
    {
        var here = (await parts.Manifests.KeysAsync(ct)).Select(key => new RestorePointId(key[ManifestStore.Prefix.Length..])).ToHashSet();
        foreach (var note in PointNotes.Orphaned(_attestations.Readable, here).Where(note => note.CreatedAt + options.Grace < now))
        {
            await DeleteAsync(AttestationStore.Prefix + note.Id, ct);
        }
    }

    private async Task ForgetSessionsAsync(WriterSession session, CancellationToken ct)
    {
        foreach (var key in LivingSessions.Of(await parts.Sessions.ListAsync(ct), session.StoreNow, session.Id, parts.Options.SessionLife).Over)
        {
            await DeleteAsync(key, ct);
        }
    }

    private async Task MergeCheckMemoryAsync(CancellationToken ct)
    {
        try
        {
            await new CheckMemory(parts).MergeAsync(ct);
        }
        catch (EngineException error) when (error.Kind == ErrorKind.Denied)
        {
            _notes.Add($"the memory of checks stays in several objects: {error.Message}");
        }
    }

    private async Task<bool> DeleteAsync(string key, CancellationToken ct)
    {
        try
        {
            await parts.Store.DeleteAsync(key, ct);
            return true;
        }
        catch (EngineException error) when (error.Kind == ErrorKind.Denied)
        {
            // Object lock, or a role that may not delete: it stays, and the next prune tries again.
            _refused.Add(new Damage(key, error.Message));
            return false;
        }
    }

    private (int Packs, long Bytes) Totals()
    {
        var present = parts.Index.Index.Packs.Where(pack => pack.IsPresent).ToList();
        return (present.Count, present.Sum(pack => pack.Length));
    }

    private PruneReport Report(bool isDryRun, PointExpiry expiry, (int Packs, long Bytes) totals, PackUse use, (int Written, int Deleted) segments)
    {
        var refused = _refused.Select(one => one.Name).ToHashSet(StringComparer.Ordinal);
        return new PruneReport
        {
            IsDryRun = isDryRun,
            Expired = [.. expiry.Expired.Where(point => !refused.Contains(ManifestStore.KeyOf(point.Id)))],
            Protected = expiry.Protected,
            Packs = [.. _packs.Values.Where(pack => pack.Action != PackAction.Delete || !refused.Contains(PackBuilder.KeyOf(pack.Name))).OrderBy(pack => pack.Action).ThenBy(pack => pack.Name, StringComparer.Ordinal)],
            Refused = _refused,
            Notes = _notes,
            RestorePoints = _references.Points,
            TotalPacks = totals.Packs,
            TotalBytes = totals.Bytes,
            UsedBytes = use.TotalBytes,
            Segments = segments,
        };
    }

    private static EngineException Unreadable(string key, string reason, Exception? inner) => new(
        "prune-unreadable", ErrorKind.Damaged, $"nothing is pruned, since {key} cannot be read: {reason}",
        "run 'drconsole repository repair' with another tier", inner)
    {
        Context = new Dictionary<string, string> { ["object"] = key },
    };
}
