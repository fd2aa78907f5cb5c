using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Health;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>
/// Whether anybody looks, when that was last done and what it found. Goes on by itself, and never hides: a watcher that is silent
/// is shown as silent, also where only its last standing could be read.
/// </summary>
public partial class WatcherBeat
{
    private const int LooksShown = 12;
    private string _age = string.Empty;
    private string? _said;
    private IDisposable? _listening;

    /// <summary>How it stood when it was last read.</summary>
    [Parameter, EditorRequired]
    public WatchStanding Standing { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    [Inject]
    private PageClock Clock { get; set; } = default!;

    private WatchState State => Standing.StateAt(Time.GetUtcNow());

    private string ToneClass => StatusWords.Of(State switch
    {
        WatchState.Agree => Status.Answers,
        WatchState.Disagree => Status.Suspected,
        WatchState.Isolated => Status.NoAnswer,
        _ => Status.Silent,
    }).ToneClass + $" {State.ToString().ToLowerInvariant()}";

    /// <summary>The last looks; hollow where there was none.</summary>
    private IEnumerable<string> Looks => State == WatchState.Silent
        ? Enumerable.Repeat("none", LooksShown)
        : Enumerable.Repeat("none", Math.Max(0, LooksShown - Standing.Recent.Count)).Concat(Standing.Recent.TakeLast(LooksShown).Select(look => look.IsWell ? "well" : "missed"));

    private string? Words => State switch
    {
        WatchState.Silent when Standing.LookedAt is { } at => Figures.Format(HealthTexts.BeatSilent, Figures.Duration(Time.GetUtcNow() - at)),
        WatchState.Silent => HealthTexts.BeatNever,
        WatchState.Isolated => HealthTexts.BeatIsolated,
        WatchState.Disagree => Figures.Format(HealthTexts.BeatMissing, Standing.Missing, Standing.Subjects),
        _ => null,
    };

    private string Holder
    {
        get
        {
            var who = Standing.Holder is { } holder ? Figures.Format(HealthTexts.BeatHolder, holder, Standing.Subjects) : HealthTexts.BeatNobody;
            return Standing.Error is { } error ? Figures.List([who, Figures.Format(HealthTexts.BeatError, error)]) : who;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _listening?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    protected override void OnInitialized() => _listening = Clock.Listen(() => _ = InvokeAsync(OnTick));

    /// <inheritdoc/>
    protected override void OnParametersSet() => (_age, _said) = (Write(), Words);

    private void OnTick()
    {
        // The age may stand still while the words do not: silence begins at a second, not at a minute.
        var (age, said) = (Write(), Words);
        if (age != _age || said != _said)
        {
            (_age, _said) = (age, said);
            StateHasChanged();
        }
    }

    private string Write() => Standing.LookedAt is { } at ? Figures.Age(Time.GetUtcNow() - at) : string.Empty;
}
