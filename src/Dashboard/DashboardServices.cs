using System.Globalization;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Layout;
using Microsoft.Extensions.Options;
using MudBlazor.Services;

namespace Hexabase.DrConsole.Dashboard;

/// <summary>The web app's composition: what a host adds and maps to have the pages.</summary>
public static class DashboardServices
{
    private static readonly CultureInfo[] Cultures = [CultureInfo.GetCultureInfo("en")];

    /// <summary>
    /// Adds pages, sign-in and theme. The host adds an <see cref="IUserDirectory"/>, and may add any number of
    /// <see cref="IPaletteSource"/>s.
    /// </summary>
    public static IServiceCollection AddDashboard(this IServiceCollection services, DashboardOptions options)
    {
        services.AddSingleton(Options.Create(options));
        services.AddAccess(options);
        services.AddRazorComponents().AddInteractiveServerComponents();
        services.AddMudServices();
        services.AddScoped<ShellState>();
        services.AddScoped<PageClock>();
        return services;
    }

    /// <summary>
    /// Puts headers, sign-in and pages into the pipeline. Endpoints that the host maps itself ask for a signed-in
    /// user unless they say otherwise.
    /// </summary>
    public static WebApplication MapDashboard(this WebApplication app)
    {
        app.UseSecurityHeaders();
        app.UseRequestLocalization(localization =>
        {
            localization.SetDefaultCulture(Cultures[0].Name);
            localization.SupportedCultures = Cultures;
            localization.SupportedUICultures = Cultures;
        });
        app.UseStatusCodePagesWithReExecute("/not-found", createScopeForStatusCodePages: true);
        app.UseAuthentication();
        app.UseAuthorization();
        app.UseAntiforgery();
        app.MapStaticAssets().AllowAnonymous();
        app.MapAccess();
        app.MapRazorComponents<App>()
            .AddInteractiveServerRenderMode(mode => mode.ContentSecurityFrameAncestorsPolicy = null);
        return app;
    }
}
