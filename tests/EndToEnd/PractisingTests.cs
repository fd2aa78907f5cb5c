using Hexabase.DrConsole.EndToEnd.Support;
using Microsoft.Playwright;

namespace Hexabase.DrConsole.EndToEnd;

/// <summary>Drill a plan and see it end; send a test message and see it arrive, or why it does not; recover a workspace to a set with another person's approval.</summary>
public sealed class PractisingTests(PublishedConsole console) : ConsoleVisit(console)
{
    [Fact]
    public async Task Drill_is_started_on_its_page_ends_by_itself_and_proves_the_plan()
    {
        await using var small = await SmallConsole.StartAsync(Console.Browser, Cancellation);
        await small.CommandAsync(Cancellation, "backup", "uploads");
        await small.PersonAsync("paul", "Approver", Cancellation);
        var admin = await small.AdminAsync();
        await admin.OpenAsync("/drills");
        var row = admin.Page.GetByRole(AriaRole.Row).Filter(new() { HasText = "volume-storage-failure" }).Filter(new() { HasText = "uploads" }).First;
        await Expect(row).ToContainTextAsync("Never drilled");

        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Drill now: volume-storage-failure uploads" }).ClickAsync();

        await Expect(admin.Page).ToHaveURLAsync(RunAddress());
        await admin.ExpectStateAsync("Done");
        await Expect(admin.Page.GetByText("are equal in content").First).ToBeVisibleAsync();
        await admin.OpenAsync("/drills");
        await Expect(row).ToContainTextAsync("Passed");
        await Expect(row).ToContainTextAsync("Verified");
        var drills = admin.Page.GetByRole(AriaRole.Group, new() { Name = "Drills of plans" });
        await Expect(drills.GetByRole(AriaRole.Row).Filter(new() { HasText = "uploads" })).ToContainTextAsync("nothing left");
        Assert.Empty(admin.Complaints);
    }

    [Fact]
    public async Task Test_message_reaches_its_receiver_and_one_that_is_refused_says_why()
    {
        await using var small = await SmallConsole.StartAsync(Console.Browser, Cancellation);
        var admin = await small.AdminAsync();
        await admin.OpenAsync("/settings/notifications");
        var channels = admin.Page.Locator(".channels > li");
        var (pager, gone) = (channels.Filter(new() { HasText = "pager" }), channels.Filter(new() { HasText = "gone" }).Last);

        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Send a test to pager" }).ClickAsync();
        await Expect(pager.GetByRole(AriaRole.Status)).ToContainTextAsync("Taken by the receiver after");
        var body = Assert.Single(small.Received);
        Assert.Contains("\"test\"", body, StringComparison.Ordinal);

        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Send a test to gone" }).ClickAsync();
        await Expect(gone.GetByRole(AriaRole.Status)).ToContainTextAsync("Failed:");
        await Expect(gone.GetByRole(AriaRole.Status)).ToContainTextAsync("410");
        var deliveries = admin.Page.Locator("table.deliveries tbody tr");
        await Expect(deliveries.Filter(new() { HasText = "pager" })).ToContainTextAsync("Delivered");
        await Expect(deliveries.Filter(new() { HasText = "gone" })).ToContainTextAsync("410");

        await admin.Page.Locator("#filter-channel").SelectOptionAsync("gone");
        await Expect(deliveries).ToHaveCountAsync(1);
        await Expect(deliveries.GetByRole(AriaRole.Button)).ToBeVisibleAsync();
        Assert.Empty(admin.Complaints);
    }

    [Fact]
    public async Task Workspace_is_recovered_to_a_set_by_one_plan_one_approval_and_one_run()
    {
        await using var small = await SmallConsole.StartAsync(Console.Browser, Cancellation);
        var (approver, password) = await small.PersonAsync("paul", "Approver", Cancellation);
        var admin = await small.AdminAsync();
        await admin.OpenAsync("/sets?workspace=shop");
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "shop" }).ClickAsync();
        await Expect(admin.Page).ToHaveURLAsync(RunAddress());
        await admin.ExpectStateAsync("Done");
        await DrillAsync(admin);
        File.Delete(small.FileOf("uploads", "picture"));
        await File.WriteAllTextAsync(small.FileOf("letters", "letter"), "spoilt", Cancellation);

        await admin.OpenAsync("/sets");
        await admin.Page.Locator("table tbody a").First.ClickAsync();
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Recover the workspace to this set" }).ClickAsync();
        var parts = admin.Page.GetByRole(AriaRole.Region, new() { Name = "Parts" });
        await Expect(parts.GetByRole(AriaRole.Row)).ToHaveCountAsync(3);
        await Expect(parts).ToContainTextAsync("the newest");
        await admin.Page.Locator("#plan-ask").ClickAsync();
        await Expect(admin.Page).ToHaveURLAsync(RunAddress());

        await approver.OpenAsync("/approvals");
        await approver.Page.Locator("main table a, main .gates a").First.ClickAsync();
        await Expect(approver.Page.GetByRole(AriaRole.Region, new() { Name = "Parts" })).ToContainTextAsync("letters");
        await approver.Page.Locator("input[name=incident]").FillAsync("INC-1");
        await approver.Page.Locator("textarea[name=reason]").FillAsync("both volumes are spoilt");
        await approver.Page.Locator("input[name=password]").FillAsync(password);
        await approver.Page.Locator("button[value=approve]").ClickAsync();

        await admin.ExpectStateAsync("Done");
        Assert.Equal("the first picture", await File.ReadAllTextAsync(small.FileOf("uploads", "picture"), Cancellation));
        Assert.Equal("the first letter", await File.ReadAllTextAsync(small.FileOf("letters", "letter"), Cancellation));
        Assert.Empty(admin.Complaints.Concat(approver.Complaints));
    }

    /// <summary>The workspace's plan is drilled before anybody needs it: every part is shown, and the plan is verified.</summary>
    private static async Task DrillAsync(Visitor admin)
    {
        await admin.OpenAsync("/drills");
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Drill now: workspace-recovery workspace shop" }).ClickAsync();
        await Expect(admin.Page).ToHaveURLAsync(RunAddress());
        await admin.ExpectStateAsync("Done");
        await Expect(admin.Page.GetByText("Each part works in a scratch place of its own")).ToContainTextAsync("workspace shop");
        var parts = admin.Page.GetByRole(AriaRole.Region, new() { Name = "Parts" });
        await Expect(parts).ToContainTextAsync("a scratch folder");
        await Expect(parts.GetByRole(AriaRole.Row)).ToHaveCountAsync(3);
        await admin.OpenAsync("/drills");
        var row = admin.Page.GetByRole(AriaRole.Row).Filter(new() { HasText = "workspace-recovery" }).Filter(new() { HasText = "workspace shop" }).First;
        await Expect(row).ToContainTextAsync("letters");
        await Expect(row).ToContainTextAsync("Passed");
        await Expect(row).ToContainTextAsync("Verified");
    }
}
