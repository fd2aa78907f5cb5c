using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Strategies;
using Microsoft.Extensions.Configuration;

namespace Hexabase.DrConsole.Engine.Tests.Notifications;

public sealed class NotificationConfigurationTests : IDisposable
{
    private const string Source = """ "Sources": [ { "Name": "orders", "Kind": "volume", "Workspace": "shop", "Volume": { "Path": "/srv/orders" } } ] """;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("drconsole-notify-config-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Read_the_documented_example_gives_all_of_it()
    {
        Write("keys/smtp.pw", "secret");
        Write("keys/pager.secret", "long enough to be one");
        Write("keys/slack.url", "https://hooks.slack.example/services/T/B/x");
        var settings = Read($$"""
            { "DrConsole": { {{Source}}, "Notifications": {
              "PublicUrl": "https://drconsole.example/", "Language": "ja", "MaximumAge": "12:00:00", "Timeout": "00:00:10", "KeepDays": 30,
              "Channels": [
                { "Name": "on-call", "Kind": "email", "Minimum": "critical", "Language": "en",
                  "Email": { "Host": "smtp.example", "Security": "starttls", "Username": "drconsole", "PasswordFile": "keys/smtp.pw", "From": "drconsole@example.org", "To": ["sre@example.org"] } },
                { "Name": "pager", "Kind": "webhook", "Workspaces": ["shop"], "Webhook": { "Url": "https://pager.example/in?key=1", "SecretFile": "keys/pager.secret" } },
                { "Name": "chat", "Kind": "slack", "Minimum": "info", "Sources": ["orders"], "Slack": { "UrlFile": "keys/slack.url" } } ] } } }
            """).Notifications;

        Assert.Equal((12, 10, 30), (settings.MaximumAge.TotalHours, settings.Timeout.TotalSeconds, settings.KeepDays));
        Assert.Equal(["on-call", "pager", "chat"], settings.Channels.Select(channel => channel.Name));
        Assert.Equal(["en", "ja", "ja"], settings.Channels.Select(channel => channel.Language));
        Assert.Equal([NotificationSeverity.Critical, NotificationSeverity.Warning, NotificationSeverity.Info], settings.Channels.Select(channel => channel.Minimum));
        Assert.Equal((587, MailSecurity.StartTls), (settings.Channels[0].Email!.Port, settings.Channels[0].Email!.Security));
        Assert.DoesNotContain("key=1", settings.Channels[1].Display, StringComparison.Ordinal);
        Assert.Equal(3, settings.SecretFiles.Count());
    }

    [Fact]
    public void Read_all_mistakes_are_reported_at_once_and_no_secret_with_them()
    {
        Write("short", "short");
        Write("slack", "hooks.slack.example/services/T/B/x");
        Write("ca", "no certificate");
        var fault = Assert.Throws<EngineException>(() => Read($$"""
            { "DrConsole": { {{Source}}, "Notifications": {
              "PublicUrl": "drconsole", "Language": "de", "MaximumAge": "00:00:01", "Channel": [],
              "Channels": [
                { "Name": "On Call", "Kind": "email", "Email": { "Host": "smtp.example", "Security": "none", "Username": "u", "PasswordFile": "short", "CaFile": "ca", "From": "me", "To": [] } },
                { "Name": "a", "Kind": "webhook", "Sources": ["orderz"], "Webhook": { "Url": "https://u:p@pager.example", "UrlFile": "slack", "SecretFile": "short" } },
                { "Name": "a", "Kind": "slack", "Minimum": "loud", "Slack": { "UrlFile": "slack" }, "Email": { "Host": "smtp.example" } },
                { "Name": "b", "Kind": "pigeon" } ] } } }
            """));

        Assert.All(
            [
                "Notifications:PublicUrl: 'drconsole' is no address", "Notifications:Language: 'de' is not one of en, ja", "Notifications:MaximumAge: is from", "Notifications:Channel: unknown key",
                "Channels:0:Name: 'On Call' is not a name", "Channels:0:Email:Security: is none: the password would cross", "Channels:0:Email:CaFile", "Channels:0:Email:From: 'me' is no mail address",
                "Channels:0:Email:To: names nobody", "Channels:1:Sources: there is no source 'orderz'", "Channels:1:Webhook:Url: is no http", "Channels:1:Webhook:Url: one of Url and UrlFile",
                "Channels:1:Webhook:SecretFile: the first line has fewer than 16", "Channels:2:Minimum: 'loud' is not one of info, warning, critical",
                "Channels:2:Email: belongs to a channel of kind email", "Channels:2:Slack:UrlFile: is no http", "Channels:3:Kind: 'pigeon' is not one of", "the channel 'a' is given 2 times",
            ], text => Assert.Contains(text, fault.Message, StringComparison.Ordinal));
        Assert.DoesNotContain("u:p", fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("services/T/B", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("orders", "warning", "all,shop,orders")]
    [InlineData("crm", "warning", "all")]
    [InlineData("crm", "critical", "all,loud")]
    [InlineData(null, "critical", "all,loud")]
    public void Of_routes_by_severity_source_and_workspace(string? source, string severity, string expected)
    {
        var routing = new NotificationRouting(Estate(Channel("all"), Channel("loud") with { Minimum = NotificationSeverity.Critical }, Channel("shop") with { Workspaces = ["shop"] }, Channel("orders") with { Sources = ["orders"] }));
        Assert.Equal(expected.Split(','), routing.Of(Told(source, NotificationNames.Parse<NotificationSeverity>(severity)), []).Select(channel => channel.Name));
    }

    [Fact]
    public void Of_what_touches_no_source_goes_to_everybody_where_every_channel_is_somebodys()
    {
        var routing = new NotificationRouting(Estate(Channel("shop") with { Workspaces = ["shop"] }, Channel("orders") with { Sources = ["orders"] }));
        Assert.Equal(2, routing.Of(Told(null, NotificationSeverity.Critical), []).Count());
    }

    private static NotificationChannel Channel(string name) => new(name, ChannelKind.Webhook);

    private static Notification Told(string? source, NotificationSeverity severity) => new(
        1, DateTimeOffset.UnixEpoch, NotificationEvent.IncidentConfirmed, severity, "I-1", "I-1", false, "/incidents/1", source is null ? [] : [source], NotificationFacts.None, null);

    private static ProtectedEstate Estate(params NotificationChannel[] channels) => new(
        "test", "/data", ProtectionClass.Defaults, [], [new Source("orders", SourceKind.Volume, "critical", "shop"), new Source("crm", SourceKind.Volume, "critical", "sales")], [])
    {
        Notifications = new NotificationSettings { Channels = channels },
    };

    private ProtectedEstate Read(string json)
    {
        Write("drconsole.json", json);
        return EstateConfiguration.Read(new ConfigurationBuilder().AddJsonFile(Path.Combine(_folder.FullName, "drconsole.json"), optional: false, reloadOnChange: false).Build(), "/data");
    }

    private void Write(string name, string text)
    {
        var path = Path.Combine(_folder.FullName, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text + "\n");
    }
}
