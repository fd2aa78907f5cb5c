using System.Text.Json.Nodes;
using Hexabase.DrConsole.EndToEnd.Support;
using Microsoft.Playwright;

namespace Hexabase.DrConsole.EndToEnd;

/// <summary>The ways that people go on the pages of a virtual cluster's restore point.</summary>
public sealed class ClusterTests(PublishedConsole console) : ConsoleVisit(console)
{
    private const string ConfigMap = "/api/v1/namespaces/team-0001/configmaps/app-0";
    private const string Lost = "/api/v1/namespaces/team-0002/configmaps/app-1";

    [Fact]
    public async Task Objects_are_browsed_by_namespace_and_kind_searched_and_read()
    {
        var cluster = await Console.ClusterAsync(Cancellation);
        var admin = await AdminAsync();
        await admin.OpenAsync($"/restore-points/{cluster.Point}");
        await admin.Page.GetByRole(AriaRole.Link, new() { Name = "Browse objects" }).ClickAsync();
        await Expect(admin.Page.GetByRole(AriaRole.Heading, new() { Name = "Objects", Level = 1 })).ToBeVisibleAsync();
        var rows = admin.Page.GetByRole(AriaRole.Main).Locator("tbody tr:has(td)");
        await admin.Page.Locator("#object-namespace").SelectOptionAsync("team-0001");
        await admin.Page.Locator("#object-kind").SelectOptionAsync("ConfigMap");
        await Expect(rows).ToHaveCountAsync(5);
        await admin.Page.Locator("#object-find").FillAsync("app-");
        await admin.Page.Locator("#object-find").PressAsync("Enter");
        await Expect(rows).ToHaveCountAsync(2);
        await admin.Page.GetByRole(AriaRole.Link, new() { Name = "app-0", Exact = true }).ClickAsync();
        await Expect(admin.Page.GetByLabel("Document")).ToContainTextAsync("LOG_LEVEL: info");

        // A Secret's values are masked until an admin asks for them, which is in the audit.
        await admin.Page.Locator("#object-kind").SelectOptionAsync("Secret");
        await Expect(rows.First).ToContainTextAsync("Secret");
        await admin.Page.GetByRole(AriaRole.Link, new() { Name = "app-0", Exact = true }).ClickAsync();
        var document = admin.Page.GetByLabel("Document");
        await Expect(document).ToContainTextAsync("(hidden, 3 bytes)");
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Show the values" }).ClickAsync();
        await Expect(document).ToContainTextAsync("user: YXBw");
        await admin.OpenAsync("/audit");
        await Expect(admin.Page.GetByRole(AriaRole.Cell, new() { Name = "restore-point.secret-shown", Exact = true }).First).ToBeVisibleAsync();
    }

    [Fact]
    public async Task Lost_and_changed_objects_are_found_against_the_living_cluster_and_brought_back()
    {
        var cluster = await Console.ClusterAsync(Cancellation);
        using var api = cluster.Open();
        Assert.True((await api.DeleteAsync(Lost, null, Cancellation)).IsSuccess);
        Assert.True((await api.PatchAsync(ConfigMap, (JsonObject)JsonNode.Parse("""{"data":{"LOG_LEVEL":"trace"}}""")!, Cancellation)).IsSuccess);
        var password = await Console.AddUserAsync("second", "Approver", Cancellation);
        var approver = await SignedInAsync("second", password);
        var admin = await AdminAsync();
        await admin.OpenAsync($"/restore-points/{cluster.Point}/difference");
        await admin.Page.GetByLabel("Compare with").SelectOptionAsync(new SelectOptionValue { Label = "The cluster as it is now" });
        await Expect(admin.Page.GetByRole(AriaRole.Link, new() { Name = "app-1", Exact = true })).ToBeVisibleAsync();
        await admin.Page.GetByRole(AriaRole.Link, new() { Name = "app-0", Exact = true }).ClickAsync();
        await Expect(admin.Page.GetByRole(AriaRole.Cell, new() { Name = "data.LOG_LEVEL" })).ToBeVisibleAsync();

        // From the difference to the plan of that very object, widened to what was lost.
        await admin.Page.GetByRole(AriaRole.Link, new() { Name = "Restore this object…" }).ClickAsync();
        await Expect(admin.Page.Locator("#restore-names")).ToHaveValueAsync("app-0");
        await admin.Page.Locator("#restore-namespaces").FillAsync("team-0001,team-0002");
        await admin.Page.Locator("#restore-names").FillAsync("app-*");
        await admin.Page.GetByLabel("Change objects that are there and differ").CheckAsync();
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Show the plan" }).ClickAsync();
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "app-0", Exact = true }).First.ClickAsync();
        await Expect(admin.Page.GetByRole(AriaRole.Cell, new() { Name = "data.LOG_LEVEL" })).ToBeVisibleAsync();
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = $"Restore 2 objects into {cluster.Word}" }).ClickAsync();
        await admin.Page.GetByLabel($"Type {cluster.Word} to go on").FillAsync(cluster.Word);
        await admin.Page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = $"Restore 2 objects into {cluster.Word}" }).ClickAsync();
        await Expect(admin.Page.GetByRole(AriaRole.Heading, new() { Name = $"Restore of {ProtectedCluster.Source}" })).ToBeVisibleAsync();

        // It changes what lives there: nothing is written before somebody else has approved this very plan.
        await admin.ExpectStateAsync("Waiting");
        Assert.Null(await api.FindAsync(Lost, Cancellation));
        await approver.OpenAsync(new Uri(admin.Page.Url).AbsolutePath);
        await approver.Page.GetByRole(AriaRole.Link, new() { Name = "Review gate" }).ClickAsync();
        await Expect(approver.Page.GetByRole(AriaRole.Heading, new() { Name = $"Restore of {ProtectedCluster.Source} over what lives" })).ToBeVisibleAsync();
        await approver.Page.Locator("input[name=incident]").FillAsync("INC-1");
        await approver.Page.Locator("textarea[name=reason]").FillAsync("somebody changed these by mistake");
        await approver.Page.Locator("input[name=password]").FillAsync(password);
        await approver.Page.GetByRole(AriaRole.Button, new() { Name = "Approve this restore" }).ClickAsync();
        await Expect(approver.Page.GetByText("Your approval is recorded.")).ToBeVisibleAsync();
        await admin.ExpectStateAsync("Done");
        Assert.NotNull(await api.FindAsync(Lost, Cancellation));
        Assert.Equal("info", (await api.GetAsync(ConfigMap, Cancellation))["data"]!["LOG_LEVEL"]!.GetValue<string>());
    }

    [Theory]
    [InlineData(1440, "light", "en")]
    [InlineData(400, "dark", "ja")]
    public async Task Pages_of_a_cluster_are_accessible_and_fit(int width, string theme, string language)
    {
        var cluster = await Console.ClusterAsync(Cancellation);
        var admin = await AdminAsync(new VisitorOptions { Width = width, Theme = theme, Language = language });
        var faults = new List<string>();
        foreach (var path in (string[])[$"/sources/{ProtectedCluster.Source}", $"/restore-points/{cluster.Point}", $"/restore-points/{cluster.Point}/objects?namespace=team-0001", $"/restore-points/{cluster.Point}/difference", $"/restore-points/{cluster.Point}/objects/restore"])
        {
            await admin.OpenAsync(path);
            faults.AddRange(await FaultsAsync(admin));
            faults.AddRange(await OverflowAsync(admin));
        }

        Assert.Empty(faults);
    }
}
