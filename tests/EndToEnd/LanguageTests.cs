using Hexabase.DrConsole.EndToEnd.Support;
using Microsoft.Playwright;

namespace Hexabase.DrConsole.EndToEnd;

/// <summary>The pages in Japanese: chosen by the browser's list or by a person, in every part of a living page.</summary>
public sealed class LanguageTests(PublishedConsole console) : ConsoleVisit(console)
{
    private const string CutOffLabels = """
        () => [...document.querySelectorAll('.rail .entry, .bottom-bar .entry, .app-bar button, .app-bar summary, .button, .chip')]
          .filter(each => each.offsetParent && getComputedStyle(each).overflowX !== 'auto'
            && (each.scrollWidth > each.clientWidth + 1 || [...each.querySelectorAll('span')].some(part => part.offsetParent && part.getBoundingClientRect().height > 30)))
          .map(each => each.className + ': ' + each.textContent.trim())
        """;

    [Fact]
    public async Task Switch_turns_the_same_page_to_Japanese_and_back()
    {
        await Console.ProvenPointAsync(Cancellation);
        var admin = await AdminAsync();
        await admin.OpenAsync("/runs?kind=backup");
        await Expect(admin.Page.Locator("html")).ToHaveAttributeAsync("lang", "en");

        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "日本語" }).ClickAsync();
        await Expect(admin.Page.GetByRole(AriaRole.Heading, new() { Name = "実行", Exact = true })).ToBeVisibleAsync();
        await Expect(admin.Page).ToHaveURLAsync(new Uri(Console.Address, "/runs?kind=backup").AbsoluteUri);
        await Expect(admin.Page.Locator("html")).ToHaveAttributeAsync("lang", "ja");

        // To another page inside the circuit, and then back.
        await admin.Page.GetByRole(AriaRole.Navigation).GetByRole(AriaRole.Link, new() { Name = "概要" }).First.ClickAsync();
        await Expect(admin.Page.GetByText("いま復旧できるか")).ToBeVisibleAsync();
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "English" }).ClickAsync();
        await Expect(admin.Page.GetByText("Can we recover now?")).ToBeVisibleAsync();
    }

    [Fact]
    public async Task Living_figures_stay_in_the_circuits_language()
    {
        await Console.ProvenPointAsync(Cancellation);
        var admin = await AdminAsync(new VisitorOptions { Language = "ja" });
        await admin.OpenAsync("/");
        var age = admin.Page.Locator(".run-list time").First;
        await Expect(age).ToHaveTextAsync(new System.Text.RegularExpressions.Regex("前$"));

        // A run that somebody else asks for moves this page from outside of its circuit.
        await Console.BackUpAsync(Cancellation);
        await Expect(admin.Page.Locator(".run-list a").First).ToHaveTextAsync("ordersのバックアップ");
        await Expect(admin.Page.Locator(".run-list .second").First).ToHaveTextAsync(new System.Text.RegularExpressions.Regex("^完了、[0-9]+秒前$"));
    }

    [Theory]
    [InlineData(1440)]
    [InlineData(400)]
    public async Task Japanese_labels_fit(int width)
    {
        var point = await Console.ProvenPointAsync(Cancellation);
        var admin = await AdminAsync(new VisitorOptions { Language = "ja", Width = width });
        foreach (var path in new[] { "/", $"/sources/{PublishedConsole.Source}", $"/restore-points/{point}", "/retention", "/tiers/hot", "/runs", "/settings" })
        {
            await admin.OpenAsync(path);
            Assert.Empty(await admin.Page.EvaluateAsync<string[]>(CutOffLabels));
        }
    }
}
