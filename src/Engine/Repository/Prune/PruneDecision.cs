using Hexabase.DrConsole.Engine.Repository.Index;

namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>Decides about every pack, from one look at sessions, then manifests, then packs. Changes nothing.</summary>
internal sealed class PruneDecision(RepositoryParts parts, PruneOptions options, PackUse use, LivingSessions sessions, DateTimeOffset now)
{
    private readonly IReadOnlyList<PackMark> _marks = [.. parts.Index.Marks.Marks.Where(mark => mark.Kind != PackMark.Expired)];

    /// <summary>What happens to packs; those that simply stay are left out.</summary>
    public List<PrunedPack> Decide()
    {
        var decided = new List<PrunedPack>();
        var content = ContentLengths();
        var marks = _marks.SelectMany(mark => mark.Packs.Select(name => (name, mark))).ToLookup(pair => pair.name, pair => pair.mark, StringComparer.Ordinal);
        // What came to the store after the oldest living writer began may be its own, or be found by it when it is run again.
        var youngest = sessions.Living.Count == 0 ? DateTimeOffset.MaxValue : sessions.Living.Min(session => session?.StartedAt ?? DateTimeOffset.MinValue);
        foreach (var pack in parts.Index.Index.Packs.Where(pack => pack.IsPresent || pack is { IsListed: true, IsDamaged: true }))
        {
            var decision = pack.IsMarked ? OfMarked(pack, [.. marks[pack.Name]]) : OfUnmarked(pack, content[pack.Ordinal], youngest);
            if (decision is { } made)
            {
                decided.Add(new PrunedPack(pack.Name, pack.Length, use[pack], made.Action, made.Reason));
            }
        }

        return decided;
    }

    private (PackAction Action, string Reason)? OfMarked(IndexedPack pack, IReadOnlyList<PackMark> marks)
    {
        if (use[pack] > 0)
        {
            return pack.IsDamaged
                ? (PackAction.Wait, "damaged, and no other pack holds what restore points need of it: run 'drconsole repository repair' with another tier")
                : (PackAction.Recover, "a restore point needs it, or needs it again");
        }

        if (sessions.Living.Any(session => session?.Kind == SessionRecord.Prune))
        {
            return (PackAction.Wait, "another prune is at work, or was killed a short while ago");
        }

        // One mark that is old enough and that everybody honours is enough.
        var reasons = marks.Select(WhyNotYet).ToList();
        return reasons.Contains(null)
            ? (PackAction.Delete, marks.Select(mark => mark.Reason).FirstOrDefault(reason => reason is not null) ?? "no restore point needs it")
            : (PackAction.Wait, reasons[0]!);
    }

    private string? WhyNotYet(PackMark mark)
    {
        var grace = TimeSpan.FromSeconds(Math.Max(mark.GraceSeconds, options.Grace.TotalSeconds));
        // A damaged pack needs no grace: no writer commits on it, however long it was silent. The clock of the machine that found
        // it does not matter either.
        if (mark.Kind != PackMark.Damaged && mark.CreatedAt + grace > now)
        {
            return $"in its grace period until {mark.CreatedAt + grace:yyyy-MM-dd HH:mm:ss}Z";
        }

        var blocking = sessions.Living.FirstOrDefault(session => session is null || !session.Marks.Contains(mark.Mark));
        return sessions.Living.All(session => session is not null && session.Marks.Contains(mark.Mark)) ? null
            : blocking is null ? "a writer's session cannot be read and may still be alive"
            : $"a {blocking.Kind} that began {blocking.StartedAt:yyyy-MM-dd HH:mm:ss}Z on {blocking.HostName} may use it";
    }

    private (PackAction Action, string Reason)? OfUnmarked(IndexedPack pack, long content, DateTimeOffset youngest)
    {
        if (use[pack] == 0)
        {
            return pack.ModifiedAt >= youngest
                ? (PackAction.Spare, "it is newer than the oldest backup or copy that runs")
                : (PackAction.Mark, "no restore point needs it");
        }

        return use[pack] < content * options.MinimumUse
            ? (PackAction.Repack, $"restore points need {100.0 * use[pack] / content:0} % of it")
            : null;
    }

    /// <summary>Bytes of all chunks of each pack; a pack's table is no waste.</summary>
    private long[] ContentLengths()
    {
        var lengths = new long[parts.Index.Index.Packs.Count];
        foreach (var entry in parts.Index.Index.All())
        {
            lengths[entry.Pack] += entry.StoredLength;
        }

        return lengths;
    }
}
