using System.Collections.Concurrent;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>
/// Counts failed sign-ins of names that nobody has, with the same policy as for real ones: otherwise a lock-out would
/// tell which names exist. Held in memory and bounded; what is forgotten is the oldest.
/// </summary>
public sealed class UnknownNameAttempts(LockOutPolicy policy, TimeProvider time)
{
    private const int MaxNames = 4096;

    private readonly ConcurrentDictionary<string, Attempts> _byName = new(StringComparer.Ordinal);

    /// <summary>Until when the name is locked, or null.</summary>
    public DateTimeOffset? LockedUntil(string name)
        => _byName.TryGetValue(name, out var attempts) && attempts.LockedUntil > time.GetUtcNow() ? attempts.LockedUntil : null;

    /// <summary>Adds one failure and gives until when the name is locked now, or null.</summary>
    public DateTimeOffset? Record(string name)
    {
        var now = time.GetUtcNow();
        var attempts = _byName.AddOrUpdate(
            name,
            _ => new Attempts(1, LockFrom(1, now), now),
            (_, old) => new Attempts(old.Failures + 1, LockFrom(old.Failures + 1, now), now));
        ForgetOldest();
        return attempts.LockedUntil;
    }

    private DateTimeOffset? LockFrom(int failures, DateTimeOffset now)
        => policy.LockFor(failures) is { } length ? now + length : null;

    private void ForgetOldest()
    {
        if (_byName.Count <= MaxNames)
        {
            return;
        }

        foreach (var (name, _) in _byName.OrderBy(entry => entry.Value.LastAt).Take(MaxNames / 4).ToList())
        {
            _byName.TryRemove(name, out _);
        }
    }

    private sealed record Attempts(int Failures, DateTimeOffset? LockedUntil, DateTimeOffset LastAt);
}
