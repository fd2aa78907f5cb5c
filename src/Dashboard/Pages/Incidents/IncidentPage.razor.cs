using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Incidents;

/// <summary>One incident: its evidence, what happened to it, and what a person does about it.</summary>
public partial class IncidentPage : LivePage
{
    private Incident? _incident;
    private Evidence? _card;
    private IReadOnlyList<IncidentEvent> _events = [];

    /// <summary>The incident's number.</summary>
    [Parameter]
    public long Number { get; set; }

    [Inject]
    private IncidentStore Incidents { get; set; } = default!;

    [Inject]
    private IncidentFeed News { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    private IncidentId Id => new(Number);

    private bool IsFreezing => _incident is { IsOpen: true, Kind: DisasterKind.DatabaseCorruption, Sources.Count: > 0 };

    private IReadOnlyList<Crumb> Crumbs => [new Crumb(Texts.NavIncidents, IncidentWords.List), new Crumb(Id.ToString())];

    private string Sentence => _incident switch
    {
        { IsOpen: false, ResolvedAt: { } at } => Figures.Format(HealthTexts.SentenceResolved, Figures.Moment(at, Time), IncidentWords.Ended(_incident.Resolution)),
        { Kind: DisasterKind.DatabaseCorruption } => HealthTexts.SentenceCorruption,
        { Kind: DisasterKind.NetworkPartition } => HealthTexts.SentencePartition,
        { State: IncidentState.Confirmed } => HealthTexts.SentenceConfirmed,
        _ => HealthTexts.SentenceSuspected,
    };

    private IReadOnlyList<Figure> Strip
    {
        get
        {
            var incident = _incident!;
            var thresholds = Estate.Health.Thresholds;
            return
            [
                new Figure(HealthTexts.FigureFirst, Figures.Moment(incident.FirstEvidenceAt, Time), HealthTexts.FigureFirstSecond),
                incident.ConfirmedAt is { } sure
                    ? new Figure(HealthTexts.FigureConfirmed, Figures.Moment(sure, Time), Figures.Format(HealthTexts.FigureConfirmedSecond, Figures.Duration(sure - incident.FirstEvidenceAt)))
                    : new Figure(HealthTexts.FigureConfirmed, HealthTexts.FigureNotConfirmed, incident.Kind == DisasterKind.DatabaseCorruption
                        ? HealthTexts.FigureNotConfirmedCorrupt
                        : Figures.Format(HealthTexts.FigureNotConfirmedSecond, thresholds.ConfirmAfter, thresholds.KindsToConfirm)),
                new Figure(HealthTexts.FigureLasted, Figures.Duration(IncidentWords.Lasted(incident, Time)), incident.IsOpen ? HealthTexts.FigureOpen : HealthTexts.FigureOver),
                new Figure(HealthTexts.FigureSeen, incident.AcknowledgedBy ?? HealthTexts.NobodyYet,
                    incident.AcknowledgedAt is { } seen ? Figures.Format(HealthTexts.FigureSeenSecond, Figures.Moment(seen, Time)) : HealthTexts.FigureUnseenSecond),
            ];
        }
    }

    private IEnumerable<(DateTimeOffset At, string Who, string What, string? Text)> Timeline =>
        _events.Select(one => (one.At, IncidentWords.Actor(one.Actor), IncidentWords.Event(one.What), one.Text))
            .Prepend((_incident!.FirstEvidenceAt, HealthTexts.Watcher, HealthTexts.EventFirst, null));

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        var incident = await Incidents.FindAsync(Id, cancellationToken)
            ?? throw new EngineException("incident-unknown", ErrorKind.NotFound, Figures.Format(HealthTexts.NotFound, Id));
        _events = await Incidents.EventsAsync(Id, cancellationToken);
        _card = Evidence.Parse(incident.EvidenceJson);
        _incident = incident;
    }

    /// <inheritdoc/>
    protected override IDisposable Hear(Action changed) => News.Subscribe(id =>
    {
        if (id is null || id == Id)
        {
            changed();
        }
    });

    private Task<bool> AcknowledgeAsync(string note) => DoAsync((actor, token) => Incidents.AcknowledgeAsync(Id, note, actor, token));

    private Task<bool> CloseAsync(string reason) => DoAsync((actor, token) => Incidents.CloseAsync(Id, reason, actor, token));

    private async Task<bool> DoAsync(Func<string, CancellationToken, Task> act)
    {
        var isDone = false;
        await ActAsync(async (actor, token) =>
        {
            await act(actor, token);
            await ReadAsync(token);
            isDone = true;
        });
        return isDone;
    }
}
