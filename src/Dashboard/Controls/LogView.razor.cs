using System.Globalization;
using Hexabase.DrConsole.Dashboard.Resources;
using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>How much a line asks for.</summary>
public enum LogLineLevel
{
    Plain,
    Warning,
    Error,
}

/// <summary>One line of a run's log.</summary>
/// <param name="Number">From 1, without gaps.</param>
/// <param name="At">When it was written.</param>
/// <param name="Phase">What was being done: <c>fetch</c>.</param>
/// <param name="Text">What happened.</param>
/// <param name="Level">How much it asks for.</param>
public sealed record LogLine(long Number, DateTimeOffset At, string Phase, string Text, LogLineLevel Level = LogLineLevel.Plain);

/// <summary>
/// A run's log. Follows its end until the reader scrolls up, then stands still, whatever arrives, until they scroll back
/// down or press the button. Silent to readers of the screen: the run's state is told elsewhere.
/// </summary>
public partial class LogView
{
    private readonly string _filterId = $"log-{Guid.NewGuid():N}";
    private DotNetObjectReference<LogView>? _self;
    private ElementReference _lines;
    private List<LogLine> _shown = [];
    private string _filter = string.Empty;
    private bool _warningsOnly;
    private bool _isFollowing = true;
    private bool _mustScroll;
    private long _pausedAt;

    /// <summary>All lines, oldest first. A new list (or a longer one) after each change.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<LogLine> Lines { get; set; } = [];

    /// <summary>What the log is of.</summary>
    [Parameter]
    public string Title { get; set; } = Texts.LogTitle;

    [Inject]
    private IJSRuntime Js { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private long LastNumber => Lines.Count == 0 ? 0 : Lines[^1].Number;

    private string WarningsText => Figures.Format(Texts.LogWarnings, Lines.Count(line => line.Level != LogLineLevel.Plain));

    /// <summary>Called by js/console.js when the reader leaves the end or comes back to it.</summary>
    [JSInvokable]
    public Task OnScrolledAsync(bool isAtEnd)
    {
        (_isFollowing, _pausedAt) = (isAtEnd, LastNumber);
        return InvokeAsync(StateHasChanged);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await Js.InvokeVoidAsync("drconsole.stopLog", _lines);
        }
        catch (JSDisconnectedException)
        {
            // The tab is gone, and its listeners with it.
        }

        _self?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    protected override void OnParametersSet() => Choose();

    /// <inheritdoc/>
    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (firstRender)
        {
            _self = DotNetObjectReference.Create(this);
            await Js.InvokeVoidAsync("drconsole.startLog", _lines, _self);
        }
        else if (_mustScroll)
        {
            await Js.InvokeVoidAsync("drconsole.toEnd", _lines);
        }

        _mustScroll = false;
    }

    private void ToggleWarnings()
    {
        _warningsOnly = !_warningsOnly;
        Choose();
    }

    private async Task FollowAsync()
    {
        _isFollowing = !_isFollowing;
        _pausedAt = LastNumber;
        if (_isFollowing)
        {
            await Js.InvokeVoidAsync("drconsole.toEnd", _lines);
        }
    }

    private void Choose()
    {
        _shown = [.. Lines.Where(line =>
            (!_warningsOnly || line.Level != LogLineLevel.Plain)
            && (_filter.Length == 0
                || line.Text.Contains(_filter, StringComparison.OrdinalIgnoreCase)
                || line.Phase.Contains(_filter, StringComparison.OrdinalIgnoreCase)))];
        _mustScroll = _isFollowing;
    }

    private string Clock(DateTimeOffset at)
        => TimeZoneInfo.ConvertTime(at, Time.LocalTimeZone).ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);
}
