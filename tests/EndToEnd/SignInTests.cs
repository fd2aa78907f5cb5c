using System.Text.RegularExpressions;
using Hexabase.DrConsole.EndToEnd.Support;
using Microsoft.Playwright;

namespace Hexabase.DrConsole.EndToEnd;

/// <summary>Who gets in, what they may do, and how they leave.</summary>
public sealed partial class SignInTests(PublishedConsole console) : ConsoleVisit(console)
{
    private const string Refusal = "Failed to load resource: the server responded with a status of 4";

    [Fact]
    public async Task Stranger_on_any_page_is_sent_to_sign_in_and_then_back()
    {
        Provoked = Refusal;
        var stranger = await StrangerAsync();
        await stranger.Page.GotoAsync("/audit");
        await Expect(stranger.Page.GetByRole(AriaRole.Heading, new() { Name = "Sign in" })).ToBeVisibleAsync();

        await stranger.SignInAsync("admin", "not the password");
        await Expect(stranger.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("Name or password is wrong.");
        await Expect(stranger.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("After five wrong passwords the name is locked");

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Console.AdminPasswordFile));
        await stranger.SignInAsync("admin", (await File.ReadAllTextAsync(Console.AdminPasswordFile, Cancellation)).Trim());
        await Expect(stranger.Page.GetByRole(AriaRole.Heading, new() { Name = "Audit" })).ToBeVisibleAsync();
    }

    [Fact]
    public async Task Five_wrong_passwords_lock_the_name_even_for_the_right_one()
    {
        Provoked = Refusal;
        var password = await Console.AddUserAsync("forgetful", "Operator", Cancellation);
        var stranger = await StrangerAsync();
        await stranger.Page.GotoAsync("/");
        var problem = stranger.Page.GetByRole(AriaRole.Alert);
        for (var attempt = 1; attempt <= 4; attempt++)
        {
            await stranger.SignInAsync("forgetful", "a guess");
            await Expect(problem).ToContainTextAsync("Name or password is wrong.");
        }

        await stranger.SignInAsync("forgetful", "a guess");
        await Expect(problem).ToContainTextAsync("Too many attempts for this name. Locked for");
        await stranger.SignInAsync("forgetful", password);
        await Expect(problem).ToContainTextAsync("Passwords are not looked at until then");

        // What the admin is told to do ends it at once.
        await Console.CommandAsync(Cancellation, "user", "set", "forgetful", "--enable");
        await stranger.SignInAsync("forgetful", password);
        await Expect(stranger.Page.GetByText("Can we recover now?")).ToBeVisibleAsync();
    }

    [Fact]
    public async Task Viewer_sees_everything_and_no_button_that_acts()
    {
        var point = await Console.ProvenPointAsync(Cancellation);
        var viewer = await SignedInAsync("viewer", await Console.AddUserAsync("viewer", "Viewer", Cancellation));
        await viewer.OpenAsync($"/sources/{PublishedConsole.Source}");
        await Expect(viewer.Page.GetByText("Your role may look, not act.")).ToBeVisibleAsync();
        await Expect(viewer.Page.GetByRole(AriaRole.Button, new() { Name = "Back up now" })).ToHaveCountAsync(0);

        await viewer.OpenAsync($"/restore-points/{point}");
        await Expect(viewer.Page.GetByText("Your role may look, not act.")).ToBeVisibleAsync();
        await Expect(viewer.Page.GetByRole(AriaRole.Button, new() { NameRegex = ActingName() })).ToHaveCountAsync(0);

        await viewer.Page.GotoAsync("/jobs/recurring");
        await Expect(viewer.Page.GetByRole(AriaRole.Cell, new() { Name = "backup of orders", Exact = true })).ToBeVisibleAsync();
        await Expect(viewer.Page.GetByRole(AriaRole.Button, new() { NameRegex = TriggerName() })).ToHaveCountAsync(0);

        var admin = await AdminAsync();
        await admin.Page.GotoAsync("/jobs/recurring");
        await Expect(admin.Page.GetByRole(AriaRole.Button, new() { NameRegex = TriggerName() })).ToBeVisibleAsync();
    }

    [Fact]
    public async Task Sign_out_closes_every_page()
    {
        // A session of its own: signing out ends it for the other tests' visitors too.
        var password = await Console.AddUserAsync("leaver", "Operator", Cancellation);
        var leaver = await StrangerAsync();
        await leaver.Page.GotoAsync("/");
        await leaver.SignInAsync("leaver", password);
        await Expect(leaver.Page.GetByText("Can we recover now?")).ToBeVisibleAsync();

        await leaver.Page.GetByText("leaver").ClickAsync();
        await leaver.Page.GetByRole(AriaRole.Button, new() { Name = "Sign out", Exact = true }).ClickAsync();
        foreach (var path in new[] { "/", "/sources", "/restore-points", "/runs", "/audit", "/jobs" })
        {
            await leaver.Page.GotoAsync(path);
            await Expect(leaver.Page.GetByRole(AriaRole.Heading, new() { Name = "Sign in" })).ToBeVisibleAsync();
        }
    }

    [Theory]
    [InlineData("/sign-in")]
    [InlineData("/")]
    [InlineData("/jobs")]
    [InlineData("/css/base.css")]
    [InlineData("/favicon.ico")] // asked for by the browser itself wherever an answer names no icon
    public async Task Every_answer_carries_the_security_headers(string path)
    {
        var admin = await AdminAsync();
        var answer = await admin.Page.GotoAsync(path);
        var headers = await answer!.AllHeadersAsync();

        Assert.True(answer.Ok);
        Assert.Contains("script-src 'self'", headers["content-security-policy"], StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", headers["content-security-policy"], StringComparison.Ordinal);
        Assert.Equal("nosniff", headers["x-content-type-options"]);
        Assert.Equal("same-origin", headers["referrer-policy"]);
    }

    [GeneratedRegex("Validate now|Restore to")]
    private static partial Regex ActingName();

    [GeneratedRegex("Trigger now")]
    private static partial Regex TriggerName();
}
