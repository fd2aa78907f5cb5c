using System.Text.RegularExpressions;
using Hexabase.DrConsole.EndToEnd.Support;
using Microsoft.Playwright;

namespace Hexabase.DrConsole.EndToEnd;

/// <summary>Back up, watch it live, see it proven, cancel it.</summary>
public sealed partial class BackupTests(PublishedConsole console) : ConsoleVisit(console)
{
    [Fact]
    public async Task Back_up_now_moves_in_two_browsers_at_once_and_ends_done()
    {
        var admin = await AdminAsync();
        var colleague = await AdminAsync();
        int seenByAdmin, seenByColleague;
        await using (await TableLock.TakeAsync(Console.Lab, Cancellation))
        {
            await BackUpNowAsync(admin);
            await colleague.OpenAsync(new Uri(admin.Page.Url).AbsolutePath);
            await admin.ExpectStateAsync("Running");
            await colleague.ExpectStateAsync("Running");
            await Expect(Lines(admin).First).ToBeVisibleAsync();
            await Expect(Lines(colleague).First).ToBeVisibleAsync();
            (seenByAdmin, seenByColleague) = (await Lines(admin).CountAsync(), await Lines(colleague).CountAsync());
        }

        foreach (var (visitor, seen) in new[] { (admin, seenByAdmin), (colleague, seenByColleague) })
        {
            await visitor.ExpectStateAsync("Done");
            await Expect(visitor.Page.GetByRole(AriaRole.Log)).ToContainTextAsync("warm holds");
            Assert.True(await Lines(visitor).CountAsync() > seen);
            await Expect(visitor.Page.GetByRole(AriaRole.Row, new() { NameRegex = CaptureDone() })).ToBeVisibleAsync();
        }
    }

    [Fact]
    public async Task Validate_now_passes_five_steps_and_the_overview_says_yes()
    {
        var point = await Console.BackUpAsync(Cancellation);
        var admin = await AdminAsync();
        await admin.OpenAsync($"/restore-points/{point}");
        // The first backup of a source asks for its validation itself; then there is one to watch.
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Validate now" })
            .Or(admin.Page.GetByRole(AriaRole.Link, new() { Name = "Watch the validation" })).ClickAsync();
        await Expect(admin.Page.GetByRole(AriaRole.Heading, new() { Name = "Validation of orders" })).ToBeVisibleAsync();
        await admin.ExpectStateAsync("Done");

        await admin.OpenAsync($"/restore-points/{point}");
        await admin.ExpectStateAsync("Proven");
        await Expect(admin.Page.GetByText("Passed 5 of 5")).ToBeVisibleAsync();
        foreach (var step in new[] { "File integrity", "Encryption", "Compression", "Content structure", "Restorability" })
        {
            await Expect(admin.Page.GetByRole(AriaRole.Row, new() { NameRegex = new Regex(step + ".* Passed ", RegexOptions.Singleline) })).ToBeVisibleAsync();
        }

        var customers = admin.Page.GetByRole(AriaRole.Row, new() { NameRegex = CustomersRow() });
        await Expect(customers).ToContainTextAsync("Equal");
        await Expect(admin.Page.GetByText("Differs")).ToHaveCountAsync(0);

        await admin.OpenAsync("/");
        await Expect(admin.Page.GetByRole(AriaRole.Heading, new() { Name = "Yes, proven by a restore." })).ToBeVisibleAsync();
        var source = admin.Page.Locator("main .sources").GetByRole(AriaRole.Row, new() { NameRegex = OrdersRow() });
        await Expect(source).ToContainTextAsync("Restored to scratch");
        await Expect(source).ToContainTextAsync("contents compared");
        await Expect(source).ToContainTextAsync(MeasuredRestore());
        await Expect(admin.Page.GetByText("no restore was measured")).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task Cancelled_backup_ends_cancelled_and_leaves_no_restore_point()
    {
        var before = await Console.CommandAsync(Cancellation, "restore-points", "--json");
        var admin = await AdminAsync();
        await using (await TableLock.TakeAsync(Console.Lab, Cancellation))
        {
            await BackUpNowAsync(admin);
            await admin.ExpectStateAsync("Running");
            await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Cancel run" }).ClickAsync();
            await admin.ExpectStateAsync("Cancelled");
        }

        await Expect(admin.Page.GetByRole(AriaRole.Link, new() { NameRegex = OpenPoint() })).ToHaveCountAsync(0);
        Assert.Equal(before, await Console.CommandAsync(Cancellation, "restore-points", "--json"));
    }

    private static ILocator Lines(Visitor visitor) => visitor.Page.GetByRole(AriaRole.Log).Locator(".line");

    [GeneratedRegex("capture.* Done ", RegexOptions.Singleline)]
    private static partial Regex CaptureDone();

    [GeneratedRegex("^orders ")]
    private static partial Regex OrdersRow();

    [GeneratedRegex(@"\ds / 15m\s*measured \d+s ago", RegexOptions.Singleline)]
    private static partial Regex MeasuredRestore();

    [GeneratedRegex("public.customers ")]
    private static partial Regex CustomersRow();

    [GeneratedRegex("^Open ")]
    private static partial Regex OpenPoint();
}
