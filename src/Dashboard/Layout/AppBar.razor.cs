using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.Options;

namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>Mark, estate, search, clock, language, theme and person.</summary>
public partial class AppBar
{
    /// <summary>Opens the palette.</summary>
    [Parameter]
    public EventCallback OnSearch { get; set; }

    /// <summary>Opens the keys' sheet.</summary>
    [Parameter]
    public EventCallback OnHelp { get; set; }

    /// <summary>Takes another theme preference.</summary>
    [Parameter]
    public EventCallback<string> OnTheme { get; set; }

    [Inject]
    private ShellState Shell { get; set; } = default!;

    [Inject]
    private IOptions<DashboardOptions> Options { get; set; } = default!;

    private static IReadOnlyList<(string Preference, string Shape, string Word)> Choices =>
    [
        (ThemePreference.Light, IconShape.Sun, Texts.ThemeLight),
        (ThemePreference.Dark, IconShape.Moon, Texts.ThemeDark),
        (ThemePreference.System, IconShape.System, Texts.ThemeSystem),
    ];

    private string ThemeIcon => Choices.First(choice => choice.Preference == Shell.Theme).Shape;
}
