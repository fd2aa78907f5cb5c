using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Browsing;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;

namespace Hexabase.DrConsole.Dashboard.Pages.Clusters;

/// <summary>The objects of a restore point by namespace and kind, with one's document beside them.</summary>
public partial class ObjectBrowser : IAsyncDisposable
{
    /// <summary>Stands for objects that are in no namespace; no namespace can have this name.</summary>
    private const string OfCluster = "-";

    /// <summary>Letters of a document that are shown: a ConfigMap may hold a megabyte.</summary>
    private const int LongestShown = 200_000;

    private readonly CancellationTokenSource _left = new();
    private StoredCluster? _cluster;
    private IReadOnlyList<string> _namespaces = [];
    private IReadOnlyList<(string Name, int Count)> _kinds = [];
    private List<CapturedObject> _rows = [];
    private (string?, string?, string?)? _shown;
    private CapturedObject? _chosen;
    private string? _document;
    private bool _isRevealed;
    private Exception? _fault;
    private Exception? _documentFault;

    [Parameter, EditorRequired]
    public RestorePointRow Point { get; set; } = default!;

    /// <summary>Only this namespace, or <c>-</c> for objects of the whole cluster; null or empty for all.</summary>
    [Parameter]
    public string? Namespace { get; set; }

    /// <summary>Only this kind, as <see cref="ClusterAddress.KindOf"/> names it; null or empty for all.</summary>
    [Parameter]
    public string? Kind { get; set; }

    /// <summary>Only names that contain this.</summary>
    [Parameter]
    public string? Find { get; set; }

    /// <summary>The object whose document is shown.</summary>
    [Parameter]
    public KubeObjectKey? Chosen { get; set; }

    /// <summary>Gives a Secret's document with its values, where the reader may see them.</summary>
    [Parameter, EditorRequired]
    public Func<StoredCluster, CapturedObject, Task<string?>> OnReveal { get; set; } = default!;

    [Inject]
    private ClusterBrowsing Browsing { get; set; } = default!;

    [Inject]
    private QueryFilters Filters { get; set; } = default!;

    private bool IsMasked => _chosen is { Kind: "Secret", ApiVersion: "v1" } && !_isRevealed;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _left.CancelAsync();
        if (_cluster is not null)
        {
            await _cluster.DisposeAsync();
        }

        _left.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    protected override async Task OnParametersSetAsync()
    {
        _fault = null;
        try
        {
            if (_cluster is null)
            {
                var cluster = await Browsing.OpenAsync(Point.Id, _left.Token);
                _namespaces = [.. cluster.Objects.Select(one => one.Namespace).Where(name => name.Length > 0).Distinct().Order(StringComparer.Ordinal)];
                _kinds = [.. cluster.Objects.GroupBy(one => ClusterAddress.KindOf(one.Key)).Select(group => (group.Key, group.Count())).OrderBy(kind => kind.Key, StringComparer.Ordinal)];
                _cluster = cluster;
            }

            ShowRows(_cluster);
            await ChooseAsync(_cluster);
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

    private static string Shown(string document) => document.Length <= LongestShown ? document : document[..LongestShown];

    private bool IsShown(CapturedObject one) =>
        (string.IsNullOrEmpty(Namespace) || one.Namespace == (Namespace == OfCluster ? "" : Namespace))
        && (string.IsNullOrEmpty(Kind) || ClusterAddress.KindOf(one.Key) == Kind)
        && (string.IsNullOrEmpty(Find) || one.Name.Contains(Find, StringComparison.OrdinalIgnoreCase));

    /// <summary>The page around it is drawn anew now and then; thousands of objects are not sorted for that.</summary>
    private void ShowRows(StoredCluster cluster)
    {
        var wanted = (Namespace, Kind, Find);
        if (_shown == wanted)
        {
            return;
        }

        _shown = wanted;
        // A tenant's own namespaces first; what is the whole cluster's is mostly its server's.
        _rows =
        [
            .. cluster.Objects.Where(IsShown).OrderBy(one => one.Namespace.Length == 0).ThenBy(one => one.Namespace, StringComparer.Ordinal)
                .ThenBy(one => one.Kind, StringComparer.Ordinal).ThenBy(one => one.Name, StringComparer.Ordinal),
        ];
    }

    private async Task ChooseAsync(StoredCluster cluster)
    {
        if (Chosen == _chosen?.Key)
        {
            return;
        }

        (_chosen, _document, _isRevealed, _documentFault) = (null, null, false, null);
        if (Chosen is not { } key)
        {
            return;
        }

        var chosen = cluster.Objects.FirstOrDefault(one => one.Key == key)
            ?? throw new EngineException("object-missing", ErrorKind.NotFound, $"{key} is not in this restore point", "Choose one of the list.");
        _chosen = chosen;
        try
        {
            var document = await ClusterBrowsing.DocumentAsync(cluster, chosen, _left.Token);
            if (_chosen == chosen)
            {
                _document = document;
            }
        }
        catch (EngineException fault)
        {
            _documentFault = fault;
        }
    }

    private async Task RevealAsync()
    {
        var chosen = _chosen!;
        if (await OnReveal(_cluster!, chosen) is { } text && _chosen == chosen)
        {
            (_document, _isRevealed) = (text, true);
        }
    }

    private string HrefOf(CapturedObject one) => Filters.With("object", ClusterAddress.Of(one.Key));

    private void Filter(string name, string? value) => Filters.Set(name, value);
}
