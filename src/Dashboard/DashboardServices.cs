using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Language;
using Hexabase.DrConsole.Dashboard.Layout;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Pages;
using Microsoft.AspNetCore.Components.Server.Circuits;
using Microsoft.Extensions.Options;
using MudBlazor;
using MudBlazor.Services;

namespace Hexabase.DrConsole.Dashboard;

/// <summary>The web app's composition: what a host adds and maps to have the pages.</summary>
public static class DashboardServices
{
    /// <summary>
    /// Adds pages, sign-in and theme. The host adds an <see cref="IUserDirectory"/> and an <see cref="ISessionStore"/>, and
    /// may add any number of <see cref="IPaletteSource"/>s.
    /// </summary>
    public static IServiceCollection AddDashboard(this IServiceCollection services, DashboardOptions options)
    {
        services.AddSingleton(Options.Create(options));
        services.AddAccess(options);
        services.AddRazorComponents().AddInteractiveServerComponents();
        services.AddMudServices();
        services.AddTransient<MudLocalizer, DialogWords>();
        services.AddScoped<ShellState>();
        services.AddSingleton<SharedReading>();
        services.AddSingleton<ShellReading>();
        services.AddScoped<PageClock>();
        services.AddScoped<QueryFilters>();
        services.AddScoped<CircuitLanguage>();
        services.AddScoped<CircuitHandler>(provider => provider.GetRequiredService<CircuitLanguage>());
        return services;
    }

    /// <summary>
    /// Puts headers, sign-in and pages into the pipeline. Endpoints that the host maps itself ask for a signed-in
    /// user unless they say otherwise.
    /// </summary>
    /// <param name="beforeSignIn">What else every request goes through, before anybody asks who it is from.</param>
    public static WebApplication MapDashboard(this WebApplication app, Action<IApplicationBuilder>? beforeSignIn = null)
    {
        app.UseSecurityHeaders();
        app.UseRequestLocalization(Languages.Configure);
        app.UseStatusCodePagesWithReExecute("/not-found", createScopeForStatusCodePages: true);
        beforeSignIn?.Invoke(app);
        app.UseAuthentication();
        app.UseAuthorization();
        app.UseAntiforgery();
        app.MapStaticAssets().AllowAnonymous();
        app.MapAccess();
        app.MapLanguage();
        app.MapShownIds();
        app.MapRazorComponents<App>()
            .AddInteractiveServerRenderMode(mode => mode.ContentSecurityFrameAncestorsPolicy = null);
        return app;
    }
}
