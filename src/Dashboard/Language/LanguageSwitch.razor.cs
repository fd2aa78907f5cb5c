using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Routing;

namespace Hexabase.DrConsole.Dashboard.Language;

/// <summary>To the other language and back to the same page.</summary>
public partial class LanguageSwitch
{
    /// <summary>Where to go on; null for the page that the reader is on.</summary>
    [Parameter]
    public string? ReturnUrl { get; set; }

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    private string Here => ReturnUrl ?? "/" + Navigation.ToBaseRelativePath(Navigation.Uri);

    /// <inheritdoc/>
    public void Dispose()
    {
        Navigation.LocationChanged -= OnLocationChanged;
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    protected override void OnInitialized() => Navigation.LocationChanged += OnLocationChanged;

    private void OnLocationChanged(object? sender, LocationChangedEventArgs args) => StateHasChanged();
}
