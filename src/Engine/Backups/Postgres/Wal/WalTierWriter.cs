using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Wal;

/// <summary>
/// Stores a session's WAL in one tier, each tier at its own pace. One that fails lets the others go on; when it answers again
/// it copies what it missed from another tier and joins where the window still has the bytes that follow.
/// </summary>
internal sealed class WalTierWriter(WalTier tier, WalSession session) : IAsyncDisposable
{
    private static readonly TimeSpan ShortestPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    /// <summary>A repository is opened anew so often, so that new keys come into use.</summary>
    private static readonly TimeSpan OpenFor = TimeSpan.FromMinutes(15);

    private readonly SemaphoreSlim _wake = new(0, 1);
    private BackupRepository? _repository;
    private WalArchive? _archive;
    private long _openedAt;
    private long _lookedAt = session.Time.GetTimestamp();
    private Lsn? _readBack;
    private DateTimeOffset? _readBackAt;

    public string Name => tier.Name;

    /// <summary>True where it stores what comes; only then does the window keep bytes for it. Changed under the session's lock.</summary>
    public bool IsInPace { get; set; }

    /// <summary>True where it was compared with another tier since it answers, and each has what only the other had.</summary>
    public bool IsCompared { get; private set; }

    /// <summary>The byte after the last that is stored. Changed under the session's lock.</summary>
    public ulong Durable { get; set; }

    public DateTimeOffset? DurableAt { get; set; }

    public WalTierState State { get; private set; } = WalTierState.Down;

    public string? Fault { get; private set; }

    /// <summary>What the tier held when it was opened; null while it does not answer.</summary>
    public WalCoverage? Coverage { get; private set; }

    /// <summary>The archive that makes objects for all tiers; null while the tier does not answer.</summary>
    public WalArchive? Archive => _archive;

    /// <summary>Another handle of the tier's repository.</summary>
    public Task<BackupRepository> OpenRepositoryAsync(CancellationToken ct) => tier.OpenAsync(ct);

    /// <summary>Keeps what is wrong until it is better.</summary>
    public void Note(string fault) => Fault = fault;

    /// <summary>Opens the tier; a fault is kept, not thrown, since the other tiers go on.</summary>
    public async Task TryOpenAsync(CancellationToken ct)
    {
        try
        {
            await OpenAsync(ct);
        }
        catch (EngineException fault)
        {
            await LeaveAsync(fault);
        }
    }

    /// <summary>Whether the whole segment that ends at an LSN opens; null where the tier has none, or does not answer.</summary>
    public async Task<bool?> OpensUntilAsync(uint timeline, ulong end, CancellationToken ct)
    {
        if (_archive is null || Coverage is not { SegmentBytes: > 0 } coverage
            || !coverage.UsableOf(timeline).Any(extent => extent.Timeline == timeline && extent.Extent.IsWhole && extent.EndLsn == end))
        {
            return null;
        }

        try
        {
            return await _archive.ReadBackAsync(timeline, end, ct) == end;
        }
        catch (EngineException fault)
        {
            await LeaveAsync(fault);
            return null;
        }
    }

    /// <summary>Tells it that there may be something to store.</summary>
    public void Wake()
    {
        try
        {
            _wake.Release();
        }
        catch (SemaphoreFullException)
        {
            // It is about to look anyway.
        }
    }

    /// <summary>Stores until cancelled.</summary>
    /// <exception cref="WalFenceException">Another process has taken over.</exception>
    public async Task RunAsync(CancellationToken ct)
    {
        var pause = ShortestPause;
        while (true)
        {
            try
            {
                if (_archive is null || session.Time.GetElapsedTime(_openedAt) > OpenFor)
                {
                    await OpenAsync(ct);
                }

                if (!IsInPace)
                {
                    await JoinAsync(ct);
                }

                pause = ShortestPause;
                await StoreAsync(ct);
            }
            catch (EngineException fault)
            {
                await LeaveAsync(fault);
                await Task.Delay(pause, session.Time, ct);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
    }

    public WalTierReport Report(Func<ulong, (long Bytes, double Seconds)> lag)
    {
        var durable = Durable;
        var measured = durable > 0 ? lag(durable) : ((long Bytes, double Seconds)?)null;
        return new WalTierReport(
            Name, State, session.Window.Timeline, durable > 0 ? new Lsn(durable) : null, DurableAt, Fault, _readBack, _readBackAt, measured?.Bytes, measured?.Seconds);
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        _wake.Dispose();
    }

    private async Task OpenAsync(CancellationToken ct)
    {
        await CloseAsync();
        var repository = await tier.OpenAsync(ct);
        try
        {
            var archive = await repository.OpenWalAsync(session.Source, session.SystemIdentifier, ct);
            await session.Fence.RequireAsync(ct);
            await archive.DescribeAsync(session.Size.Bytes, session.Major, ct);
            foreach (var (timeline, text) in session.Histories)
            {
                await archive.StoreHistoryAsync(timeline, text, ct);
            }

            Coverage = await archive.CoverageAsync(ct);
            (_repository, _archive, _openedAt) = (repository, archive, session.Time.GetTimestamp());
        }
        catch
        {
            await repository.DisposeAsync();
            throw;
        }
    }

    /// <summary>Brings the tier to where the window has what follows; copies from another tier what it lacks before that.</summary>
    private async Task JoinAsync(CancellationToken ct)
    {
        while (!session.TryJoin(this))
        {
            State = WalTierState.CatchingUp;
            var giver = session.PeerOf(this) ?? throw new EngineException(
                "wal-no-peer", ErrorKind.Unavailable, $"{Name} lacks WAL that no other tier can give now", "bring another tier back, or wait for it");
            // Opened for this alone: the giver closes its own repository when it likes.
            await using var peer = await giver.OpenRepositoryAsync(ct);
            await session.Fence.RequireAsync(ct);
            var copied = await peer.CopyWalAsync(_repository!, _archive!.Stream, null, ct);
            // What only this tier holds closes a hole that the other may have.
            await _repository!.CopyWalAsync(peer, _archive.Stream, null, ct);
            Coverage = await _archive.CoverageAsync(ct);
            IsCompared = true;
            if (copied.Objects == 0 && !session.TryJoin(this))
            {
                throw new EngineException(
                    "wal-catch-up", ErrorKind.Unavailable, $"{Name} could not catch up: {(copied.Damaged is [var damage, ..] ? $"{damage.Name} {damage.Reason}" : "the other tier has nothing more")}",
                    "it is tried again; look at the tiers' pages");
            }
        }

        (State, Fault) = (WalTierState.Streaming, null);
    }

    private async Task StoreAsync(CancellationToken ct)
    {
        while (session.Time.GetElapsedTime(_openedAt) <= OpenFor)
        {
            if (session.Time.GetElapsedTime(_lookedAt) > session.ReadBackEvery && session.HasAdvanced(this))
            {
                await ReadBackAsync(ct);
            }

            if (session.NextFor(this, out var isOut) is not { } step)
            {
                if (isOut)
                {
                    return;
                }

                await _wake.WaitAsync(session.ReadBackEvery, ct);
                continue;
            }

            // Before: a process that was frozen and wakes must not write. After: what it wrote meanwhile must not be confirmed.
            await session.Fence.RequireAsync(ct);
            await _archive!.StoreAsync(step.Object, ct);
            await session.Fence.RequireAsync(ct);
            session.Advance(this, step.DurableLsn);
        }
    }

    /// <summary>Reads the newest stored bytes back, apart from the writing; what does not open is written again from memory.</summary>
    private async Task ReadBackAsync(CancellationToken ct)
    {
        var durable = Durable;
        var found = await _archive!.ReadBackAsync(session.Window.Timeline, durable, ct);
        (_readBack, _readBackAt, _lookedAt) = (new Lsn(found), session.Time.GetUtcNow(), session.Time.GetTimestamp());
        Fault = null;
        if (found < durable)
        {
            session.StepBack(this, $"the newest WAL does not read back beyond {new Lsn(found)}; it is written again");
        }
    }

    private async Task LeaveAsync(EngineException fault)
    {
        (State, Fault, IsCompared) = (WalTierState.Down, fault.Message, false);
        session.Leave(this);
        await CloseAsync();
    }

    private async Task CloseAsync()
    {
        if (_repository is { } open)
        {
            (_repository, _archive) = (null, null);
            await open.DisposeAsync();
        }
    }
}
