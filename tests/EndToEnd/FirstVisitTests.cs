using Hexabase.DrConsole.EndToEnd.Support;
using Microsoft.Playwright;

namespace Hexabase.DrConsole.EndToEnd;

/// <summary>A console that protects a source and has no backup of it yet.</summary>
public sealed class FirstVisitTests(PublishedConsole console) : ConsoleVisit(console)
{
    [Fact]
    public async Task Overview_before_the_first_backup_says_not_proven_and_shows_nothing_green()
    {
        var admin = await AdminAsync();
        await admin.OpenAsync("/");

        await Expect(admin.Page.GetByRole(AriaRole.Heading, new() { Name = "Not proven." })).ToBeVisibleAsync();
        await Expect(admin.Page.Locator("main .sources").GetByText("No restore point yet")).ToBeVisibleAsync();
        await Expect(admin.Page.GetByText("no restore was measured")).ToBeVisibleAsync();
        await Expect(admin.Page.GetByText("Back up a source, or wait for its schedule.")).ToBeVisibleAsync();
        // A tier that answers may be green; a source's row and the verdict may not.
        await Expect(admin.Page.Locator("main .page-header .tone-proven, main .sources .tone-proven")).ToHaveCountAsync(0);
    }
}
