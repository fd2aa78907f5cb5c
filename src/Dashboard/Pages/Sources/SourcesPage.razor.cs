using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Sources;

/// <summary>Everything that the configuration declares, and how it stands.</summary>
public partial class SourcesPage : LivePage
{
    private IReadOnlyList<SourceStanding>? _standings;

    [Inject]
    private StandingCatalog Standings { get; set; } = default!;

    [Inject]
    private ProtectedEstate Estate { get; set; } = default!;

    private IReadOnlyList<SourceRow> Rows => [.. _standings!.Select(standing => SourceRows.From(standing, Estate.Tiers, Time))];

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken) => _standings = await Standings.ReadAsync(cancellationToken);
}
