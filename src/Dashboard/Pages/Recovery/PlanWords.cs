using System.Collections.Frozen;
using System.Globalization;
using System.Resources;
using Hexabase.DrConsole.Dashboard.Resources;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>
/// The titles of plans and steps in the reader's language. A plan is data with a title of its author's; those that come with the
/// console are known, every other is shown as it was written.
/// </summary>
internal static class PlanWords
{
    private const string PartSign = ": ";

    private static readonly FrozenDictionary<string, string> s_known = Known();

    /// <summary>A plan's title, or a step's; in a plan for several sources that names its part behind a colon.</summary>
    public static string Of(string title)
    {
        ArgumentNullException.ThrowIfNull(title);
        return s_known.TryGetValue(title, out var name) ? PlanTexts.ResourceManager.GetString(name, CultureInfo.CurrentUICulture) ?? title
            : title.LastIndexOf(PartSign, StringComparison.Ordinal) is > 0 and var at ? $"{Of(title[..at])}{title[at..]}"
            : title;
    }

    private static FrozenDictionary<string, string> Known()
    {
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        var texts = PlanTexts.ResourceManager.GetResourceSet(CultureInfo.InvariantCulture, createIfNotExists: true, tryParents: false)
            ?? throw new MissingManifestResourceException(nameof(PlanTexts));
        foreach (System.Collections.DictionaryEntry text in texts)
        {
            names[(string)text.Value!] = (string)text.Key;
        }

        return names.ToFrozenDictionary(StringComparer.Ordinal);
    }
}
