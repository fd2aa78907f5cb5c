using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups.VClusters.Browsing;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;

namespace Hexabase.DrConsole.Dashboard.Pages.Clusters;

/// <summary>Compares a restore point with another one, or with the cluster, and shows each object that differs, field by field.</summary>
public partial class DifferenceView : IAsyncDisposable
{
    private static readonly TimeSpan s_glance = TimeSpan.FromMilliseconds(300);
    private readonly CancellationTokenSource _left = new();
    private StoredCluster? _first;
    private IClusterContent? _second;
    private ClusterDifference? _difference;
    private ObjectChange? _chosen;
    private IReadOnlyList<FieldDifference>? _fields;
    private Exception? _fault;
    private Exception? _fieldFault;
    private int _listed;
    private long _drawnAt;

    [Parameter, EditorRequired]
    public RestorePointRow Point { get; set; } = default!;

    /// <summary>The other restore point's id; null for the cluster as it is now.</summary>
    [Parameter]
    public string? With { get; set; }

    /// <summary>Only objects that differ in this way: the name of an <see cref="ObjectChangeKind"/>.</summary>
    [Parameter]
    public string? Show { get; set; }

    /// <summary>The object whose fields are shown.</summary>
    [Parameter]
    public KubeObjectKey? Chosen { get; set; }

    [Inject]
    private ClusterBrowsing Browsing { get; set; } = default!;

    [Inject]
    private QueryFilters Filters { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private ObjectChangeKind? Shown => Enum.TryParse<ObjectChangeKind>(Show, ignoreCase: true, out var kind) ? kind : null;

    private List<ObjectChange> Rows => [.. _difference!.Changes.Where(change => Shown is null || change.Kind == Shown)];

    private IReadOnlyList<Figure> Strip
    {
        get
        {
            var difference = _difference!;
            var compared = With is null ? Figures.Format(ClusterTexts.ComparedLive, Figures.Moment(_second!.At, Time)) : Figures.Format(ClusterTexts.ComparedStored, Figures.Moment(_second!.At, Time));
            return
            [
                new Figure(ClusterTexts.FigureEqual, Figures.Count(difference.Equal), compared),
                new Figure(WordOf(ObjectChangeKind.Changed), Figures.Count(difference.Count(ObjectChangeKind.Changed)), ClusterTexts.FigureChangedHow),
                new Figure(WordOf(ObjectChangeKind.OnlyFirst), Figures.Count(difference.Count(ObjectChangeKind.OnlyFirst)), With is null ? ClusterTexts.FigureFirstLive : ClusterTexts.FigureFirstStored),
                new Figure(WordOf(ObjectChangeKind.OnlySecond), Figures.Count(difference.Count(ObjectChangeKind.OnlySecond)), With is null ? ClusterTexts.FigureSecondLive : ClusterTexts.FigureSecondStored),
                new Figure(ClusterTexts.FigureNotCompared, Figures.Count(difference.NotCompared), difference.Unread.Count == 0 ? ClusterTexts.FigureAllRead : ClusterTexts.FigureNotComparedHow, difference.Unread.Count == 0 ? null : Status.Unproven),
            ];
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _left.CancelAsync();
        await CloseAsync();
        _left.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    protected override Task OnInitializedAsync() => CompareAsync();

    /// <inheritdoc/>
    protected override Task OnParametersSetAsync() => ChooseAsync();

    private async Task CompareAsync()
    {
        (_fault, _difference, _listed) = (null, null, 0);
        try
        {
            await CloseAsync();
            _first = await Browsing.OpenAsync(Point.Id, _left.Token);
            _second = With is null ? await Browsing.ReadLiveAsync(Point.Source, Tell, _left.Token) : await Browsing.OpenAsync(With, _left.Token);
            _difference = ClusterComparison.Between(_first, _second);
            await ChooseAsync();
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

    private async Task ChooseAsync()
    {
        if (_difference is not { } difference || Chosen == _chosen?.Key)
        {
            return;
        }

        (_chosen, _fields, _fieldFault) = (difference.Changes.FirstOrDefault(change => change.Key == Chosen), null, null);
        if (_chosen is not { } chosen)
        {
            return;
        }

        try
        {
            var fields = await ClusterComparison.FieldsAsync(_first!, _second!, chosen, _left.Token);
            if (_chosen == chosen)
            {
                _fields = fields;
            }
        }
        catch (EngineException fault)
        {
            _fieldFault = fault;
        }
        catch (Exception gone) when (gone is OperationCanceledException or ObjectDisposedException)
        {
            // The reader has left.
        }
    }

    /// <summary>Lists come from several threads at once, page by page; the panel is drawn now and then.</summary>
    private void Tell(int listed)
    {
        _listed = listed;
        var drawn = Interlocked.Read(ref _drawnAt);
        if (Time.GetElapsedTime(drawn) > s_glance && Interlocked.CompareExchange(ref _drawnAt, Time.GetTimestamp(), drawn) == drawn)
        {
            _ = InvokeAsync(StateHasChanged);
        }
    }

    private async ValueTask CloseAsync()
    {
        var (first, second) = (_first, _second);
        (_first, _second) = (null, null);
        if (first is not null)
        {
            await first.DisposeAsync();
        }

        if (second is StoredCluster stored)
        {
            await stored.DisposeAsync();
        }

        (second as LiveCluster)?.Dispose();
    }

    private string NameOf(IClusterContent content) => content is LiveCluster ? ClusterTexts.SideLive : Figures.Moment(content.At, Time);

    private string WordOf(ObjectChangeKind kind) => kind switch
    {
        ObjectChangeKind.OnlyFirst => With is null ? ClusterTexts.ChangeDeleted : ClusterTexts.ChangeOnlyFirst,
        ObjectChangeKind.OnlySecond => With is null ? ClusterTexts.ChangeNew : ClusterTexts.ChangeOnlySecond,
        _ => ClusterTexts.ChangeChanged,
    };

    private string KindHref(ObjectChangeKind? kind) => Filters.With(new Dictionary<string, string?> { ["show"] = kind?.ToString().ToLowerInvariant(), ["object"] = null });

    private string ObjectHref(ObjectChange one) => Filters.With("object", ClusterAddress.Of(one.Key));

    private void Close() => Filters.Set("object", null);
}
