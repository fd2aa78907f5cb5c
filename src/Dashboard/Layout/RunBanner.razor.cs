using System.Globalization;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>The strip under the app bar while a run matters to everybody. It cannot be closed while it is true.</summary>
public partial class RunBanner
{
    [Inject]
    private ShellState Shell { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    /// <inheritdoc/>
    public void Dispose()
    {
        Shell.Changed -= OnShellChanged;
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    protected override void OnInitialized() => Shell.Changed += OnShellChanged;

    private static string Percent(double share)
        => string.Create(CultureInfo.InvariantCulture, $"{Math.Clamp(share, 0, 1) * 100:0.#}%");

    private bool IsOwnPage(RunBannerModel banner)
        => ("/" + Navigation.ToBaseRelativePath(Navigation.Uri)).StartsWith(banner.Href, StringComparison.OrdinalIgnoreCase);

    private void OnShellChanged() => _ = InvokeAsync(StateHasChanged);
}
