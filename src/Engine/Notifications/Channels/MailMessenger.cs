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

/// <summary>
/// Sends mail by SMTP. The same Message-ID in every try lets servers and readers drop a repeat. Where a server takes a mail for some
/// and not yet for others (greylisting, a full mailbox), the next try is for those only. Who has it already is remembered by this
/// process: another one sends to all of them again.
/// </summary>
public sealed class MailMessenger : IMessenger
{
    private const int FirstPermanent = 500;

    /// <summary>Of mails that were given up nobody says so here; the oldest are forgotten.</summary>
    private const int MostRemembered = 1000;

    private readonly OrderedDictionary<Guid, Partly> _partly = [];
    private readonly Lock _lock = new();

    /// <inheritdoc/>
    public ChannelKind Kind => ChannelKind.Email;

    /// <inheritdoc/>
    public async Task<SendResult> SendAsync(NotificationChannel channel, OutgoingMessage message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(channel);
        ArgumentNullException.ThrowIfNull(message);
        var settings = channel.Email!;
        Partly before;
        lock (_lock)
        {
            before = _partly.GetValueOrDefault(message.Id) ?? Partly.Nobody;
        }

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
            await client.SendAsync(mail, mail.From.Mailboxes.First(), mail.To.Mailboxes.Where(one => !before.Taken.Contains(one.Address)), cancellationToken);
        }
        catch (SmtpCommandException refused) when (refused.ErrorCode == SmtpErrorCode.RecipientNotAccepted && before.Taken.Count > 0 && client.Refused.Count > 0)
        {
            // Nobody of those who were left: the others have it.
            return Judge(message.Id, before, client.Refused, []);
        }
        catch (Exception fault) when (ReasonOf(fault) is { } reason)
        {
            return SendResult.Failed(reason) with { IsFinal = fault is SmtpCommandException { ErrorCode: SmtpErrorCode.MessageNotAccepted } refused && (int)refused.StatusCode >= FirstPermanent };
        }

        await ByeAsync(client, cancellationToken);
        return Judge(message.Id, before, client.Refused, settings.To.Select(to => MailboxAddress.Parse(to).Address));
    }

    /// <summary>What became of a mail that a server took for somebody, now or in an earlier try.</summary>
    private SendResult Judge(Guid id, Partly before, IReadOnlyList<Refusal> refused, IEnumerable<string> sent)
    {
        var later = refused.Where(one => one.Code < FirstPermanent).ToList();
        string[] gone = [.. before.Gone, .. refused.Except(later).Select(one => one.ToString())];
        var now = new Partly(before.Taken.Concat(sent).Except(later.Select(one => one.Address)).ToHashSet(), gone);
        lock (_lock)
        {
            _partly.Remove(id);
            if (later.Count > 0)
            {
                _partly.Add(id, now);
                if (_partly.Count > MostRemembered)
                {
                    _partly.RemoveAt(0);
                }
            }
        }

        return later.Count > 0 ? SendResult.Failed($"not taken yet for {string.Join("; ", later)}; the others have it{(gone.Length > 0 ? $"; not taken for {string.Join("; ", gone)}" : "")}")
            : gone.Length > 0 ? new SendResult(true, $"not taken for {string.Join("; ", gone)}")
            : SendResult.Delivered;
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

    /// <summary>Who of a mail's readers is settled.</summary>
    /// <param name="Taken">Addresses that need no other try: the server took it for them, or never will.</param>
    /// <param name="Gone">For whom it never will, and why.</param>
    private sealed record Partly(IReadOnlySet<string> Taken, IReadOnlyList<string> Gone)
    {
        public static Partly Nobody { get; } = new(new HashSet<string>(), []);
    }

    private sealed record Refusal(string Address, int Code, string Text)
    {
        public override string ToString() => $"{Address} ({Code} {Text})";
    }

    /// <summary>One address that a server does not know must not keep the others from hearing.</summary>
    private sealed class RecipientsApartClient : SmtpClient
    {
        public List<Refusal> Refused { get; } = [];

        protected override void OnRecipientNotAccepted(MimeMessage message, MailboxAddress mailbox, SmtpResponse response) =>
            Refused.Add(new Refusal(mailbox.Address, (int)response.StatusCode, response.Response));

        protected override void OnNoRecipientsAccepted(MimeMessage message) =>
            throw new SmtpCommandException(SmtpErrorCode.RecipientNotAccepted, SmtpStatusCode.MailboxUnavailable, $"nobody of those it is for is known there: {string.Join("; ", Refused)}");
    }
}
