using System.Net;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Tests.Access;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Servers;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Hexabase.DrConsole.Dashboard.Tests.Api;

/// <summary>The console as <c>serve</c> composes and maps it, on a free port, with users in memory and a catalog that is away: whoever gets past the door meets that.</summary>
internal sealed class WholeConsole : IAsyncDisposable
{
    private const string Nowhere = "Host=127.0.0.1;Port=1;Username=nobody;Database=none;Timeout=5";
    private const string FormToken = "/probe/token";
    private readonly WebApplication _app;
    private readonly DirectoryInfo _folder;

    private WholeConsole(WebApplication app, DirectoryInfo folder) => (_app, _folder) = (app, folder);

    /// <summary>Every address that it answers at.</summary>
    public IEnumerable<RouteEndpoint> Endpoints => _app.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>();

    public static async Task<WholeConsole> StartAsync(CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("drconsole-api-");
        var configuration = (IConfigurationRoot)new ConfigurationBuilder().Build();
        var data = DataFolder.Open(Path.Combine(folder.FullName, "data"));
        var setup = new EngineSetup(
            EstateConfiguration.Read(configuration, data.Root), data, new ProcessRegistry(data.Processes, TimeProvider.System), null, null, new CatalogConnection(Nowhere, Nowhere));
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { EnvironmentName = Environments.Production });
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var before = builder.Services.ToHashSet();
        builder.Services.AddSingleton(new PasswordCost(64, 1));
        builder.Services.AddConsole(setup, configuration, withWorker: false);
        // Only its addresses are asked here; nothing of it works by itself.
        foreach (var service in builder.Services.Where(service => service.ServiceType == typeof(IHostedService) && !before.Contains(service)).ToList())
        {
            builder.Services.Remove(service);
        }

        var users = new MemoryUserDirectory();
        foreach (var role in Enum.GetValues<ConsoleRole>())
        {
            users.Put(new ConsoleUser(NameOf(role), new PasswordHasher(new PasswordCost(64, 1)).Hash(ConsoleHost.Password), role, 0, null, false));
        }

        builder.Services.Replace(ServiceDescriptor.Singleton<IUserDirectory>(users));
        builder.Services.Replace(ServiceDescriptor.Singleton<ISessionStore>(new MemorySessions(TimeProvider.System)));
        var app = builder.Build();
        app.MapConsole();
        // What a form of a page carries: pages are drawn over a circuit, which nothing here opens.
        app.MapGet(FormToken, (IAntiforgery antiforgery, HttpContext context) => antiforgery.GetAndStoreTokens(context).RequestToken);
        await app.StartAsync(cancellationToken);
        return new WholeConsole(app, folder);
    }

    /// <summary>A browser in which somebody with the role is signed in; null for nobody.</summary>
    public async Task<HttpClient> BrowseAsync(ConsoleRole? role, CancellationToken cancellationToken)
    {
        var browser = new HttpClient(new HttpClientHandler { CookieContainer = new CookieContainer(), AllowAutoRedirect = false }) { BaseAddress = new Uri(_app.Urls.First()) };
        if (role is { } one)
        {
            Assert.Equal(HttpStatusCode.Redirect, (await ConsoleHost.SignInAsync(browser, NameOf(one), ConsoleHost.Password, null, cancellationToken)).StatusCode);
        }

        return browser;
    }

    /// <summary>Sends a form as the page that holds it does.</summary>
    public static async Task<HttpResponseMessage> SendFormAsync(HttpClient browser, string path, Dictionary<string, string> fields, CancellationToken cancellationToken)
    {
        var token = await browser.GetStringAsync(new Uri(FormToken, UriKind.Relative), cancellationToken);
        using var form = new FormUrlEncodedContent(fields.Append(new("__RequestVerificationToken", token)));
        return await browser.PostAsync(new Uri(path, UriKind.Relative), form, cancellationToken);
    }

    private static string NameOf(ConsoleRole role) => role.ToString().ToLowerInvariant();

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
