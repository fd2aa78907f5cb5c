using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.DependencyInjection;

namespace Hexabase.DrConsole.Dashboard.Tests.Controls;

public sealed class SourceTableTests : ControlTests
{
    [Fact]
    public void Table_groups_by_workspace_and_counts_states_without_a_green_total()
    {
        var table = Render<SourceTable>(parameters => parameters.Add(self => self.Rows,
            [Row("shop", "orders", Status.Proven), Row("shop", "cache", Status.Breached), Row("insight", "events", Status.Unproven)]));
        Assert.Equal(["shop2 sources, 1 proven, 1 breached", "insight1 source, 1 unproven"], table.FindAll("tr.group").Select(group => group.TextContent));
    }

    [Fact]
    public void Table_row_opens_its_source()
    {
        var table = Render<SourceTable>(parameters => parameters.Add(self => self.Rows, [Row("shop", "orders", Status.Proven)]));
        table.Find("tr.source").Click();
        Assert.EndsWith("/sources/orders", Services.GetRequiredService<NavigationManager>().Uri, StringComparison.Ordinal);
    }

    private static SourceRow Row(string workspace, string name, Status status) => new(
        workspace, name, "PostgreSQL, critical", IconShape.Postgres, $"/sources/{name}", status, "how",
        new TargetFigure(Seconds(60), Seconds(300), Measure.Measured, "read back"), Seconds(900), [], "none", [new("hot", Status.ReadBack)])
    {
        ProvenAt = status == Status.Proven ? Start : null,
    };
}
