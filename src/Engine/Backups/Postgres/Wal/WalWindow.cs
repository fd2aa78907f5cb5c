using System.Diagnostics;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Wal;

/// <summary>What a tier has to store next, and what it holds when that is done.</summary>
internal readonly record struct WalStep(WalObject Object, ulong DurableLsn);

/// <summary>
/// The newest segments of one timeline in memory, between the one who receives and the tiers that store. A segment stays until
/// every tier that keeps pace has it, and the last whole one a while longer, so that a tier which comes back can join.
/// Thread-safe; bytes once received never change, so that what is being stored refers to them without a copy.
/// </summary>
internal sealed class WalWindow(WalArchive archive, WalSegmentSize size, uint timeline, ulong firstSegment)
{
    /// <summary>Segments in memory at most: the one that fills, and those that the slowest tier still stores.</summary>
    public const int MaxSegments = 4;

    private readonly Lock _lock = new();
    private readonly LinkedList<Segment> _segments = new([new Segment(firstSegment, size.Bytes)]);
    private TaskCompletionSource _room = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public uint Timeline => timeline;

    /// <summary>The byte after the last received one.</summary>
    public ulong EndLsn
    {
        get
        {
            lock (_lock)
            {
                return EndOf(_segments.Last!.Value);
            }
        }
    }

    /// <summary>The first byte that is still in memory.</summary>
    public ulong StartLsn
    {
        get
        {
            lock (_lock)
            {
                return size.StartOf(_segments.First!.Value.Number);
            }
        }
    }

    /// <summary>True where the one who receives waits for the slowest tier.</summary>
    public bool IsFull
    {
        get
        {
            lock (_lock)
            {
                return _segments.Count > MaxSegments;
            }
        }
    }

    /// <summary>The first byte of the segment that fills: a tier that has everything before it keeps pace.</summary>
    public ulong FillingFrom
    {
        get
        {
            lock (_lock)
            {
                return size.StartOf(_segments.Last!.Value.Number);
            }
        }
    }

    /// <summary>True where what comes is offered to the tiers at once, not once per flush interval.</summary>
    public bool IsEager { get; init; }

    /// <summary>Takes bytes from the server, in order.</summary>
    public async Task AppendAsync(ulong lsn, Stream data, CancellationToken ct)
    {
        if (lsn != EndLsn)
        {
            throw new UnreachableException($"WAL came for {new Lsn(lsn)} where {new Lsn(EndLsn)} was due");
        }

        while (true)
        {
            await RoomAsync(ct);
            Segment segment;
            lock (_lock)
            {
                segment = _segments.Last!.Value;
            }

            var read = await data.ReadAsync(segment.Bytes.AsMemory(segment.Filled), ct);
            if (read == 0)
            {
                return;
            }

            lock (_lock)
            {
                segment.Filled += read;
                if (segment.Filled == size.Bytes)
                {
                    _segments.AddLast(new Segment(segment.Number + 1, size.Bytes));
                }
            }
        }
    }

    /// <summary>Offers to the tiers what was received so far; false where that is nothing new.</summary>
    public bool Flush()
    {
        lock (_lock)
        {
            return Flush(_segments.Last!.Value);
        }
    }

    /// <summary>What a tier stores next that has everything before an LSN; null where it has all that is offered.</summary>
    public WalStep? NextFor(ulong durable)
    {
        lock (_lock)
        {
            var segment = _segments.FirstOrDefault(one => one.Number == size.SegmentOf(durable)) ?? throw new UnreachableException($"{new Lsn(durable)} is not in memory");
            var start = size.StartOf(segment.Number);
            if (segment.Filled == size.Bytes)
            {
                segment.Whole ??= archive.Segment(timeline, segment.Number, segment.Bytes);
                return new WalStep(segment.Whole, start + (ulong)size.Bytes);
            }

            if (IsEager)
            {
                Flush(segment);
            }

            var offset = size.OffsetOf(durable);
            if (segment.FlushedTo <= offset)
            {
                return null;
            }

            if (offset < segment.FlushedFrom)
            {
                // A tier that was slow, or has just joined, takes in one piece what it missed.
                return new WalStep(archive.Piece(timeline, segment.Number, offset, segment.Bytes.AsMemory(offset..segment.FlushedTo)), start + (ulong)segment.FlushedTo);
            }

            segment.Piece ??= archive.Piece(timeline, segment.Number, segment.FlushedFrom, segment.Bytes.AsMemory(segment.FlushedFrom..segment.FlushedTo));
            return new WalStep(segment.Piece, start + (ulong)segment.FlushedTo);
        }
    }

    /// <summary>Lets go of segments that every tier which keeps pace has stored.</summary>
    public void Release(ulong durableInAll)
    {
        lock (_lock)
        {
            // Besides the segment that fills, the last whole one stays, so that a tier which comes back finds where to join.
            while (_segments.Count > 2 && EndOf(_segments.First!.Value) <= durableInAll)
            {
                _segments.RemoveFirst();
            }

            _room.TrySetResult();
            _room = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    private async Task RoomAsync(CancellationToken ct)
    {
        while (true)
        {
            Task room;
            lock (_lock)
            {
                if (_segments.Count <= MaxSegments)
                {
                    return;
                }

                room = _room.Task;
            }

            await room.WaitAsync(ct);
        }
    }

    /// <summary>
    /// The n-th flush of a segment makes a piece of what the flushes since n − (n and −n) brought, as in a binary counter: few
    /// pieces live at a time and each byte is written a few times, however slowly the segment fills. The first begins at the
    /// segment's start and so replaces, and is compared with, what an earlier receiver left.
    /// </summary>
    private static bool Flush(Segment segment)
    {
        if (segment.Filled == segment.FlushedTo)
        {
            return false;
        }

        segment.FlushEnds.Add(segment.Filled);
        var flush = segment.FlushEnds.Count;
        var since = flush - (flush & -flush);
        segment.FlushedFrom = since == 0 ? 0 : segment.FlushEnds[since - 1];
        segment.FlushedTo = segment.Filled;
        segment.Piece = null;
        return true;
    }

    private ulong EndOf(Segment segment) => size.StartOf(segment.Number) + (ulong)segment.Filled;

    private sealed class Segment(ulong number, int bytes)
    {
        public ulong Number { get; } = number;

        public byte[] Bytes { get; } = new byte[bytes];

        public List<int> FlushEnds { get; } = [];

        public int Filled { get; set; }

        public int FlushedFrom { get; set; }

        public int FlushedTo { get; set; }

        public WalObject? Piece { get; set; }

        public WalObject? Whole { get; set; }
    }
}
