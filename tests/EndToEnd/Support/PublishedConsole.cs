using System.Text.Json;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.EndToEnd.Support;
using Hexabase.DrConsole.Lab;
using Hexabase.DrConsole.Lab.Postgres;
using Microsoft.Playwright;

[assembly: AssemblyFixture(typeof(PublishedConsole))]

namespace Hexabase.DrConsole.EndToEnd.Support;

/// <summary>
/// A small lab, the published console that protects it, and Debian's Chromium; one of each for all tests. The source counts in
/// two tiers, and its schedule is so rare that only tests start runs.
/// </summary>
public sealed class PublishedConsole : IAsyncLifetime
{
    /// <summary>The protected source.</summary>
    public const string Source = "orders";

    private static readonly string[] s_browsers = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"];

    private static readonly string[] s_browserArguments =
    [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ];

    private readonly Dictionary<string, string> _sessions = [];
    private string? _proven;
    private ProtectedCluster? _cluster;
    private TestFolder _folder = null!;
    private ConsoleProcess? _process;
    private IPlaywright? _playwright;
    private IBrowser? _browser;

    /// <summary>Where the console listens.</summary>
    public Uri Address { get; } = new($"http://127.0.0.1:{FreePort.Choose()}");

    /// <summary>The source's server.</summary>
    public LabPostgres Lab { get; private set; } = null!;

    /// <summary>The browser, for visits of another console.</summary>
    internal IBrowser Browser => _browser!;

    /// <summary>What the console printed.</summary>
    public string Output => _process?.Output ?? "";

    /// <summary>Holds the first admin's password.</summary>
    public string AdminPasswordFile => Path.Combine(Data, "keys", "first-admin-password");

    private string Data => _folder.Combine("data");

    private string ConfigurationFile => _folder.Combine("drconsole.json");

    public async ValueTask InitializeAsync()
    {
        _ = ConsoleProcess.Executable;
        _folder = await TestFolder.CreateAsync();
        var lab = new LabFolder(_folder.Combine("lab"));
        Lab = new LabPostgres(lab, new LabPostgresOptions { Size = LabSize.Small, IsDurable = false, IsScratch = true });
        await Lab.StartAsync(CancellationToken.None);
        WriteConfiguration(lab);
        await StartAsync(CancellationToken.None);
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = s_browsers.First(File.Exists), Headless = true, Args = s_browserArguments });
        Assertions.SetDefaultExpectTimeout(30_000);
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.DisposeAsync();
        }

        _playwright?.Dispose();
        if (_process is not null)
        {
            await _process.DisposeAsync();
        }

        if (_cluster is not null)
        {
            await _cluster.DisposeAsync();
        }

        if (Lab is not null)
        {
            await Lab.DisposeAsync();
        }

        if (_folder is not null)
        {
            await _folder.DisposeAsync();
        }
    }

    /// <summary>Starts the console, the first time or again.</summary>
    public async Task StartAsync(CancellationToken cancellationToken) =>
        _process = await ConsoleProcess.ServeAsync(ConfigurationFile, Data, Address, cancellationToken);

    /// <summary>The lab's virtual cluster with a restore point of it, and the console that protects it too; made by the first test that asks, since it takes half a minute.</summary>
    public async Task<ProtectedCluster> ClusterAsync(CancellationToken cancellationToken)
    {
        if (_cluster is null)
        {
            _cluster = await ProtectedCluster.StartAsync(new LabFolder(_folder.Combine("lab")), cancellationToken);
            WriteConfiguration(new LabFolder(_folder.Combine("lab")));
            await _process!.StopAsync();
            await StartAsync(cancellationToken);
            using var report = JsonDocument.Parse(await CommandAsync(cancellationToken, "backup", ProtectedCluster.Source, "--json"));
            _cluster.Point = report.RootElement.GetProperty("restorePointId").GetString()!;
        }

        return _cluster;
    }

    /// <summary>Ends the console as a crash would.</summary>
    public Task KillAsync(CancellationToken cancellationToken) => _process!.KillAsync(cancellationToken);

    /// <summary>A command line beside the running console; its standard output.</summary>
    public Task<string> CommandAsync(CancellationToken cancellationToken, params IEnumerable<string> arguments) =>
        ConsoleProcess.RunAsync([.. arguments, "--config", ConfigurationFile, "--data", Data], cancellationToken);

    /// <summary>Adds a user from the command line; its password, which came from a file.</summary>
    public async Task<string> AddUserAsync(string name, string role, CancellationToken cancellationToken)
    {
        var file = _folder.Combine(name + ".password");
        var password = $"the password of {name}";
        if (!File.Exists(file))
        {
            LocalFolder.WritePrivateFile(file, System.Text.Encoding.UTF8.GetBytes(password + "\n"));
            await CommandAsync(cancellationToken, "user", "add", name, "--role", role, "--password-file", file);
        }

        return password;
    }

    /// <summary>A restore point that a validation proved, made by the first test that asks: tests that need one can run alone.</summary>
    public async Task<string> ProvenPointAsync(CancellationToken cancellationToken)
    {
        if (_proven is null)
        {
            var point = await BackUpAsync(cancellationToken);
            await CommandAsync(cancellationToken, "validate", point);
            _proven = point;
        }

        return _proven;
    }

    /// <summary>A proven restore point that is the newest one, whatever the tests before have left.</summary>
    public async Task<string> ProvenNewestAsync(CancellationToken cancellationToken)
    {
        _proven = null;
        return await ProvenPointAsync(cancellationToken);
    }

    /// <summary>Backs up from the command line; the restore point.</summary>
    public async Task<string> BackUpAsync(CancellationToken cancellationToken)
    {
        using var report = JsonDocument.Parse(await CommandAsync(cancellationToken, "backup", Source, "--json"));
        return report.RootElement.GetProperty("restorePointId").GetString()!;
    }

    /// <summary>Pack files of a tier, largest first.</summary>
    public IReadOnlyList<FileInfo> PacksOf(string tier) =>
    [
        .. new DirectoryInfo(_folder.Combine($"lab/tiers/{tier}")).EnumerateFiles("*", SearchOption.AllDirectories)
            .Where(file => file.FullName.Contains("/packs/", StringComparison.Ordinal))
            .OrderByDescending(file => file.Length),
    ];

    /// <summary>A stranger with a browser of their own.</summary>
    public Task<Visitor> StrangerAsync(VisitorOptions? options = null) => Visitor.OpenAsync(_browser!, Address, options ?? new VisitorOptions(), null);

    /// <summary>The admin, signed in, with a browser of their own.</summary>
    public Task<Visitor> AdminAsync(VisitorOptions? options = null) => SignedInAsync("admin", File.ReadAllText(AdminPasswordFile).Trim(), options);

    /// <summary>Somebody, signed in; the form is filled at their first visit only.</summary>
    public async Task<Visitor> SignedInAsync(string name, string password, VisitorOptions? options = null)
    {
        if (!_sessions.TryGetValue(name, out var session))
        {
            await using var stranger = await StrangerAsync();
            await stranger.Page.GotoAsync("/");
            await stranger.SignInAsync(name, password);
            await Assertions.Expect(stranger.Page.GetByRole(AriaRole.Banner)).ToContainTextAsync(name);
            _sessions[name] = session = await stranger.Page.Context.StorageStateAsync();
        }

        return await Visitor.OpenAsync(_browser!, Address, options ?? new VisitorOptions(), session);
    }

    private void WriteConfiguration(LabFolder lab)
    {
        var configuration = new
        {
            DrConsole = new
            {
                Name = "lab",
                Classes = new { archive = new { Rto = "00:15:00", Rpo = "3650.00:00:00", Tiers = new { hot = 3650, warm = 3650 }, MinimumTiers = 2 } },
                Tiers = new[] { Tier("hot"), Tier("warm") },
                Sources = (object[])
                [
                    new
                    {
                        Name = Source,
                        Kind = "postgres",
                        Class = "archive",
                        Workspace = "shop",
                        Postgres = new { LabPostgres.Host, Lab.Port, Database = LabPostgres.Orders, Username = LabPostgres.BackupRole, PasswordFile = Lab.BackupPasswordFile, Mode = "logical" },
                    },
                    .. _cluster is null ? Array.Empty<object>() : [_cluster.Configuration],
                ],
            },
        };
        LocalFolder.WritePrivateFile(ConfigurationFile, JsonSerializer.SerializeToUtf8Bytes(configuration));

        object Tier(string name) => new { Name = name, Store = new Uri(lab.Combine("tiers", name)).AbsoluteUri, KeyFile = Path.Combine(lab.Keys, "repository.key"), Location = "local" };
    }
}
