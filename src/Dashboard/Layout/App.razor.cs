using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Routing;
using Microsoft.AspNetCore.Components.Web;

namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>The document. Pages live in a circuit; sign-in is plain HTML over HTTP, because it sets a cookie.</summary>
public partial class App
{
    // Without prerendering: it would start every page twice and show figures that jump.
    private static readonly InteractiveServerRenderMode Circuit = new(prerender: false);

    [CascadingParameter]
    private HttpContext HttpContext { get; set; } = default!;

    private InteractiveServerRenderMode? PageMode => HttpContext.AcceptsInteractiveRouting() ? Circuit : null;

    private string Theme => ThemePreference.Of(HttpContext.Request.Cookies[ThemePreference.CookieName]);
}
