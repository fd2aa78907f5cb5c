using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>Drills of plans: what is due, how long they took, and all of them; the filters are the page's address.</summary>
public partial class DrillsPage : LivePage
{
    private const int MostRows = 300;
    private IReadOnlyList<DrillDue>? _due;
    private IReadOnlyList<PlanDrillRow> _drills = [];
    private IReadOnlyList<ReadinessRow> _readiness = [];
    private PlanDrillRow? _open;
    private bool _isAsking;

    [SupplyParameterFromQuery]
    public string? Source { get; set; }

    [SupplyParameterFromQuery]
    public string? Plan { get; set; }

    [SupplyParameterFromQuery]
    public string? Outcome { get; set; }

    [Inject]
    private DrillRequests Requests { get; set; } = default!;

    [Inject]
    private PlanDrillCatalog Drills { get; set; } = default!;

    [Inject]
    private ReadinessCatalog Readiness { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    [Inject]
    private QueryFilters Filters { get; set; } = default!;

    private IReadOnlyList<PlanDrillRow> Shown =>
    [
        .. _drills.Where(drill => (string.IsNullOrEmpty(Source) || drill.Recovery.Source == Source) && (string.IsNullOrEmpty(Plan) || drill.Recovery.Plan == Plan)
            && (string.IsNullOrEmpty(Outcome) || (drill.Recovery.Outcome is { } outcome && RecoveryNames.Of(outcome) == Outcome))),
    ];

    private IReadOnlyList<Trend> Trends =>
    [
        .. Estate.Sources.Select(source => (Subject: source.Name, Sources: (IReadOnlyList<Source>)[source]))
            .Concat((_due ?? []).Where(one => one.Template.Covers != PlanCover.Source).Select(one => (one.Subject, one.Sources))).DistinctBy(one => one.Subject)
            .Select(one => Trend.Of(one.Subject, one.Sources.Min(source => Estate.ClassOf(source).Rto), [.. _drills.Where(drill => drill.Recovery.Source == one.Subject)], Time)).OfType<Trend>(),
    ];

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        _drills = await Drills.ListAsync(null, null, MostRows, cancellationToken);
        _open = _drills.FirstOrDefault(drill => drill.State is RunState.Queued or RunState.Running or RunState.Waiting);
        _readiness = await Readiness.ListAsync(cancellationToken);
        _due = await Requests.DueAsync(cancellationToken);
    }

    private ReadinessRow? ReadinessOf(DrillDue due) => _readiness.FirstOrDefault(row => row.Plan == due.Version.Plan && row.Source == due.Subject);

    private string Next(DrillDue due) => due.DueAt is not { } at ? DrillTexts.NextNever
        : at <= Time.GetUtcNow() ? DrillTexts.NextOverdue
        : Figures.Format(DrillTexts.NextAt, Figures.Moment(at, Time));

    private async Task DrillAsync(DrillDue due)
    {
        _isAsking = true;
        StateHasChanged();
        await ActAsync(async (actor, token) =>
        {
            var run = await Requests.RequestAsync(due.Version.Plan, due.Subject, actor, token);
            Navigation.NavigateTo(RunTexts.Href(run.Id));
        });
        _isAsking = false;
    }

    private void Filter(string name, ChangeEventArgs args) =>
        Filters.Set(name.ToLowerInvariant(), args.Value as string);

    /// <summary>The measured drills of a source, or of several together, oldest first.</summary>
    private sealed record Trend(string Subject, TimeSpan Rto, IReadOnlyList<DrillColumn> Columns, string Second, Status? Tone)
    {
        public static Trend? Of(string subject, TimeSpan rto, IReadOnlyList<PlanDrillRow> drills, TimeProvider time)
        {
            // One that a person ended, or that this machine could not do, measured nothing.
            var ended = drills.Where(drill => drill.Passed || drill.Recovery.Outcome is { } outcome and not (RecoveryOutcome.Cancelled or RecoveryOutcome.Completed)).ToList();
            return ended.Count == 0 ? null : new Trend(
                subject, rto,
                [.. ended.AsEnumerable().Reverse().Select(drill => drill.Seconds is { } seconds && drill.Passed ? new DrillColumn(TimeSpan.FromSeconds(seconds)) : new DrillColumn(TimeSpan.Zero, DrillOutcome.Failed))],
                Figures.Format(DrillTexts.TrendLast, Figures.Age(time.GetUtcNow() - (ended[0].EndedAt ?? ended[0].CreatedAt))),
                ended[0].Passed ? null : Status.Failed);
        }
    }
}
