namespace Hexabase.DrConsole.Engine.Repository.Verification;

/// <summary>Reads the packs and WAL objects that were not read for the longest time, until a time is up, and remembers which it read. Thread-safe.</summary>
internal sealed class CheckBudget(RepositoryParts parts, CheckLevel level, TimeSpan limit, int? turnDays = null)
{
    private readonly CheckMemory _memory = new(parts);
    private readonly long _began = parts.Options.Time.GetTimestamp();
    private readonly Lock _lock = new();
    private int _begun;

    /// <summary>Loads the memory and gives the objects in the order in which they are due: never read first, then by age.</summary>
    public async Task<List<T>> OrderAsync<T>(IEnumerable<T> objects, Func<T, string> nameOf, CancellationToken ct)
    {
        await _memory.LoadAsync(ct);
        return [.. objects.OrderBy(one => _memory.LastRead(nameOf(one), level) ?? DateTimeOffset.MinValue).ThenBy(nameOf, StringComparer.Ordinal)];
    }

    /// <summary>
    /// Loads the memory and gives the objects whose turn it is. What was never read waits since it was stored. A day that was
    /// missed makes the next turn longer and leaves nothing out.
    /// </summary>
    public async Task<List<T>> OrderAsync<T>(IReadOnlyCollection<T> objects, Func<T, string> nameOf, Func<T, (DateTimeOffset StoredAt, long Bytes)> sizeOf, CancellationToken ct)
    {
        if (turnDays is not { } days)
        {
            return await OrderAsync(objects, nameOf, ct);
        }

        await _memory.LoadAsync(ct);
        var overdue = parts.Options.Time.GetUtcNow().AddDays(-days);
        var share = objects.Sum(one => sizeOf(one).Bytes) / days;
        var turn = new List<T>();
        var bytes = 0L;
        foreach (var (one, since) in objects.Select(one => (One: one, Since: _memory.LastRead(nameOf(one), level) ?? sizeOf(one).StoredAt))
            .OrderBy(pair => pair.Since).ThenBy(pair => nameOf(pair.One), StringComparer.Ordinal))
        {
            if (since >= overdue && turn.Count > 0 && bytes >= share)
            {
                break;
            }

            turn.Add(one);
            bytes += sizeOf(one).Bytes;
        }

        return turn;
    }

    /// <summary>True while there is time. The first pack is always read, so that every call gets further.</summary>
    public bool MayRead()
    {
        lock (_lock)
        {
            if (_begun > 0 && parts.Options.Time.GetElapsedTime(_began) >= limit)
            {
                return false;
            }

            _begun++;
            return true;
        }
    }

    /// <summary>Notes that an object was read. A damaged one counts as unread, so that it is looked at again first.</summary>
    public void Note(string name, bool isSound)
    {
        lock (_lock)
        {
            if (isSound)
            {
                _memory.Note(name, level, parts.Options.Time.GetUtcNow());
            }
        }
    }

    /// <summary>Saves the memory; says why where the store does not take it.</summary>
    public async Task<string?> TrySaveAsync(IEnumerable<string> present)
    {
        try
        {
            // Also when the check was stopped: what was read was read.
            await _memory.SaveAsync(present, CancellationToken.None);
            return null;
        }
        catch (EngineException error) when (error.Kind is ErrorKind.Denied or ErrorKind.OutOfSpace or ErrorKind.Unavailable)
        {
            return $"the next check with a budget begins where this one did, since it could not be noted what was read: {error.Message}";
        }
    }

    /// <summary>What of these objects was read at this level, now or earlier.</summary>
    public ReadCoverage CoverageOf(IEnumerable<string> names)
    {
        lock (_lock)
        {
            var times = names.Select(name => _memory.LastRead(name, level)).ToList();
            return new ReadCoverage(times.Count, times.Count(time => time is not null), times.Min());
        }
    }

    /// <summary>When the object that waits longest was last read at this level; null where one never was.</summary>
    public DateTimeOffset? Oldest(IEnumerable<string> present)
    {
        lock (_lock)
        {
            var times = present.Select(name => _memory.LastRead(name, level)).ToList();
            return times.Count == 0 || times.Contains(null) ? null : times.Min();
        }
    }
}
