using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;
using Microsoft.Extensions.DependencyInjection;

namespace Hexabase.DrConsole.Dashboard.Tests.Controls;

public sealed class AgeTextTests : ControlTests
{
    [Fact]
    public void Age_unknown_says_so() => Assert.Equal("unknown", Render<AgeText>().Find(".age").TextContent);

    [Fact]
    public void Age_goes_on_by_itself_and_redraws_only_for_other_words()
    {
        var age = Render<AgeText>(parameters => parameters.Add(self => self.At, Start.AddSeconds(-58)));
        Assert.Equal("58s ago", age.Find("time").TextContent);

        Time.Advance(Seconds(2));
        age.WaitForAssertion(() => Assert.Equal("1m ago", age.Find("time").TextContent));
        var drawn = age.RenderCount;
        for (var tick = 0; tick < 50; tick++)
        {
            Time.Advance(Seconds(1));
        }

        Assert.Equal(drawn, age.RenderCount);
    }

    [Theory]
    [InlineData(3, "", "3d ago")]
    [InlineData(4, "fading", "4d ago")]
    [InlineData(8, "stale", "8d ago, stale")]
    public void Age_fades_past_half_its_validity_and_is_stale_past_all(int days, string cssClass, string text)
    {
        var age = Render<AgeText>(parameters => parameters
            .Add(self => self.At, Start.AddDays(-days)).Add(self => self.Validity, TimeSpan.FromDays(7)));
        var element = age.Find("time");
        Assert.Equal(text, element.TextContent.Trim());
        Assert.Equal(cssClass.Length > 0, cssClass.Length > 0 && element.ClassList.Contains(cssClass));
        Assert.Equal(cssClass == "stale", age.FindAll("svg").Count == 1);
    }

    [Fact]
    public void Age_tells_the_exact_time_on_hover()
    {
        var element = Render<AgeText>(parameters => parameters.Add(self => self.At, Start.AddHours(-6))).Find("time");
        Assert.Equal("2026-11-23T21:12:44Z", element.GetAttribute("datetime"));
        Assert.Contains("2026-11-23 21:12:44", element.GetAttribute("title"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Clock_stops_with_its_last_listener()
    {
        var clock = Services.GetRequiredService<PageClock>();
        var ticks = 0;
        var listening = clock.Listen(() => ticks++);
        Time.Advance(Seconds(3));
        listening.Dispose();
        Time.Advance(Seconds(3));
        Assert.Equal(3, ticks);
        await DisposeComponentsAsync();
    }
}
