using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Pages.Settings;

/// <summary>Where each workspace's keys stand: the epoch, which tiers have it, when they were rotated and are to be again.</summary>
public partial class WorkspaceKeysPanel
{
    [Parameter, EditorRequired]
    public IReadOnlyList<WorkspaceKeyStanding> Workspaces { get; set; } = [];

    /// <summary>The rotation that is open now, by workspace.</summary>
    [Parameter]
    public IReadOnlyDictionary<string, RunId> Open { get; set; } = new Dictionary<string, RunId>();

    /// <summary>Somebody wants to rotate a workspace's keys; asks for a confirmation first.</summary>
    [Parameter, EditorRequired]
    public EventCallback<WorkspaceKeyStanding> OnRotate { get; set; }

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    // That keys are where they belong proves no restore: never green.
    private Status StatusOf(WorkspaceKeyStanding one) => one switch
    {
        { Key: null } => Status.Unproven,
        { Key.ShreddedAt: not null } => Status.Cancelled,
        _ when one.Behind.Count > 0 => Status.Behind,
        _ when one.DueAt < Time.GetUtcNow() => Status.Degraded,
        _ => Status.Done,
    };

    private string WordOf(WorkspaceKeyStanding one) => StatusOf(one) switch
    {
        Status.Unproven => SettingTexts.KeysUnknown,
        Status.Cancelled => SettingTexts.KeysShredded,
        Status.Behind => SettingTexts.KeysNotEverywhere,
        Status.Degraded => SettingTexts.KeysOverdue,
        _ => SettingTexts.KeysCurrent,
    };

    private string Seen(WorkspaceKeyStanding one) => one switch
    {
        { Fault: { } fault } => fault,
        { Key.ShreddedAt: { } gone } => Figures.Moment(gone, Time),
        { Key: { } key } => Figures.Format(TierTexts.LookedAt, Figures.Age(Time.GetUtcNow() - key.SeenAt)),
        _ => SettingTexts.KeysLookSoon,
    };

    private string Due(WorkspaceKeyStanding one) => one.DueAt is { } due ? Figures.Moment(due, Time) : PageTexts.NotMeasuredShort;
}
