using Bunit;
using Bunit.TestDoubles;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Layout;
using Hexabase.DrConsole.Dashboard.Tests.Controls;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor;

namespace Hexabase.DrConsole.Dashboard.Tests.Layout;

public sealed class ShellTests : ControlTests
{
    [Theory]
    [InlineData("", "Overview")]
    [InlineData("sources/orders?tab=runs", "Sources")]
    [InlineData("restore-points/4f19c2", "Points")]
    [InlineData("runs", "Runs")]
    public void Rail_marks_the_section_that_owns_the_page(string path, string expected)
    {
        Services.GetRequiredService<NavigationManager>().NavigateTo(path);
        var rail = Render<Rail>();
        Assert.Equal(expected, rail.Find("[aria-current=page]").TextContent.Trim());
    }

    [Fact]
    public void Rail_counts_running_runs_as_they_change()
    {
        var rail = Render<Rail>();
        Assert.Empty(rail.FindAll(".count"));
        Services.GetRequiredService<ShellState>().Show(null, 2, 0);
        rail.WaitForAssertion(() => Assert.Equal("2", rail.Find(".count").TextContent));
    }

    [Fact]
    public void Banner_is_on_every_page_but_the_runs_own()
    {
        var shell = Services.GetRequiredService<ShellState>();
        shell.Show(new RunBannerModel("Restoring orders", "restore, 79 %", null, "Step 5 needs 1 more approval", "/runs/R-58", 0.79), 1, 0);
        var banner = Render<RunBanner>();
        Assert.Equal("/runs/R-58", banner.Find("a").GetAttribute("href"));
        Assert.Contains("79%", banner.Find(".done").GetAttribute("style"), StringComparison.Ordinal);

        Services.GetRequiredService<NavigationManager>().NavigateTo("/runs/R-58");
        Assert.Empty(Render<RunBanner>().FindAll("section"));
    }

    [Fact]
    public void Person_shows_initials_role_and_the_way_out()
    {
        var authorization = this.AddAuthorization();
        authorization.SetAuthorized("k.ito");
        authorization.SetRoles("Approver");
        var menu = Render<PersonMenu>();
        Assert.Equal("KI", menu.Find(".initials").TextContent);
        Assert.Contains("Approver", menu.Find(".who").TextContent, StringComparison.Ordinal);
        Assert.Equal("/sign-out", menu.Find("form[method=post]").GetAttribute("action"));
    }

    [Fact]
    public async Task Palette_finds_pages_and_what_others_offer_and_opens_by_keyboard()
    {
        Services.AddSingleton<IPaletteSource, OneSource>();
        var dialogs = Render<MudDialogProvider>();
        await dialogs.InvokeAsync(() => Services.GetRequiredService<IDialogService>().ShowAsync<CommandPalette>());
        dialogs.WaitForAssertion(() => Assert.Equal(Sections.All.Count + 1, dialogs.FindAll("[role=option]").Count));

        dialogs.Find("input").Input("o");
        dialogs.WaitForAssertion(() => Assert.Contains("orders", dialogs.Markup, StringComparison.Ordinal));
        dialogs.Find(".palette").KeyDown("ArrowUp");
        Assert.Contains("orders", dialogs.Find("[aria-selected=true]").TextContent, StringComparison.Ordinal);
        dialogs.Find(".palette").KeyDown("Enter");
        Assert.EndsWith("/sources/orders", Services.GetRequiredService<NavigationManager>().Uri, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Palette_without_a_match_says_so()
    {
        var dialogs = Render<MudDialogProvider>();
        await dialogs.InvokeAsync(() => Services.GetRequiredService<IDialogService>().ShowAsync<CommandPalette>());
        dialogs.WaitForElement("input").Input("zzz");
        dialogs.WaitForAssertion(() => Assert.Contains("Nothing is called “zzz”.", dialogs.Markup, StringComparison.Ordinal));
        dialogs.Find(".palette").KeyDown("Enter");
    }

    [Theory]
    [InlineData("light", "light")]
    [InlineData("dark", "dark")]
    [InlineData("system", "system")]
    [InlineData("\"><script>", "system")]
    [InlineData(null, "system")]
    public void Theme_cookie_of_anything_unknown_is_the_systems(string? cookie, string expected)
        => Assert.Equal(expected, ThemePreference.Of(cookie));

    private sealed class OneSource : IPaletteSource
    {
        public Task<IReadOnlyList<PaletteEntry>> FindAsync(string query, CancellationToken cancellationToken)
            => Task.FromResult<IReadOnlyList<PaletteEntry>>([new("orders", "Source", "/sources/orders")]);
    }
}
