using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Sets;

/// <summary>
/// Backs up all sources of a workspace together: waits until no backup of them is open, holds the application still where its
/// operators say how, begins all backups at once, lets the application go on as soon as every part has its content, and writes
/// down how far the parts are apart. The parts are ordinary backups with runs of their own.
/// </summary>
/// <remarks>
/// An application must never stand still for nothing: it goes on after a failure, a cancel, a stop of the console and the longest
/// hold; after a kill -9 it does with the first step of the next attempt.
/// </remarks>
public sealed class SetRun(
    NpgsqlDataSource catalog, RunStore runs, RunRequests requests, ProtectedEstate estate, ProcessRegistry registry, TimeProvider time) : IRunHandler
{
    private const string HoldStep = "hold the application";
    private const string CaptureStep = "capture together";
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan s_patience = TimeSpan.FromHours(1);
    private readonly SetParts _parts = new(catalog, runs, requests);

    /// <inheritdoc/>
    public string Kind => RunKinds.RecoverySet;

    /// <inheritdoc/>
    public async Task<object> ExecuteAsync(RunContext context)
    {
        var settings = estate.WorkspaceNamed(context.Request<SetRequest>().Workspace);
        var sources = estate.Sources.Where(source => source.Workspace == settings.Name).ToList();
        var hold = new ApplicationHold(settings, registry, time);
        // Before anything is waited for: an application that an interrupted attempt left held still stands still until then.
        var wasHeld = hold.IsConfigured && await LetGoOnAsync(context, hold);
        await WaitAsync(context, "backups of the workspace that are still open", async () => !await _parts.AreBusyAsync(context.Run.Id, sources, context.Cancellation));
        var captured = hold.IsConfigured
            ? await CaptureHeldAsync(context, hold, settings, sources, wasHeld)
            : await context.StepAsync(CaptureStep, async _ => new Captured(await BeginAsync(context, sources), null, null, null));
        await context.StepAsync("wait for the parts", async _ =>
        {
            await WaitAsync(context, "the parts", () => _parts.HaveEndedAsync(captured.Parts, context.Cancellation));
            return true;
        });
        var result = await context.StepAsync("seal", async step =>
        {
            var parts = await _parts.ReadAsync(captured.Parts, context.Cancellation);
            var sealedSet = new SetRunResult(settings.Name, parts, captured.HeldSeconds, captured.HeldToEnd);
            step.OnCommit(transaction => RecordAsync(transaction, context.Run, sealedSet));
            return sealedSet;
        });
        foreach (var part in result.Parts.Where(part => part.Fault is not null))
        {
            context.Warn("seal", $"{part.Source} is not in the set: {part.Fault}");
        }

        return captured.HoldFault is null
            ? result
            : throw new EngineException("workspace-still-held", ErrorKind.Unavailable, $"the application of workspace {settings.Name} may still stand still: {captured.HoldFault}",
                $"Let it go on by hand: {string.Join(' ', settings.Resume!)}. The set itself was taken.");
    }

    /// <inheritdoc/>
    public async Task AbandonAsync(RunContext context)
    {
        var settings = estate.WorkspaceNamed(context.Request<SetRequest>().Workspace);
        if (settings.Quiesce is not null && await IsPerhapsHeldAsync(context))
        {
            await new ApplicationHold(settings, registry, time).EndAsync(context.Warn);
        }
    }

    /// <returns>True where an interrupted attempt may have left the application held still.</returns>
    private async Task<bool> LetGoOnAsync(RunContext context, ApplicationHold hold)
    {
        if (!await IsPerhapsHeldAsync(context))
        {
            return false;
        }

        context.Warn("hold", "an interrupted attempt may have left the application held still; letting it go on");
        await hold.EndAsync(context.Warn);
        return true;
    }

    private async Task<Captured> CaptureHeldAsync(RunContext context, ApplicationHold hold, WorkspaceSettings settings, IReadOnlyList<Source> sources, bool wasHeld)
    {
        try
        {
            var since = await context.StepAsync(HoldStep, async _ =>
            {
                context.Log("hold", string.Join(' ', settings.Quiesce!));
                var began = time.GetUtcNow();
                await hold.BeginAsync("Look at the command Workspaces:Quiesce; nothing was captured.", context.Cancellation);
                return began;
            });
            return await context.StepAsync(CaptureStep, async _ =>
            {
                var parts = await BeginAsync(context, sources);
                var isHeldToEnd = !wasHeld && await WaitForContentAsync(context, parts, since + settings.LongestHold) && await AreOwnAsync(context, parts);
                var fault = await hold.EndAsync(context.Warn);
                var held = (time.GetUtcNow() - since).TotalSeconds;
                context.Log("hold", $"the application goes on after {held:0.0} s");
                return new Captured(parts, wasHeld ? null : held, isHeldToEnd, fault);
            });
        }
        catch
        {
            // Whatever went wrong, a stop of the console included: nobody comes back soon enough.
            await hold.EndAsync(context.Warn);
            throw;
        }
    }

    private async Task<IReadOnlyList<SetPart>> BeginAsync(RunContext context, IReadOnlyList<Source> sources)
    {
        var parts = await _parts.BeginAsync(context.Run, sources, context.Cancellation);
        context.Log("capture", $"{Counted.Of(parts.Count(part => part.BackupRun is not null), "backup")} begun together: {string.Join(", ", parts.Where(part => part.BackupRun is not null).Select(part => $"{part.Source} R-{part.BackupRun}"))}");
        return parts;
    }

    private async Task<bool> AreOwnAsync(RunContext context, IReadOnlyList<SetPart> parts)
    {
        var areOwn = await _parts.AreOwnAsync(context.Run.Id, parts, context.Cancellation);
        if (!areOwn)
        {
            context.Warn("hold", "a backup that was not asked for by this set is one of its parts, and may have begun before the application was held still");
        }

        return areOwn;
    }

    /// <summary>False where the longest hold ran out first.</summary>
    private async Task<bool> WaitForContentAsync(RunContext context, IReadOnlyList<SetPart> parts, DateTimeOffset until)
    {
        while (!await _parts.AreCapturedAsync(parts, context.Cancellation))
        {
            if (time.GetUtcNow() >= until)
            {
                context.Warn("hold", "the longest hold ran out before every part was captured; the parts are no longer of one moment");
                return false;
            }

            await Task.Delay(s_look, time, context.Cancellation);
        }

        return true;
    }

    private async Task WaitAsync(RunContext context, string what, Func<Task<bool>> isDone)
    {
        var until = time.GetUtcNow() + s_patience;
        for (var isFirst = true; !await isDone(); isFirst = false)
        {
            if (isFirst)
            {
                context.Log("wait", $"waiting for {what}");
            }

            if (time.GetUtcNow() >= until)
            {
                throw new EngineException("set-waited", ErrorKind.Unavailable, $"waited for {s_patience.TotalMinutes:0} minutes for {what}", "Look at the backups of the workspace on the Runs page.");
            }

            await Task.Delay(s_look, time, context.Cancellation);
        }
    }

    /// <summary>True where an earlier attempt began to hold the application and did not come to letting it go on.</summary>
    private async Task<bool> IsPerhapsHeldAsync(RunContext context)
    {
        var steps = await runs.StepsAsync(context.Run.Id, context.Cancellation);
        return steps.Any(step => step.Name == HoldStep) && !steps.Any(step => step is { Name: CaptureStep, State: "done" });
    }

    private static async Task RecordAsync(NpgsqlTransaction transaction, Run run, SetRunResult set)
    {
        await SetCatalog.RecordAsync(transaction, run.Id.Value, set.Workspace, set.SkewSeconds, set.HeldSeconds, set.HeldToEnd, set.IsComplete, CancellationToken.None);
        foreach (var part in set.Parts)
        {
            await SetCatalog.RecordPartAsync(transaction, run.Id.Value, part.Source, part.BackupRun, part.RestorePoint, part.SnapshotAt, part.Fault, CancellationToken.None);
        }

        await AuditLog.AppendAsync(
            transaction, run.RequestedBy, "set.taken", set.Workspace,
            new { run = run.Id.Value, set.IsComplete, set.SkewSeconds, parts = set.Parts.Select(part => new { part.Source, part.RestorePoint }) }, CancellationToken.None);
    }

    /// <summary>The result of the capture step.</summary>
    private sealed record Captured(IReadOnlyList<SetPart> Parts, double? HeldSeconds, bool? HeldToEnd, string? HoldFault);
}
