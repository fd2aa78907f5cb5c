using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Servers;
using Microsoft.Playwright;

namespace Hexabase.DrConsole.EndToEnd.Support;

/// <summary>
/// A console of a test's own, with two volumes of one workspace, and two channels to a real receiver on loopback: one that takes
/// what comes, and one that is gone for good.
/// </summary>
internal sealed class SmallConsole : IAsyncDisposable
{
    private readonly Uri _address = new($"http://127.0.0.1:{FreePort.Choose()}");
    private readonly Uri _receiver = new($"http://127.0.0.1:{FreePort.Choose()}/");
    private readonly HttpListener _listener = new();
    private readonly IBrowser _browser;
    private readonly TestFolder _folder;
    private readonly List<Visitor> _visitors = [];
    private ConsoleProcess? _process;

    private SmallConsole(IBrowser browser, TestFolder folder) => (_browser, _folder) = (browser, folder);

    /// <summary>Bodies that the receiver took.</summary>
    public ConcurrentQueue<string> Received { get; } = new();

    private string Data => _folder.Combine("data");

    private string ConfigurationFile => _folder.Combine("drconsole.json");

    public static async Task<SmallConsole> StartAsync(IBrowser browser, CancellationToken cancellationToken)
    {
        var console = new SmallConsole(browser, await TestFolder.CreateAsync());
        try
        {
            console.Prepare();
            console._process = await ConsoleProcess.ServeAsync(console.ConfigurationFile, console.Data, console._address, cancellationToken);
            return console;
        }
        catch
        {
            await console.DisposeAsync();
            throw;
        }
    }

    /// <summary>A file of a volume.</summary>
    public string FileOf(string volume, string name) => _folder.Combine(Path.Combine(volume, name));

    /// <summary>A command line beside the running console; its standard output.</summary>
    public Task<string> CommandAsync(CancellationToken cancellationToken, params IEnumerable<string> arguments) =>
        ConsoleProcess.RunAsync([.. arguments, "--config", ConfigurationFile, "--data", Data], cancellationToken);

    public Task<Visitor> AdminAsync() => SignedInAsync("admin", File.ReadAllText(Path.Combine(Data, "keys", "first-admin-password")).Trim());

    /// <summary>Somebody with that role, made from the command line.</summary>
    public async Task<(Visitor Visitor, string Password)> PersonAsync(string name, string role, CancellationToken cancellationToken)
    {
        var (file, password) = (_folder.Combine(name + ".password"), $"the password of {name}");
        LocalFolder.WritePrivateFile(file, System.Text.Encoding.UTF8.GetBytes(password + "\n"));
        await CommandAsync(cancellationToken, "user", "add", name, "--role", role, "--password-file", file);
        return (await SignedInAsync(name, password), password);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var visitor in _visitors)
        {
            await visitor.DisposeAsync();
        }

        if (_process is not null)
        {
            await _process.DisposeAsync();
        }

        _listener.Close();
        await _folder.DisposeAsync();
    }

    private async Task<Visitor> SignedInAsync(string name, string password)
    {
        var visitor = await Visitor.OpenAsync(_browser, _address, new VisitorOptions(), null);
        _visitors.Add(visitor);
        await visitor.Page.GotoAsync("/");
        await visitor.SignInAsync(name, password);
        return visitor;
    }

    private void Prepare()
    {
        foreach (var (volume, name) in new[] { ("uploads", "picture"), ("letters", "letter") })
        {
            Directory.CreateDirectory(_folder.Combine(volume));
            File.WriteAllText(FileOf(volume, name), $"the first {name}");
        }

        LocalFolder.WritePrivateFile(_folder.Combine("secret"), "a secret of the test\n"u8);
        _listener.Prefixes.Add(_receiver.AbsoluteUri);
        _listener.Start();
        _ = ReceiveAsync();
        LocalFolder.WritePrivateFile(ConfigurationFile, JsonSerializer.SerializeToUtf8Bytes(new
        {
            DrConsole = new
            {
                Name = "small",
                Sources = new[] { Volume("uploads"), Volume("letters") },
                Notifications = new { Channels = new[] { Channel("pager", "in"), Channel("gone", "gone") } },
            },
        }));

        // Once in 32 days: only the test starts backups.
        object Volume(string name) => new { Name = name, Kind = "volume", Class = "archive", Workspace = "shop", Volume = new { Path = _folder.Combine(name) } };
        object Channel(string name, string path) => new { Name = name, Kind = "webhook", Minimum = "critical", Webhook = new { Url = new Uri(_receiver, path).AbsoluteUri, SecretFile = "secret" } };
    }

    private async Task ReceiveAsync()
    {
        try
        {
            while (true)
            {
                var context = await _listener.GetContextAsync();
                using var reader = new StreamReader(context.Request.InputStream);
                var body = await reader.ReadToEndAsync();
                var isTaken = context.Request.Url!.AbsolutePath == "/in";
                if (isTaken)
                {
                    Received.Enqueue(body);
                }

                context.Response.StatusCode = (int)(isTaken ? HttpStatusCode.NoContent : HttpStatusCode.Gone);
                context.Response.Close();
            }
        }
        catch (Exception ended) when (ended is HttpListenerException or ObjectDisposedException or InvalidOperationException)
        {
            // The test has ended.
        }
    }
}
