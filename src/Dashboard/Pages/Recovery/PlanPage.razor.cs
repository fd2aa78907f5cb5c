using System.Text.Json;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>One plan: its steps, its versions with what changed, and the way to make it concrete for a source.</summary>
public partial class PlanPage : LivePage
{
    private PlanTemplate? _template;
    private IReadOnlyList<PlanVersion> _versions = [];
    private const int HistoryShown = 20;
    private const int MeasuredShown = 5;
    private IReadOnlyDictionary<string, IReadOnlyDictionary<string, MeasuredDuration>> _measured = new Dictionary<string, IReadOnlyDictionary<string, MeasuredDuration>>();
    private IReadOnlyList<ReadinessRow> _readiness = [];
    private IReadOnlyList<ReadinessRow> _history = [];
    private RecoveryPlan? _plan;
    private string? _source;
    private string? _disaster;
    private string? _draft;
    private string _note = "";
    private bool _isMaking;

    /// <summary>The plan's name.</summary>
    [Parameter]
    public string Name { get; set; } = "";

    /// <summary>A source to begin with.</summary>
    [SupplyParameterFromQuery(Name = "source")]
    public string? SourceAsked { get; set; }

    /// <summary>What happened to it.</summary>
    [SupplyParameterFromQuery(Name = "disaster")]
    public string? DisasterAsked { get; set; }

    /// <summary>The incident that it answers.</summary>
    [SupplyParameterFromQuery(Name = "incident")]
    public long? Incident { get; set; }

    [Inject]
    private PlanLibrary Library { get; set; } = default!;

    [Inject]
    private ReadinessCatalog Readiness { get; set; } = default!;

    [Inject]
    private StepDurations Durations { get; set; } = default!;

    [Inject]
    private RecoveryActions Actions { get; set; } = default!;

    [Inject]
    private RecoveryRequests Requests { get; set; } = default!;

    [Inject]
    private IncidentStore Incidents { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    private IReadOnlyList<Crumb> Crumbs => [new Crumb(RecoveryTexts.NavPlans, "/plans"), new Crumb(PlanWords.Of(_template!.Title))];

    private string Sentence => Figures.Format(RecoveryTexts.GateNeeds, _template!.GateIn(Estate).Approvals, _template.Gate.ApproveWithinMinutes);

    private IReadOnlyList<Source> Sources => [.. _template!.SourcesIn(Estate)];

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        _versions = await Library.VersionsAsync(Name, cancellationToken);
        _template = _versions.Count == 0
            ? throw new EngineException("plan-unknown", ErrorKind.NotFound, $"there is no plan '{Name}'", "All plans are on the Plans page.")
            : Library.Read(_versions[0]);
        // The one that was asked for, else one that can be recovered in place.
        _source ??= Sources.OrderBy(source => source.Name == SourceAsked ? 0 : (source.Postgres?.DataDirectory ?? source.VCluster?.DataDirectory ?? source.Volume?.Place) is not null ? 1 : 2).Select(source => source.Name).FirstOrDefault();
        _measured = await Durations.ReadAsync(
            _template.Covers != PlanCover.Source ? [.. Estate.Sources.Where(source => _template.Covers == PlanCover.Set || _template.MayHold(source)).Select(source => source.Name)] : _source is null ? [] : [_source],
            cancellationToken);
        _readiness = [.. (await Readiness.ListAsync(cancellationToken)).Where(row => row.Plan == Name)];
        _history = await Readiness.HistoryAsync(Name, null, HistoryShown, cancellationToken);
        _disaster ??= _template.Disasters.FirstOrDefault(disaster => disaster == DisasterAsked) ?? _template.Disasters[0];
    }

    /// <summary>How long an action takes on the chosen source, and who measured it; of a plan for several on each that it was measured on, the slowest first.</summary>
    private IReadOnlyList<string> Measured(string action)
    {
        var known = _measured.Where(one => one.Value.ContainsKey(action)).Select(one => (Source: one.Key, Time: one.Value[action])).OrderByDescending(one => one.Time.Seconds).ToList();
        return known.Count == 0 ? [DrillTexts.MeasuredNever]
        : [
            .. known.Take(MeasuredShown).Select(one => (_template!.Covers == PlanCover.Source ? "" : $"{one.Source}: ") + Measured(one.Time)),
            .. known.Count > MeasuredShown ? [Figures.Format(DrillTexts.MeasuredMore, known.Count - MeasuredShown)] : Array.Empty<string>(),
        ];
    }

    private string Measured(MeasuredDuration known) =>
        $"{Figures.Duration(TimeSpan.FromSeconds(known.Seconds))}, {Figures.Format(known.IsDrill ? DrillTexts.MeasuredDrill : DrillTexts.MeasuredRecovery, known.Newest, Figures.Moment(known.At, Time))}";

    private async Task MakeAsync()
    {
        (_isMaking, _plan) = (true, null);
        StateHasChanged();
        await ActAsync(async (_, token) =>
        {
            var incident = Incident is { } number ? await Incidents.FindAsync(new IncidentId(number), token) : null;
            _plan = await Requests.PlanAsync(Name, new PlanRequest(_source!, _disaster!, incident?.Id.Value, incident?.FirstEvidenceAt), token);
        });
        _isMaking = false;
    }

    private Task AskAsync(RecoveryPlan plan) => ActAsync(async (actor, token) =>
    {
        var run = await Requests.RequestAsync(plan, plan.Hash, actor, token);
        Navigation.NavigateTo(RunTexts.Href(run.Id));
    });

    private Task SaveAsync() => AdministerAsync(async (actor, token) =>
    {
        var saved = await Library.SaveEditedAsync(_draft!, actor, _note.Trim(), _versions[0], token);
        (_draft, _note, _plan) = (null, "", null);
        if (saved.Plan == Name)
        {
            await RefreshAsync(token);
        }
        else
        {
            Navigation.NavigateTo(RecoveryWords.PlanHref(saved.Plan), forceLoad: true);
        }
    });

    /// <summary>A name that no plan has yet; the author changes it, and the rest.</summary>
    private static string CopyOf(PlanTemplate template) => (template with { Name = $"{template.Name}-copy", Title = Figures.Format(RecoveryTexts.VersionCopyTitle, template.Title) }).ToText();

    /// <summary>The name in the draft; null while that is no JSON.</summary>
    private string? DraftName
    {
        get
        {
            try
            {
                return JsonNode.Parse(_draft!)?["name"]?.GetValue<string>();
            }
            catch (Exception unfinished) when (unfinished is JsonException or InvalidOperationException)
            {
                return null;
            }
        }
    }
}
