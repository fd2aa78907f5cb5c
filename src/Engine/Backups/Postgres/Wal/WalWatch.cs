using Hexabase.DrConsole.Engine.Repository.Wal;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Wal;

/// <summary>
/// Looks at the server while its WAL is received, measures how far each tier is behind in bytes and in seconds, and writes
/// that down. A slot that somebody dropped, took or advanced shows here while the stream itself still runs.
/// </summary>
internal sealed class WalWatch(WalReceiverOptions options, WalSource server, WalSession session, IWalJournal journal, IReadOnlyList<string> startNotices)
{
    private const string OtherCluster = "wal-other-cluster";

    /// <summary>A commit waits for a moment for its tiers, always; longer than this is worth a word.</summary>
    private static readonly TimeSpan s_longWait = TimeSpan.FromSeconds(5);

    private readonly WalSamples _samples = new(session.Time);
    private readonly WalSyncWaits _waits = new(session.Time);
    private WalSourceState? _state;
    private DateTimeOffset _measuredAt;

    /// <summary>Where the server stood at a look, which the tiers have not reached or had not when they were last asked; and since when.</summary>
    private (ulong Lsn, long Since) _awaited;
    private IReadOnlyList<string> _notices = [];

    /// <summary>Whom commits of the server wait for, as the last look showed; null before the first.</summary>
    public WalSyncState? Sync => _state?.Sync;

    public async Task RunAsync(int ownPid, CancellationToken ct)
    {
        _samples.Seed(StoredEnds());
        using var timer = new PeriodicTimer(options.LookEvery, session.Time);
        NpgsqlConnection? connection = null;
        try
        {
            do
            {
                try
                {
                    connection ??= await server.OpenAsync(ct);
                    await LookAsync(connection, ownPid, ct);
                }
                catch (EngineException fault) when (fault.Code != OtherCluster)
                {
                    // The stream itself tells when the server is gone; a look that fails does not end it.
                    await (connection?.DisposeAsync() ?? ValueTask.CompletedTask);
                    connection = null;
                    _notices = [.. startNotices, $"the server could not be looked at: {fault.Message}"];
                }

                if (_state is not null)
                {
                    await journal.ReportAsync(Report(), ct);
                }
            }
            while (await timer.WaitForNextTickAsync(ct));
        }
        finally
        {
            await (connection?.DisposeAsync() ?? ValueTask.CompletedTask);
        }
    }

    private async Task LookAsync(NpgsqlConnection connection, int ownPid, CancellationToken ct)
    {
        _state = await server.LookAsync(connection, ct);
        _measuredAt = session.Time.GetUtcNow();
        _samples.Add(_state.CurrentLsn.Value);
        _waits.Look(_state.Sync.Waiting);
        Press(_state);
        if (session.DurableIn(options.RequiredTiers) >= _awaited.Lsn || _awaited.Since == 0)
        {
            _awaited = (_state.CurrentLsn.Value, session.Time.GetTimestamp());
        }

        _notices = [.. startNotices, .. _state.Notices(server.Slot, ownPid), .. SlotNotices(_state), .. WaitNotices()];
        if (_state.SystemIdentifier != session.SystemIdentifier)
        {
            throw new EngineException(OtherCluster, ErrorKind.Conflict, $"another cluster answers on {server.Address} now", "it is looked at anew");
        }
    }

    /// <summary>Writes down once more how the tiers stand, when the session ends.</summary>
    public async Task LastReportAsync(CancellationToken ct)
    {
        if (_state is null)
        {
            return;
        }

        try
        {
            await journal.ReportAsync(Report(), ct);
        }
        catch (WalFenceException)
        {
            // Another process writes these rows now.
        }
    }

    /// <summary>
    /// What was written between the last that was stored and this session is as old as that: the server may have been beyond it
    /// since, for as long as nobody received.
    /// </summary>
    private IEnumerable<(ulong Lsn, DateTimeOffset At)> StoredEnds() => session.Tiers.Select(tier => tier.Coverage).OfType<WalCoverage>().Where(coverage => coverage.SegmentBytes > 0)
        .Select(coverage => coverage.UsableOf(session.Window.Timeline).OrderByDescending(extent => extent.EndLsn).ThenBy(extent => extent.Extent.StoredAt).Take(1))
        .SelectMany(last => last.Select(extent => (extent.EndLsn, extent.Extent.StoredAt)));

    private WalReport Report() => new(
        session.SystemIdentifier, session.Window.Timeline, _state!.CurrentLsn, _measuredAt, session.DurableIn(options.RequiredTiers) is > 0 and var safe ? new Lsn(safe) : null, _notices,
        [.. session.Tiers.Select(tier => tier.Report(_samples.Lag))])
    {
        CommitsWaitSince = CommitsWaitFor is { } waited ? session.Time.GetUtcNow() - waited : null,
    };

    /// <summary>The server's own bound loses the slot, and with it the WAL of all tiers: that must not be reached for the sake of one.</summary>
    private long LimitOf(WalSourceState state) => state.MaxSlotWalBytes is { } bound ? Math.Min(options.SlotLimitBytes, bound / 4 * 3) : options.SlotLimitBytes;

    private void Press(WalSourceState state)
    {
        if (state.Slot is { RestartLsn: { } restart })
        {
            var kept = state.CurrentLsn.Value > restart.Value ? state.CurrentLsn.Value - restart.Value : 0;
            session.Press((long)kept, LimitOf(state), options.RequiredTiers);
        }
    }

    private bool IsBehind => session.DurableIn(options.RequiredTiers) < _awaited.Lsn;

    /// <summary>
    /// Where commits wait for the tiers, everybody who uses the database does. The server says whether any does, to a role that may see it;
    /// else it is concluded: they do while the tiers lack what it has written, if anybody commits.
    /// </summary>
    private TimeSpan? CommitsWaitFor
    {
        get
        {
            if (!options.IsSynchronous || _state?.Sync is not { MayWaitForReceiver: true } sync)
            {
                return null;
            }

            var waited = sync.MaySee ? _waits.Longest : IsBehind ? session.Time.GetElapsedTime(_awaited.Since) : TimeSpan.Zero;
            return waited > s_longWait ? waited : null;
        }
    }

    private IEnumerable<string> WaitNotices()
    {
        if (CommitsWaitFor is { } waited)
        {
            var seen = _state!.Sync.MaySee ? $" ({Counted.Of(_waits.Count, "session", "waits", "wait")})" : "";
            var why = IsBehind ? $"since fewer than {Counted.Of(options.RequiredTiers, "tier")} hold what the server has written" : "although the tiers hold what the server has written";
            yield return $"commits have been waiting for {waited.TotalSeconds:0} s{seen}, {why}";
        }

        if (options.IsSynchronous && _state?.Sync.Notice(server.Slot) is { } notice)
        {
            yield return notice;
        }
    }

    private IEnumerable<string> SlotNotices(WalSourceState state)
    {
        var confirmed = Math.Max(session.DurableIn(options.RequiredTiers), session.Told);
        if (session.IsPressed)
        {
            yield return options.IsSynchronous
                ? $"the server keeps more than {LimitOf(state) >> 20:N0} MiB of WAL for slot {server.Slot}, since tiers do not answer, and commits wait for them"
                : $"the server kept more than {LimitOf(state) >> 20:N0} MiB of WAL for slot {server.Slot}: it is told what one tier holds, until the others have caught up";
        }

        if (state.Slot is null)
        {
            yield return $"slot {server.Slot} is gone while it is in use";
        }
        else if (state.Slot.IsLost)
        {
            yield return $"slot {server.Slot} has lost WAL: the server kept no more than max_slot_wal_keep_size allows";
        }
        else if (state.Slot.RestartLsn is { } restart && confirmed > 0 && restart.Value > confirmed)
        {
            yield return $"slot {server.Slot} was advanced by somebody else to {restart}; {new Lsn(confirmed)} is what is safe";
        }
    }
}
