using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Routing;

namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>The sections, icon over word.</summary>
public partial class Rail
{
    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    [Inject]
    private ShellState Shell { get; set; } = default!;

    private string CountTitle => Figures.Format(Texts.NavRunningRuns, Shell.RunningRuns);

    /// <inheritdoc/>
    public void Dispose()
    {
        Navigation.LocationChanged -= OnLocationChanged;
        Shell.Changed -= OnShellChanged;
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    protected override void OnInitialized()
    {
        Navigation.LocationChanged += OnLocationChanged;
        Shell.Changed += OnShellChanged;
    }

    private bool IsCurrent(Section section)
        => Sections.Owns(section, "/" + Navigation.ToBaseRelativePath(Navigation.Uri));

    private void OnLocationChanged(object? sender, LocationChangedEventArgs args) => StateHasChanged();

    private void OnShellChanged() => _ = InvokeAsync(StateHasChanged);
}
