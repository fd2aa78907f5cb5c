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

    public string Source => source;

    public ulong SystemIdentifier => systemIdentifier;

    public WalSegmentSize Size => size;

    public int Major => major;

    public IReadOnlyList<(uint Timeline, byte[] Text)> Histories => histories;

    public IWalFence Fence => fence;

    public TimeProvider Time => time;

    /// <summary>How often each tier's newest bytes are read back apart from the writing.</summary>
    public TimeSpan ReadBackEvery { get; init; } = TimeSpan.FromSeconds(30);

    public IReadOnlyList<WalTierWriter> Tiers => _tiers;

    public WalWindow Window => _window ?? throw new InvalidOperationException("the session has not begun to stream");

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

    /// <summary>Lets a tier write again what is still in memory.</summary>
    public void StepBack(WalTierWriter tier, string why)
    {
        lock (_lock)
        {
            tier.Durable = Math.Max(Window.StartLsn, size.StartOf(size.SegmentOf(tier.Durable)));
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

            tier.Durable = Math.Max(start, Math.Min(reach, Window.EndLsn));
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
