namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// Decides when one tier is looked at, one look at a time, and tells of a look that hangs: a mount that is dead blocks whoever asks it, for
/// as long as it likes. Tiers are watched apart, so that one that hangs keeps nobody from looking at the others.
/// </summary>
/// <param name="tier">The tier's name.</param>
/// <param name="look">Looks; calls the action whenever the store gave something.</param>
/// <param name="tell">Told what a look found, or that one hangs; never two at a time.</param>
/// <param name="remember">Writes down what a look found, after it was told: how long that takes is not the store's fault.</param>
internal sealed class TierWatch(
    string tier, Func<Action, CancellationToken, Task<TierUsage>> look, Action<TierUsage> tell, Func<TierUsage, CancellationToken, Task> remember, TimeProvider time)
{
    /// <summary>How often it is looked at where a look takes no time.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromMinutes(1);

    /// <summary>A store that gave nothing for so long does not answer.</summary>
    public static readonly TimeSpan LongestSilence = TimeSpan.FromMinutes(2);

    /// <summary>At most this share of the time goes into looking.</summary>
    private const double LookingShare = 0.05;

    private readonly Lock _gate = new();
    private readonly long _epoch = time.GetTimestamp();
    private Task? _look;
    private TimeSpan _next;
    private TimeSpan _mayLookAgain;
    private TimeSpan _began;
    private long _movedAt;
    private bool _isOver;
    private bool _isAsked;
    private long _hungTicks;

    /// <summary>Begins a look where one is due, and tells where the last one hangs. Does not wait for any.</summary>
    /// <param name="isAsked">True where the store may have changed since the last look.</param>
    /// <param name="cancellationToken">Ends the look that begins.</param>
    public async Task AdvanceAsync(bool isAsked, CancellationToken cancellationToken)
    {
        _isAsked |= isAsked;
        if (_look is { IsCompleted: false })
        {
            TellIfSilent();
            return;
        }

        if (_look is { } ended)
        {
            _look = null;
            await ended;
        }

        var now = time.GetElapsedTime(_epoch);
        if (now < _next && !(_isAsked && now >= _mayLookAgain))
        {
            return;
        }

        (_isAsked, _isOver, _began) = (false, false, now);
        Interlocked.Exchange(ref _movedAt, time.GetTimestamp());
        Interlocked.Exchange(ref _hungTicks, 0);
        // On a thread of its own: a local store is read without letting the caller go.
        _look = Task.Run(() => LookAsync(cancellationToken), CancellationToken.None);
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        var usage = await look(Moved, cancellationToken);
        lock (_gate)
        {
            _isOver = true;
            tell(usage);
            var now = time.GetElapsedTime(_epoch);
            // For how long it hung says nothing of how long a look takes.
            Moved();
            var rest = (now - _began - TimeSpan.FromTicks(Interlocked.Read(ref _hungTicks))) / LookingShare;
            (_mayLookAgain, _next) = (now + rest, now + (rest > Every ? rest : Every));
        }

        await remember(usage, cancellationToken);
    }

    private void TellIfSilent()
    {
        lock (_gate)
        {
            var silence = time.GetElapsedTime(Interlocked.Read(ref _movedAt));
            if (!_isOver && silence >= LongestSilence)
            {
                tell(new TierUsage(
                    tier, time.GetUtcNow(), null, 0, null, null, null, $"its store has not answered for {silence.TotalMinutes:0} minutes; look at its mount or connection"));
            }
        }
    }

    private void Moved()
    {
        var now = time.GetTimestamp();
        if (time.GetElapsedTime(Interlocked.Exchange(ref _movedAt, now), now) is var silence && silence >= LongestSilence)
        {
            Interlocked.Add(ref _hungTicks, silence.Ticks);
        }
    }
}
