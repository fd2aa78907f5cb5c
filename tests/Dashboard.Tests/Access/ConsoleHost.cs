using System.Net;
using System.Security.Claims;
using System.Text.RegularExpressions;
using Hexabase.DrConsole.Dashboard.Access;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Access;

/// <summary>The real web app on a free port of the loopback, with users in memory and a clock of its own.</summary>
internal sealed partial class ConsoleHost : IAsyncDisposable
{
    public const string Password = "correct horse";

    private readonly WebApplication _app;
    private readonly DirectoryInfo _keys;

    private ConsoleHost(WebApplication app, DirectoryInfo keys, MemoryUserDirectory users, MemorySessions sessions, FakeTimeProvider time)
        => (_app, _keys, Users, Sessions, Time) = (app, keys, users, sessions, time);

    public MemoryUserDirectory Users { get; }

    public MemorySessions Sessions { get; }

    public FakeTimeProvider Time { get; }

    public Uri Address => new(_app.Urls.First());

    public static async Task<ConsoleHost> StartAsync(CancellationToken cancellationToken)
    {
        var keys = Directory.CreateTempSubdirectory("drconsole-keys-");
        var users = new MemoryUserDirectory();
        var cost = new PasswordCost(64, 1);
        foreach (var role in Enum.GetValues<ConsoleRole>())
        {
            users.Put(new ConsoleUser(role.ToString().ToLowerInvariant(), new PasswordHasher(cost).Hash(Password), role, 0, null, false));
        }

        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { EnvironmentName = Environments.Production });
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddSingleton<TimeProvider>(time);
        builder.Services.AddSingleton(cost);
        builder.Services.AddSingleton<IUserDirectory>(users);
        var sessions = new MemorySessions(time);
        builder.Services.AddSingleton<ISessionStore>(sessions);
        builder.Services.AddDashboard(new DashboardOptions { DataProtectionKeysDirectory = Path.Combine(keys.FullName, "keys"), EstateName = "lab" });
        var app = builder.Build();
        app.MapDashboard();
        foreach (var policy in new[] { Policies.CanView, Policies.CanOperate, Policies.CanApprove, Policies.CanAdminister })
        {
            app.MapGet($"/probe/{policy}", () => Results.Text(policy)).RequireAuthorization(policy);
        }

        app.MapGet("/probe/nothing-said", () => Results.Text("in"));
        app.MapGet("/probe/token", (IAntiforgery antiforgery, HttpContext context) => antiforgery.GetAndStoreTokens(context).RequestToken);
        // As a version signed people in that knew of no sessions.
        app.MapGet("/probe/old-cookie", (HttpContext context) => context.SignInAsync(new ClaimsPrincipal(new ClaimsIdentity(
            [new Claim(ClaimTypes.Name, "admin"), new Claim(ClaimTypes.Role, "Admin"), new Claim(ConsoleSession.StampClaim, users["admin"].SessionStamp())],
            CookieAuthenticationDefaults.AuthenticationScheme)))).AllowAnonymous();
        await app.StartAsync(cancellationToken);
        return new ConsoleHost(app, keys, users, sessions, time);
    }

    /// <summary>A browser of its own: cookies kept, redirects shown.</summary>
    public HttpClient Browse()
        => new(new HttpClientHandler { CookieContainer = new CookieContainer(), AllowAutoRedirect = false }) { BaseAddress = Address };

    /// <summary>Opens the form, fills it and sends it, as a browser would.</summary>
    public static async Task<HttpResponseMessage> SignInAsync(
        HttpClient browser, string name, string password, string? returnUrl, CancellationToken cancellationToken)
    {
        var page = returnUrl is null ? AccessPaths.SignIn : $"{AccessPaths.SignIn}?returnUrl={Uri.EscapeDataString(returnUrl)}";
        var html = await browser.GetStringAsync(new Uri(page, UriKind.Relative), cancellationToken);
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["_handler"] = "sign-in",
            ["__RequestVerificationToken"] = TokenOf(html),
            ["Input.Name"] = name,
            ["Input.Password"] = password,
        });
        var action = WebUtility.HtmlDecode(FormAction().Match(html).Groups[1].Value);
        return await browser.PostAsync(new Uri(action, UriKind.Relative), form, cancellationToken);
    }

    public static string TokenOf(string html) => VerificationToken().Match(html).Groups[1].Value;

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _keys.Delete(recursive: true);
    }

    [GeneratedRegex("name=\"__RequestVerificationToken\" value=\"([^\"]+)\"")]
    private static partial Regex VerificationToken();

    [GeneratedRegex("<form(?=[^>]*class=\"sign-in\")[^>]* action=\"([^\"]+)\"")]
    private static partial Regex FormAction();
}
