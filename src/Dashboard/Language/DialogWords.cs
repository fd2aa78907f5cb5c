using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.Extensions.Localization;
using MudBlazor;

namespace Hexabase.DrConsole.Dashboard.Language;

/// <summary>The one word that MudBlazor says by itself on these pages: the name of a dialog's closing button.</summary>
internal sealed class DialogWords : MudLocalizer
{
    /// <inheritdoc/>
    public override LocalizedString this[string key] =>
        key == "MudDialog_Close" ? new LocalizedString(key, Texts.Close) : new LocalizedString(key, key, resourceNotFound: true);
}
