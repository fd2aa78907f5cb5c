using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Runs;

/// <summary>The last runs; the filters are the page's address.</summary>
public partial class RunsPage : LivePage
{
    private const int MostRows = 200;
    private static readonly string[] Kinds = [RunKinds.Backup, RunKinds.Validation, RunKinds.Restore, RunKinds.Recovery, RunKinds.Drill, RunKinds.PointInTimeDrill, RunKinds.TableRescue, RunKinds.Replication, RunKinds.Retention, RunKinds.Verification, RunKinds.Repair, RunKinds.RecoverySet, RunKinds.Rotation, RunKinds.Shredding];
    private IReadOnlyList<Run>? _runs;

    [SupplyParameterFromQuery]
    public string? Source { get; set; }

    [SupplyParameterFromQuery]
    public string? Kind { get; set; }

    [Inject]
    private RunStore Store { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    [Inject]
    private QueryFilters Filters { get; set; } = default!;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken) =>
        _runs = await Store.ListAsync(string.IsNullOrEmpty(Source) ? null : Source, string.IsNullOrEmpty(Kind) ? null : Kind, null, MostRows, cancellationToken);

    private void Filter(string name, ChangeEventArgs args) =>
        Filters.Set(name.ToLowerInvariant(), args.Value as string);
}
