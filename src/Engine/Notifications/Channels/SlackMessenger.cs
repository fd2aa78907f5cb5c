using System.Text.Json;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications.Outbox;

namespace Hexabase.DrConsole.Engine.Notifications.Channels;

/// <summary>Posts to an incoming webhook as Slack, Mattermost and Rocket.Chat take it: a line, and an attachment with the rest.</summary>
public sealed class SlackMessenger(TimeProvider time) : IMessenger
{
    /// <inheritdoc/>
    public ChannelKind Kind => ChannelKind.Slack;

    /// <inheritdoc/>
    public Task<SendResult> SendAsync(NotificationChannel channel, OutgoingMessage message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(channel);
        ArgumentNullException.ThrowIfNull(message);
        var body = JsonSerializer.SerializeToUtf8Bytes(new
        {
            text = Escape(message.Text.Title),
            attachments = new[]
            {
                new
                {
                    color = ColourOf(message.Notification.Severity),
                    fallback = Escape(message.Text.Title),
                    title = Escape(message.Notification.Subject),
                    title_link = message.Text.Link,
                    text = Escape(message.Text.Body),
                    footer = Escape($"DrConsole · {message.Estate}"),
                    ts = message.Notification.At.ToUnixTimeSeconds(),
                },
            },
        });
        return HttpPost.SendAsync(channel.Webhook!, body, new Dictionary<string, string> { [WebhookMessenger.IdHeader] = message.Id.ToString() }, time, cancellationToken);
    }

    /// <summary>What would else be a mention or a link of the text's own.</summary>
    private static string Escape(string text) =>
        text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal);

    // The light theme's breached, degraded and running.
    private static string ColourOf(NotificationSeverity severity) => severity switch
    {
        NotificationSeverity.Critical => "#B8151F",
        NotificationSeverity.Warning => "#875100",
        _ => "#1B57C4",
    };
}
