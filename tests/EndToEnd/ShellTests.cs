using Hexabase.DrConsole.EndToEnd.Support;
using Microsoft.Playwright;

namespace Hexabase.DrConsole.EndToEnd;

/// <summary>The frame around every page, without a mouse.</summary>
public sealed class ShellTests(PublishedConsole console) : ConsoleVisit(console)
{
    [Fact]
    public async Task Control_k_opens_the_palette_and_enter_goes_to_the_page()
    {
        var admin = await AdminAsync();
        await admin.OpenAsync("/");
        await admin.Page.Keyboard.PressAsync("Control+k");
        var query = admin.Page.GetByRole(AriaRole.Combobox, new() { Name = "Go to" });
        await Expect(query).ToBeFocusedAsync();
        await admin.Page.Keyboard.TypeAsync("poin");
        await Expect(admin.Page.GetByRole(AriaRole.Option)).ToHaveCountAsync(1);
        await admin.Page.Keyboard.PressAsync("Enter");

        await Expect(admin.Page.GetByRole(AriaRole.Heading, new() { Name = "Points" })).ToBeVisibleAsync();
        await Expect(query).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task Question_mark_shows_the_keys_and_escape_goes_back()
    {
        var admin = await AdminAsync();
        await admin.OpenAsync("/runs");
        await admin.Page.Keyboard.PressAsync("?");
        var sheet = admin.Page.GetByRole(AriaRole.Dialog);
        await Expect(sheet).ToContainTextAsync("Hatched: estimated, forecast, or stored but not read back");
        // Keys go where the focus is: the sheet takes it in a frame after it shows.
        await Expect(admin.Page.Locator(".mud-dialog-container:focus-within")).ToBeVisibleAsync();
        await admin.Page.Keyboard.PressAsync("Escape");
        await Expect(sheet).ToHaveCountAsync(0);
    }
}
