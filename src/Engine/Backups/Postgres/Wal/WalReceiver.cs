using System.Globalization;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Npgsql;
using Npgsql.Replication;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Wal;

/// <summary>How WAL is received.</summary>
/// <param name="Source">The source's name.</param>
/// <param name="RequiredTiers">In so many tiers WAL must be durable before the server hears that it is.</param>
/// <param name="FlushInterval">How long bytes wait at most before they are sent to the tiers.</param>
/// <param name="IsSynchronous">True to send them at once and to answer at once: for <c>synchronous_standby_names</c>.</param>
public sealed record WalReceiverOptions(string Source, int RequiredTiers, TimeSpan FlushInterval, bool IsSynchronous)
{
    /// <summary>How often the server is looked at and the journal written.</summary>
    public TimeSpan LookEvery { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>So much WAL the server may keep for the slot before it is told what fewer tiers hold; less where the server's own bound is lower.</summary>
    public long SlotLimitBytes { get; init; } = WalSettings.DefaultSlotLimitMib << 20;

    /// <summary>How often each tier's newest bytes are read back.</summary>
    public TimeSpan ReadBackEvery { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>
/// Receives the WAL of one server and stores it in the tiers. Where to go on is read from the tiers themselves, so it does not
/// matter what died meanwhile: server, receiver, console or catalog.
/// </summary>
public sealed class WalReceiver(WalReceiverOptions options, WalSource server, IReadOnlyList<WalTier> tiers, IWalFence fence, IWalJournal journal, TimeProvider time)
{
    private static readonly TimeSpan DrainTime = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long bytes gather in the socket where nobody waits for an answer. A busy server sends a message with each commit, and
    /// each would wake this process by itself: with 2,000 commits a second that alone costs more than compressing their WAL.
    /// </summary>
    private static readonly TimeSpan GatherTime = TimeSpan.FromMilliseconds(10);

    /// <summary>So many bytes since the last pause mean that there is much to catch up with: then nothing is waited for.</summary>
    private const int GatherBelow = 256 * 1024;

    private readonly List<string> _notices = [];
    private WalSyncState? _sync;

    /// <summary>The notices of the session: what was found and done at its start.</summary>
    public IReadOnlyList<string> Notices => _notices;

    /// <summary>True where the server may make commits wait while nothing is received, as far as it was last looked at.</summary>
    public bool MayHoldCommits => options.IsSynchronous && _sync?.MayWaitForReceiver != false;

    /// <summary>
    /// Receives until the timeline ends (then it returns, and the next call goes on along the next), or until something fails.
    /// </summary>
    /// <exception cref="EngineException">The server, the slot or every tier fails; call it again after a while.</exception>
    /// <exception cref="WalFenceException">Another process has taken over.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        _notices.Clear();
        await fence.RequireAsync(cancellationToken);
        await using var looking = await server.OpenAsync(cancellationToken);
        await using var replication = await server.OpenReplicationAsync(cancellationToken);
        try
        {
            await ReceiveAsync(looking, replication, cancellationToken);
        }
        catch (Exception exception) when (PostgresFault.Recognises(exception))
        {
            throw server.Fault(exception);
        }
    }

    private async Task ReceiveAsync(NpgsqlConnection looking, PhysicalReplicationConnection replication, CancellationToken ct)
    {
        var state = await server.LookAsync(looking, ct);
        // Of who is connected nothing can be told before this receiver is: only an empty list of names is certain.
        _sync = state.Sync.Names.Length == 0 ? state.Sync : null;
        var identity = await replication.IdentifySystem(ct);
        var known = await journal.KnownAsync(ct);
        await NoteOtherClusterAsync(known, state, ct);
        var histories = await HistoriesAsync(identity.Timeline, ct);
        var session = new WalSession(options.Source, state.SystemIdentifier, new WalSegmentSize(state.SegmentBytes), state.Major, histories, fence, time) { ReadBackEvery = options.ReadBackEvery };
        foreach (var tier in tiers)
        {
            session.Add(new WalTierWriter(tier, session));
        }

        try
        {
            await Task.WhenAll(session.Tiers.Select(tier => tier.TryOpenAsync(ct)));
            var archive = session.Tiers.Select(tier => tier.Archive).FirstOrDefault(one => one is not null) ?? throw new EngineException(
                "wal-no-tier", ErrorKind.Unavailable, $"no tier takes the WAL of {options.Source}: {string.Join("; ", session.Tiers.Select(tier => $"{tier.Name}: {tier.Fault}"))}",
                "bring a tier back; the server keeps its WAL meanwhile") { IsTransient = true };
            var (slot, done) = await server.EnsureSlotAsync(looking, state, ct);
            Note(done);
            var line = WalPosition.LineOf(identity.Timeline, histories);
            var stored = WalPosition.Newest(session.Tiers.Select(tier => tier.Coverage), line);
            var start = await BeforeDamageAsync(session, await StartAsync(looking, state, slot, stored, known, line, session.Size, ct), state, ct);
            session.Begin(new WalWindow(archive, session.Size, start.Timeline, session.Size.SegmentOf(start.Lsn)) { IsEager = options.IsSynchronous });
            await StreamAsync(session, replication, ct);
        }
        finally
        {
            foreach (var tier in session.Tiers)
            {
                await tier.DisposeAsync();
            }
        }
    }

    /// <summary>Where nothing is stored: from what the slot keeps. What is received leads nowhere where the newest base backup needs WAL from before that.</summary>
    private async Task<WalPoint> FirstAsync(WalSourceState state, Lsn kept, WalKnown known, IReadOnlyList<LineageStep> line, WalSegmentSize size, CancellationToken ct)
    {
        var start = new WalPoint(line[^1].Timeline, kept.Value);
        return known.NewestBase is { } basis && basis.SystemIdentifier == state.SystemIdentifier && size.SegmentOf(basis.StartLsn.Value) < size.SegmentOf(kept.Value)
            ? await SkipAsync(
                state, new WalPoint(start.Timeline, basis.StartLsn.Value), kept, known, line, "no WAL is stored that continues the newest base backup: receiving begins behind it", ct)
            : start;
    }

    /// <summary>Where to stream from: on from what is stored, else from what the slot keeps.</summary>
    private async Task<WalPoint> StartAsync(
        NpgsqlConnection looking, WalSourceState state, WalSlot slot, WalPoint? stored, WalKnown known, IReadOnlyList<LineageStep> line, WalSegmentSize size, CancellationToken ct)
    {
        if (stored is not { } end)
        {
            return await FirstAsync(state, slot.RestartLsn!.Value, known, line, size, ct);
        }

        if (end.Timeline == line[^1].Timeline && end.Lsn > state.CurrentLsn.Value && !state.IsStandby)
        {
            throw new EngineException(
                "wal-server-behind", ErrorKind.Conflict,
                $"{server.Address} stands at {state.CurrentLsn} on timeline {end.Timeline}, and WAL up to {new Lsn(end.Lsn)} of it is stored: the server was set back, or is a copy",
                "find out which server is the source; one that was restored must be promoted to a timeline of its own") { IsTransient = true };
        }

        var start = WalPosition.Follow(end, line);
        if (await IsThereAsync(start, state, size, ct))
        {
            return start;
        }

        // Somebody advanced the slot or dropped it, or the server came up without it. It is made anew where what it keeps is not
        // behind what is stored, since then it kept nothing.
        var kept = slot.RestartLsn!.Value.Value > start.Lsn ? slot : await server.RemakeSlotAsync(looking, ct);
        return await SkipAsync(
            state, start, kept.RestartLsn!.Value, known, line, $"the server no longer has the WAL that follows what is stored: its slot {server.Slot} was dropped, advanced or lost", ct);
    }

    /// <summary>Goes on behind WAL that is gone, and says so; where a tier that is down holds it, that tier will give it.</summary>
    private async Task<WalPoint> SkipAsync(WalSourceState state, WalPoint from, Lsn to, WalKnown known, IReadOnlyList<LineageStep> line, string reason, CancellationToken ct)
    {
        if (known.SystemIdentifier == state.SystemIdentifier && known.DurableLsn.Value >= to.Value)
        {
            Note($"WAL from {new Lsn(from.Lsn)} to {to} is in a tier that does not answer now");
        }
        else
        {
            var gap = new WalGap(state.SystemIdentifier, from.Timeline, new Lsn(from.Lsn), to, reason) { IsBeginning = known.SystemIdentifier is null };
            await fence.RequireAsync(ct);
            await journal.RecordGapAsync(gap, ct);
            Note($"WAL from {gap.FromLsn} to {gap.ToLsn} {(gap.IsBeginning ? "was never received" : "is lost")}: {gap.Reason}");
        }

        return new WalPoint(line[^1].Timeline, to.Value);
    }

    /// <summary>
    /// Begins a segment earlier where the last whole one does not open in a tier and the server can still give it: it was the newest
    /// when the last session ended, and nothing has read it since.
    /// </summary>
    private async Task<WalPoint> BeforeDamageAsync(WalSession session, WalPoint start, WalSourceState state, CancellationToken ct)
    {
        var (size, end) = (session.Size, session.Size.StartOf(session.Size.SegmentOf(start.Lsn)));
        var broken = new List<string>();
        foreach (var tier in session.Tiers)
        {
            if (await tier.OpensUntilAsync(start.Timeline, end, ct) is false)
            {
                broken.Add(tier.Name);
            }
        }

        if (broken.Count == 0)
        {
            return start;
        }

        var before = new WalPoint(start.Timeline, end - (ulong)size.Bytes);
        var isThere = await IsThereAsync(before, state, size, ct);
        Note($"the newest whole segment, up to {new Lsn(end)}, does not open in {string.Join(", ", broken)}: {(isThere ? "it is received again" : "the server does not have it any more; repair that tier from another one")}");
        return isThere ? before : start;
    }

    /// <summary>True where the server can still give the segment of a place.</summary>
    private async Task<bool> IsThereAsync(WalPoint point, WalSourceState state, WalSegmentSize size, CancellationToken ct)
    {
        var from = size.StartOf(size.SegmentOf(point.Lsn));
        if (from >= state.CurrentLsn.Value)
        {
            return true;
        }

        // On a connection of its own: the server ends a stream that it cannot give with an error.
        await using var probe = await server.OpenReplicationAsync(ct);
        try
        {
            await foreach (var _ in probe.StartReplication(new NpgsqlLogSequenceNumber(from), ct, point.Timeline))
            {
                break;
            }

            return true;
        }
        catch (PostgresException refusal) when (refusal.SqlState == PostgresErrorCodes.UndefinedFile)
        {
            return false;
        }
    }

    private async Task StreamAsync(WalSession session, PhysicalReplicationConnection replication, CancellationToken ct)
    {
        var watch = new WalWatch(options, server, session, journal, _notices);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(ct);
        using var feedback = new WalFeedback(options, session, replication);
        session.Moved = feedback.Wake;
        var writers = session.Tiers.Select(tier => tier.RunAsync(over.Token)).ToList();
        var reading = ReadAsync(session, replication, over.Token);
        List<Task> all = [reading, .. writers, feedback.RunAsync(over.Token), watch.RunAsync(replication.ProcessID, over.Token), TickAsync(session, over.Token)];
        try
        {
            var first = await Task.WhenAny(all);
            if (first == reading)
            {
                // What was received is stored before anything else: the server may be gone for good.
                session.Window.Flush();
                WakeAll(session);
                await DrainAsync(session, writers, ct);
            }

            await first;
        }
        finally
        {
            await over.CancelAsync();
            // Each of them ends by the cancellation; why the session ended, the first has told.
            await Task.WhenAll(all).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            session.Moved = null;
            _sync = watch.Sync ?? _sync;
            await watch.LastReportAsync(CancellationToken.None);
        }
    }

    private async Task ReadAsync(WalSession session, PhysicalReplicationConnection replication, CancellationToken ct)
    {
        var window = session.Window;
        var gathered = 0L;
        await using var messages = replication
            .StartReplication(new PhysicalReplicationSlot(server.Slot), new NpgsqlLogSequenceNumber(window.StartLsn), ct, window.Timeline).GetAsyncEnumerator(ct);
        while (true)
        {
            var next = messages.MoveNextAsync();
            if (!next.IsCompleted)
            {
                if (!options.IsSynchronous && gathered < GatherBelow)
                {
                    // A cancellation ends the read, which says so.
                    await Task.Delay(GatherTime, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }

                gathered = 0;
            }

            if (!await next)
            {
                return;
            }

            var (segment, from) = (session.Size.SegmentOf(window.EndLsn), window.EndLsn);
            // The message is used again for the next one: its bytes are taken now.
            await window.AppendAsync((ulong)messages.Current.WalStart, messages.Current.Data, ct);
            gathered += (long)(window.EndLsn - from);
            if (options.IsSynchronous || session.Size.SegmentOf(window.EndLsn) != segment)
            {
                WakeAll(session);
            }
        }
    }

    private async Task TickAsync(WalSession session, CancellationToken ct)
    {
        using var timer = new PeriodicTimer(options.FlushInterval, time);
        while (await timer.WaitForNextTickAsync(ct))
        {
            session.LetLaggardsGo(options.RequiredTiers);
            if (session.Window.Flush())
            {
                WakeAll(session);
            }
        }
    }

    private async Task DrainAsync(WalSession session, List<Task> writers, CancellationToken ct)
    {
        var began = time.GetTimestamp();
        while (!session.IsDrained(options.RequiredTiers) && time.GetElapsedTime(began) < DrainTime && writers.TrueForAll(task => !task.IsCompleted))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), time, ct);
        }
    }

    /// <summary>The history files of a timeline's line, as far as the server still has them; the newest names all ancestors.</summary>
    private async Task<IReadOnlyList<(uint Timeline, byte[] Text)>> HistoriesAsync(uint timeline, CancellationToken ct)
    {
        var found = new List<(uint, byte[])>();
        if (timeline == 1)
        {
            return found;
        }

        var newest = await server.TimelineHistoryAsync(timeline, ct) ?? throw new EngineException(
            "timeline-history-missing", ErrorKind.Conflict, $"{server.Address} is on timeline {timeline} and has no history of it", "look for the .history file that is missing in its pg_wal");
        foreach (var ancestor in TimelineHistory.Parse(timeline, newest).Ancestors.Where(one => one.Timeline > 1))
        {
            // A server that was made from a base backup after that switch has none; the newest history names it all the same.
            if (await server.TimelineHistoryAsync(ancestor.Timeline, ct) is { } text)
            {
                found.Add((ancestor.Timeline, text));
            }
        }

        found.Add((timeline, newest));
        return found;
    }

    private async Task NoteOtherClusterAsync(WalKnown known, WalSourceState state, CancellationToken ct)
    {
        if (known.SystemIdentifier is not { } before || before == state.SystemIdentifier)
        {
            return;
        }

        var reason = string.Create(
            CultureInfo.InvariantCulture, $"another cluster answers on {server.Address}: system identifier {state.SystemIdentifier} (PostgreSQL {state.Major}) where {before} was; its WAL is a stream of its own");
        await fence.RequireAsync(ct);
        await journal.RecordGapAsync(new WalGap(before, known.Timeline, known.DurableLsn, known.DurableLsn, reason), ct);
        Note(reason);
    }

    private static void WakeAll(WalSession session)
    {
        foreach (var tier in session.Tiers)
        {
            tier.Wake();
        }
    }

    private void Note(string? what)
    {
        if (what is not null)
        {
            _notices.Add(what);
        }
    }
}
