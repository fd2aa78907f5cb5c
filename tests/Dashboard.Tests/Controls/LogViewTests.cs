using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;

namespace Hexabase.DrConsole.Dashboard.Tests.Controls;

public sealed class LogViewTests : ControlTests
{
    [Fact]
    public void Log_shows_number_time_phase_and_text()
    {
        var log = Log(Lines(1));
        Assert.Equal(["1", "03:12:45.000", "fetch", "line 1"], log.Find(".line").Children.Select(part => part.TextContent));
    }

    [Fact]
    public void Log_new_lines_while_following_go_to_the_end()
    {
        var log = Log(Lines(3));
        log.Render(parameters => parameters.Add(self => self.Lines, Lines(4)));
        Assert.NotEmpty(JSInterop.Invocations["drconsole.toEnd"]);
    }

    [Fact]
    public async Task Log_scrolled_up_stands_still_and_counts_what_arrives()
    {
        var log = Log(Lines(3));
        await log.Instance.OnScrolledAsync(false);
        var moves = JSInterop.Invocations["drconsole.toEnd"].Count;
        log.Render(parameters => parameters.Add(self => self.Lines, Lines(8)));

        Assert.Equal(moves, JSInterop.Invocations["drconsole.toEnd"].Count);
        Assert.Contains("Paused", log.Find(".follow").TextContent, StringComparison.Ordinal);
        Assert.Contains("5 new lines", log.Find(".hint").TextContent, StringComparison.Ordinal);

        await log.Instance.OnScrolledAsync(true);
        log.WaitForAssertion(() => Assert.Contains("Following", log.Find(".follow").TextContent, StringComparison.Ordinal));
    }

    [Fact]
    public void Log_filter_and_warnings_choose_lines()
    {
        var log = Log([.. Lines(5), new LogLine(6, Start, "engine", "hot answered slowly", LogLineLevel.Warning)]);
        log.Find("input").Input("LINE 4");
        Assert.Single(log.FindAll(".line"));
        log.Find("input").Input(string.Empty);
        log.Find("button.link").Click();
        Assert.Equal("hot answered slowly", log.Find(".line .text").TextContent);
        Assert.Equal("Warnings, 1", log.Find("button.link").TextContent);
    }

    [Fact]
    public void Log_is_silent_to_readers_of_the_screen_and_tells_when_empty()
    {
        var log = Log([]);
        Assert.Equal("off", log.Find("[role=log]").GetAttribute("aria-live"));
        Assert.Contains("No line yet", log.Markup, StringComparison.Ordinal);
    }

    private static List<LogLine> Lines(int count)
        => [.. Enumerable.Range(1, count).Select(number => new LogLine(number, Start.AddSeconds(number), "fetch", $"line {number}"))];

    private IRenderedComponent<LogView> Log(IReadOnlyList<LogLine> lines)
        => Render<LogView>(parameters => parameters.Add(self => self.Lines, lines));
}
