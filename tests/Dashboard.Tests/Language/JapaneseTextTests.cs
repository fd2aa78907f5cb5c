using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Resources;
using System.Text.RegularExpressions;
using Hexabase.DrConsole.Dashboard.Resources;

namespace Hexabase.DrConsole.Dashboard.Tests.Language;

/// <summary>Nothing of the pages stays English by oversight.</summary>
public sealed partial class JapaneseTextTests
{
    /// <summary>Keys, units, formats and names of products that are written alike in both languages.</summary>
    private static readonly HashSet<string> Alike =
    [
        "Texts.ClockUtc", "Texts.HelpEnterKey", "Texts.HelpEscKey", "Texts.HelpHelpKey", "Texts.HelpTabKey", "Texts.MomentToday", "Texts.Percent",
        "Texts.MomentUtc", "Texts.ProductName", "Texts.SearchKeys", "Texts.ZoneOffset", "Texts.ZoneUtc",
        "PageTexts.ColumnSha", "PageTexts.FactServerVersion", "PageTexts.KindPostgres", "PageTexts.KindRedis", "PageTexts.KindVCluster",
        "PageTexts.NotMeasuredShort", "PageTexts.PageTitle", "RecoveryTexts.GateBeside", "RecoveryTexts.PreviewRto", "RecoveryTexts.TimelineRto",
        "RetentionTexts.WhyBad", "SettingTexts.ColumnRpo", "SettingTexts.ColumnRto",
    ];

    public static TheoryData<string> Classes =>
    [
        .. typeof(Texts).Assembly.GetTypes().Where(type => type.Namespace == typeof(Texts).Namespace && type.Name.EndsWith("Texts", StringComparison.Ordinal)).Select(type => type.Name),
    ];

    [Theory]
    [MemberData(nameof(Classes))]
    public void Every_key_has_a_Japanese_text_and_no_other_has_one(string name)
        => Assert.Equal(TextsOf(name, "").Keys.Order(StringComparer.Ordinal), TextsOf(name, "ja").Keys.Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Classes))]
    public void Japanese_text_says_the_same_values_without_choosing_words_by_number(string name)
    {
        var japanese = TextsOf(name, "ja");
        foreach (var (key, text) in TextsOf(name, ""))
        {
            if (japanese.TryGetValue(key, out var translated))
            {
                Assert.True(ValuesOf(text).SetEquals(ValuesOf(translated)), $"{name}.{key}: {translated}");
                Assert.False(WordsByNumber().IsMatch(translated), $"{name}.{key} has words for one and for many: {translated}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Classes))]
    public void Japanese_text_equals_the_English_one_only_where_both_are_written_alike(string name)
    {
        var japanese = TextsOf(name, "ja");
        var equal = TextsOf(name, "").Where(pair => japanese.GetValueOrDefault(pair.Key) == pair.Value).Select(pair => $"{name}.{pair.Key}");
        Assert.Equal(Alike.Where(key => key.StartsWith(name + ".", StringComparison.Ordinal)).Order(StringComparer.Ordinal), equal.Order(StringComparer.Ordinal));
    }

    // What a reader takes for a slip: Latin punctuation between Japanese words, and the half-width kana of old terminals.
    [Theory]
    [MemberData(nameof(Classes))]
    public void Japanese_text_is_set_as_Japanese(string name)
        => Assert.DoesNotContain(TextsOf(name, "ja"), pair => BadlySet().IsMatch(pair.Value));

    private static Dictionary<string, string> TextsOf(string name, string culture)
    {
        var type = typeof(Texts).Assembly.GetType($"{typeof(Texts).Namespace}.{name}", throwOnError: true)!;
        var manager = (ResourceManager)type.GetProperty("ResourceManager", BindingFlags.Static | BindingFlags.NonPublic)!.GetValue(null)!;
        var texts = manager.GetResourceSet(CultureInfo.GetCultureInfo(culture), createIfNotExists: true, tryParents: false);
        Assert.True(texts is not null, $"{name} has no texts in '{culture}'");
        return texts.Cast<DictionaryEntry>().ToDictionary(entry => (string)entry.Key, entry => (string)entry.Value!, StringComparer.Ordinal);
    }

    private static HashSet<string> ValuesOf(string text) => [.. Value().Matches(text).Select(match => match.Groups[1].Value)];

    [GeneratedRegex(@"\{(\d)")]
    private static partial Regex Value();

    [GeneratedRegex(@"\{\d:[^}]*\|")]
    private static partial Regex WordsByNumber();

    [GeneratedRegex(@"[぀-ヿ一-鿿] ?[,.;:!?](?= |$|[぀-ヿ一-鿿])|[｡-ﾟ]")]
    private static partial Regex BadlySet();
}
