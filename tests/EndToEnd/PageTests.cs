using System.Text.RegularExpressions;
using Hexabase.DrConsole.EndToEnd.Support;
using Microsoft.Playwright;

namespace Hexabase.DrConsole.EndToEnd;

/// <summary>What holds for every page: no accessibility fault, nothing beyond a narrow screen; and the audit trail.</summary>
public sealed partial class PageTests(PublishedConsole console) : ConsoleVisit(console)
{
    private const int PhoneWidth = 400;

    /// <summary>Each page is drawn once and looked at in a wide window, then in a narrow one.</summary>
    [Theory]
    [InlineData("light", "en")]
    [InlineData("dark", "ja")]
    public async Task Every_page_is_accessible_and_no_wider_than_a_phone(string theme, string language)
    {
        var options = new VisitorOptions { Theme = theme, Language = language };
        var stranger = await StrangerAsync(options);
        await stranger.OpenAsync("/sign-in");
        var faults = new List<string>(await FaultsAsync(stranger));
        faults.AddRange(await OverflowOnPhoneAsync(stranger, options));
        var admin = await AdminAsync(options);
        foreach (var path in await PathsAsync(admin))
        {
            await admin.OpenAsync(path);
            faults.AddRange(await FaultsAsync(admin));
            faults.AddRange(await OverflowOnPhoneAsync(admin, options));
        }

        Assert.Empty(faults);
    }

    /// <summary>A page that only a phone opens is drawn for it from the first moment.</summary>
    [Theory]
    [InlineData("en")]
    [InlineData("ja")]
    public async Task Page_that_a_phone_opens_is_no_wider_than_it(string language)
    {
        var phone = await AdminAsync(new VisitorOptions { Width = PhoneWidth, Language = language });
        var tooWide = new List<string>();
        foreach (var path in (string[])["/", $"/sources/{PublishedConsole.Source}", "/runs"])
        {
            await phone.OpenAsync(path);
            tooWide.AddRange(await OverflowAsync(phone));
        }

        Assert.Empty(tooWide);
    }

    [Fact]
    public async Task Audit_lists_what_was_done_and_the_chain_is_unbroken()
    {
        await Console.ProvenPointAsync(Cancellation);
        await Console.AddUserAsync("auditor", "Viewer", Cancellation);
        var admin = await AdminAsync();
        await admin.OpenAsync("/audit");
        foreach (var action in new[] { "run.requested", "run.completed", "user.added", "source.declared", "access.signed-in" })
        {
            await Expect(admin.Page.GetByRole(AriaRole.Cell, new() { Name = action, Exact = true }).First).ToBeVisibleAsync();
        }

        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Verify the chain" }).ClickAsync();
        await Expect(admin.Page.GetByText(Unbroken())).ToBeVisibleAsync();
    }

    private static async Task<IEnumerable<string>> OverflowOnPhoneAsync(Visitor visitor, VisitorOptions before)
    {
        var window = visitor.Page.ViewportSize!;
        await visitor.Page.SetViewportSizeAsync(PhoneWidth, window.Height);
        var beyond = await OverflowAsync(visitor);
        await visitor.Page.SetViewportSizeAsync(before.Width, window.Height);
        return beyond;
    }

    /// <summary>One page of each kind, with something to show.</summary>
    private async Task<IReadOnlyList<string>> PathsAsync(Visitor admin)
    {
        var point = await Console.ProvenPointAsync(Cancellation);
        await admin.OpenAsync("/runs");
        var run = await admin.Page.GetByRole(AriaRole.Main).GetByRole(AriaRole.Link, new() { NameRegex = RunName() }).First.GetAttributeAsync("href");
        return
        [
            "/", "/sources", $"/sources/{PublishedConsole.Source}", "/restore-points", $"/restore-points/{point}", "/retention", "/tiers", "/tiers/hot", "/incidents", "/incidents/maintenance", "/incidents/replay", "/runs", run!, "/audit",
            "/settings", "/settings/recovery-kit", "/approvals", "/plans", "/plans/postgres-corruption", "/drills", "/reports", "/sets", "/settings/notifications",
        ];
    }

    [GeneratedRegex("^R-[0-9]+$")]
    private static partial Regex RunName();

    [GeneratedRegex("^[0-9,]+ events, unbroken$")]
    private static partial Regex Unbroken();
}
