using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Wal;

/// <summary>What the tiers of one stretch of receiving share: the window, the fence, and how far each of them is.</summary>
internal sealed class WalSession(
    string source, ulong systemIdentifier, WalSegmentSize size, int major, IReadOnlyList<(uint Timeline, byte[] Text)> histories, IWalFence fence, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly List<WalTierWriter> _tiers = [];
    private WalWindow? _window;
    private ulong _first;
    private long? _fullSince;

    public string Source => source;

    public ulong SystemIdentifier => systemIdentifier;

    public WalSegmentSize Size => size;

    public int Major => major;

    public IReadOnlyList<(uint Timeline, byte[] Text)> Histories => histories;

    public IWalFence Fence => fence;

    public TimeProvider Time => time;

    /// <summary>How often each tier's newest bytes are read back apart from the writing.</summary>
    public TimeSpan ReadBackEvery { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>So long those who keep pace wait for one that does not.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(5);

    public IReadOnlyList<WalTierWriter> Tiers => _tiers;

    public WalWindow Window => _window ?? throw new InvalidOperationException("the session has not begun to stream");

    /// <summary>
    /// True while the server keeps more WAL for the slot than it may: a tier that stays away must not fill the disk of what is
    /// protected, nor cost the slot, while another tier holds everything.
    /// </summary>
    public bool IsPressed { get; private set; }

    /// <summary>What the server was told last; under pressure more than as many tiers hold as the class asks for.</summary>
    public ulong Told { get; set; }

    /// <summary>Sets <see cref="IsPressed"/>; it ends when as many tiers as the class asks for are near to what the server was told.</summary>
    /// <param name="kept">Bytes that the server keeps.</param>
    /// <param name="limit">Bytes that it may keep.</param>
    /// <param name="required">In so many tiers WAL is durable otherwise.</param>
    public void Press(long kept, long limit, int required)
    {
        var was = IsPressed;
        IsPressed = kept > limit || (was && Told > DurableIn(required) + (ulong)(limit / 2));
        if (IsPressed && !was)
        {
            Moved?.Invoke();
        }
    }

    /// <summary>Called when a tier has more, or keeps pace no more.</summary>
    public Action? Moved { get; set; }

    public void Add(WalTierWriter tier) => _tiers.Add(tier);

    /// <summary>Begins to stream into a window.</summary>
    public void Begin(WalWindow window) => (_window, _first) = (window, window.StartLsn);

    /// <summary>The LSN up to which at least so many tiers hold everything; 0 where fewer hold anything.</summary>
    public ulong DurableIn(int tiers)
    {
        lock (_lock)
        {
            var held = _tiers.Select(tier => tier.Durable).OrderDescending().ToList();
            return held.Count >= tiers && tiers > 0 ? held[tiers - 1] : 0;
        }
    }

    /// <summary>True where every tier that keeps pace has all that was received, and so many do.</summary>
    public bool IsDrained(int tiers)
    {
        lock (_lock)
        {
            var inPace = _tiers.Where(tier => tier.IsInPace).ToList();
            return inPace.Count >= Math.Min(tiers, 1) && inPace.TrueForAll(tier => tier.Durable >= Window.EndLsn);
        }
    }

    /// <summary>True where the tier has stored something of this session.</summary>
    public bool HasAdvanced(WalTierWriter tier)
    {
        lock (_lock)
        {
            return tier.IsInPace && tier.Durable > _first;
        }
    }

    public void Advance(WalTierWriter tier, ulong durable)
    {
        lock (_lock)
        {
            (tier.Durable, tier.DurableAt) = (durable, time.GetUtcNow());
            ReleaseWindow();
        }

        Moved?.Invoke();
    }

    /// <summary>A tier that fails: the window no longer waits for it.</summary>
    public void Leave(WalTierWriter tier)
    {
        lock (_lock)
        {
            tier.IsInPace = false;
            ReleaseWindow();
        }

        Moved?.Invoke();
    }

    /// <summary>
    /// Goes on without tiers that are slower than the WAL comes, once enough others have kept pace while the window was full: a store
    /// that hangs, or whose bandwidth is bounded, holds nobody up. It copies what it misses from another, as one that was down.
    /// </summary>
    /// <param name="enough">So many must have kept pace.</param>
    public void LetLaggardsGo(int enough)
    {
        List<WalTierWriter> behind;
        lock (_lock)
        {
            if (!Window.IsFull)
            {
                _fullSince = null;
                return;
            }

            _fullSince ??= time.GetTimestamp();
            var inPace = _tiers.Where(tier => tier.IsInPace).ToLookup(tier => tier.Durable >= Window.FillingFrom);
            behind = [.. inPace[false]];
            if (behind.Count == 0 || inPace[true].Count() < Math.Max(1, enough) || time.GetElapsedTime(_fullSince.Value) < Patience)
            {
                return;
            }

            foreach (var tier in behind)
            {
                tier.IsInPace = false;
                tier.Note("it is slower than the WAL comes; it copies what it misses from another tier");
            }

            _fullSince = null;
            ReleaseWindow();
        }

        behind.ForEach(tier => tier.Wake());
        Moved?.Invoke();
    }

    /// <summary>What a tier stores next; null where it has all that is offered.</summary>
    /// <param name="isOut">True where it keeps pace no more, so that what follows may not be in memory.</param>
    public WalStep? NextFor(WalTierWriter tier, out bool isOut)
    {
        lock (_lock)
        {
            isOut = !tier.IsInPace;
            return isOut ? null : Window.NextFor(tier.Durable);
        }
    }

    /// <summary>Lets a tier write again what is still in memory.</summary>
    public void StepBack(WalTierWriter tier, string why)
    {
        lock (_lock)
        {
            if (!tier.IsInPace)
            {
                return;
            }

            // Of a segment that is full, Durable is the first byte of the next: what did not read back lies before it.
            tier.Durable = Math.Max(Window.StartLsn, size.StartOf(size.SegmentOf(Math.Max(tier.Durable, 1) - 1)));
            tier.Note(why);
        }

        tier.Wake();
    }

    /// <summary>
    /// Takes a tier into pace where it holds everything before the window, or where nobody does. False also where the tiers
    /// differ in what came before the session, until the tier has been compared with another. Under the lock, since the window
    /// lets go of what those in pace have.
    /// </summary>
    public bool TryJoin(WalTierWriter tier)
    {
        lock (_lock)
        {
            var (start, coverage) = (Window.StartLsn, tier.Coverage ?? throw new InvalidOperationException("the tier is not open"));
            if (!tier.IsCompared && DiffersBeforeTheSession(tier, coverage))
            {
                return false;
            }

            var reach = coverage.ReadableUntil(Window.Timeline, start);
            if (reach == start && !HoldsByteBefore(coverage, start) && IsHeldElsewhere(tier, start))
            {
                return false;
            }

            // A listing shows that an object is there, not that it opens: what was not read back in this session is stored again
            // from memory, which compares it with what is there and replaces what does not open.
            tier.Durable = Math.Max(start, Math.Min(tier.Durable, reach));
            tier.IsInPace = true;
            return true;
        }
    }

    /// <summary>A tier from which another can copy: one in pace, else the one that is open and holds most.</summary>
    public WalTierWriter? PeerOf(WalTierWriter tier)
    {
        lock (_lock)
        {
            return _tiers.Find(other => other != tier && other.IsInPace)
                ?? _tiers.Where(other => other != tier && other.Archive is not null).MaxBy(other => EndBeforeTheSession(other.Coverage!));
        }
    }

    /// <summary>
    /// True where another tier holds more of what came before the session, or goes on already without what this one holds.
    /// Behind a gap neither would show in what streams, and the server cannot give it any more.
    /// </summary>
    private bool DiffersBeforeTheSession(WalTierWriter tier, WalCoverage coverage)
    {
        var mine = EndBeforeTheSession(coverage);
        return _tiers.Exists(other => other != tier && other.Archive is not null
            && EndBeforeTheSession(other.Coverage!) is var theirs && (theirs > mine || (theirs < mine && other.IsInPace)));
    }

    /// <summary>Where what is stored before the session's first byte ends; 0 where nothing is.</summary>
    private ulong EndBeforeTheSession(WalCoverage coverage) => coverage.SegmentBytes == 0 ? 0 : coverage.UsableOf(Window.Timeline)
        .Where(extent => extent.StartLsn < _first).Select(extent => Math.Min(extent.EndLsn, _first)).DefaultIfEmpty().Max();

    private bool HoldsByteBefore(WalCoverage coverage, ulong lsn) => lsn == 0 || coverage.ReadableUntil(Window.Timeline, lsn - 1) >= lsn;

    /// <summary>Where the stream began, or goes on after a gap, there is nothing before that any tier could have.</summary>
    private bool IsHeldElsewhere(WalTierWriter tier, ulong lsn) => _tiers.Exists(other =>
        other != tier && ((other.IsInPace && lsn > _first) || (other.Coverage is { } coverage && HoldsByteBefore(coverage, lsn))));

    private void ReleaseWindow()
    {
        if (_window is not null && _tiers.Where(tier => tier.IsInPace).Select(tier => tier.Durable).DefaultIfEmpty().Min() is > 0 and var all)
        {
            _window.Release(all);
        }
    }
}
