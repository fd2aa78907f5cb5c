using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Recovery;

/// <summary>All plans, each with its newest version and the last recovery by it.</summary>
public partial class PlansPage : LivePage
{
    private const int RecoveriesLookedThrough = 200;
    private IReadOnlyList<(PlanVersion Version, PlanTemplate? Template, RecoveryRow? Last)>? _plans;

    [Inject]
    private PlanLibrary Library { get; set; } = default!;

    private IReadOnlyList<ReadinessRow> _readiness = [];

    [Inject]
    private ReadinessCatalog Readiness { get; set; } = default!;

    [Inject]
    private RecoveryCatalog Recoveries { get; set; } = default!;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken)
    {
        var recoveries = await Recoveries.ListAsync(RecoveriesLookedThrough, cancellationToken);
        _readiness = await Readiness.ListAsync(cancellationToken);
        _plans =
        [
            .. (await Library.ListAsync(cancellationToken)).Select(version => (version, Library.TryRead(version).Template, recoveries.FirstOrDefault(one => one.Plan == version.Plan && !one.IsDrill))),
        ];
    }
}
