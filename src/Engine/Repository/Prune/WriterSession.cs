using Hexabase.DrConsole.Engine.Repository.Index;
using Hexabase.DrConsole.Engine.Repository.Packs;

namespace Hexabase.DrConsole.Engine.Repository.Prune;

/// <summary>
/// Tells prune that this process may use packs that no manifest names yet. Announced before the writer looks at marks and
/// packs, so of a writer and a prune that begin at the same time at least one sees the other: either the writer sees the
/// mark and leaves the pack alone, or prune sees the writer and leaves the pack there until the writer has ended.
/// </summary>
internal sealed class WriterSession : IAsyncDisposable
{
    private readonly RepositoryParts _parts;
    private readonly BlobWriter _blobs;
    private readonly SessionRecord _first;
    private readonly SemaphoreSlim _gate = new(1);
    private readonly CancellationTokenSource _stop = new();
    private Task _renewals = Task.CompletedTask;
    private SessionRecord? _current;
    private SessionRecord? _previous;
    private IReadOnlyList<string> _honoured = [];
    private DateTimeOffset _writtenAt;
    private DateTimeOffset _renewedAt;
    private long _renewedTicks;
    private bool _isEnded;

    private WriterSession(RepositoryParts parts, BlobWriter blobs, string kind)
    {
        _parts = parts;
        _blobs = blobs;
        var now = parts.Options.Time.GetUtcNow();
        var id = Guid.CreateVersion7(now).ToString("N");
        _first = new SessionRecord(
            id, id, kind, 0, now, parts.Options.SessionLife.TotalSeconds, false, [], Environment.MachineName, Environment.ProcessId);
    }

    /// <summary>Names the session in all its objects.</summary>
    public string Id => _first.Session;

    /// <summary>
    /// True once the store's clock showed that this writer was silent for longer than its life: prune may have taken it for
    /// dead meanwhile, so packs that are marked are no longer safe.
    /// </summary>
    public bool HasLapsed { get; private set; }

    /// <summary>When the store took the newest object, by the store's clock.</summary>
    public DateTimeOffset WrittenAt => _writtenAt;

    /// <summary>The time by the store's clock, as far as this process can tell.</summary>
    public DateTimeOffset StoreNow => _writtenAt + _parts.Options.Time.GetElapsedTime(_renewedTicks);

    /// <summary>True where prune may decide by what it read: its own session is young enough that no other prune takes it for dead.</summary>
    public bool IsTrusted => !HasLapsed && !IsOld();

    /// <summary>Announces the writer, loads marks and index, and goes on renewing until it is disposed.</summary>
    public static async Task<WriterSession> BeginAsync(RepositoryParts parts, BlobWriter blobs, string kind, CancellationToken ct)
    {
        var session = new WriterSession(parts, blobs, kind);
        var isAlive = false;
        try
        {
            await session.PublishAsync(ct);
            await parts.Index.RefreshAsync(ct);
            if (session.Honour())
            {
                await session.PublishAsync(ct);
            }

            session._renewals = session.KeepRenewingAsync();
            isAlive = true;
            return session;
        }
        finally
        {
            if (!isAlive)
            {
                await session.DisposeAsync();
            }
        }
    }

    /// <summary>
    /// Looks at the store once more and throws where a pack that the writer needs is not safe. Called right before a manifest
    /// is written and right after: in between the session must not have grown old, or prune may have decided without it.
    /// </summary>
    /// <param name="always">True to renew in any case, as before a manifest.</param>
    /// <param name="ct">Ends it.</param>
    /// <exception cref="EngineException">A pack is gone, damaged, or marked while this writer counted as dead.</exception>
    public async Task ProveAsync(bool always, CancellationToken ct)
    {
        if (always || IsOld())
        {
            await _gate.WaitAsync(ct);
            try
            {
                await PublishAsync(ct);
            }
            finally
            {
                _gate.Release();
            }
        }

        if (_parts.Index.Suspects is { Count: > 0 } suspects)
        {
            // Found damaged while this writer read them: marked, so that the next one does not lean on them to begin with.
            await Quarantine.MarkAsync(_parts, suspects, $"found damaged by a {_first.Kind}", ct);
        }

        await _parts.Index.RefreshAsync(ct);
        _parts.Index.RequireSafe(_blobs.Needed.Select(pack => pack.Name), HasLapsed);
    }

    /// <summary>Loads marks and index anew, writes index segments for the packs so far, and announces the writer once more.</summary>
    public async Task RenewAsync(CancellationToken ct)
    {
        await _gate.WaitAsync(ct);
        try
        {
            if (_first.Kind == SessionRecord.Prune)
            {
                // Prune leans on nothing, and decides by one look at the store that must not change under it.
                await PublishAsync(ct);
                return;
            }

            await _parts.Index.RefreshAsync(ct);
            Honour();
            await PublishAsync(ct);
            // A checkpoint: what a killed writer leaves behind is then found by the index, not by reading trailers.
            await IndexDurableAsync(ct);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Writes index segments for the packs that became durable since the last time.</summary>
    public async Task IndexDurableAsync(CancellationToken ct)
    {
        var (packs, entries) = _blobs.TakeDurable();
        if (packs.Count == 0)
        {
            return;
        }

        var isWritten = false;
        try
        {
            await _parts.Index.WriteSegmentsAsync(packs, entries, ct);
            isWritten = true;
        }
        finally
        {
            if (!isWritten)
            {
                // A renewal goes on after a fault: they must be in the next one's segment, or no index would ever list them.
                _blobs.PutBack(packs);
            }
        }
    }

    /// <summary>Ends the session. What cannot be told to the store now is told by the session's age later.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isEnded)
        {
            return;
        }

        _isEnded = true;
        await _stop.CancelAsync();
        await _renewals;
        try
        {
            await EndAsync();
        }
        catch (EngineException)
        {
            // The store does not answer. Prune waits for this session's life to end, which costs time and nothing else.
        }

        _stop.Dispose();
        _gate.Dispose();
    }

    private async Task EndAsync()
    {
        if (_current is not { } last)
        {
            return;
        }

        try
        {
            foreach (var record in new[] { _previous, last }.OfType<SessionRecord>())
            {
                await _parts.Store.DeleteAsync(SessionStore.KeyOf(record), CancellationToken.None);
            }
        }
        catch (EngineException error) when (error.Kind == ErrorKind.Denied)
        {
            // A role that may write but not delete says it by one more object; prune's role clears them away.
            await _parts.Sessions.WriteAsync(Next() with { HasEnded = true }, CancellationToken.None);
        }
    }

    private async Task KeepRenewingAsync()
    {
        using var timer = new PeriodicTimer(_parts.Options.SessionLife / 4, _parts.Options.Time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                try
                {
                    await RenewAsync(_stop.Token);
                }
                catch (EngineException)
                {
                    // The next tick tries again; whether that was too late shows in the store's clock, before the commit.
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }

    private SessionRecord Next()
    {
        var now = _parts.Options.Time.GetUtcNow();
        return _first with { Id = Guid.CreateVersion7(now).ToString("N"), Sequence = (_current?.Sequence ?? 0) + 1, Marks = _honoured };
    }

    private async Task PublishAsync(CancellationToken ct)
    {
        var before = _current;
        var next = Next();
        var (renewedAt, ticks) = (_parts.Options.Time.GetUtcNow(), _parts.Options.Time.GetTimestamp());
        var writtenAt = await _parts.Sessions.WriteAsync(next, ct);
        HasLapsed |= before is not null && writtenAt - _writtenAt > _parts.Options.SessionLife;
        var superseded = _previous;
        (_previous, _current, _writtenAt, _renewedAt, _renewedTicks) = (before, next, writtenAt, renewedAt, ticks);
        if (superseded is not null)
        {
            // Not the one just before: a listing that runs meanwhile could come too late for it and too early for the new one.
            try
            {
                await _parts.Store.DeleteAsync(SessionStore.KeyOf(superseded), ct);
            }
            catch (EngineException error) when (error.Kind == ErrorKind.Denied)
            {
                // Prune deletes superseded objects.
            }
        }
    }

    /// <summary>Both clocks: a suspended machine stops the one, a corrected clock moves the other.</summary>
    private bool IsOld()
    {
        var half = _parts.Options.SessionLife / 2;
        return _parts.Options.Time.GetElapsedTime(_renewedTicks) > half || (_parts.Options.Time.GetUtcNow() - _renewedAt).Duration() > half;
    }

    /// <summary>
    /// Takes in the marks of the last look, but for those that hold a pack which this writer uses already. True where that
    /// changed what the session says.
    /// </summary>
    private bool Honour()
    {
        var needed = _blobs.Needed.Select(pack => pack.Name).ToHashSet(StringComparer.Ordinal);
        var honoured = _parts.Index.Marks.Marks
            .Where(mark => mark.Kind != PackMark.Expired && !mark.Packs.Any(needed.Contains)).Select(mark => mark.Mark).Distinct().ToList();
        var changed = !honoured.SequenceEqual(_honoured);
        _honoured = honoured;
        return changed;
    }
}
