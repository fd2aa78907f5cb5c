using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Routing;

namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>The rail of a narrow screen: four sections and the way to the rest.</summary>
public partial class BottomBar
{
    /// <summary>Opens the palette, which lists everything.</summary>
    [Parameter]
    public EventCallback OnMore { get; set; }

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    /// <inheritdoc/>
    public void Dispose()
    {
        Navigation.LocationChanged -= OnLocationChanged;
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    protected override void OnInitialized() => Navigation.LocationChanged += OnLocationChanged;

    private bool IsCurrent(Section section)
        => Sections.Owns(section, "/" + Navigation.ToBaseRelativePath(Navigation.Uri));

    private void OnLocationChanged(object? sender, LocationChangedEventArgs args) => StateHasChanged();
}
