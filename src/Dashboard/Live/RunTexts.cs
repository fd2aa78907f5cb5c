using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Pages.Recovery;
using Hexabase.DrConsole.Dashboard.Pages.Tiers;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Validation;
using Hexabase.DrConsole.Engine.Validation.Drills;

namespace Hexabase.DrConsole.Dashboard.Live;

/// <summary>A run in the reader's words.</summary>
internal static class RunTexts
{
    /// <summary><c>Backup</c>, <c>Validation</c>, <c>Retention</c>.</summary>
    public static string Kind(string kind) => kind switch
    {
        RunKinds.Backup => PageTexts.RunKindBackup,
        RunKinds.Validation => PageTexts.RunKindValidation,
        RunKinds.Restore => PageTexts.RunKindRestore,
        RunKinds.PointInTimeDrill => WindowTexts.RunKindDrill,
        RunKinds.TableRescue => WindowTexts.RunKindRescue,
        RunKinds.Retention => PageTexts.RunKindRetention,
        RunKinds.Rotation => PageTexts.RunKindRotation,
        RunKinds.Shredding => PageTexts.RunKindShredding,
        RunKinds.Verification => PageTexts.RunKindVerification,
        RunKinds.Repair => PageTexts.RunKindRepair,
        RunKinds.Replication => PageTexts.RunKindReplication,
        RunKinds.RecoverySet => SetTexts.RunKind,
        RunKinds.Recovery => RecoveryTexts.RunKind,
        RunKinds.Drill => DrillTexts.RunKind,
        _ => kind,
    };

    /// <summary><c>Backup of orders</c>, <c>Retention of tier hot</c>.</summary>
    public static string Title(Run run) => Figures.Format(PageTexts.RunTitle, Kind(run.Kind), Serves(run));

    /// <summary>The source, tier or workspace that the run serves: <c>orders</c>, <c>tier hot</c>.</summary>
    public static string Serves(Run run) => run.Kind switch
    {
        var kind when RunKinds.IsOfTier(kind) => Figures.Format(PageTexts.RunSourceTier, run.Source),
        var kind when RunKinds.IsOfWorkspace(kind) => Figures.Format(PageTexts.RunSourceWorkspace, run.Source),
        _ => RecoveryWords.Subject(run.Source),
    };

    /// <summary>The page of what the run serves; null for a workspace or several sources, which have none.</summary>
    public static string? ServesHref(Run run) =>
        RunKinds.IsOfTier(run.Kind) ? TierSight.HrefOf(run.Source) : RunKinds.IsOfWorkspace(run.Kind) || run.Source.Contains(' ', StringComparison.Ordinal) ? null : SourceRows.Href(run.Source);

    /// <summary>The state; a validation that found a fault is shown by what it found.</summary>
    public static Status StatusOf(Run run) => run.State switch
    {
        RunState.Queued => Status.Queued,
        RunState.Running => Status.Running,
        RunState.Completed => Verdict(run) ?? Status.Done,
        RunState.Failed => Status.Failed,
        RunState.Cancelled => Status.Cancelled,
        _ => Status.Waiting,
    };

    /// <summary>What a completed run found, where it is not all well; null for others. Damage that was found is no failed run.</summary>
    private static Status? Verdict(Run run) => (run.Kind, run.ResultJson) switch
    {
        (RunKinds.Validation, { } json) => Verdict(ValidationResult.Parse(JsonElement.Parse(json))),
        (RunKinds.Verification, { } json) => JsonSerializer.Deserialize<VerificationRunResult>(json, JsonSerializerOptions.Web)!.IsSound ? null : Status.Damaged,
        (RunKinds.PointInTimeDrill, { } json) => JsonSerializer.Deserialize<PointInTimeDrillResult>(json, JsonSerializerOptions.Web)!.Outcome switch
        {
            DrillOutcomes.Passed => null,
            DrillOutcomes.NotProvable => Status.Unproven,
            _ => Status.Failed,
        },
        (RunKinds.Restore, { } json) => JsonSerializer.Deserialize<RestoreRunResult>(json, JsonSerializerOptions.Web)!.Warnings.Count == 0 ? null : Status.Degraded,
        (RunKinds.Repair, { } json) => JsonSerializer.Deserialize<RepairRunResult>(json, JsonSerializerOptions.Web)!.IsWhole ? null : Status.Damaged,
        _ => null,
    };

    private static Status? Verdict(ValidationResult result) => result.OverallPassed ? null : result.Failed is null ? Status.Unproven : Status.Failed;

    /// <summary>Progress, or null while none was reported.</summary>
    public static RunProgressReport? Progress(Run run) =>
        run.ProgressJson is null ? null : JsonSerializer.Deserialize<RunProgressReport>(run.ProgressJson, JsonSerializerOptions.Web);

    /// <summary>Share done, 0 to 1, or null while the total is unknown.</summary>
    public static double? Share(Run run) =>
        Progress(run) is { BytesTotal: > 0 and var total } progress ? Math.Clamp((double)progress.BytesDone / total, 0, 1) : null;

    /// <summary>The error, or null.</summary>
    public static RunError? Error(Run run) =>
        run.ErrorJson is null ? null : JsonSerializer.Deserialize<RunError>(run.ErrorJson, JsonSerializerOptions.Web);

    /// <summary>From start to end, or to now.</summary>
    public static TimeSpan? Took(Run run, TimeProvider time) => run.StartedAt is { } started ? (run.EndedAt ?? time.GetUtcNow()) - started : null;

    /// <summary>The run's page.</summary>
    public static string Href(RunId run) => FormattableString.Invariant($"/runs/{run.Value}");
}
