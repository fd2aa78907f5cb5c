using Hexabase.DrConsole.Dashboard.Controls;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Controls;

public sealed class FiguresTests
{
    [Theory]
    [InlineData(0, "0s")]
    [InlineData(0.04, "0.1s")]
    [InlineData(0.42, "0.4s")]
    [InlineData(0.96, "1s")]
    [InlineData(4, "4s")]
    [InlineData(59.7, "1m 00s")]
    [InlineData(186, "3m 06s")]
    [InlineData(3599.8, "1h")]
    [InlineData(6420, "1h 47m")]
    [InlineData(7200, "2h")]
    [InlineData(273_600, "3d 4h")]
    [InlineData(-3, "0s")]
    public void Duration_is_written_in_two_units(double seconds, string expected)
        => Assert.Equal(expected, Figures.Duration(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData(300, "5m")]
    [InlineData(86_400, "24h")]
    [InlineData(604_800, "7d")]
    [InlineData(90, "1m 30s")]
    public void Target_round_is_written_in_one_unit(double seconds, string expected)
        => Assert.Equal(expected, Figures.Target(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData(0, "1s ago")]
    [InlineData(6, "6s ago")]
    [InlineData(2640, "44m ago")]
    [InlineData(93_600, "1d 2h ago")]
    [InlineData(3_542_400, "41d ago")]
    public void Age_is_never_just_now(double seconds, string expected)
        => Assert.Equal(expected, Figures.Age(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(999, "999 B")]
    [InlineData(11_000, "11 kB")]
    [InlineData(2_100_000, "2.1 MB")]
    [InlineData(96_000_000, "96 MB")]
    [InlineData(118_600_000_000, "118.6 GB")]
    [InlineData(1_840_000_000_000, "1.84 TB")]
    [InlineData(11_400_000_000_000, "11.4 TB")]
    [InlineData(999_999_999, "1.0 GB")]
    public void Bytes_are_decimal(long bytes, string expected) => Assert.Equal(expected, Figures.Bytes(bytes));

    [Theory]
    [InlineData(318_600_000_000, 404_200_000_000, "318.6 of 404.2 GB")]
    [InlineData(88_000_000, 1_200_000_000, "88 MB of 1.2 GB")]
    public void BytesOf_says_a_shared_unit_once(long part, long whole, string expected)
        => Assert.Equal(expected, Figures.BytesOf(part, whole));

    [Fact]
    public void Percent_says_a_hundred_only_when_all_is_done()
    {
        Assert.Equal("99 %", Figures.Percent(0.9999));
        Assert.Equal("100 %", Figures.Percent(1));
    }

    [Theory]
    [InlineData("2026-11-24T03:12:44Z", "03:12:44")]
    [InlineData("2026-11-22T14:32:10Z", "Sun 22 Nov 14:32")]
    [InlineData("2025-11-22T14:32:10Z", "22 Nov 2025 14:32")]
    public void Moment_says_the_day_only_where_it_is_another(string at, string expected)
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 11, 24, 12, 0, 0, TimeSpan.Zero));
        Assert.Equal(expected, Figures.Moment(DateTimeOffset.Parse(at, System.Globalization.CultureInfo.InvariantCulture), time));
    }
}
