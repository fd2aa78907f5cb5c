using System.Globalization;
using System.Resources;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Notifications.Texts;

/// <summary>A notification in a language.</summary>
/// <param name="Title">One line.</param>
/// <param name="Body">Lines of plain text.</param>
/// <param name="Link">The page's address, or null where nobody configured the console's.</param>
public sealed record NotificationText(string Title, string Body, string? Link)
{
    /// <summary>Makes the text from the facts; moments are in UTC, and say so.</summary>
    public static NotificationText Of(Notification notification, CultureInfo culture, string estate, Uri? publicUrl)
    {
        ArgumentNullException.ThrowIfNull(notification);
        var words = new Words(culture);
        var facts = notification.Facts;
        object?[] values =
        [
            words.Affected(facts), words.Named("Kind", facts.Kind), notification.Subject, facts.Step ?? facts.Person, words.Named("Outcome", facts.Outcome), facts.Needed,
        ];
        var lines = new List<string>();
        lines.AddRange(FactLines.Of(notification, words));
        if (lines.Count > 0)
        {
            lines.Add("");
        }

        lines.Add($"{words.Say("AsksHead")}");
        lines.Add(words.Say(words.KeyOf(AsksOf(notification), notification), values));
        lines.Add("");
        lines.Add(words.Say("Footer", estate, Words.Moment(notification.At)));
        return new NotificationText(
            words.Say(words.KeyOf($"Title{notification.Event}", notification), values), string.Join('\n', lines), publicUrl is null ? null : publicUrl.AbsoluteUri.TrimEnd('/') + notification.Page);
    }

    private static string AsksOf(Notification notification) =>
        notification is { Event: NotificationEvent.RecoveryEnded, Severity: NotificationSeverity.Critical } ? "AsksRecoveryEndedBadly" : $"Asks{notification.Event}";
}

/// <summary>The words of a language.</summary>
internal sealed class Words(CultureInfo culture)
{
    private const int NamesShown = 5;

    private static readonly ResourceManager s_texts = new("Hexabase.DrConsole.Engine.Notifications.Texts.NotificationTexts", typeof(Words).Assembly);

    public string Say(string key, params ReadOnlySpan<object?> values)
    {
        var text = s_texts.GetString(key, culture) ?? throw new System.Diagnostics.UnreachableException($"no text {key}");
        return values.Length == 0 ? text : string.Format(culture, text, values);
    }

    /// <summary>The text of its own that a restore has, where it has one: its gates are a recovery's, but it is none.</summary>
    public string KeyOf(string key, Notification notification) =>
        notification.Facts.Kind == RunKinds.Restore && s_texts.GetString(key + "Restore", culture) is not null ? key + "Restore" : key;

    /// <summary>The word for a name of the catalog; the name itself where there is no word for it.</summary>
    public string Named(string prefix, string? name) => name is null ? "" : s_texts.GetString(prefix + name, culture) ?? name;

    public string Affected(NotificationFacts facts) => facts.Sources.Count > 0 ? List(facts.Sources) : facts.Tiers.Count > 0 ? List(facts.Tiers) : Say("Everything");

    public string List(IReadOnlyList<string> names)
    {
        var shown = names.Take(NamesShown).Aggregate((one, other) => Say("List", one, other));
        return names.Count > NamesShown ? Say("Also", shown, names.Count - NamesShown) : shown;
    }

    public static string Moment(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);

    public string Duration(double seconds)
    {
        var span = TimeSpan.FromSeconds(Math.Round(seconds));
        return span.TotalHours >= 1 ? Say("Hours", (int)span.TotalHours, span.Minutes) : span.TotalMinutes >= 1 ? Say("Minutes", span.Minutes, span.Seconds) : Say("Seconds", span.Seconds);
    }
}
