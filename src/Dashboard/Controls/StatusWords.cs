using System.Collections.Frozen;
using System.Globalization;
using Hexabase.DrConsole.Dashboard.Resources;

namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>The silhouettes that <see cref="StatusIcon"/> draws; each is recognisable without its colour.</summary>
public enum StatusShape
{
    RingCheck,
    DottedClock,
    DashedQuestion,
    Triangle,
    ArrowThroughLine,
    Octagon,
    RingPlay,
    Hourglass,
    DottedDash,
    DottedDots,
    PlainCheck,
    RingSquare,
}

/// <summary>How one state is said and drawn.</summary>
/// <param name="WordKey">Key of the word in Resources/Texts.resx.</param>
/// <param name="Shape">The icon's silhouette.</param>
/// <param name="Tone">Suffix of the CSS class <c>tone-*</c>, which sets <c>--tone</c> and <c>--tone-tint</c>.</param>
/// <param name="IsHollow">True where nothing was measured: chips are dashed and without fill.</param>
public sealed record StatusWord(string WordKey, StatusShape Shape, string Tone, bool IsHollow = false)
{
    /// <summary>The word in the reader's language.</summary>
    public string Word => Texts.ResourceManager.GetString(WordKey, CultureInfo.CurrentUICulture) ?? WordKey;

    /// <summary>The CSS class that colours a subtree in this state's hue.</summary>
    public string ToneClass => $"tone-{Tone}";
}

/// <summary>The one place where a state becomes a word, an icon and a colour.</summary>
public static class StatusWords
{
    private static readonly FrozenDictionary<Status, StatusWord> Words = new Dictionary<Status, StatusWord>
    {
        [Status.Proven] = new(nameof(Texts.StatusProven), StatusShape.RingCheck, "proven"),
        [Status.Stale] = new(nameof(Texts.StatusStale), StatusShape.DottedClock, "stale", IsHollow: true),
        [Status.Unproven] = new(nameof(Texts.StatusUnproven), StatusShape.DashedQuestion, "unproven", IsHollow: true),
        [Status.Degraded] = new(nameof(Texts.StatusDegraded), StatusShape.Triangle, "degraded"),
        [Status.Breached] = new(nameof(Texts.StatusBreached), StatusShape.ArrowThroughLine, "breached"),
        [Status.Failed] = new(nameof(Texts.StatusFailed), StatusShape.Octagon, "failed"),
        [Status.Running] = new(nameof(Texts.StatusRunning), StatusShape.RingPlay, "running"),
        [Status.Waiting] = new(nameof(Texts.StatusWaiting), StatusShape.Hourglass, "waiting"),
        [Status.NotRun] = new(nameof(Texts.StatusNotRun), StatusShape.DottedDash, "neutral", IsHollow: true),
        [Status.Passed] = new(nameof(Texts.StatusPassed), StatusShape.RingCheck, "proven"),
        [Status.Equal] = new(nameof(Texts.StatusEqual), StatusShape.RingCheck, "proven"),
        [Status.Differs] = new(nameof(Texts.StatusDiffers), StatusShape.Octagon, "failed"),
        [Status.NotCompared] = new(nameof(Texts.StatusNotCompared), StatusShape.DottedDash, "neutral", IsHollow: true),
        [Status.ReadBack] = new(nameof(Texts.StatusReadBack), StatusShape.RingCheck, "proven"),
        [Status.Stored] = new(nameof(Texts.StatusStored), StatusShape.DashedQuestion, "unproven", IsHollow: true),
        [Status.Behind] = new(nameof(Texts.StatusBehind), StatusShape.Triangle, "degraded"),
        [Status.Damaged] = new(nameof(Texts.StatusDamaged), StatusShape.Octagon, "failed"),
        [Status.NotKept] = new(nameof(Texts.StatusNotKept), StatusShape.DottedDash, "neutral", IsHollow: true),
        [Status.Answers] = new(nameof(Texts.StatusAnswers), StatusShape.RingCheck, "proven"),
        [Status.Queued] = new(nameof(Texts.StatusQueued), StatusShape.DottedDots, "neutral", IsHollow: true),
        [Status.Done] = new(nameof(Texts.StatusDone), StatusShape.PlainCheck, "neutral"),
        [Status.Cancelled] = new(nameof(Texts.StatusCancelled), StatusShape.RingSquare, "neutral", IsHollow: true),
        [Status.Missing] = new(nameof(Texts.StatusMissing), StatusShape.ArrowThroughLine, "breached", IsHollow: true),
        [Status.NotDue] = new(nameof(Texts.StatusNotDue), StatusShape.DottedDots, "neutral", IsHollow: true),
        [Status.Suspected] = new(nameof(Texts.StatusSuspected), StatusShape.Triangle, "degraded"),
        [Status.Confirmed] = new(nameof(Texts.StatusConfirmed), StatusShape.Octagon, "failed"),
        [Status.Resolved] = new(nameof(Texts.StatusResolved), StatusShape.PlainCheck, "neutral"),
        [Status.NoAnswer] = new(nameof(Texts.StatusNoAnswer), StatusShape.Octagon, "failed"),
        [Status.Refused] = new(nameof(Texts.StatusRefused), StatusShape.Octagon, "failed"),
        [Status.Denied] = new(nameof(Texts.StatusDenied), StatusShape.Triangle, "degraded"),
        [Status.Exceeded] = new(nameof(Texts.StatusExceeded), StatusShape.ArrowThroughLine, "breached"),
        [Status.NotDetectable] = new(nameof(Texts.StatusNotDetectable), StatusShape.DashedQuestion, "unproven", IsHollow: true),
        [Status.Silent] = new(nameof(Texts.StatusSilent), StatusShape.DottedDots, "unproven", IsHollow: true),
    }.ToFrozenDictionary();

    /// <summary>How <paramref name="status"/> is said and drawn.</summary>
    public static StatusWord Of(Status status) => Words[status];
}
