using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Engine;

namespace Hexabase.DrConsole.Dashboard.Tests.Controls;

public sealed class EvidenceTests : ControlTests
{
    [Theory]
    [InlineData(5, Status.Passed, "Passed 5 of 5", "tone-proven")]
    [InlineData(3, Status.Failed, "Failed at step 3 of 5", "tone-failed")]
    [InlineData(2, Status.Running, "Running step 2 of 5", "tone-running")]
    [InlineData(4, Status.Passed, "Passed 4 of 5", "tone-neutral")]
    public void Validation_is_passed_only_when_every_step_is(int reached, Status there, string chip, string tone)
    {
        var steps = Render<ValidationSteps>(parameters => parameters.Add(self => self.Steps, Steps(reached, there)));
        Assert.Equal(chip, steps.Find(".chip").TextContent.Trim());
        Assert.True(steps.Find(".chip").ClassList.Contains(tone));
        Assert.Equal(5 - reached, steps.FindAll("tr.not-run").Count);
        Assert.All(steps.FindAll("tr.not-run .found"), found => Assert.Equal($"because step {reached} failed", found.TextContent));
    }

    [Fact]
    public void Validation_without_steps_is_not_run_and_never_passed()
    {
        var steps = Render<ValidationSteps>(parameters => parameters.Add(self => self.Steps, []));
        Assert.Equal("Not run", steps.Find(".chip").TextContent.Trim());
        Assert.DoesNotContain("Passed", steps.Markup, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(3L, "aa", Status.Equal)]
    [InlineData(2L, "aa", Status.Differs)]
    [InlineData(3L, "bb", Status.Differs)]
    [InlineData(null, "aa", Status.NotCompared)]
    [InlineData(3L, null, Status.NotCompared)]
    public void Content_is_equal_only_where_rows_and_digest_are(long? rows, string? digest, Status expected)
        => Assert.Equal(expected, new ContentFactModel("orders", 3, rows, "aa", digest).Status);

    [Fact]
    public void Contents_put_what_differs_first_and_show_the_rest_on_demand()
    {
        var table = Render<ContentFactsTable>(parameters => parameters.Add(self => self.Facts,
            [.. Enumerable.Range(0, 30).Select(index => new ContentFactModel($"t{index}", index, index == 29 ? 1 : index, "aa", "aa"))]));
        Assert.Equal("t29", table.Find("tbody td").TextContent);
        Assert.Equal(12, table.FindAll("tbody tr").Count);
        table.Find("button").Click();
        Assert.Equal(30, table.FindAll("tbody tr").Count);
    }

    [Fact]
    public void Contents_never_hide_a_difference_behind_the_button()
    {
        var table = Render<ContentFactsTable>(parameters => parameters.Add(self => self.Facts,
            [.. Enumerable.Range(0, 20).Select(index => new ContentFactModel($"t{index}", 1, 2, "aa", "aa"))]));
        Assert.Equal(20, table.FindAll("tr.differs").Count);
    }

    [Fact]
    public void Contents_not_compared_tell_why()
    {
        var table = Render<ContentFactsTable>(parameters => parameters.Add(self => self.Facts, []).Add(self => self.NotComparedReason, "Step 5 did not run."));
        Assert.Contains("Step 5 did not run.", table.Markup, StringComparison.Ordinal);
        Assert.Empty(table.FindAll("table"));
    }

    [Fact]
    public void Error_of_the_engine_tells_what_to_do()
    {
        var retried = 0;
        var panel = Render<ErrorPanel>(parameters => parameters
            .Add(self => self.Fault, new EngineException("pack-damaged", ErrorKind.Damaged, "pack d81f is cut", "repair it from warm"))
            .Add(self => self.OnRetry, () => retried++));
        Assert.Equal("Pack d81f is cut", panel.Find("h2").TextContent);
        Assert.Contains("Repair it from warm", panel.Markup, StringComparison.Ordinal);
        Assert.Contains("pack-damaged", panel.Markup, StringComparison.Ordinal);
        panel.Find("button").Click();
        Assert.Equal(1, retried);
    }

    [Fact]
    public void Error_of_the_console_keeps_its_details_off_the_page()
    {
        var panel = Render<ErrorPanel>(parameters => parameters.Add(self => self.Fault, new InvalidOperationException("Password=hunter2")));
        Assert.DoesNotContain("hunter2", panel.Markup, StringComparison.Ordinal);
        Assert.Empty(panel.FindAll("button"));
    }

    [Fact]
    public void Header_has_one_h1_crumbs_chip_and_figures()
    {
        var header = Render<PageHeader>(parameters => parameters
            .Add(self => self.Title, "4f19c2").Add(self => self.IsMono, true)
            .Add(self => self.Crumbs, [new("Points", "/restore-points"), new("4f19c2")])
            .Add(self => self.Figures, [new("Restored", "never", "step 5 not run", Status.NotRun, Status.Failed)]));
        Assert.Equal("4f19c2", header.Find("h1").TextContent);
        Assert.Equal("page", header.FindAll("nav li")[1].FirstElementChild?.GetAttribute("aria-current"));
        Assert.Equal("step 5 not run", header.Find("dd .second").TextContent);
        Assert.True(header.Find(".value").ClassList.Contains("tone-failed"));
    }

    [Fact]
    public void Empty_tells_why_and_what_fills_it()
    {
        var empty = Render<EmptyState>(parameters => parameters.Add(self => self.Why, "No source.").Add(self => self.Then, "Declare one."));
        Assert.Equal("No source.", empty.Find("h2").TextContent);
        Assert.Contains("Declare one.", empty.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Side_panel_closes_by_button_and_escape()
    {
        var closed = 0;
        var panel = Render<SidePanel>(parameters => parameters.Add(self => self.Title, "Cold").Add(self => self.OnClose, () => closed++));
        panel.Find("button").Click();
        panel.Find("aside").KeyDown("Escape");
        panel.Find("aside").KeyDown("Enter");
        Assert.Equal(2, closed);
    }

    [Fact]
    public void Hex_map_names_every_source_and_state()
    {
        var map = Render<HexMap>(parameters => parameters.Add(self => self.Cells,
            [new("shop", "orders", Status.Proven, "/sources/orders"), new("insight", "events", Status.Breached, "/sources/events")]));
        Assert.Equal(["orders: Proven", "events: Breached"], map.FindAll("a").Select(cell => cell.GetAttribute("aria-label")));
    }

    private static List<ValidationStepModel> Steps(int reached, Status there) =>
    [
        .. Enumerable.Range(1, 5).Select(number => new ValidationStepModel(
            number, $"step {number}", "how",
            number < reached ? Status.Passed : number == reached ? there : Status.NotRun,
            number > reached ? $"because step {reached} failed" : "found", null, null)),
    ];
}
