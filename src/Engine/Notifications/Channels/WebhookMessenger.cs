using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Notifications.Channels;

/// <summary>Posts a notification as JSON, signed over the moment and the body (docs/notifications.md says how to check that).</summary>
public sealed class WebhookMessenger(TimeProvider time) : IMessenger
{
    public const string IdHeader = "X-DrConsole-Id";
    public const string EventHeader = "X-DrConsole-Event";
    public const string AttemptHeader = "X-DrConsole-Attempt";
    public const string TimestampHeader = "X-DrConsole-Timestamp";
    public const string SignatureHeader = "X-DrConsole-Signature";

    private static readonly JsonSerializerOptions s_form = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    /// <inheritdoc/>
    public ChannelKind Kind => ChannelKind.Webhook;

    /// <inheritdoc/>
    public async Task<SendResult> SendAsync(NotificationChannel channel, OutgoingMessage message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(channel);
        ArgumentNullException.ThrowIfNull(message);
        var body = BodyOf(message);
        var timestamp = time.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        string secret;
        try
        {
            secret = await SecretFile.ReadAsync(channel.Webhook!.SecretFile!, cancellationToken);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return SendResult.Failed(fault.Message);
        }

        return await HttpPost.SendAsync(channel.Webhook, body, new Dictionary<string, string>
        {
            [IdHeader] = message.Id.ToString(),
            [EventHeader] = NotificationNames.Of(message.Notification.Event),
            [AttemptHeader] = message.Attempt.ToString(CultureInfo.InvariantCulture),
            [TimestampHeader] = timestamp,
            [SignatureHeader] = Sign(secret, timestamp, body),
        }, time, cancellationToken);
    }

    /// <summary><c>v1=</c> and the lower-case hex of HMAC-SHA256(secret, timestamp, a dot, body).</summary>
    public static string Sign(string secret, string timestamp, ReadOnlySpan<byte> body)
    {
        byte[] signed = [.. Encoding.ASCII.GetBytes(timestamp + "."), .. body];
        return "v1=" + Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), signed));
    }

    /// <summary>The same bytes in every try.</summary>
    private static byte[] BodyOf(OutgoingMessage message) => JsonSerializer.SerializeToUtf8Bytes(new
    {
        id = message.Id,
        @event = NotificationNames.Of(message.Notification.Event),
        severity = NotificationNames.Of(message.Notification.Severity),
        at = message.Notification.At,
        estate = message.Estate,
        subject = message.Notification.Subject,
        thread = message.Notification.Thread,
        title = message.Text.Title,
        text = message.Text.Body,
        url = message.Text.Link,
        facts = message.Notification.Facts,
    }, s_form);
}
