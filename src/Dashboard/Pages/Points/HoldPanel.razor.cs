using System.Globalization;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Points;

/// <summary>A hold that a person asks for.</summary>
/// <param name="Until">When it ends by itself, or null.</param>
public sealed record HoldRequest(string Reason, DateTimeOffset? Until);

/// <summary>A hold that a person ends.</summary>
public sealed record HoldRelease(Guid Hold, string Reason);

/// <summary>Who holds a restore point, why, since when and until when; an operator places and releases holds here.</summary>
public partial class HoldPanel
{
    private const int LongestReason = 500;
    private readonly string _id = $"hold-{Guid.NewGuid():N}";
    private bool _isOpen;
    private bool _isSending;
    private HoldRow? _releasing;
    private string _reason = string.Empty;
    private string? _until;
    private string? _reasonProblem;
    private string? _untilProblem;

    /// <summary>All holds, newest first; ended ones too.</summary>
    [Parameter, EditorRequired]
    public IReadOnlyList<HoldRow> Holds { get; set; } = [];

    /// <summary>Tiers that could not be told of the last change, each with the reason.</summary>
    [Parameter]
    public IReadOnlyList<string> Away { get; set; } = [];

    /// <summary>True where nothing can be held any more.</summary>
    [Parameter]
    public bool IsReadOnly { get; set; }

    /// <summary>Places a hold; true where it stands.</summary>
    [Parameter]
    public Func<HoldRequest, Task<bool>> OnPlace { get; set; } = _ => Task.FromResult(false);

    /// <summary>Ends a hold; true where it has ended.</summary>
    [Parameter]
    public Func<HoldRelease, Task<bool>> OnRelease { get; set; } = _ => Task.FromResult(false);

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private IReadOnlyList<HoldRow> Standing => [.. Holds.Where(hold => hold.IsStanding(Time.GetUtcNow()))];

    private IReadOnlyList<HoldRow> Ended => [.. Holds.Where(hold => !hold.IsStanding(Time.GetUtcNow()))];

    private string Until(HoldRow hold) =>
        hold.Until is { } until ? Figures.Format(KeepingTexts.HoldUntilAt, Figures.Moment(until, Time)) : KeepingTexts.HoldNoEnd;

    private string End(HoldRow hold) => hold.ReleasedAt is { } at
        ? Figures.Format(KeepingTexts.HoldEndedBy, hold.ReleasedBy!, Figures.Moment(at, Time))
        : Figures.Format(KeepingTexts.HoldEndedItself, Figures.Moment(hold.Until!.Value, Time));

    private void BeginPlace() => Open(null);

    private void BeginRelease(HoldRow hold) => Open(hold);

    private void Open(HoldRow? releasing)
    {
        (_isOpen, _releasing, _reason, _until) = (true, releasing, string.Empty, null);
        (_reasonProblem, _untilProblem) = (null, null);
    }

    private void Close() => _isOpen = false;

    private async Task SendAsync()
    {
        var reason = _reason.Trim();
        _reasonProblem = reason.Length is >= 1 and <= LongestReason ? null : KeepingTexts.HoldReasonMissing;
        var until = UntilEntered();
        _untilProblem = until <= Time.GetUtcNow() ? KeepingTexts.HoldUntilPast : null;
        if (_reasonProblem is not null || _untilProblem is not null || _isSending)
        {
            return;
        }

        // What was typed stays where it could not be done.
        _isSending = true;
        var isDone = _releasing is { } hold ? await OnRelease(new HoldRelease(hold.Id, reason)) : await OnPlace(new HoldRequest(reason, until));
        (_isSending, _isOpen) = (false, !isDone);
    }

    /// <summary>The browser sends a wall clock's time; it is read in the console's zone, which the label names.</summary>
    private DateTimeOffset? UntilEntered()
    {
        if (_releasing is not null || !DateTime.TryParse(_until, CultureInfo.InvariantCulture, DateTimeStyles.None, out var local))
        {
            return null;
        }

        return new DateTimeOffset(local, Time.LocalTimeZone.GetUtcOffset(local));
    }
}
