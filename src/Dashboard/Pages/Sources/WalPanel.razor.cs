using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Sources;

/// <summary>
/// How a source's WAL is received: the receiver, how far each tier is, and everything that was found. What the engine says is shown as
/// it was written down, in English, like a run's log.
/// </summary>
public partial class WalPanel
{
    /// <summary>The receiver; null before the first began.</summary>
    [Parameter]
    public WalReceiverRow? Receiver { get; set; }

    /// <summary>What the tiers hold.</summary>
    [Parameter]
    public IReadOnlyList<WalTierRow> Tiers { get; set; } = [];

    /// <summary>Gaps that no base backup has closed.</summary>
    [Parameter]
    public IReadOnlyList<WalGapRow> Gaps { get; set; } = [];

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    /// <summary>A stream that runs is at work, and proves nothing by it.</summary>
    private (Status Status, string Word) State => Receiver switch
    {
        null => (Status.NotRun, WindowTexts.WalNever),
        { State: "failed" } => (Status.Failed, WindowTexts.WalFailed),
        { IsAlive: false } => (Status.Failed, WindowTexts.WalStopped),
        { State: "streaming" } => (Status.Running, WindowTexts.WalReceiving),
        _ => (Status.Waiting, WindowTexts.WalStarting),
    };

    /// <summary>What loses data, or stops work, until somebody acts.</summary>
    private IEnumerable<string> Alarms =>
    [
        .. Receiver?.CommitsWaitSince is { } since ? [Figures.Format(WindowTexts.WalCommitsWait, Figures.Moment(since, Time))] : Array.Empty<string>(),
        .. Receiver?.Message is { } message ? [message] : Array.Empty<string>(),
        .. Gaps.Select(gap => Figures.Format(WindowTexts.WalGap, gap.Timeline, gap.FromLsn, gap.ToLsn, Figures.Moment(gap.FoundAt, Time), gap.Reason)),
        .. Tiers.SelectMany(tier => tier.Holes.Select(hole => Figures.Format(hole.IsDamaged ? WindowTexts.WalDamageIn : WindowTexts.WalHoleIn, tier.Tier, hole.Timeline, hole.From, hole.To))),
    ];

    private IReadOnlyList<string> Notices => [.. Receiver?.Notices ?? [], .. Tiers.Where(tier => tier.Message is not null).Select(tier => $"{tier.Tier}: {tier.Message}")];

    /// <summary>What a receiver that is gone said last is true no more.</summary>
    private bool IsCurrent => Receiver is { IsAlive: true, State: "streaming" };

    private (Status Status, string Word) StateOf(WalTierRow tier) => tier.State switch
    {
        _ when !IsCurrent => (Status.NotRun, WindowTexts.WalUnknown),
        "streaming" => (Status.Running, WindowTexts.WalTierStreaming),
        "catching_up" => (Status.Waiting, WindowTexts.WalTierCatchingUp),
        _ => (Status.Degraded, WindowTexts.WalTierDown),
    };

    private string Behind(WalTierRow tier) => IsCurrent && tier is { LagBytes: { } bytes, LagSeconds: { } seconds }
        ? Figures.Format(WindowTexts.WalBehind, Figures.Bytes(bytes), Figures.Duration(TimeSpan.FromSeconds(seconds))) : WindowTexts.WalUnknown;
}
