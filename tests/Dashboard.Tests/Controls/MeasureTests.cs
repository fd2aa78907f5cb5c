using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;

namespace Hexabase.DrConsole.Dashboard.Tests.Controls;

public sealed class MeasureTests : ControlTests
{
    [Theory]
    [InlineData(186, Measure.Measured, "tone-proven", "solid", "3m 06s", "38.44%")]
    [InlineData(420, Measure.Measured, "tone-breached", "solid", "7m 00s", "86.8%")]
    [InlineData(3000, Measure.Measured, "tone-breached", "solid", "50m 00s", "100%")]
    [InlineData(186, Measure.Estimated, "tone-unproven", "hatched", "3m 06s", "38.44%")]
    public void Target_bar_fill_says_how_it_is_known(double seconds, Measure measure, string tone, string fill, string value, string width)
    {
        var bar = Render<TargetBar>(parameters => parameters
            .Add(self => self.Value, Seconds(seconds)).Add(self => self.Target, Seconds(300)).Add(self => self.Measure, measure).Add(self => self.Second, "how"));
        Assert.True(bar.Find(".target").ClassList.Contains(tone));
        var drawn = bar.Find(".fill");
        Assert.True(drawn.ClassList.Contains(fill));
        Assert.Contains(width, drawn.GetAttribute("style"), StringComparison.Ordinal);
        Assert.StartsWith($"{value} / 5m", string.Join(' ', bar.Find(".figure").TextContent.Split(' ', '\n').Where(part => part.Length > 0)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, Measure.Measured)]
    [InlineData(3.0, Measure.None)]
    public void Target_bar_unknown_is_hollow_and_says_not_measured(double? seconds, Measure measure)
    {
        var bar = Render<TargetBar>(parameters => parameters
            .Add(self => self.Value, seconds is { } known ? Seconds(known) : null).Add(self => self.Target, Seconds(300)).Add(self => self.Measure, measure).Add(self => self.Second, "no point yet"));
        Assert.Empty(bar.FindAll(".fill"));
        Assert.True(bar.Find(".bar").ClassList.Contains("hollow"));
        Assert.Contains("Not measured", bar.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Spark_draws_eight_columns_with_failures_and_forecast()
    {
        var spark = Render<DrillSpark>(parameters => parameters
            .Add(self => self.Target, Seconds(900))
            .Add(self => self.Second, "forecast")
            .Add(self => self.Drills, [.. Enumerable.Repeat(new DrillColumn(Seconds(700)), 9), new DrillColumn(default, DrillOutcome.Failed), new DrillColumn(Seconds(950), DrillOutcome.Forecast)]));
        Assert.Equal(8, spark.FindAll(".column").Count);
        Assert.Single(spark.FindAll(".column.failed"));
        Assert.Single(spark.FindAll(".column.last.hatched"));
        Assert.Equal("8 restores measured, 1 failed, 1 over the target", spark.Find(".columns").GetAttribute("aria-label"));
        Assert.Contains("tone-breached", spark.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Spark_without_drills_is_hollow()
    {
        var spark = Render<DrillSpark>(parameters => parameters.Add(self => self.Target, Seconds(900)).Add(self => self.Second, "plan guesses 5m"));
        Assert.Empty(spark.FindAll(".column"));
        Assert.Contains("Not measured", spark.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Tier_strip_tells_each_tier_in_words()
    {
        var strip = Render<TierStrip>(parameters => parameters.Add(self => self.Marks,
            [new("hot", Status.ReadBack, "6d ago"), new("warm", Status.Stored), new("cold", Status.Damaged), new("site", Status.NotKept)]));
        var marks = strip.FindAll(".mark");
        Assert.Equal(["H", "W", "×", "–"], marks.Select(mark => mark.FirstElementChild?.TextContent));
        Assert.Equal("hot: Read back, 6d ago", marks[0].GetAttribute("title"));
        Assert.True(marks[0].ClassList.Contains("tone-proven"));
        Assert.False(marks[1].ClassList.Contains("tone-proven"));
    }

    [Theory]
    [InlineData(2_600_000_000_000L, "1.84 of 2.60 TB", false)]
    [InlineData(null, "1.84 TB used; the store does not tell its size", true)]
    public void Tier_card_without_capacity_draws_no_share(long? capacity, string text, bool isHollow)
    {
        var card = Render<TierCard>(parameters => parameters.Add(self => self.Model, new TierCardModel(
            "Hot", "local", IconShape.TierHot, Status.ReadBack, "Read back within 6d", 1_840_000_000_000, capacity, null, null, "2 points")));
        Assert.Equal(text, card.Find(".first").TextContent);
        Assert.Equal(isHollow, card.Find(".used").ClassList.Contains("hollow"));
    }

    [Fact]
    public void Progress_with_totals_tells_share_rate_and_forecast()
    {
        var progress = Progress(new("Restore", 318_600_000_000, 404_200_000_000, 9, 14, 812_000_000, Seconds(105), false, Start));
        Assert.Equal("78", progress.Find("[role=progressbar]").GetAttribute("aria-valuenow"));
        Assert.Equal("318.6 of 404.2 GB, 9 of 14 items, 812 MB/s, 1m 45s left", progress.Find(".second").TextContent);
        Assert.Single(progress.FindAll(".rest.hatched"));
    }

    [Fact]
    public void Progress_with_estimated_total_says_about()
        => Assert.Contains("about 29 %", Progress(new("Dump", 88, 300, 0, null, null, null, true, null)).Markup, StringComparison.Ordinal);

    [Fact]
    public void Progress_without_totals_makes_no_percentage_up()
    {
        var progress = Progress(new("Read", 88_000_000, null, 12, null, null, null, false, Start));
        Assert.Null(progress.Find("[role=progressbar]").GetAttribute("aria-valuenow"));
        Assert.DoesNotContain(" %", progress.Find(".words").TextContent, StringComparison.Ordinal);
        Assert.True(progress.Find(".track").ClassList.Contains("hollow"));
    }

    [Fact]
    public void Duration_and_bytes_not_measured_say_so()
    {
        Assert.Equal("Not measured", Render<DurationText>().Find("span").TextContent);
        Assert.Equal("Not measured", Render<ByteText>().Find("span").TextContent);
        Assert.Equal("about 5s", Render<DurationText>(self => self.Add(text => text.Value, Seconds(5)).Add(text => text.IsEstimate, true)).Find("span").TextContent);
        Assert.Equal("2,100,000 bytes", Render<ByteText>(self => self.Add(text => text.Bytes, 2_100_000)).Find("span").GetAttribute("title"));
    }

    private IRenderedComponent<RunProgress> Progress(RunProgressModel model)
        => Render<RunProgress>(parameters => parameters.Add(self => self.Model, model));
}
