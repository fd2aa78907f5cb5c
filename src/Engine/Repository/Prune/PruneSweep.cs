using Hexabase.DrConsole.Engine.Repository.Packs;

namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>The second phase: deletes packs whose time has come, and takes back the marks of those that are needed again.</summary>
internal sealed class PruneSweep(RepositoryParts parts, WriterSession session, Func<string, CancellationToken, Task<bool>> delete)
{
    private const int ManyExpiredNotes = 8;

    /// <summary>What is worth knowing about it.</summary>
    public List<string> Notes { get; } = [];

    /// <summary>Sweeps; returns how many index segments were written and deleted.</summary>
    public async Task<(int Written, int Deleted)> RunAsync(IReadOnlyList<PrunedPack> decided, IProgress<TransferProgress>? progress, CancellationToken ct)
    {
        var going = decided.Where(pack => pack.Action == PackAction.Delete).ToList();
        var ordinals = going.Select(pack => parts.Index.Index.FindPack(pack.Name)!.Ordinal).ToHashSet();
        // Segments first: after a crash a pack without a segment is read by its trailer, a segment without its pack would
        // look like damage. Whoever reads the pack's trailer still sees the mark.
        var segments = await new IndexMerge(parts, delete).RunAsync(ordinals, ct);
        var gone = new HashSet<string>(StringComparer.Ordinal);
        var meter = new ProgressMeter(progress, parts.Options.Time, "delete", going.Count, going.Sum(pack => pack.Bytes));
        foreach (var pack in going)
        {
            if (!session.IsTrusted)
            {
                // Another prune may have taken this one for dead and decided otherwise.
                Notes.Add("this prune was silent for too long, so it stopped deleting; the next one goes on");
                break;
            }

            if (await delete(PackBuilder.KeyOf(pack.Name), ct))
            {
                gone.Add(pack.Name);
                meter.Add(1, pack.Bytes);
            }
        }

        meter.Finish();
        await UnmarkAsync(gone, decided.Where(pack => pack.Action == PackAction.Recover).Select(pack => pack.Name), ct);
        return segments;
    }

    /// <summary>Writes marks anew without the packs that are gone or needed again; the new object first.</summary>
    private async Task UnmarkAsync(HashSet<string> gone, IEnumerable<string> recovered, CancellationToken ct)
    {
        var marks = new MarkStore(parts.Keys, parts.Store);
        var done = gone.Concat(recovered).ToHashSet(StringComparer.Ordinal);
        foreach (var mark in parts.Index.Marks.Marks.Where(mark => mark.Kind != PackMark.Expired))
        {
            var left = mark.Packs.Where(name => !done.Contains(name) && parts.Index.Index.FindPack(name) is { IsListed: true }).ToList();
            if (left.Count == mark.Packs.Count)
            {
                continue;
            }

            if (left.Count > 0)
            {
                await marks.WriteAsync(mark with { Id = Guid.CreateVersion7(session.StoreNow).ToString("N"), Packs = left }, ct);
            }

            await delete(MarkStore.KeyOf(mark), ct);
        }

        var notes = parts.Index.Marks.Marks.Where(mark => mark.Kind == PackMark.Expired).ToList();
        if (notes.Count > ManyExpiredNotes)
        {
            await marks.WriteAsync(PackMark.New(PackMark.Expired, session.StoreNow, TimeSpan.Zero, [], [.. notes.SelectMany(note => note.Points).Distinct()]), ct);
            foreach (var note in notes)
            {
                await delete(MarkStore.KeyOf(note), ct);
            }
        }
    }
}
