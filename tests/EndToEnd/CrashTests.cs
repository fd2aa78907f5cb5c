using Hexabase.DrConsole.EndToEnd.Support;
using Microsoft.Playwright;

namespace Hexabase.DrConsole.EndToEnd;

/// <summary>The console dies in the middle of a backup.</summary>
public sealed class CrashTests(PublishedConsole console) : ConsoleVisit(console)
{
    [Fact]
    public async Task Killed_console_takes_its_backup_up_again_and_the_page_comes_back_by_itself()
    {
        Provoked = "";
        var admin = await AdminAsync();
        await using (await TableLock.TakeAsync(Console.Lab, Cancellation))
        {
            await BackUpNowAsync(admin);
            await admin.ExpectStateAsync("Running");
            await Console.KillAsync(Cancellation);
            await Expect(admin.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("Connection lost");
        }

        await Console.StartAsync(Cancellation);
        Assert.Contains("Left by an earlier start", Console.Output, StringComparison.Ordinal);

        // Nobody touches the page: it finds the new console, loads itself, and shows the run's second attempt.
        await Expect(admin.Page.Locator("main .page-header .chip")).ToHaveTextAsync("Done", new() { Timeout = 120_000 });
        await Expect(admin.Page.GetByText("attempt 2").First).ToBeVisibleAsync();
        await Expect(admin.Page.GetByRole(AriaRole.Link, new() { Name = "Open " })).ToBeVisibleAsync();
    }
}
