namespace Hexabase.DrConsole.Engine.Backups.Postgres.Wal;

/// <summary>
/// Where a server stood at moments that are remembered, by which an LSN's age is told: for how long the server has been beyond it.
/// The time is never too short where the server was looked at; what it wrote while nobody looked is as old as the last that was stored before.
/// </summary>
internal sealed class WalSamples(TimeProvider time)
{
    /// <summary>An hour at the usual pace, each look by itself; beyond that fewer and fewer of the older ones.</summary>
    internal const int Most = 1800;

    private readonly List<(ulong Lsn, long At)> _samples = [];

    /// <summary>Begins with what was known before the first look: the end of what a tier holds, and when that was stored there.</summary>
    public void Seed(IEnumerable<(ulong Lsn, DateTimeOffset At)> known)
    {
        ArgumentNullException.ThrowIfNull(known);
        var (now, ticks) = (time.GetUtcNow(), time.GetTimestamp());
        // A tier that copied from another has the same bytes later.
        var byPlace = known.GroupBy(one => one.Lsn).Select(same => (Lsn: same.Key, At: same.Min(one => one.At))).OrderBy(one => one.Lsn).ToList();
        for (var index = 0; index < byPlace.Count; index++)
        {
            var at = byPlace.Skip(index).Min(one => one.At);
            _samples.Add((byPlace[index].Lsn, ticks - (long)(Math.Max(0, (now - at).TotalSeconds) * time.TimestampFrequency)));
        }
    }

    /// <summary>Where the server stands now.</summary>
    public void Add(ulong lsn)
    {
        // While the server stands still, the newest look at the same place is the one that counts.
        if (_samples is [.., var last] && last.Lsn == lsn)
        {
            _samples.RemoveAt(_samples.Count - 1);
        }

        _samples.Add((lsn, time.GetTimestamp()));
        if (_samples.Count > Most)
        {
            Thin();
        }
    }

    /// <summary>
    /// How far behind the server an LSN is: bytes, and for how long the server has been beyond it. The time begins at the last
    /// moment that did not show the server beyond it.
    /// </summary>
    public (long Bytes, double Seconds) Lag(ulong durable)
    {
        if (_samples is not [var first, ..] || durable >= _samples[^1].Lsn)
        {
            return (0, 0);
        }

        var since = first.At;
        foreach (var (lsn, at) in _samples)
        {
            if (lsn > durable)
            {
                break;
            }

            since = at;
        }

        return ((long)(_samples[^1].Lsn - durable), time.GetElapsedTime(since).TotalSeconds);
    }

    /// <summary>Every other one of the older half goes, but for the first: an age that begins at the one before is too long, never too short.</summary>
    private void Thin()
    {
        var half = _samples.Count / 2;
        var kept = _samples.Where((_, index) => index >= half || index % 2 == 0).ToList();
        _samples.Clear();
        _samples.AddRange(kept);
    }
}
