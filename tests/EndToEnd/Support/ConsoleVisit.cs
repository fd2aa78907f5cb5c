using System.Text.RegularExpressions;
using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace Hexabase.DrConsole.EndToEnd.Support;

/// <summary>
/// What a class of tests does at the console. After each test the browsers of its visitors must have had nothing to complain
/// about; where it failed, pictures of their pages and what the console printed are kept beside the test program.
/// </summary>
public abstract partial class ConsoleVisit(PublishedConsole console) : IAsyncDisposable
{
    private readonly List<Visitor> _visitors = [];

    protected PublishedConsole Console { get; } = console;

    /// <summary>What the browser must complain about where a test provokes it: a refused sign-in, a server that is gone.</summary>
    protected string? Provoked { get; set; }

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (TestContext.Current.TestState?.Result == TestResult.Failed)
        {
            await KeepLastSightAsync();
        }

        var complaints = _visitors.SelectMany(visitor => visitor.Complaints)
            .Where(complaint => Provoked is null || !complaint.Contains(Provoked, StringComparison.Ordinal)).ToList();
        foreach (var visitor in _visitors)
        {
            await visitor.DisposeAsync();
        }

        Assert.True(complaints.Count == 0, string.Join('\n', complaints));
    }

    protected static ILocatorAssertions Expect(ILocator locator) => Assertions.Expect(locator);

    protected static IPageAssertions Expect(IPage page) => Assertions.Expect(page);

    protected async Task<Visitor> StrangerAsync(VisitorOptions? options = null) => Remember(await Console.StrangerAsync(options));

    protected async Task<Visitor> AdminAsync(VisitorOptions? options = null) => Remember(await Console.AdminAsync(options));

    protected async Task<Visitor> SignedInAsync(string name, string password) => Remember(await Console.SignedInAsync(name, password));

    /// <summary>Presses "Back up now" on the source's page; ends on the run's page.</summary>
    protected static async Task BackUpNowAsync(Visitor visitor)
    {
        await visitor.OpenAsync($"/sources/{PublishedConsole.Source}");
        await visitor.Page.GetByRole(AriaRole.Button, new() { Name = "Back up now" }).ClickAsync();
        await Expect(visitor.Page).ToHaveURLAsync(RunAddress());
        await Expect(visitor.Page.GetByRole(AriaRole.Heading, new() { Name = "Backup of orders" })).ToBeVisibleAsync();
    }

    /// <summary>What stands in the way of people who cannot see or point on the page that is shown.</summary>
    protected static async Task<IEnumerable<string>> FaultsAsync(Visitor visitor)
    {
        // Of what is right one node for each rule is enough to see that it was looked at: to describe them all takes seconds on a page of tables.
        var result = await visitor.Page.RunAxe(new AxeRunOptions { ResultTypes = [ResultType.Violations] });
        Assert.NotEmpty(result.Passes);
        return result.Violations.SelectMany(violation => violation.Nodes.Select(node =>
            $"{new Uri(visitor.Page.Url).AbsolutePath}: {violation.Id} ({violation.Impact}): {violation.Help}: {node.Html}"));
    }

    /// <summary>How far the page is wider than its window.</summary>
    protected static async Task<IEnumerable<string>> OverflowAsync(Visitor visitor)
    {
        var beyond = await visitor.Page.EvaluateAsync<int>("() => document.documentElement.scrollWidth - document.documentElement.clientWidth");
        return beyond > 0 ? [$"{new Uri(visitor.Page.Url).AbsolutePath} is {beyond} px too wide"] : [];
    }

    [GeneratedRegex(@"/runs/\d+$")]
    protected static partial Regex RunAddress();

    private Visitor Remember(Visitor visitor)
    {
        _visitors.Add(visitor);
        return visitor;
    }

    private async Task KeepLastSightAsync()
    {
        var test = TestContext.Current.TestMethod?.MethodName ?? "unknown";
        var folder = Directory.CreateDirectory(Path.Combine(AppContext.BaseDirectory, "failures", test)).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "console.log"), Console.Output);
        foreach (var (number, visitor) in _visitors.Index())
        {
            await visitor.PhotographAsync(Path.Combine(folder, $"visitor-{number}.png"));
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"pictures and the console's log: {folder}");
    }
}
