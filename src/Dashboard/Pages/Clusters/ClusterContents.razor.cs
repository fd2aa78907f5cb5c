using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Browsing;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;

namespace Hexabase.DrConsole.Dashboard.Pages.Clusters;

/// <summary>What a virtual cluster's restore point holds, kind by kind, captured against listed, and the ways to look into it.</summary>
public partial class ClusterContents : IAsyncDisposable
{
    private readonly CancellationTokenSource _left = new();
    private ClusterInventory? _inventory;
    private string? _tier;
    private string? _shown;
    private Exception? _fault;

    [Parameter, EditorRequired]
    public RestorePointRow Point { get; set; } = default!;

    [Inject]
    private ClusterBrowsing Browsing { get; set; } = default!;

    /// <summary>What could not be read first, then the most numerous.</summary>
    private IEnumerable<KindCount> Kinds => _inventory!.Kinds
        .OrderBy(kind => kind.Problem is null).ThenByDescending(kind => kind.Captured).ThenBy(kind => kind.Name, StringComparer.Ordinal);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _left.CancelAsync();
        _left.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    protected override async Task OnParametersSetAsync()
    {
        // The page around it is drawn anew whenever a run changes; what a restore point holds never does.
        if (_shown == Point.Id)
        {
            return;
        }

        (_shown, _inventory, _fault) = (Point.Id, null, null);
        try
        {
            (_tier, _inventory) = await Browsing.ReadInventoryAsync(Point.Id, _left.Token);
        }
        catch (Exception gone) when (gone is OperationCanceledException or JSDisconnectedException or ObjectDisposedException)
        {
            // The reader has left.
        }
        catch (Exception fault)
        {
            // The edge of a panel: the rest of the page stands.
            _fault = fault;
        }
    }

    private string HrefOf(KindCount kind) =>
        $"{ClusterAddress.Objects(Point.Id)}?kind={Uri.EscapeDataString(ClusterAddress.KindOf(new KubeObjectKey(KubeObjectKey.GroupOf(kind.ApiVersion), kind.Kind, "", "")))}";
}
