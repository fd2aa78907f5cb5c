using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Settings;
using Hexabase.DrConsole.Dashboard.Tests.Controls;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Notifications.Outbox;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

public sealed class NotificationPanelTests : ControlTests
{
    private static readonly NotificationChannel Pager = new("pager", ChannelKind.Webhook)
    {
        Minimum = NotificationSeverity.Critical, Workspaces = ["shop"], Webhook = new WebhookSettings(new Uri("https://pager.example/in?key=secret"), null, "/keys/pager", null),
    };

    private readonly List<NotificationChannel> _tested = [];
    private readonly List<Delivery> _resent = [];

    [Fact]
    public void Channel_says_where_it_leads_and_what_it_takes_and_no_secret()
    {
        var panel = Channels(null);
        Assert.Contains("https://pager.example", panel.Markup, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", panel.Markup, StringComparison.Ordinal);
        Assert.Contains("alerts only, of workspace shop, in English", panel.Markup, StringComparison.Ordinal);
        Assert.Contains("Never tried", panel.Markup, StringComparison.Ordinal);
        panel.Find("#test-pager").Click();
        Assert.Same(Pager, Assert.Single(_tested));
    }

    [Fact]
    public void Channel_whose_last_try_failed_says_why_and_one_that_delivers_is_green()
    {
        var failing = Channels(new ChannelStanding("pager", Start.AddHours(-2), Start.AddHours(-1), "it answers 500", 3, Start.AddHours(-1), 1));
        Assert.Contains("tone-failed", failing.Markup, StringComparison.Ordinal);
        Assert.Contains("it answers 500", failing.Markup, StringComparison.Ordinal);
        var well = Channels(new ChannelStanding("pager", Start.AddHours(-1), Start.AddHours(-2), "it answers 500", 0, null, 0));
        Assert.Contains("tone-proven", well.Markup, StringComparison.Ordinal);
        Assert.DoesNotContain("it answers 500", well.Markup, StringComparison.Ordinal);
        Assert.Equal(Status.Stale, NotificationWords.Of(new ChannelStanding("pager", Start.AddDays(-31), null, null, 0, null, 0), Start));
    }

    [Fact]
    public void Test_is_told_as_it_goes_and_cannot_be_sent_twice_meanwhile()
    {
        var sending = Channels(null, Told(DeliveryState.Sending, 1));
        Assert.Contains("Sending, try 1", sending.Find("[role=status]").TextContent, StringComparison.Ordinal);
        Assert.True(sending.Find("#test-pager").HasAttribute("disabled"));
        var arrived = Channels(null, Told(DeliveryState.Delivered, 1) with { EndedAt = Start.AddSeconds(2) });
        Assert.Contains("Taken by the receiver after 2s", arrived.Find("[role=status]").TextContent, StringComparison.Ordinal);
        Assert.False(arrived.Find("#test-pager").HasAttribute("disabled"));
    }

    [Fact]
    public void Delivery_that_was_given_up_can_be_sent_again_and_no_other()
    {
        var table = Render<DeliveryTable>(parameters => parameters
            .Add(one => one.Deliveries, [Told(DeliveryState.Failed, 7) with { Error = "it answers 500" }, Told(DeliveryState.Waiting, 2) with { Id = 2, Error = "refused" }, Told(DeliveryState.Failed, 1) with { Id = 3, Channel = "gone" }])
            .Add(one => one.Channels, [Pager]).Add(one => one.OnResend, one => _resent.Add(one)));
        Assert.Contains("EMERGENCY: database outage of orders (I-12)", table.Markup, StringComparison.Ordinal);
        Assert.Contains("next try", table.Markup, StringComparison.Ordinal);
        table.Find("button").Click();
        Assert.Equal(1, Assert.Single(_resent).Id);
        Assert.Single(table.FindAll("button"));
    }

    private static Delivery Told(DeliveryState state, int attempt) => new(
        1, new Notification(
            1, Start, NotificationEvent.IncidentConfirmed, NotificationSeverity.Critical, "I-12", "I-12", false, "/incidents/12", ["orders"],
            new NotificationFacts { Kind = "DATABASE_OUTAGE", Sources = ["orders"] }, null),
        "pager", Guid.Empty, state, attempt, Start.AddSeconds(9), Start.AddDays(1), Start, null, null, null);

    private IRenderedComponent<ChannelPanel> Channels(ChannelStanding? standing, Delivery? test = null) => Render<ChannelPanel>(parameters => parameters
        .Add(one => one.Channels, [Pager])
        .Add(one => one.Standings, standing is null ? new Dictionary<string, ChannelStanding>() : new Dictionary<string, ChannelStanding> { ["pager"] = standing })
        .Add(one => one.Tests, test is null ? new Dictionary<string, Delivery>() : new Dictionary<string, Delivery> { ["pager"] = test })
        .Add(one => one.OnTest, channel => _tested.Add(channel)));
}
