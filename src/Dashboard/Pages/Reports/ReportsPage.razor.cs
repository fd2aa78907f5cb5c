using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Reports;

/// <summary>The reports of recoveries and drills that have ended; the filters are the page's address.</summary>
public partial class ReportsPage : LivePage
{
    private const int MostRows = 300;
    private IReadOnlyList<EndedRecovery>? _rows;

    [SupplyParameterFromQuery]
    public string? Source { get; set; }

    [SupplyParameterFromQuery]
    public string? Kind { get; set; }

    [SupplyParameterFromQuery]
    public string? Outcome { get; set; }

    [Inject]
    private RecoveryCatalog Recoveries { get; set; } = default!;

    [Inject]
    private QueryFilters Filters { get; set; } = default!;

    private IReadOnlyList<EndedRecovery> Shown =>
    [
        .. _rows!.Where(row => (string.IsNullOrEmpty(Source) || row.Recovery.Source == Source)
            && (string.IsNullOrEmpty(Kind) || row.Recovery.IsDrill == (Kind == RunKinds.Drill))
            && (string.IsNullOrEmpty(Outcome) || RecoveryNames.Of(row.Recovery.Outcome!.Value) == Outcome)),
    ];

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken) => _rows = await Recoveries.EndedAsync(new EndedFilter(), MostRows, cancellationToken);

    private void Filter(string name, ChangeEventArgs args) =>
        Filters.Set(name.ToLowerInvariant(), args.Value as string);
}
