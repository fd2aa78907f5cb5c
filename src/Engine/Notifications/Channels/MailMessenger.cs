using System.Net.Sockets;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Trust;
using MailKit;
using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;

namespace Hexabase.DrConsole.Engine.Notifications.Channels;

/// <summary>Sends mail by SMTP. The same Message-ID in every try lets servers and readers drop a repeat.</summary>
public sealed class MailMessenger : IMessenger
{
    private const int FirstPermanent = 500;

    /// <inheritdoc/>
    public ChannelKind Kind => ChannelKind.Email;

    /// <inheritdoc/>
    public async Task<SendResult> SendAsync(NotificationChannel channel, OutgoingMessage message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(channel);
        ArgumentNullException.ThrowIfNull(message);
        var settings = channel.Email!;
        using var client = new RecipientsApartClient { CheckCertificateRevocation = false };
        if (settings.CaFile is { } authorities)
        {
            client.ServerCertificateValidationCallback = TrustedRoots.CheckBy(authorities);
        }

        try
        {
            await client.ConnectAsync(settings.Host, settings.Port, settings.Security switch
            {
                MailSecurity.StartTls => SecureSocketOptions.StartTls,
                MailSecurity.Tls => SecureSocketOptions.SslOnConnect,
                _ => SecureSocketOptions.None,
            }, cancellationToken);
            if (settings is { Username: { } user, PasswordFile: { } file })
            {
                await client.AuthenticateAsync(user, await SecretFile.ReadAsync(file, cancellationToken), cancellationToken);
            }

            using var mail = Compose(settings, message);
            await client.SendAsync(mail, cancellationToken);
        }
        catch (Exception fault) when (ReasonOf(fault) is { } reason)
        {
            return SendResult.Failed(reason) with { IsFinal = fault is SmtpCommandException { ErrorCode: SmtpErrorCode.MessageNotAccepted } refused && (int)refused.StatusCode >= FirstPermanent };
        }

        await ByeAsync(client, cancellationToken);
        return client.Refused.Count == 0 ? SendResult.Delivered : new SendResult(true, $"not taken for {string.Join("; ", client.Refused)}");
    }

    /// <summary>The mail is accepted; a server that breaks off now changes nothing about it.</summary>
    private static async Task ByeAsync(SmtpClient client, CancellationToken ct)
    {
        try
        {
            await client.DisconnectAsync(quit: true, ct);
        }
        catch (Exception fault) when (ReasonOf(fault) is not null || fault is OperationCanceledException)
        {
            // Nothing is lost by it.
        }
    }

    private static MimeMessage Compose(EmailSettings settings, OutgoingMessage message)
    {
        var domain = MailboxAddress.Parse(settings.From).Domain;
        var mail = new MimeMessage
        {
            MessageId = $"{message.Id:n}@{domain}",
            Date = message.Notification.At,
            Subject = message.Text.Title,
            Body = new TextPart("plain") { Text = message.Text.Link is { } link ? $"{message.Text.Body}\n\n{link}\n" : message.Text.Body + "\n" },
        };
        mail.From.Add(new MailboxAddress($"DrConsole {message.Estate}", MailboxAddress.Parse(settings.From).Address));
        mail.To.AddRange(settings.To.Select(MailboxAddress.Parse));
        // What belongs together is one conversation in the reader's mailbox.
        mail.References.Add($"{message.Notification.Thread.ToLowerInvariant()}.{Uri.EscapeDataString(message.Estate)}@{domain}");
        mail.Headers.Add("Auto-Submitted", "auto-generated");
        mail.Headers.Add(WebhookMessenger.IdHeader, message.Id.ToString());
        mail.Headers.Add(WebhookMessenger.EventHeader, NotificationNames.Of(message.Notification.Event));
        mail.Priority = message.Notification.Severity == NotificationSeverity.Critical ? MessagePriority.Urgent : MessagePriority.Normal;
        return mail;
    }

    /// <summary>What a person can act on; null where it is a bug, or the time was up.</summary>
    private static string? ReasonOf(Exception fault) => fault switch
    {
        SmtpCommandException refused => $"it answers {(int)refused.StatusCode}: {refused.Message}",
        SmtpProtocolException broken => $"it does not speak SMTP as it should: {broken.Message}",
        AuthenticationException denied => $"it refuses user or password: {denied.Message}",
        SslHandshakeException tls => $"its certificate is not accepted: {tls.Message.Split('\n')[0].Trim()}",
        NotSupportedException missing => missing.Message,
        SocketException or IOException or UnauthorizedAccessException or ServiceNotConnectedException or ServiceNotAuthenticatedException => fault.Message,
        _ => null,
    };

    /// <summary>One address that a server does not know must not keep the others from hearing.</summary>
    private sealed class RecipientsApartClient : SmtpClient
    {
        public List<string> Refused { get; } = [];

        protected override void OnRecipientNotAccepted(MimeMessage message, MailboxAddress mailbox, SmtpResponse response) =>
            Refused.Add($"{mailbox.Address} ({(int)response.StatusCode} {response.Response})");

        protected override void OnNoRecipientsAccepted(MimeMessage message) =>
            throw new SmtpCommandException(SmtpErrorCode.RecipientNotAccepted, SmtpStatusCode.MailboxUnavailable, $"nobody of those it is for is known there: {string.Join("; ", Refused)}");
    }
}
