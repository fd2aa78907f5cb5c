using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Mail;
using MimeKit;

namespace Hexabase.DrConsole.Engine.Tests.Notifications;

/// <summary>Mail, by a server that speaks SMTP.</summary>
[Collection("notifications")]
public sealed class MailTests(CatalogServer catalog) : IAsyncLifetime
{
    private const string Password = "the lab's mail password";

    private readonly NotificationRig _rig = new(catalog);
    private readonly LabCertificates _certificates = LabCertificates.Create(TimeProvider.System);

    private static CancellationToken Ct => NotificationRig.Ct;

    public ValueTask InitializeAsync()
    {
        _certificates.WriteAuthority(_rig.Combine("ca.pem"));
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        _certificates.Dispose();
        await _rig.DisposeAsync();
    }

    [Theory]
    [InlineData(MailSecurity.StartTls)]
    [InlineData(MailSecurity.Tls)]
    public async Task A_mail_goes_encrypted_to_a_server_that_is_known_and_says_what_happened_and_what_to_do(MailSecurity security)
    {
        await using var server = new LabMail(new LabMailOptions { Certificate = _certificates.Server, IsTlsFromTheFirstByte = security == MailSecurity.Tls, Login = ("drconsole", Password) });
        var channel = Mail(server.Port, security);
        await _rig.BeginAsync();
        await _rig.HappensAsync(_rig.Alert());
        await _rig.RouteAsync();

        Assert.True(await _rig.SendAsync(channel, Ct));

        var delivered = await _rig.DeliveryAsync(channel);
        Assert.True(delivered.State == DeliveryState.Delivered, delivered.Error);
        var mail = Assert.Single(await server.WaitForAsync(1, Ct));
        Assert.Equal((true, "drconsole", "console@example.org"), (mail.IsEncrypted, mail.User, mail.From));
        Assert.Equal(["on-call@example.org", "sre@example.org"], mail.To);
        var read = await MimeMessage.LoadAsync(new MemoryStream(System.Text.Encoding.Latin1.GetBytes(mail.Text)), Ct);
        Assert.Equal($"EMERGENCY: database corruption of {_rig.Source} (I-4711)", read.Subject);
        Assert.Equal($"{delivered.MessageId:n}@example.org", read.MessageId);
        Assert.Equal("auto-generated", mail.Header("Auto-Submitted"));
        var text = read.TextBody!.ReplaceLineEndings("\n");
        Assert.Contains("Evidence:\n- ", text, StringComparison.Ordinal);
        Assert.Contains("First sign: 2026-11-24 14:32:10 UTC", text, StringComparison.Ordinal);
        Assert.Contains("What is asked of whom\nOn-call: ", text, StringComparison.Ordinal);
        Assert.Contains("https://drconsole.example/ops/incidents/4711", text, StringComparison.Ordinal);
        Assert.DoesNotContain(Password, mail.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_drops_the_connection_before_it_answers_gets_the_mail_again_with_the_same_id()
    {
        var isFirst = true;
        await using var server = new LabMail(new LabMailOptions
        {
            OnMail = _ =>
            {
                var answer = isFirst ? "" : null;
                isFirst = false;
                return answer;
            },
        });
        var channel = Mail(server.Port, MailSecurity.None, login: false);
        await _rig.BeginAsync();
        await _rig.HappensAsync(_rig.Alert());
        await _rig.RouteAsync();
        await _rig.SendAsync(channel, Ct);
        Assert.Equal(DeliveryState.Waiting, (await _rig.DeliveryAsync(channel)).State);

        await _rig.PassAsync(channel);
        await _rig.SendAsync(channel, Ct);

        Assert.Equal(DeliveryState.Delivered, (await _rig.DeliveryAsync(channel)).State);
        var mails = await server.WaitForAsync(2, Ct);
        Assert.Equal(mails[0].Header("Message-Id"), mails[1].Header("Message-Id"));
    }

    [Fact]
    public async Task A_server_that_is_not_known_a_wrong_password_and_one_without_TLS_get_nothing()
    {
        await using var server = new LabMail(new LabMailOptions { Certificate = _certificates.Server, Login = ("drconsole", "another password") });
        await using var plain = new LabMail(new LabMailOptions());
        using var others = LabCertificates.Create(TimeProvider.System);
        others.WriteAuthority(_rig.Combine("other.pem"));
        var unknown = Mail(server.Port, MailSecurity.StartTls, ca: "other.pem");
        var denied = Mail(server.Port, MailSecurity.StartTls);
        var bare = Mail(plain.Port, MailSecurity.StartTls, login: false);
        await _rig.BeginAsync();
        await _rig.HappensAsync(_rig.Alert());
        await _rig.RouteAsync();
        foreach (var channel in new[] { unknown, denied, bare })
        {
            await _rig.SendAsync(channel, Ct);
        }

        Assert.Contains("certificate is not accepted", (await _rig.DeliveryAsync(unknown)).Error, StringComparison.Ordinal);
        Assert.Contains("refuses user or password", (await _rig.DeliveryAsync(denied)).Error, StringComparison.Ordinal);
        Assert.Contains("STARTTLS", (await _rig.DeliveryAsync(bare)).Error, StringComparison.Ordinal);
        Assert.DoesNotContain(Password, (await _rig.DeliveryAsync(denied)).Error, StringComparison.Ordinal);
        Assert.Empty(server.Received);
        Assert.Empty(plain.Received);
    }

    [Fact]
    public async Task An_address_that_nobody_has_does_not_keep_the_others_from_hearing()
    {
        await using var server = new LabMail(new LabMailOptions { OnRecipient = address => address.StartsWith("sre", StringComparison.Ordinal) ? "550 5.1.1 nobody of that name" : null });
        var channel = Mail(server.Port, MailSecurity.None, login: false);
        await _rig.BeginAsync();
        await _rig.HappensAsync(_rig.Alert());
        await _rig.RouteAsync();

        await _rig.SendAsync(channel, Ct);

        Assert.Equal(["on-call@example.org"], Assert.Single(server.Received).To);
        var delivery = await _rig.DeliveryAsync(channel);
        Assert.Equal((DeliveryState.Delivered, "not taken for sre@example.org (550 5.1.1 nobody of that name)"), (delivery.State, delivery.Error));
    }

    [Fact]
    public async Task Those_whose_server_says_later_are_tried_again_and_nobody_hears_twice()
    {
        var isLater = true;
        await using var server = new LabMail(new LabMailOptions
        {
            OnRecipient = address => isLater && address.StartsWith("sre", StringComparison.Ordinal) ? "450 4.2.0 greylisted" : address.StartsWith("gone", StringComparison.Ordinal) ? "550 5.1.1 nobody of that name" : null,
        });
        var channel = Mail(server.Port, MailSecurity.None, login: false, to: ["on-call@example.org", "sre@example.org", "gone@example.org"]);
        await _rig.BeginAsync();
        await _rig.HappensAsync(_rig.Alert());
        await _rig.RouteAsync();

        await _rig.SendAsync(channel, Ct);
        var delivery = await _rig.DeliveryAsync(channel);
        Assert.Equal(
            (DeliveryState.Waiting, "not taken yet for sre@example.org (450 4.2.0 greylisted); the others have it; not taken for gone@example.org (550 5.1.1 nobody of that name)"), (delivery.State, delivery.Error));
        await _rig.PassAsync(channel);
        await _rig.SendAsync(channel, Ct);
        Assert.Equal(DeliveryState.Waiting, (await _rig.DeliveryAsync(channel)).State);
        isLater = false;
        await _rig.PassAsync(channel);
        await _rig.SendAsync(channel, Ct);

        delivery = await _rig.DeliveryAsync(channel);
        Assert.Equal((DeliveryState.Delivered, "not taken for gone@example.org (550 5.1.1 nobody of that name)"), (delivery.State, delivery.Error));
        Assert.Equal(["on-call@example.org", "sre@example.org"], server.Received.Select(mail => Assert.Single(mail.To)));
        Assert.Single(server.Received.Select(mail => mail.Header("Message-Id")).Distinct());
    }

    private NotificationChannel Mail(int port, MailSecurity security, bool login = true, string ca = "ca.pem", IReadOnlyList<string>? to = null) => _rig.Add(ChannelKind.Email, channel => channel with
    {
        Email = new EmailSettings(
            LabMail.Host, port, security, security == MailSecurity.None ? null : _rig.Combine(ca), login ? "drconsole" : null, login ? _rig.WriteFile("smtp.pw", Password) : null,
            "console@example.org", to ?? ["on-call@example.org", "sre@example.org"]),
    });
}
