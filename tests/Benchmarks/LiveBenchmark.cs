using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Client;
using Microsoft.Playwright;

namespace Hexabase.DrConsole.Benchmarks;

/// <summary>
/// How fast the console is where people wait for it: from an event to open pages and hub clients, from an approval to the first
/// step, between the steps of a recovery, and from a confirmed incident to a proposed plan. Measured on a published console.
/// </summary>
internal static class LiveBenchmark
{
    private const int Pages = 10;
    private const int Clients = 90;

    /// <summary>When each run's link first stood on the page, on this machine's clock.</summary>
    private const string Watch = """
        () => { window.seen = {}; const look = () => document.querySelectorAll('main a[href^="/runs/"]').forEach(a => { window.seen[a.getAttribute('href')] ??= Date.now(); });
                new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true }); look(); }
        """;

    public static async Task RunAsync(string work, string program, int events, int recoveries, CancellationToken ct)
    {
        await using var console = await BenchConsole.StartAsync(work, program, ct);
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = new[] { "/usr/bin/chromium-headless-shell", "/usr/bin/chromium" }.First(File.Exists), Headless = true, Args = ["--no-sandbox", "--disable-gpu"] });
        var admin = await SignInAsync(browser, console, "admin", console.AdminPassword);
        await EventsAsync(console, admin, events, ct);
        await RecoveriesAsync(console, browser, admin, recoveries, ct);
        await IncidentAsync(console, ct);
    }

    private static async Task<IBrowserContext> SignInAsync(IBrowser browser, BenchConsole console, string name, string password)
    {
        var context = await browser.NewContextAsync(new BrowserNewContextOptions { BaseURL = console.Address.AbsoluteUri });
        var page = await context.NewPageAsync();
        await page.GotoAsync("/");
        await page.GetByLabel("Name").FillAsync(name);
        await page.GetByLabel("Password").FillAsync(password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await page.GetByRole(AriaRole.Banner).GetByText(name).First.WaitForAsync();
        await page.CloseAsync();
        return context;
    }

    private static async Task EventsAsync(BenchConsole console, IBrowserContext admin, int events, CancellationToken ct)
    {
        var pages = new List<IPage>();
        for (var index = 0; index < Pages; index++)
        {
            var page = await admin.NewPageAsync();
            await page.GotoAsync("/runs");
            await page.Locator("main h1").WaitForAsync();
            await page.EvaluateAsync(Watch);
            pages.Add(page);
        }

        var heard = new ConcurrentDictionary<(int Client, long Run), DateTimeOffset>();
        var hubs = new List<HubConnection>();
        for (var index = 0; index < Clients; index++)
        {
            var hub = new HubConnectionBuilder().WithUrl(new Uri(console.Address, "/hubs/live"), options => options.AccessTokenProvider = () => Task.FromResult<string?>(console.Token)).Build();
            await hub.StartAsync(ct);
            hubs.Add(hub);
            _ = HearAsync(hub, index, heard, ct);
        }

        await Task.Delay(TimeSpan.FromSeconds(3), ct);
        var asked = new List<(long Run, DateTimeOffset At)>();
        for (var index = 0; index < events; index++)
        {
            var run = await console.BackUpAsync(BenchConsole.Volume, ct);
            var id = run.GetProperty("id").GetInt64();
            asked.Add((id, run.GetProperty("createdAt").GetDateTimeOffset()));
            await console.WaitForEndAsync(id, ct);
            // What came just before must not hold the next event back: it is the page's wait that is measured, not its throttle.
            await Task.Delay(TimeSpan.FromSeconds(1), ct);
        }

        var onPages = new List<double>();
        foreach (var page in pages)
        {
            var seen = await page.EvaluateAsync<Dictionary<string, double>>("() => window.seen");
            onPages.AddRange(asked.Select(one => seen[FormattableString.Invariant($"/runs/{one.Run}")] - one.At.ToUnixTimeMilliseconds()));
        }

        Say($"an event on {Pages} open pages, with {Clients} hub clients", onPages, "ms");
        Say($"the same at the {Clients} hub clients", [.. from one in asked from client in Enumerable.Range(0, Clients) where heard.ContainsKey((client, one.Run)) select (heard[(client, one.Run)] - one.At).TotalMilliseconds], "ms");
        foreach (var hub in hubs)
        {
            await hub.DisposeAsync();
        }

        foreach (var page in pages)
        {
            await page.CloseAsync();
        }
    }

    private static async Task HearAsync(HubConnection hub, int client, ConcurrentDictionary<(int Client, long Run), DateTimeOffset> heard, CancellationToken ct)
    {
        try
        {
            await foreach (var update in hub.StreamAsync<JsonElement>("Runs", ct))
            {
                var now = TimeProvider.System.GetUtcNow();
                foreach (var run in update.EnumerateArray())
                {
                    heard.TryAdd((client, run.GetProperty("id").GetInt64()), now);
                }
            }
        }
        catch (Exception ended) when (ended is OperationCanceledException or InvalidOperationException or HubException)
        {
            // The connection was closed: the measurement is over.
        }
    }

    private static async Task RecoveriesAsync(BenchConsole console, IBrowser browser, IBrowserContext admin, int recoveries, CancellationToken ct)
    {
        var approver = await SignInAsync(browser, console, "paul", BenchConsole.ApproverPassword);
        var (first, gaps, nothing) = (new List<double>(), new List<double>(), new List<double>());
        var page = await admin.NewPageAsync();
        var gate = await approver.NewPageAsync();
        await page.GotoAsync("/sets?workspace=shop");
        await page.GetByRole(AriaRole.Button, new() { Name = "Back up shop together" }).ClickAsync();
        await page.Locator("main .page-header .chip").GetByText("Done").WaitForAsync();
        for (var round = 0; round < recoveries; round++)
        {
            console.Spoil(round);
            await page.GotoAsync("/sets");
            await page.Locator("table tbody a").First.ClickAsync();
            await page.GetByRole(AriaRole.Button, new() { Name = "Recover the workspace to this set" }).ClickAsync();
            await page.Locator("#plan-ask").ClickAsync();
            await page.WaitForURLAsync("**/runs/*");
            var run = long.Parse(page.Url.Split('/')[^1], CultureInfo.InvariantCulture);
            await gate.GotoAsync("/approvals");
            await gate.Locator("main table a").First.ClickAsync();
            await gate.Locator("input[name=incident]").FillAsync("INC-1");
            await gate.Locator("textarea[name=reason]").FillAsync("both volumes are spoilt");
            await gate.Locator("input[name=password]").FillAsync(BenchConsole.ApproverPassword);
            await gate.Locator("button[value=approve]").ClickAsync();
            await console.WaitForEndAsync(run, ct);
            var ended = await console.GetAsync($"recoveries/{run}", ct);
            var steps = ended.GetProperty("steps").EnumerateArray().Select(step => (Action: step.GetProperty("action").GetString(), From: step.GetProperty("startedAt").GetDateTimeOffset(), To: step.GetProperty("endedAt").GetDateTimeOffset())).ToList();
            var granted = ended.GetProperty("gates")[0].GetProperty("grantedAt").GetDateTimeOffset();
            first.Add((steps[0].From - granted).TotalMilliseconds);
            // hold, two restores side by side, release: between the first and what follows it, and before the last.
            gaps.Add((steps.Skip(1).Min(step => step.From) - steps[0].To).TotalMilliseconds);
            gaps.Add((steps[^1].From - steps.SkipLast(1).Max(step => step.To)).TotalMilliseconds);
            nothing.AddRange(steps.Where(step => step.Action is "hold_application" or "release_application").Select(step => (step.To - step.From).TotalMilliseconds));
        }

        Say("from the approval to the first step", first, "ms");
        Say("between two steps", gaps, "ms");
        Say("a step that only runs /bin/true", nothing, "ms");
    }

    private static async Task IncidentAsync(BenchConsole console, CancellationToken ct)
    {
        await console.WaitForEndAsync((await console.BackUpAsync(BenchConsole.Cache, ct)).GetProperty("id").GetInt64(), ct);
        await Task.Delay(TimeSpan.FromSeconds(10), ct);
        await console.Redis.KillAsync(ct);
        while (true)
        {
            foreach (var incident in (await console.GetAsync("incidents?state=confirmed", ct)).EnumerateArray())
            {
                var detail = await console.GetAsync($"incidents/{incident.GetProperty("id").GetInt64()}", ct);
                var proposals = detail.GetProperty("proposals").EnumerateArray().ToList();
                if (proposals.Count > 0)
                {
                    var confirmed = incident.GetProperty("confirmedAt").GetDateTimeOffset();
                    Say($"from {incident.GetProperty("kind").GetString()} confirmed to {proposals[0].GetProperty("plan").GetString()} proposed",
                        [.. proposals.Select(proposal => (proposal.GetProperty("proposedAt").GetDateTimeOffset() - confirmed).TotalMilliseconds)], "ms");
                    return;
                }
            }

            await Task.Delay(100, ct);
        }
    }

    private static void Say(string what, IReadOnlyList<double> values, string unit)
    {
        var sorted = values.Order().ToList();
        double At(double share) => sorted[Math.Min(sorted.Count - 1, (int)Math.Ceiling(share * sorted.Count) - 1)];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: median {At(0.5):0} {unit}, p95 {At(0.95):0} {unit}, most {sorted[^1]:0} {unit} (n = {sorted.Count})"));
    }
}
