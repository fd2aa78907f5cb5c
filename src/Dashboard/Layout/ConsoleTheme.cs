using MudBlazor;

namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>The tokens of wwwroot/css/tokens.css as MudBlazor wants them; a test keeps the two equal.</summary>
public static class ConsoleTheme
{
    private static readonly string[] Sans =
        ["Inter Variable", "Inter", "Noto Sans CJK JP", "Hiragino Sans", "Yu Gothic", "sans-serif"];

    /// <summary>Light and dark.</summary>
    public static MudTheme Theme { get; } = new()
    {
        PaletteLight = Fill(new PaletteLight(), Tokens.Light),
        PaletteDark = Fill(new PaletteDark(), Tokens.Dark),
        LayoutProperties = new LayoutProperties { DefaultBorderRadius = "4px", AppbarHeight = "48px" },
        Typography = new Typography
        {
            Default = new DefaultTypography { FontFamily = Sans, FontSize = "13px", LineHeight = "18px", LetterSpacing = "normal" },
            Button = new ButtonTypography { FontFamily = Sans, FontSize = "13px", FontWeight = "600", TextTransform = "none", LetterSpacing = "normal" },
        },
    };

    private static T Fill<T>(T palette, Tokens tokens)
        where T : Palette
    {
        palette.Background = tokens.Paper;
        palette.Surface = tokens.Surface;
        palette.AppbarBackground = tokens.Paper;
        palette.AppbarText = tokens.Ink;
        palette.DrawerBackground = tokens.Paper;
        palette.DrawerText = tokens.Ink;
        palette.TextPrimary = tokens.Ink;
        palette.TextSecondary = tokens.Ink3;
        palette.Primary = tokens.Ink;
        palette.PrimaryContrastText = tokens.OnInk;
        palette.LinesDefault = tokens.Line;
        palette.TableLines = tokens.Line;
        palette.LinesInputs = tokens.Edge;
        palette.Success = tokens.Proven;
        palette.Warning = tokens.Degraded;
        palette.Error = tokens.Breached;
        palette.Info = tokens.Running;
        palette.Tertiary = tokens.Waiting;
        return palette;
    }

    /// <summary>The colours that MudBlazor needs in C#.</summary>
    internal sealed record Tokens(
        string Paper, string Surface, string Ink, string Ink3, string OnInk, string Line, string Edge,
        string Proven, string Degraded, string Breached, string Running, string Waiting)
    {
        public static Tokens Light { get; } = new(
            Paper: "#F4F5F1", Surface: "#FFFFFF", Ink: "#121A16", Ink3: "#5A665F", OnInk: "#FFFFFF", Line: "#DADFD8", Edge: "#7C877F",
            Proven: "#0B6B4A", Degraded: "#875100", Breached: "#B8151F", Running: "#1B57C4", Waiting: "#6336B8");

        public static Tokens Dark { get; } = new(
            Paper: "#0E1312", Surface: "#151B19", Ink: "#E7EDE9", Ink3: "#8D9A93", OnInk: "#0E1312", Line: "#27302D", Edge: "#6B7A74",
            Proven: "#4FC594", Degraded: "#E8A33E", Breached: "#FF7D73", Running: "#7CABFF", Waiting: "#B9A0FF");
    }
}
