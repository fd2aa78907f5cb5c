using System.Collections;
using System.Globalization;
using System.Resources;
using System.Text.RegularExpressions;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Notifications.Texts;

namespace Hexabase.DrConsole.Engine.Tests.Notifications;

/// <summary>Each notification has its words, in both languages.</summary>
public sealed partial class NotificationTextTests
{
    private static readonly DateTimeOffset s_at = new(2026, 11, 24, 14, 40, 0, TimeSpan.Zero);

    public static TheoryData<NotificationEvent, string> All =>
        [.. from one in Enum.GetValues<NotificationEvent>() from language in new[] { "en", "ja" } select new TheoryDataRow<NotificationEvent, string>(one, language)];

    [Theory]
    [MemberData(nameof(All))]
    public void Of_each_event_says_what_about_what_and_what_is_asked(NotificationEvent what, string language)
    {
        var text = Text(what, language, Full);

        Assert.Contains(what == NotificationEvent.WalGapFound ? "orders" : "R-5", text.Title, StringComparison.Ordinal);
        Assert.DoesNotContain('{', text.Title + text.Body);
        Assert.Contains(language == "ja" ? "お願い\n" : "What is asked of whom\n", text.Body, StringComparison.Ordinal);
        Assert.Equal("https://console.example/runs/5", text.Link);
    }

    [Fact]
    public void Of_a_gate_states_the_loss_the_time_left_and_who_must_not_answer()
    {
        var lines = Text(NotificationEvent.GateOpened, "en", Full).Body.Split('\n');

        Assert.Contains("Comes back: everything committed up to 2026-11-24 14:30:00 UTC", lines);
        Assert.Contains("Lost: what was committed from 2026-11-24 14:30:00 UTC to 2026-11-24 14:33:06 UTC (3m 06s)", lines);
        Assert.Contains("Answer by: 2026-11-24 15:40:00 UTC", lines);
        Assert.Contains("Estimate: 7m 00s, of 15m 00s that the class allows", lines);
        Assert.Contains("Approvers: 2 of you, not the one who asked, approve or decline on the page with your password.", lines);
    }

    [Fact]
    public void Of_a_restores_gate_says_restore_and_where_it_writes_and_that_it_ends_without_an_answer()
    {
        var restore = new NotificationFacts { Kind = "restore", Sources = ["uploads"], Run = "R-5", RestorePoint = "0123456789ab", Target = "dir:/srv/uploads?inPlace=true", Requester = "olga", Needed = 1 };

        var opened = Text(NotificationEvent.GateOpened, "en", restore);
        Assert.Equal("Approval needed: restore of uploads over what lives (R-5)", opened.Title);
        Assert.Contains("Written over: dir:/srv/uploads?inPlace=true", opened.Body.Split('\n'));
        Assert.Contains("nothing was changed, and the run has ended", Text(NotificationEvent.GateExpired, "en", restore).Body, StringComparison.Ordinal);
        Assert.Equal("却下：uploadsの上書き復元（R-5）", Text(NotificationEvent.GateDeclined, "ja", restore).Title);
        Assert.Contains("the run waits", Text(NotificationEvent.GateDeclined, "en", Full).Body, StringComparison.Ordinal);
        Assert.Contains("uploads", Text(NotificationEvent.RunFailed, "en", restore).Title, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_a_recovery_that_ended_badly_calls_the_on_call_and_of_a_good_one_does_not()
    {
        var good = Text(NotificationEvent.RecoveryEnded, "en", Full with { Outcome = "completed" }, NotificationSeverity.Info);
        var bad = Text(NotificationEvent.RecoveryEnded, "ja", Full with { Outcome = "rollback_failed" }, NotificationSeverity.Critical);

        Assert.Equal("Recovery of orders: completed and verified (R-5)", good.Title);
        Assert.DoesNotContain("On-call", good.Body, StringComparison.Ordinal);
        Assert.Equal("ordersの復旧：失敗（戻すことにも失敗）（R-5）", bad.Title);
        Assert.Contains("当番とオペレーター", bad.Body, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_writes_that_still_come_says_that_the_loss_grows()
    {
        var text = Text(NotificationEvent.PlanProposed, "en", Full with { LossUntil = null });
        Assert.Contains("Lost: what was committed after 2026-11-24 14:30:00 UTC, for as long as writes are taken", text.Body, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_key_has_a_Japanese_text_with_the_same_values()
    {
        var (english, japanese) = (Texts(""), Texts("ja"));
        Assert.Equal(english.Keys.Order(StringComparer.Ordinal), japanese.Keys.Order(StringComparer.Ordinal));
        Assert.All(english, pair => Assert.True(Values(pair.Value).SetEquals(Values(japanese[pair.Key])), $"{pair.Key}: {japanese[pair.Key]}"));
        Assert.DoesNotContain(japanese, pair => BadlySet().IsMatch(pair.Value));
    }

    private static NotificationFacts Full => new()
    {
        Kind = "DATABASE_CORRUPTION", Sources = ["orders"], Run = "R-5", Incident = "I-12", Plan = "postgres-corruption v3", RestorePoint = "0123456789ab",
        KeepsUntil = s_at.AddMinutes(-10), LossUntil = s_at.AddMinutes(-10).AddSeconds(186), EstimateSeconds = 420, RtoSeconds = 900, Requester = "olga", Person = "paul",
        Reason = "the table is damaged", Needed = 2, Risk = "destructive", Until = s_at.AddHours(1), Step = "restore", Outcome = "completed",
    };

    private static NotificationText Text(NotificationEvent what, string language, NotificationFacts facts, NotificationSeverity severity = NotificationSeverity.Warning) => NotificationText.Of(
        new Notification(1, s_at, what, severity, "R-5", "I-12", false, "/runs/5", facts.Sources, facts, null), CultureInfo.GetCultureInfo(language), "prod", new Uri("https://console.example/"));

    private static Dictionary<string, string> Texts(string culture)
    {
        var manager = new ResourceManager("Hexabase.DrConsole.Engine.Notifications.Texts.NotificationTexts", typeof(NotificationText).Assembly);
        return manager.GetResourceSet(CultureInfo.GetCultureInfo(culture), createIfNotExists: true, tryParents: false)!.Cast<DictionaryEntry>()
            .ToDictionary(entry => (string)entry.Key, entry => (string)entry.Value!, StringComparer.Ordinal);
    }

    private static HashSet<string> Values(string text) => [.. Value().Matches(text).Select(match => match.Groups[1].Value)];

    [GeneratedRegex(@"\{(\d)")]
    private static partial Regex Value();

    [GeneratedRegex(@"[぀-ヿ一-鿿] ?[,.;:!?](?= |$|[぀-ヿ一-鿿])|[｡-ﾟ]")]
    private static partial Regex BadlySet();
}
