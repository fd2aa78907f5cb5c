using Hexabase.DrConsole.Engine.Backups.Postgres.Wal;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Receiving;

public sealed class WalSamplesTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 24, 14, 0, 0, TimeSpan.Zero));

    [Fact]
    public void After_an_outage_what_is_not_stored_is_as_old_as_the_last_that_was()
    {
        var samples = new WalSamples(_time);
        samples.Seed([(1000, _time.GetUtcNow().AddHours(-1)), (400, _time.GetUtcNow().AddHours(-2)), (1000, _time.GetUtcNow().AddMinutes(-5))]);
        samples.Add(9000);
        _time.Advance(TimeSpan.FromSeconds(2));
        samples.Add(9100);

        Assert.Equal((8100L, 3602.0), samples.Lag(1000));
        Assert.Equal((8800L, 7202.0), samples.Lag(300));
        Assert.Equal((4100L, 3602.0), samples.Lag(5000));
        Assert.Equal((100L, 2.0), samples.Lag(9000));
        Assert.Equal((0L, 0.0), samples.Lag(9100));
    }

    [Fact]
    public void Server_that_stands_still_is_behind_from_the_newest_look_on()
    {
        var samples = new WalSamples(_time);
        samples.Seed([]);
        samples.Add(1000);
        _time.Advance(TimeSpan.FromMinutes(10));
        samples.Add(1000);
        _time.Advance(TimeSpan.FromSeconds(2));
        samples.Add(1500);

        Assert.Equal((500L, 2.0), samples.Lag(1000));
        Assert.Equal((0L, 0.0), new WalSamples(_time).Lag(1000));
    }

    [Fact]
    public void However_long_it_is_looked_an_age_is_never_too_short_and_the_oldest_stays()
    {
        var samples = new WalSamples(_time);
        var began = _time.GetTimestamp();
        for (var look = 0; look < 10 * WalSamples.Most; look++)
        {
            samples.Add((ulong)look * 100);
            _time.Advance(TimeSpan.FromSeconds(2));
        }

        Assert.Equal(_time.GetElapsedTime(began).TotalSeconds, samples.Lag(0).Seconds);
        foreach (var look in Enumerable.Range(0, 90).Select(share => share * WalSamples.Most / 10))
        {
            var seconds = samples.Lag((ulong)look * 100).Seconds;
            Assert.True(seconds >= 2 * ((10 * WalSamples.Most) - look), $"look {look}: {seconds}");
        }
    }
}
