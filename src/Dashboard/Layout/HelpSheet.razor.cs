using Hexabase.DrConsole.Dashboard.Resources;

namespace Hexabase.DrConsole.Dashboard.Layout;

/// <summary>"?": the keys, and how the figures are to be read.</summary>
public partial class HelpSheet
{
    private static IReadOnlyList<(string Keys, string Meaning)> Keys =>
    [
        (Texts.SearchKeys, Texts.HelpPalette),
        (Texts.HelpHelpKey, Texts.HelpHelp),
        (Texts.HelpTabKey, Texts.HelpTab),
        (Texts.HelpEnterKey, Texts.HelpEnter),
        (Texts.HelpEscKey, Texts.HelpEsc),
    ];
}
