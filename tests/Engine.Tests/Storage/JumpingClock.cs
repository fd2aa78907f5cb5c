namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>A clock that is set forward and back by hours while it is read, as one without a battery is; its timer runs on evenly.</summary>
public sealed class JumpingClock(int seed) : TimeProvider
{
    private readonly Random _random = new(seed);
    private readonly Lock _gate = new();
    private TimeSpan _offset;
    private int _reads;

    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate)
        {
            if (++_reads % 5 == 0)
            {
                _offset = TimeSpan.FromHours(_random.Next(-12, 13));
            }

            return System.GetUtcNow() + _offset;
        }
    }
}
