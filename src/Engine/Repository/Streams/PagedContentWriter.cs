using System.Buffers;
using System.Numerics;
using Hexabase.DrConsole.Engine.Repository.Chunking;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Repository.Packs;

namespace Hexabase.DrConsole.Engine.Repository.Streams;

/// <summary>
/// Stores a file of pages of which the parent restore point has an older state. A stretch that did not change costs nothing;
/// of one in which few pages did, those pages alone are stored, gathered with those of its neighbours into chunks; one that
/// changed much is stored whole. Compared are the bytes themselves, fetched from the repository: no digest decides.
/// </summary>
internal sealed class PagedContentWriter(BlobWriter blobs, ContentReader stored, KeyRing keys, StoredTally tally, int workers)
{
    public const int PageLength = 8192;

    /// <summary>
    /// A stretch that would lean on more chunks is stored whole: a restore then reads at most four for one, and old chunks of which
    /// few pages are still in use are let go.
    /// </summary>
    private const int MaxSources = 4;

    private const int StretchLength = 256 * 1024;

    private readonly List<Pending> _stretches = [];
    private readonly List<Task<ChunkRef>> _gathered = [];
    private byte[] _pages = new byte[StretchLength];
    private int _filled;

    /// <summary>Stores what <paramref name="content"/> gives until its end.</summary>
    /// <param name="content">Read to its end, not disposed.</param>
    /// <param name="before">The stretches of the older state, of 256 KiB each but the last.</param>
    /// <param name="onSame">Told offset and length of each stretch that is as it was; in order.</param>
    /// <param name="onRead">Told how many bytes were read, for progress.</param>
    /// <param name="ct">Ends the writing.</param>
    public async Task<ContentRoot> WriteAsync(Stream content, IReadOnlyList<Stretch> before, Action<long, long>? onSame, Action<int>? onRead, CancellationToken ct)
    {
        var running = new Queue<Task<Compared>>();
        var (number, offset) = (0, 0L);
        try
        {
            while (true)
            {
                var buffer = ArrayPool<byte>.Shared.Rent(StretchLength);
                var length = await FillAsync(content, buffer, onRead, ct);
                if (length == 0)
                {
                    ArrayPool<byte>.Shared.Return(buffer);
                    break;
                }

                Stretch? old = number < before.Count ? before[number] : null;
                number++;
                running.Enqueue(Task.Run(() => CompareAsync(buffer, length, old, ct), CancellationToken.None));
                while (running.Count > workers)
                {
                    offset = await TakeAsync(running.Dequeue(), offset, onSame, ct);
                }
            }

            while (running.Count > 0)
            {
                offset = await TakeAsync(running.Dequeue(), offset, onSame, ct);
            }

            return await FinishAsync(offset, ct);
        }
        finally
        {
            foreach (var task in running)
            {
                await ((Task)task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (task.IsCompletedSuccessfully)
                {
                    ArrayPool<byte>.Shared.Return((await task).Buffer);
                }
            }

            await ((Task)Task.WhenAll(_gathered)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>True where an older state is cut as this writer cuts, so that places can be compared.</summary>
    public static bool Fits(IReadOnlyList<Stretch> before) =>
        before.Count is > 0 and <= PageList.MaxStretches && before.SkipLast(1).All(one => one.Length == StretchLength) && before[^1].Length <= StretchLength;

    private static async Task<int> FillAsync(Stream content, byte[] buffer, Action<int>? onRead, CancellationToken ct)
    {
        var filled = 0;
        while (filled < StretchLength && await content.ReadAsync(buffer.AsMemory(filled, StretchLength - filled), ct) is > 0 and var read)
        {
            onRead?.Invoke(read);
            filled += read;
        }

        return filled;
    }

    private async Task<Compared> CompareAsync(byte[] buffer, int length, Stretch? old, CancellationToken ct)
    {
        var isDone = false;
        try
        {
            var id = keys.IdentityOf(buffer.AsSpan(0, length));
            var canLean = old is { } known && known.Sources.All(source => blobs.TryLeanOn(source.Id, ObjectType.Stream));
            var changed = ~0u;
            if (canLean && old!.Value.Id == id && old.Value.Length == length)
            {
                changed = 0;
            }
            else if (canLean)
            {
                changed = await DifferenceAsync(buffer, length, old!.Value, ct);
            }

            var pages = (length + PageLength - 1) / PageLength;
            var isWhole = changed != 0 && (BitOperations.PopCount(changed) * 2 > pages || SourcesAfter(old!.Value, changed, length) > MaxSources);
            if (isWhole)
            {
                id = await blobs.StoreAsync(ObjectType.Stream, buffer.AsMemory(0, length), tally, ct);
            }

            isDone = true;
            return new Compared(buffer, length, id, isWhole ? null : old, changed);
        }
        finally
        {
            if (!isDone)
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }

    /// <summary>One bit for each page that is not as it was; all of them where the older state cannot be read.</summary>
    private async Task<uint> DifferenceAsync(byte[] buffer, int length, Stretch old, CancellationToken ct)
    {
        try
        {
            using var was = await stored.ReadStretchAsync(old, ObjectType.Stream, null, ct);
            var changed = 0u;
            for (var (page, at) = (0, 0); at < length; page++, at += PageLength)
            {
                var own = buffer.AsSpan(at, Math.Min(PageLength, length - at));
                if (at + own.Length > was.Length || !own.SequenceEqual(was.Span.Slice(at, own.Length)))
                {
                    changed |= 1u << page;
                }
            }

            return changed == 0 ? ~0u : changed;
        }
        catch (EngineException error) when (error.Kind is ErrorKind.Damaged or ErrorKind.NotFound or ErrorKind.Unavailable)
        {
            // What cannot be read is not leant on: stored whole, this also heals it.
            return ~0u;
        }
    }

    private static int SourcesAfter(Stretch old, uint changed, int length) =>
        1 + Kept(old, changed, length).Select(run => run.Source).Distinct().Count();

    /// <summary>The runs of the older state over pages that did not change, with their places in the stretch.</summary>
    private static IEnumerable<PageRun> Kept(Stretch old, uint changed, int length)
    {
        for (var (page, at) = (0, 0); at < length; page++, at += PageLength)
        {
            if ((changed & (1u << page)) == 0)
            {
                foreach (var run in Slice(old, at, Math.Min(PageLength, length - at)))
                {
                    yield return run;
                }
            }
        }
    }

    private static IEnumerable<PageRun> Slice(Stretch old, int at, int length)
    {
        var runs = old.IsChunk ? [new PageRun(old.Id, (int)old.Length, 0, (int)old.Length)] : old.Runs;
        foreach (var run in runs)
        {
            if (at < run.Length && length > 0)
            {
                var part = Math.Min(length, run.Length - at);
                yield return run with { Offset = run.Offset + at, Length = part };
                length -= part;
                at = 0;
            }
            else
            {
                at -= run.Length;
            }
        }
    }

    private async Task<long> TakeAsync(Task<Compared> task, long offset, Action<long, long>? onSame, CancellationToken ct)
    {
        var compared = await task;
        try
        {
            if (compared.Old is not { } old)
            {
                _stretches.Add(new Pending(compared.Id, compared.Length, null));
            }
            else if (compared.Changed == 0)
            {
                _stretches.Add(new Pending(compared.Id, compared.Length, old.IsChunk ? null : [.. old.Runs.Select(run => new PendingRun(run, -1))]));
                onSame?.Invoke(offset, compared.Length);
            }
            else
            {
                _stretches.Add(new Pending(compared.Id, compared.Length, Gather(compared, old, ct)));
                if (_gathered.Count > workers)
                {
                    // No more than a few gathered chunks are in memory, however slow the store is.
                    await _gathered[^(workers + 1)];
                }
            }

            return offset + compared.Length;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(compared.Buffer);
        }
    }

    private List<PendingRun> Gather(Compared compared, Stretch old, CancellationToken ct)
    {
        if (_filled + (BitOperations.PopCount(compared.Changed) * PageLength) > _pages.Length)
        {
            Flush(ct);
        }

        var runs = new List<PendingRun>();
        for (var (page, at) = (0, 0); at < compared.Length; page++, at += PageLength)
        {
            var own = compared.Buffer.AsSpan(at, Math.Min(PageLength, compared.Length - at));
            if ((compared.Changed & (1u << page)) == 0)
            {
                foreach (var run in Slice(old, at, own.Length))
                {
                    Append(runs, new PendingRun(run, -1));
                }
            }
            else
            {
                own.CopyTo(_pages.AsSpan(_filled));
                Append(runs, new PendingRun(new PageRun(default, 0, _filled, own.Length), _gathered.Count));
                _filled += own.Length;
            }
        }

        return runs;
    }

    /// <summary>Neighbours that lie side by side in one chunk become one run.</summary>
    private static void Append(List<PendingRun> runs, PendingRun next)
    {
        if (runs is [.., var last] && last.Gathered == next.Gathered && last.Run.Source == next.Run.Source && last.Run.Offset + last.Run.Length == next.Run.Offset)
        {
            runs[^1] = last with { Run = last.Run with { Length = last.Run.Length + next.Run.Length } };
        }
        else
        {
            runs.Add(next);
        }
    }

    private void Flush(CancellationToken ct)
    {
        if (_filled > 0)
        {
            var (pages, length) = (_pages, _filled);
            (_pages, _filled) = (new byte[StretchLength], 0);
            _gathered.Add(Task.Run(async () => new ChunkRef(await blobs.StoreAsync(ObjectType.Stream, pages.AsMemory(0, length), tally, ct), length), CancellationToken.None));
        }
    }

    private async Task<ContentRoot> FinishAsync(long length, CancellationToken ct)
    {
        Flush(ct);
        var gathered = await Task.WhenAll(_gathered);
        if (_stretches.TrueForAll(one => one.Runs is null))
        {
            var list = new ChunkListWriter(blobs, tally);
            foreach (var one in _stretches)
            {
                await list.AddAsync(new ChunkRef(one.Id, one.Length), ct);
            }

            return await list.FinishAsync(ct);
        }

        var stretches = _stretches.ConvertAll(one => new Stretch(one.Id, one.Length, one.Runs?.ConvertAll(run => run.Gathered < 0
            ? run.Run
            : run.Run with { Source = gathered[run.Gathered].Id, SourceLength = (int)gathered[run.Gathered].Length }) ?? []));
        var id = await blobs.StoreAsync(ObjectType.ChunkList, PageList.Encode(stretches), tally, ct);
        return new ContentRoot(PageList.Depth, id, length);
    }

    /// <summary>A stretch beside its older state; stored already where there is none to lean on.</summary>
    private readonly record struct Compared(byte[] Buffer, int Length, ChunkId Id, Stretch? Old, uint Changed);

    /// <summary>A stretch of the new state; its runs are null where it is a chunk.</summary>
    private readonly record struct Pending(ChunkId Id, int Length, List<PendingRun>? Runs);

    /// <summary>A run, of the chunk that will hold the gathered pages where its number is not negative.</summary>
    private readonly record struct PendingRun(PageRun Run, int Gathered);
}
