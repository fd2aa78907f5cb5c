using Hexabase.DrConsole.Dashboard.Access;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>Leaves the circuit for the sign-in page, which brings the person back to where they were.</summary>
public sealed class RedirectToSignIn : ComponentBase
{
    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    /// <inheritdoc/>
    protected override void OnInitialized()
    {
        var here = "/" + Navigation.ToBaseRelativePath(Navigation.Uri);
        Navigation.NavigateTo($"{AccessPaths.SignIn}?returnUrl={Uri.EscapeDataString(here)}", forceLoad: true);
    }
}
