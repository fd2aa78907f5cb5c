using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups.Sets;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Recovery.Actions;

/// <summary>Holds the application of a workspace still by its operators' command, so that it writes into no part while they are recovered. Undone by letting it go on.</summary>
public sealed class HoldApplication(ProcessRegistry registry, TimeProvider time) : IRecoveryAction
{
    public const string ActionName = "hold_application";

    public string Name => ActionName;

    public StepSafety Safety => StepSafety.Idempotent;

    public WayBack WayBack => WayBack.Always;

    public string? NotInDrills => "it would hold the living application still";

    public bool ActsOn(RecoveryTarget target) => target.Application is not null;

    public IReadOnlyList<string> Describe(RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, string> parameters) =>
        [$"run {string.Join(' ', target.Application!.Quiesce)}", $"undone by {string.Join(' ', target.Application.Resume)}"];

    public Task<JsonElement> CaptureAsync(ActionContext context) => Task.FromResult(ActionContext.Data(new { }));

    public async Task<StepEffect> ActAsync(ActionContext context)
    {
        await HoldOf(context, registry, time).BeginAsync("Look at the command Workspaces:Quiesce; none of the parts was touched.", context.Cancellation);
        return new StepEffect("the application is held still");
    }

    public Task<EffectProbe> ProbeAsync(ActionContext context) => Task.FromResult<EffectProbe>(new EffectProbe.NotDone());

    public Task<StepVerification> VerifyAsync(ActionContext context) => Task.FromResult(new StepVerification(true, "the command said that it is held"));

    public Task<string> RollBackAsync(ActionContext context) => GoOnAsync(context, registry, time);

    /// <summary>Where the application may stand still after a recovery has ended, and how it is let go on; null where it goes on, or none was held.</summary>
    internal static string? StillHeld(RecoveryPlan plan, IReadOnlyList<RecoveryStepRow> rows)
    {
        var releases = rows.Where(row => row.Action == ReleaseApplication.ActionName && row.State == StepState.Done);
        return plan.Target.Application is { } application && rows.Any(row => row is { Action: ActionName, MayHaveActed: true }) && !releases.Any()
            ? $"the application of workspace {application.Workspace} still stands still; when its parts are in order, let it go on: {string.Join(' ', application.Resume)}"
            : null;
    }

    internal static ApplicationHold HoldOf(ActionContext context, ProcessRegistry registry, TimeProvider time)
    {
        var application = context.Target.Application!;
        return new ApplicationHold(
            new WorkspaceSettings(application.Workspace, application.Quiesce, application.Resume, TimeSpan.FromSeconds(application.PatienceSeconds), null), registry, time);
    }

    internal static async Task<string> GoOnAsync(ActionContext context, ProcessRegistry registry, TimeProvider time) =>
        await HoldOf(context, registry, time).EndAsync((_, text) => context.Log(text)) is { } fault
            ? throw new EngineException("workspace-still-held", ErrorKind.Unavailable, $"the application of workspace {context.Target.Application!.Workspace} may still stand still: {fault}",
                $"let it go on by hand: {string.Join(' ', context.Target.Application.Resume)}")
            : "the application goes on";
}

/// <summary>Lets the application go on that an earlier step held still. Undone by holding it again.</summary>
public sealed class ReleaseApplication(ProcessRegistry registry, TimeProvider time) : IRecoveryAction
{
    public const string ActionName = "release_application";

    public string Name => ActionName;

    public StepSafety Safety => StepSafety.Idempotent;

    public WayBack WayBack => WayBack.UntilFirstWrite;

    public string? NotInDrills => "the living application is not held in a drill";

    public bool ActsOn(RecoveryTarget target) => target.Application is not null;

    public IReadOnlyList<string> Describe(RecoveryTarget target, RecoveryBasis basis, IReadOnlyDictionary<string, string> parameters) =>
        [$"run {string.Join(' ', target.Application!.Resume)}", $"undone by {string.Join(' ', target.Application.Quiesce)}"];

    public Task<JsonElement> CaptureAsync(ActionContext context) => Task.FromResult(ActionContext.Data(new { }));

    public async Task<StepEffect> ActAsync(ActionContext context) => new(await HoldApplication.GoOnAsync(context, registry, time));

    public Task<EffectProbe> ProbeAsync(ActionContext context) => Task.FromResult<EffectProbe>(new EffectProbe.NotDone());

    public Task<StepVerification> VerifyAsync(ActionContext context) => Task.FromResult(new StepVerification(true, "the command said that it goes on"));

    public async Task<string> RollBackAsync(ActionContext context)
    {
        await HoldApplication.HoldOf(context, registry, time).BeginAsync(
            $"Hold it by hand before anything else is undone: {string.Join(' ', context.Target.Application!.Quiesce)}", context.Cancellation);
        return "the application is held still again";
    }
}
