using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Pages.Recovery;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Overview;

/// <summary>"Can we recover now?" for every source, from restores that really ran.</summary>
public partial class OverviewPage : LivePage
{
    private const int RunsShown = 8;
    private const int PlansShown = 6;
    private const string Example =
        """
        "Sources": [ { "Name": "orders", "Kind": "postgres", "Class": "critical", "Workspace": "shop",
          "Postgres": { "Host": "db", "Port": 5432, "Database": "orders",
                        "Username": "backup", "PasswordFile": "keys/orders.pw" } } ]
        """;

    private IReadOnlyList<SourceStanding>? _standings;
    private IReadOnlyList<Run> _runs = [];
    private IReadOnlyList<Run> _running = [];
    private IReadOnlyList<Incident> _open = [];
    private IReadOnlyList<ReadinessRow> _readiness = [];

    [Inject]
    private SharedReading Shared { get; set; } = default!;

    [Inject]
    private StandingCatalog Standings { get; set; } = default!;

    [Inject]
    private RunStore Runs { get; set; } = default!;

    [Inject]
    private TierMonitor Monitor { get; set; } = default!;

    [Inject]
    private IncidentStore Incidents { get; set; } = default!;

    [Inject]
    private IncidentFeed News { get; set; } = default!;

    [Inject]
    private ReadinessCatalog Readiness { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    private IReadOnlyList<ReadinessRow> Unready => [.. ReadinessWords.InOrder(_readiness).Take(PlansShown)];

    private IReadOnlyList<SourceRow> Rows => [.. _standings!.Select(standing => SourceRows.From(standing, Estate.Tiers, Time))];

    private IReadOnlyList<HexCell> Cells =>
        [.. _standings!.Select(standing => new HexCell(standing.Source.Workspace, standing.Source.Name, SourceRows.StatusOf(standing.Standing), SourceRows.Href(standing.Source.Name)))];

    private FlowGraphModel Graph => EstateGraph.From(_standings!, Estate.Tiers, Monitor.Of, _running, Time);

    private IEnumerable<TierCardModel> Cards => Estate.Tiers.Select((tier, index) => TierCards.From(tier, index, Monitor.Of(tier.Name), Time));

    private IEnumerable<(Status Status, int Count)> Counts =>
        _standings!.GroupBy(standing => SourceRows.StatusOf(standing.Standing)).OrderBy(group => group.Key).Select(group => (group.Key, group.Count()));

    private string Verdict
    {
        get
        {
            var all = _standings!.Count;
            var proven = _standings.Count(standing => standing.Standing == Standing.Proven);
            return (all, proven) switch
            {
                (0, _) => PageTexts.VerdictNothing,
                (1, 1) => PageTexts.VerdictOne,
                (_, 0) => Figures.Format(all == 1 ? PageTexts.VerdictNoneOfOne : PageTexts.VerdictNone, all),
                _ when proven == all => Figures.Format(PageTexts.VerdictAll, all),
                _ => Figures.Format(PageTexts.VerdictSome, proven, all, all - proven),
            };
        }
    }

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        // The same for everybody who looks at it.
        (_standings, _runs, _running, _open, _readiness) = await Shared.ReadAsync("the overview", async token => (
            await Standings.ReadAsync(token), await Runs.ListAsync(null, null, null, RunsShown, token), await Runs.ListAsync(null, null, RunState.Running, 100, token),
            await Incidents.OpenAsync(token), await Readiness.ListAsync(token)), cancellationToken);
    }

    /// <inheritdoc/>
    protected override IDisposable Hear(Action changed) => News.Subscribe(_ => changed());
}
