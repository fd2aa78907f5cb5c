using System.Collections.Concurrent;
using Microsoft.Playwright;

namespace Hexabase.DrConsole.EndToEnd.Support;

/// <summary>How a visitor's browser is set up.</summary>
public sealed record VisitorOptions
{
    /// <summary>Width of the window in CSS pixels.</summary>
    public int Width { get; init; } = 1440;

    /// <summary><c>light</c> or <c>dark</c>.</summary>
    public string Theme { get; init; } = "light";

    /// <summary>What the browser asks for: <c>en</c> or <c>ja</c>.</summary>
    public string Language { get; init; } = "en";
}

/// <summary>A person with a browser of their own. Everything that the browser complains about is remembered.</summary>
public sealed class Visitor : IAsyncDisposable
{
    private readonly IBrowserContext _context;
    private readonly ConcurrentQueue<string> _complaints = new();

    private Visitor(IBrowserContext context, IPage page) => (_context, Page) = (context, page);

    /// <summary>The page.</summary>
    public IPage Page { get; }

    /// <summary>Errors of the browser's console, violations of the content security policy among them, and uncaught exceptions.</summary>
    public IReadOnlyCollection<string> Complaints => _complaints;

    internal static async Task<Visitor> OpenAsync(IBrowser browser, Uri address, VisitorOptions options, string? session)
    {
        var context = await browser.NewContextAsync(new BrowserNewContextOptions
        {
            BaseURL = address.AbsoluteUri,
            ViewportSize = new ViewportSize { Width = options.Width, Height = 900 },
            StorageState = session,
            Locale = options.Language,
            ReducedMotion = ReducedMotion.Reduce,
        });
        await context.AddCookiesAsync([new Cookie { Name = "drconsole-theme", Value = options.Theme, Url = address.AbsoluteUri }]);
        var visitor = new Visitor(context, await context.NewPageAsync());
        visitor.Page.Console += (_, message) =>
        {
            if (message.Type == "error")
            {
                visitor._complaints.Enqueue($"{visitor.Page.Url}: {message.Text} ({message.Location})");
            }
        };
        visitor.Page.PageError += (_, message) => visitor._complaints.Enqueue($"{visitor.Page.Url}: {message}");
        return visitor;
    }

    /// <summary>Fills the form that the page shows, sends it, and waits until another document has come.</summary>
    public async Task SignInAsync(string name, string password)
    {
        await Page.GetByLabel("Name").FillAsync(name);
        await Page.GetByLabel("Password").FillAsync(password);
        await Page.EvaluateAsync("() => document.documentElement.setAttribute('data-old', '')");
        await Page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await Assertions.Expect(Page.Locator("html:not([data-old])")).ToBeVisibleAsync();
    }

    /// <summary>Opens a page and waits until its heading stands there.</summary>
    public async Task OpenAsync(string path)
    {
        await Page.GotoAsync(path);
        await Assertions.Expect(Page.Locator("main h1")).ToBeVisibleAsync();
    }

    /// <summary>The state beside the heading of a page, which must come to be as said.</summary>
    public Task ExpectStateAsync(string word) => Assertions.Expect(Page.Locator("main .page-header .chip")).ToHaveTextAsync(word);

    /// <summary>A picture of the whole page, for a failed test.</summary>
    public Task PhotographAsync(string path) => Page.ScreenshotAsync(new PageScreenshotOptions { Path = path, FullPage = true });

    public async ValueTask DisposeAsync() => await _context.DisposeAsync();
}
