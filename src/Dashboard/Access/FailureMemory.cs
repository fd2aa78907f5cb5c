using System.Collections.Concurrent;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>
/// Counts failed sign-ins that are no account's, with the same policy: of names that nobody has, since otherwise a lock-out would
/// tell which names exist, and of browsers that are known. Held in memory and bounded; what is forgotten is the oldest.
/// </summary>
public sealed class FailureMemory(LockOutPolicy policy, TimeProvider time)
{
    private const int MaxKeys = 4096;

    private readonly ConcurrentDictionary<string, Attempts> _byKey = new(StringComparer.Ordinal);

    /// <summary>Until when it is locked, or null.</summary>
    public DateTimeOffset? LockedUntil(string key)
        => _byKey.TryGetValue(key, out var attempts) && attempts.LockedUntil > time.GetUtcNow() ? attempts.LockedUntil : null;

    /// <summary>Adds one failure and gives until when it is locked now, or null.</summary>
    public DateTimeOffset? Record(string key)
    {
        var now = time.GetUtcNow();
        var attempts = _byKey.AddOrUpdate(
            key,
            _ => new Attempts(1, LockFrom(1, now), now),
            (_, old) => new Attempts(old.Failures + 1, LockFrom(old.Failures + 1, now), now));
        ForgetOldest();
        return attempts.LockedUntil;
    }

    /// <summary>Begins to count anew.</summary>
    public void Forget(string key) => _byKey.TryRemove(key, out _);

    private DateTimeOffset? LockFrom(int failures, DateTimeOffset now)
        => policy.LockFor(failures) is { } length ? now + length : null;

    private void ForgetOldest()
    {
        if (_byKey.Count <= MaxKeys)
        {
            return;
        }

        foreach (var (key, _) in _byKey.OrderBy(entry => entry.Value.LastAt).Take(MaxKeys / 4).ToList())
        {
            _byKey.TryRemove(key, out _);
        }
    }

    private sealed record Attempts(int Failures, DateTimeOffset? LockedUntil, DateTimeOffset LastAt);
}
