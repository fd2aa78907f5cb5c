using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>Finds the page, and turns away who may not see it.</summary>
public partial class Routes
{
    /// <summary>The theme that the document was written with.</summary>
    [Parameter]
    public string Theme { get; set; } = ThemePreference.System;

    [Inject]
    private ShellState Shell { get; set; } = default!;

    /// <inheritdoc/>
    protected override void OnInitialized() => Shell.Theme = Theme;
}
