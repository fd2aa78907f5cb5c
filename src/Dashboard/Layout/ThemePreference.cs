namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>
/// Light, dark or what the system says. Kept in a cookie, not in local storage: the server writes it into the
/// document's first tag, so that no page flashes in the other theme and no inline script is needed.
/// </summary>
public static class ThemePreference
{
    public const string CookieName = "drconsole-theme";
    public const string Light = "light";
    public const string Dark = "dark";
    public const string System = "system";

    /// <summary>The preference that a cookie's value stands for; anything unknown is the system's.</summary>
    public static string Of(string? value) => value is Light or Dark ? value : System;
}
