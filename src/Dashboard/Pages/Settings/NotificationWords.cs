using System.Globalization;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Notifications.Texts;

namespace Hexabase.DrConsole.Dashboard.Pages.Settings;

/// <summary>The one place where channels and deliveries become words and states.</summary>
internal static class NotificationWords
{
    public const string Page = "/settings/notifications";

    /// <summary>A delivery says that the channel worked then; for so long it is taken for a sign that it works now.</summary>
    private static readonly TimeSpan s_validity = TimeSpan.FromDays(30);

    /// <summary>What the configuration must say, with every key that a first channel needs. The same example as in the documentation.</summary>
    public const string Example = """
        "Notifications": {
          "PublicUrl": "https://drconsole.example",
          "Language": "en",
          "Channels": [
            { "Name": "on-call", "Kind": "email", "Minimum": "critical",
              "Email": { "Host": "smtp.example", "Port": 587, "Security": "starttls", "Username": "drconsole", "PasswordFile": "keys/smtp.pw",
                         "From": "drconsole@example.org", "To": ["sre@example.org"] } },
            { "Name": "pager", "Kind": "webhook",
              "Webhook": { "Url": "https://pager.example/in", "SecretFile": "keys/pager.secret" } },
            { "Name": "chat", "Kind": "slack", "Minimum": "info", "Workspaces": ["shop"],
              "Slack": { "UrlFile": "keys/slack.url" } } ] }
        """;

    public static Status Of(ChannelStanding? standing, DateTimeOffset now) => standing switch
    {
        null or { LastSuccess: null, LastFailure: null } => Status.Unproven,
        { LastFailure: { } failed } when standing.LastSuccess is null || failed > standing.LastSuccess => Status.Failed,
        { LastSuccess: { } arrived } when now - arrived > s_validity => Status.Stale,
        _ => Status.Answers,
    };

    public static string Word(Status status) => status switch
    {
        Status.Unproven => ChannelTexts.StateUntried,
        Status.Failed => ChannelTexts.StateFails,
        Status.Stale => ChannelTexts.StateStale,
        _ => ChannelTexts.StateDelivers,
    };

    // That a receiver took it proves nothing about who reads it: delivered is not green.
    public static Status Of(DeliveryState state) => state switch
    {
        DeliveryState.Waiting => Status.Queued,
        DeliveryState.Sending => Status.Running,
        DeliveryState.Delivered => Status.Done,
        _ => Status.Failed,
    };

    public static string Word(DeliveryState state) => state switch
    {
        DeliveryState.Waiting => ChannelTexts.DeliveryWaiting,
        DeliveryState.Sending => ChannelTexts.DeliverySending,
        DeliveryState.Delivered => ChannelTexts.DeliveryDelivered,
        _ => ChannelTexts.DeliveryFailed,
    };

    public static string Word(NotificationSeverity severity) => severity switch
    {
        NotificationSeverity.Info => ChannelTexts.SeverityInfo,
        NotificationSeverity.Warning => ChannelTexts.SeverityWarning,
        _ => ChannelTexts.SeverityCritical,
    };

    public static string Word(ChannelKind kind) => kind switch
    {
        ChannelKind.Email => ChannelTexts.KindEmail,
        ChannelKind.Webhook => ChannelTexts.KindWebhook,
        _ => ChannelTexts.KindSlack,
    };

    /// <summary>What goes there: <c>alerts only, of workspace shop, in Japanese</c>.</summary>
    public static string Takes(NotificationChannel channel) => Figures.List(
    [
        channel.Minimum switch
        {
            NotificationSeverity.Info => ChannelTexts.FromInfo,
            NotificationSeverity.Warning => ChannelTexts.FromWarning,
            _ => ChannelTexts.FromCritical,
        },
        .. channel.Sources.Count > 0 ? [Figures.Format(ChannelTexts.OfSources, Figures.List(channel.Sources))] : (string[])[],
        .. channel.Workspaces.Count > 0 ? [Figures.Format(ChannelTexts.OfWorkspaces, Figures.List(channel.Workspaces))] : (string[])[],
        channel.Language == "ja" ? ChannelTexts.InJapanese : ChannelTexts.InEnglish,
    ]);

    /// <summary>Its title in the reader's language.</summary>
    public static string Title(Notification notification) => NotificationText.Of(notification, CultureInfo.CurrentUICulture, "", null).Title;

    /// <summary>What became of a delivery, in a line.</summary>
    public static string Outcome(Delivery delivery, TimeProvider time) => Figures.List(Parts(delivery, time));

    /// <summary>What became of a test, in a line.</summary>
    public static string OfTest(Delivery test, TimeProvider time) => test switch
    {
        { State: DeliveryState.Delivered, EndedAt: { } ended } => Figures.Format(ChannelTexts.TestArrived, Seconds(ended - test.Notification.At)),
        { State: DeliveryState.Failed } => Figures.Format(ChannelTexts.TestFailed, test.Error ?? ""),
        { State: DeliveryState.Sending } => Figures.Format(ChannelTexts.TestSending, test.Attempt),
        { Error: { } error } => Figures.Format(ChannelTexts.TestAgain, test.Attempt, error, Figures.Moment(test.NextAt, time)),
        _ => ChannelTexts.TestWaits,
    };

    private static IEnumerable<string> Parts(Delivery delivery, TimeProvider time)
    {
        if (delivery is { State: DeliveryState.Delivered, EndedAt: { } ended })
        {
            yield return Figures.Format(ChannelTexts.DeliveredAfter, Seconds(ended - delivery.Notification.At));
        }

        if (delivery.Error is { } error)
        {
            yield return error;
        }

        if (delivery is { State: DeliveryState.Waiting, Attempt: > 0 })
        {
            yield return Figures.Format(ChannelTexts.NextTry, Figures.Moment(delivery.NextAt, time));
        }

        if (delivery.IsOpen)
        {
            yield return Figures.Format(ChannelTexts.GivenUpAt, Figures.Moment(delivery.GiveUpAt, time));
        }

        if (delivery.ResentBy is { } who)
        {
            yield return Figures.Format(ChannelTexts.ResentBy, who);
        }
    }

    private static string Seconds(TimeSpan span) => Figures.Duration(span < TimeSpan.Zero ? TimeSpan.Zero : span);
}
