using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Settings;

/// <summary>The channels with their state, and what was sent to them; the filters are the page's address.</summary>
public partial class NotificationsPage : LivePage
{
    private const int MostRows = 200;
    private static readonly DeliveryState[] Shown = [DeliveryState.Waiting, DeliveryState.Delivered, DeliveryState.Failed];

    private readonly Dictionary<string, long> _tested = [];
    private IReadOnlyList<Delivery>? _deliveries;
    private IReadOnlyDictionary<string, ChannelStanding> _standings = new Dictionary<string, ChannelStanding>();
    private IReadOnlyDictionary<string, Delivery> _tests = new Dictionary<string, Delivery>();
    private int _unheard;

    [SupplyParameterFromQuery]
    public string? State { get; set; }

    [SupplyParameterFromQuery]
    public string? Channel { get; set; }

    [Inject]
    private NotificationStore Notifications { get; set; } = default!;

    [Inject]
    private NotificationDesk Desk { get; set; } = default!;

    [Inject]
    private NotificationFeed News { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private DeclaredIn Files { get; set; } = default!;

    [Inject]
    private QueryFilters Filters { get; set; } = default!;

    private static IReadOnlyList<Crumb> Crumbs => [new Crumb(Texts.NavSettings, "/settings"), new Crumb(ChannelTexts.Title)];

    private IReadOnlyList<NotificationChannel> Channels => Estate.Notifications.Channels;

    private bool IsFiltered => !string.IsNullOrEmpty(State) || !string.IsNullOrEmpty(Channel);

    private string From => Files.OriginOf("DrConsole:Sources") is { } file && file != DeclaredIn.Environment ? file : "appsettings.json";

    private string Verdict
    {
        get
        {
            var states = Channels.Select(channel => NotificationWords.Of(_standings.GetValueOrDefault(channel.Name), Time.GetUtcNow())).ToList();
            return states switch
            {
                [] => ChannelTexts.VerdictNone,
                _ when states.Count(state => state == Status.Failed) is > 0 and var failing => Figures.Format(ChannelTexts.VerdictFailing, failing, states.Count),
                _ when states.Count(state => state == Status.Unproven) is > 0 and var untried => Figures.Format(ChannelTexts.VerdictUntried, untried, states.Count),
                _ => Figures.Format(ChannelTexts.VerdictWell, states.Count),
            };
        }
    }

    private IReadOnlyList<Figure> Strip
    {
        get
        {
            var mine = Channels.Select(channel => _standings.GetValueOrDefault(channel.Name)).OfType<ChannelStanding>().ToList();
            var (waiting, failed, last) = (mine.Sum(one => one.Queue), mine.Sum(one => one.Failed), mine.Max(one => one.LastSuccess));
            return
            [
                new Figure(ChannelTexts.FigureWaiting, Figures.Count(waiting), mine.Min(one => one.OldestWaiting) is { } oldest
                    ? Figures.Format(ChannelTexts.QueueSince, Figures.Age(Time.GetUtcNow() - oldest)) : ChannelTexts.FigureWaitingNone),
                new Figure(ChannelTexts.FigureFailed, Figures.Count(failed), ChannelTexts.FigureFailedSecond, Tone: failed > 0 ? Status.Failed : null),
                new Figure(ChannelTexts.FigureUnheard, Figures.Count(_unheard), ChannelTexts.FigureUnheardSecond, Tone: _unheard > 0 ? Status.Degraded : null),
                new Figure(
                    ChannelTexts.FigureLast, last is { } at ? Figures.Age(Time.GetUtcNow() - at) : ChannelTexts.Never, last is { } moment ? Figures.Moment(moment, Time) : ChannelTexts.FigureLastNone),
                Estate.Notifications.PublicUrl is { } url
                    ? new Figure(ChannelTexts.FigurePublicUrl, url.Authority, ChannelTexts.FigurePublicUrlSecond)
                    : new Figure(ChannelTexts.FigurePublicUrl, ChannelTexts.FigurePublicUrlNone, ChannelTexts.FigurePublicUrlMissing, Tone: Channels.Count > 0 ? Status.Degraded : null),
            ];
        }
    }

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        DeliveryState? state = Shown.Where(one => NotificationNames.Of(one) == State).Select(one => (DeliveryState?)one).FirstOrDefault();
        _standings = await Notifications.StandingsAsync(cancellationToken);
        _unheard = await Notifications.UnheardAsync(cancellationToken);
        var tests = new Dictionary<string, Delivery>();
        foreach (var (channel, delivery) in _tested)
        {
            if (await Notifications.FindAsync(delivery, cancellationToken) is { } test)
            {
                tests[channel] = test;
            }
        }

        _tests = tests;
        _deliveries = await Notifications.DeliveriesAsync(new DeliveryFilter(state, string.IsNullOrEmpty(Channel) ? null : Channel), MostRows, cancellationToken);
    }

    /// <inheritdoc/>
    protected override IDisposable Hear(Action changed) => News.Subscribe(_ => changed());

    private Task TestAsync(NotificationChannel channel) => AdministerAsync(async (actor, token) =>
    {
        _tested[channel.Name] = await Desk.TestAsync(channel.Name, actor, token);
        await RefreshAsync(token);
    });

    private Task ResendAsync(Delivery delivery) => AdministerAsync(async (actor, token) =>
    {
        await Desk.ResendAsync(delivery.Id, actor, token);
        await RefreshAsync(token);
    });

    private void Filter(string name, ChangeEventArgs args) =>
        Filters.Set(name.ToLowerInvariant(), args.Value as string);
}
