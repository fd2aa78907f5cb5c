using System.Globalization;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>How much of a figure's validity is over.</summary>
public enum AgeStage
{
    /// <summary>Less than half.</summary>
    Fresh,

    /// <summary>More than half.</summary>
    Fading,

    /// <summary>All of it.</summary>
    Stale,
}

/// <summary>
/// "6h ago", with the exact time on hover. Goes on by itself, at most once a second, and redraws only when its words
/// change. Past its validity it says so in colour, icon and word.
/// </summary>
public partial class AgeText
{
    private string _text = string.Empty;
    private IDisposable? _listening;

    /// <summary>When it happened, or null where nobody knows.</summary>
    [Parameter, EditorRequired]
    public DateTimeOffset? At { get; set; }

    /// <summary>How long such a figure holds; null for ever.</summary>
    [Parameter]
    public TimeSpan? Validity { get; set; }

    /// <summary>True where it stands alone and should be reachable by keyboard; not in rows, which would gain a stop per figure.</summary>
    [Parameter]
    public bool IsFocusable { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    [Inject]
    private PageClock Clock { get; set; } = default!;

    private AgeStage Stage => Age is not { } age || Validity is not { } validity || age < validity / 2
        ? AgeStage.Fresh
        : age < validity ? AgeStage.Fading : AgeStage.Stale;

    private TimeSpan? Age => Time.GetUtcNow() - At;

    private string? Iso => At?.ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    private string? Exact => At is { } at ? Figures.Exact(at, Time) : null;

    private string? TabIndex => IsFocusable ? "0" : null;

    /// <inheritdoc/>
    public void Dispose()
    {
        _listening?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    protected override void OnInitialized() => _listening = Clock.Listen(() => _ = InvokeAsync(OnTick));

    /// <inheritdoc/>
    protected override void OnParametersSet() => _text = Write();

    private void OnTick()
    {
        var text = Write();
        if (text != _text)
        {
            _text = text;
            StateHasChanged();
        }
    }

    private string Write() => Age is { } age ? Figures.Age(age) : string.Empty;
}
