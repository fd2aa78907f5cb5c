using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Language;

public sealed class JapaneseFigureTests : IDisposable
{
    private readonly ReadingIn _japanese = new("ja");

    public void Dispose() => _japanese.Dispose();

    [Theory]
    [InlineData(0.42, "0.4秒")]
    [InlineData(4, "4秒")]
    [InlineData(186, "3分06秒")]
    [InlineData(6420, "1時間47分")]
    [InlineData(7200, "2時間")]
    [InlineData(273_600, "3日4時間")]
    public void Duration_has_no_space(double seconds, string expected) => Assert.Equal(expected, Figures.Duration(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData(6, "6秒前")]
    [InlineData(21_600, "6時間前")]
    [InlineData(93_600, "1日2時間前")]
    [InlineData(3_542_400, "41日前")]
    public void Age_ends_with_its_word(double seconds, string expected) => Assert.Equal(expected, Figures.Age(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData("2026-11-24T03:12:44Z", "03:12:44")]
    [InlineData("2026-11-22T14:32:10Z", "11月22日(日) 14:32")]
    [InlineData("2025-11-22T14:32:10Z", "2025年11月22日 14:32")]
    public void Moment_names_the_day_in_Japanese(string at, string expected)
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 11, 24, 12, 0, 0, TimeSpan.Zero));
        Assert.Equal(expected, Figures.Moment(DateTimeOffset.Parse(at, System.Globalization.CultureInfo.InvariantCulture), time));
    }

    [Fact]
    public void Sizes_shares_and_lists_are_written_as_in_the_design()
    {
        Assert.Equal("1.84 / 2.60 TB", Figures.BytesOf(1_840_000_000_000, 2_600_000_000_000));
        Assert.Equal("79 %", Figures.Percent(0.79));
        Assert.Equal("hot、warm", Figures.List(["hot", "warm"]));
    }

    [Theory]
    [InlineData(1, "1件が実行中")]
    [InlineData(2, "2件が実行中")]
    public void One_and_many_are_the_same_word(int count, string expected) => Assert.Equal(expected, Figures.Format(Texts.NavRunningRuns, count));
}
