using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Engine.Health;

namespace Hexabase.DrConsole.Dashboard.Tests.Controls;

public sealed class WatcherBeatTests : ControlTests
{
    private static readonly WatchStanding Well = new(Start.AddSeconds(-6), "host, pid 12", 31, 0, false, Seconds(70))
    {
        Recent = [new WatchLook(Start.AddSeconds(-36), true), new WatchLook(Start.AddSeconds(-6), false)],
    };

    [Fact]
    public void Beat_says_when_the_watcher_looked_and_who_it_is()
    {
        var beat = Render<WatcherBeat>(parameters => parameters.Add(self => self.Standing, Well));
        Assert.Equal("6s ago", beat.Find(".words > strong").TextContent);
        Assert.Equal((1, 1, 10), (beat.FindAll(".look.well").Count, beat.FindAll(".look.missed").Count, beat.FindAll(".look.none").Count));
        Assert.Equal("host, pid 12 looks at 31 sources and tiers", beat.Find(".visually-hidden").TextContent);
        Assert.Empty(beat.FindAll(".more"));
    }

    [Fact]
    public void Beat_grows_silent_by_age_alone()
    {
        var beat = Render<WatcherBeat>(parameters => parameters.Add(self => self.Standing, Well));
        Time.Advance(Seconds(60));
        beat.WaitForAssertion(() => Assert.Equal("1m ago", beat.Find(".words > strong").TextContent));
        Time.Advance(Seconds(5));
        beat.WaitForAssertion(() => Assert.Equal("Watcher silent for 1m 11s", beat.Find(".words > strong").TextContent));
        Assert.Contains("silent", beat.Find("a").ClassList);
        Assert.Empty(beat.FindAll(".look.well"));
    }

    [Fact]
    public void Beat_says_what_needs_a_look_and_that_the_console_may_be_cut_off()
    {
        var beat = Render<WatcherBeat>(parameters => parameters.Add(self => self.Standing, Well with { Missing = 2 }));
        Assert.Equal("2 of 31 need a look", beat.Find(".more").TextContent);
        beat.Render(parameters => parameters.Add(self => self.Standing, Well with { Missing = 31, IsIsolated = true, Error = "the catalog is full" }));
        Assert.Equal("nothing answers: cut off?", beat.Find(".more").TextContent);
        Assert.Contains("the catalog is full", beat.Find("a").GetAttribute("title"), StringComparison.Ordinal);
        beat.Render(parameters => parameters.Add(self => self.Standing, new WatchStanding(null, null, 0, 0, false, Seconds(70))));
        Assert.Equal("Watcher has never looked", beat.Find(".words > strong").TextContent);
    }
}
