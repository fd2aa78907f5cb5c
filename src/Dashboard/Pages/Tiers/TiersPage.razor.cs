using Hexabase.DrConsole.Dashboard.Live;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Tiers;

/// <summary>All tiers: room, growth, what was read back and when, what waits and what failed.</summary>
public partial class TiersPage : LivePage
{
    private IReadOnlyList<TierSight>? _tiers;

    [Inject]
    private TierReading Reading { get; set; } = default!;

    /// <inheritdoc/>
    protected override async Task ReadAsync(CancellationToken cancellationToken) => _tiers = await Reading.ReadAsync(cancellationToken);
}
