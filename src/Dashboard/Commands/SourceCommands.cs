using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Validation;
using Hexabase.DrConsole.Engine.Validation.Drills;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>drconsole backup|validate|restore|drill|rescue|sources|restore-points</c>: the engine from the command line.</summary>
internal static class SourceCommands
{
    internal const string Actor = RestoreAsker.CommandLine;

    public static IEnumerable<Command> Create()
    {
        var options = new ConsoleOptions();
        var noWait = new Option<bool>("--no-wait") { Description = "ask for the run and return" };
        yield return Backup(options, noWait);
        yield return Validate(options, noWait);
        yield return Restore(options, noWait);
        yield return Drill(options, noWait);
        yield return RescueCommand.Create(options, noWait);
        yield return Sources(options);
        yield return Points(options);
    }

    private static Command Backup(ConsoleOptions options, Option<bool> noWait)
    {
        var source = new Argument<string>("SOURCE");
        var command = new Command("backup", "back up a source now") { source };
        return OnRun(command, options, noWait,
            (session, parsed, stopping) => session.BackupAsync(parsed.GetValue(source)!, Actor, stopping),
            run =>
            {
                var result = Result<BackupRunResult>(run);
                return new BackupReport(run.Id.Value, run.RestorePoint, Status(run), result?.Backup.OriginalBytes, result?.Backup.StoredBytes, result?.Seconds);
            },
            report => $"restore point {((BackupReport)report).RestorePointId}",
            _ => ExitCodes.Done);
    }

    private static Command Validate(ConsoleOptions options, Option<bool> noWait)
    {
        var point = new Argument<string>("ID") { Description = "a restore point, or the beginning of its id" };
        var tier = new Option<string?>("--tier") { Description = "read it from this tier", HelpName = "NAME" };
        var command = new Command("validate", "prove a restore point in five steps") { point, tier };
        return OnRun(command, options, noWait,
            (session, parsed, stopping) => session.Get<RunRequests>().ValidateAsync(parsed.GetValue(point)!, parsed.GetValue(tier), Actor, stopping),
            run => Validation(run) is { } result
                ? new ValidationReport(result.RestorePointId, result.OverallPassed, [.. result.Steps.Select(step => new StepReport(step.Name, step.Status, step.Seconds, step.Reason))])
                : new ValidationReport(run.RestorePoint!, false, []),
            report => string.Join('\n', ((ValidationReport)report).Steps.Select(step => $"{step.Name,-18} {step.Status,-8} {step.Reason}")),
            run => Validation(run) switch
            {
                { OverallPassed: true } => ExitCodes.Done,
                { Failed.Name: ValidationSteps.FileIntegrity or ValidationSteps.Encryption or ValidationSteps.Compression } => ExitCodes.Damaged,
                _ => ExitCodes.Failed,
            });
    }

    /// <summary>One line for each kind of target, with the options that most restores need; docs/ has all.</summary>
    private const string TargetHelp =
        """
        where to, by what was backed up:
        postgres://USER@HOST:PORT/NEWDB?passwordFile=F  a dump, into a new database
        pgdata:/new/dir?port=P&time=T  a base backup, started on a port, at a moment (or lsn=, name=, end=true; timeline=N; inPlace=aside or delta over an existing one)
        vcluster:NAMESPACE/NAME?kubeconfig=F  objects into a virtual cluster that runs (namespaces=A,B; map=A:B; existing=change; volumes=DIR with the claims' data), or with store=DIR the whole cluster in its place
        redis://USER@HOST:PORT?passwordFile=F  into a Redis server that is empty, or its keys=PATTERN
        redisdata:/var/lib/redis  in place, while the server is stopped
        dir:/path  a volume (part=P; inPlace=true, delete=true; undo=true), or the raw artifacts of any kind
        """;

    private static Command Restore(ConsoleOptions options, Option<bool> noWait)
    {
        var point = new Argument<string>("ID") { Description = "a restore point, or the beginning of its id" };
        var target = new Option<string>("--to") { Description = TargetHelp, Required = true, HelpName = "TARGET" };
        var confirm = new Option<string?>("--confirm") { Description = "the plan's hash, or at least its first 12 digits: needed where the restore writes over something that lives, which then waits until others approve it", HelpName = "HASH" };
        var command = new Command("restore", "restore into a new target, or over what lives in one once its plan is confirmed") { point, target, confirm };
        command.Subcommands.Add(Undo(options, noWait));
        return OnRestore(command, options, noWait, confirm, (_, parsed, _) => Task.FromResult((parsed.GetValue(point)!, parsed.GetValue(target)!)));
    }

    private static Command Undo(ConsoleOptions options, Option<bool> noWait)
    {
        var run = new Argument<string>("RUN") { Description = "the run of a completed restore of a virtual cluster's objects, as R-12" };
        var confirm = new Option<string?>("--confirm") { Description = "the plan's hash, or at least its first 12 digits; then it waits until others approve it", HelpName = "HASH" };
        var command = new Command("undo", "take a completed restore of objects back, but for what others changed since") { run, confirm };
        return OnRestore(command, options, noWait, confirm, async (session, parsed, stopping) =>
            RunId.TryParse(parsed.GetValue(run)) is { } id && await session.Get<RunStore>().FindAsync(id, stopping) is { } found
                ? VClusterUndoDriver.Of(found)
                : throw new EngineException("run-unknown", ErrorKind.NotFound, $"there is no run {parsed.GetValue(run)}", "All runs are on the Runs page."));
    }

    private static Command OnRestore(
        Command command, ConsoleOptions options, Option<bool> noWait, Option<string?> confirm, Func<CatalogSession, ParseResult, CancellationToken, Task<(string Point, string Target)>> what) =>
        OnRun(command, options, noWait,
            async (session, parsed, stopping) =>
            {
                var requests = session.Get<RunRequests>();
                var (point, target) = await what(session, parsed, stopping);
                var plan = await requests.PlanRestoreAsync(point, target, Directory.GetCurrentDirectory(), stopping, Actor);
                foreach (var note in plan.NotesToShow)
                {
                    await Console.Error.WriteLineAsync($"note: {note}");
                }

                await Console.Error.WriteLineAsync($"plan {plan.Hash[..12]}: restore point {RestorePointId.ShortOf(plan.RestorePointId)} of {plan.Source} to {plan.Target}");
                RequireConfirmed(plan, parsed.GetValue(confirm));
                return await requests.RestoreAsync(plan, plan.Hash, new RestoreAsker(Actor, plan.IsConfirmedBy(parsed.GetValue(confirm))), stopping);
            },
            RestoreReport.Of,
            report => ((RestoreReport)report).Text,
            // What was to be restored and is not there is no success, whatever else is.
            run => Result<RestoreRunResult>(run) is { NotRestored: > 0 } ? ExitCodes.Failed : ExitCodes.Done);

    /// <summary>A hash that is given must be the plan's, whatever it does; one that writes over something that lives does not go without.</summary>
    private static void RequireConfirmed(RestorePlan plan, string? given)
    {
        if (plan.IsConfirmedBy(given) || (given is null && !plan.WritesOver))
        {
            return;
        }

        throw new EngineException(CommandRunner.Unconfirmed, ErrorKind.Input,
            given is null
                ? $"this restore writes over what lives in {plan.Target}, as the notes say; its plan's hash is {plan.Hash}"
                : $"{given} does not confirm this plan; its hash is {plan.Hash}",
            $"Look at the notes; then do it again with --confirm {plan.Hash}. Nothing was changed.");
    }

    private static Command Drill(ConsoleOptions options, Option<bool> noWait)
    {
        var source = new Argument<string>("SOURCE") { Description = "a source; of a plan for a workspace the workspace, of one for several sources their names with commas between" };
        var time = new Option<DateTimeOffset?>("--time") { Description = "recover this moment instead of a random second of the window (ISO 8601, UTC where it says no zone)", HelpName = "T", CustomParser = ReadTime };
        var plan = new Option<string?>("--plan") { Description = "carry this recovery plan out in scratch instead", HelpName = "NAME" };
        var command = new Command("drill", "recover a source to a random moment in scratch, and look whether it is that moment") { source, time, plan };
        return OnRun(command, options, noWait,
            (session, parsed, stopping) => parsed.GetValue(plan) is { } name
                ? PlanDrillAsync(session, name, parsed.GetValue(source)!, stopping)
                : session.Get<RunRequests>().DrillAsync(parsed.GetValue(source)!, parsed.GetValue(time), Actor, stopping),
            run => run.Kind == RunKinds.Drill ? PlanDrill(run) : Result<PointInTimeDrillResult>(run) is { } result
                ? new DrillReport(run.Id.Value, Status(run), result.Moment, result.Outcome, result.Reason, result.Seconds, result.Phases)
                : new DrillReport(run.Id.Value, Status(run), null, null, null, null, []),
            report => report is DrillReport { Outcome: not null } drill ? $"{drill.Outcome}: {drill.Moment:u} {drill.Reason}" : $"{((DrillReport)report).Status}",
            run => run.Kind == RunKinds.Drill ? run.State == RunState.Completed ? ExitCodes.Done : ExitCodes.Failed
                : Result<PointInTimeDrillResult>(run)?.Outcome == DrillOutcomes.Passed ? ExitCodes.Done : ExitCodes.Failed);
    }

    private static async Task<Run> PlanDrillAsync(CatalogSession session, string plan, string subject, CancellationToken stopping)
    {
        // Where no console has ever run here, the product's own plans are not saved yet.
        await session.Get<PlanLibrary>().SaveBuiltInAsync(stopping);
        return await session.Get<DrillRequests>().RequestAsync(plan, subject, Actor, stopping);
    }

    private static DrillReport PlanDrill(Run run) => new(
        run.Id.Value, Status(run), run.EndedAt, run.State == RunState.Completed ? DrillOutcomes.Passed : run.IsOpen ? null : DrillOutcomes.Failed,
        run.ErrorJson is { } error ? JsonSerializer.Deserialize<RunError>(error, JsonSerializerOptions.Web)!.Message : "every step that a drill does is done and verified, and nothing is left",
        Result<RecoveryResult>(run)?.Seconds, []);

    internal static DateTimeOffset? ReadTime(System.CommandLine.Parsing.ArgumentResult argument)
    {
        if (DateTimeOffset.TryParse(argument.Tokens[0].Value, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal, out var time))
        {
            return time;
        }

        argument.AddError($"{argument.Tokens[0].Value} is no ISO 8601 time; write 2026-11-24T14:32:10Z");
        return null;
    }

    private static Command Sources(ConsoleOptions options)
    {
        var command = new Command("sources", "what is protected");
        options.AddTo(command);
        command.Options.Add(options.Json);
        command.SetAction((parsed, stopping) => CommandRunner.RunAsync(async () =>
        {
            await using var session = await CatalogSession.OpenAsync(parsed, options, stopping);
            var points = session.Get<RestorePointCatalog>();
            var rows = new List<object>();
            foreach (var standing in await session.Get<StandingCatalog>().ReadAsync(stopping))
            {
                var source = standing.Source;
                var newest = await points.ListAsync(source.Name, 1, stopping) is [var one, ..] ? one : null;
                rows.Add(new { source.Name, Kind = source.Kind.ToString().ToLowerInvariant(), source.Class, source.Workspace, NewestRestorePoint = newest?.Id, NewestAt = newest?.CreatedAt, SilentAgent = standing.SilentAgent?.Node });
                if (!parsed.GetValue(options.Json))
                {
                    Console.WriteLine($"{source.Name,-24} {source.Kind.ToString().ToLowerInvariant(),-10} {source.Class,-10} {newest?.CreatedAt.ToString("u") ?? "no restore point"}{(standing.SilentAgent is { } agent ? $"  no agent on {agent.Node}: {agent.Command}" : "")}");
                }
            }

            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(rows);
            }

            return ExitCodes.Done;
        }));
        return command;
    }

    private static Command Points(ConsoleOptions options)
    {
        var source = new Option<string?>("--source") { Description = "only of this source", HelpName = "NAME" };
        var command = new Command("restore-points", "restore points, newest first") { source };
        options.AddTo(command);
        command.Options.Add(options.Json);
        command.SetAction((parsed, stopping) => CommandRunner.RunAsync(async () =>
        {
            await using var session = await CatalogSession.OpenAsync(parsed, options, stopping);
            var catalog = session.Get<RestorePointCatalog>();
            var estate = session.Get<ProtectedEstate>();
            var rows = new List<object>();
            foreach (var point in await catalog.ListAsync(parsed.GetValue(source), 10_000, stopping))
            {
                var validation = await catalog.ValidationsAsync(point.Id, stopping) is [var last, ..] ? last : null;
                var tiers = await catalog.TiersAsync(point.Id, stopping);
                var proof = PointProof.NameOf(PointProof.StatusOf(validation, estate.ProofLifetimeOf(point.Source, point.Class), TimeProvider.System.GetUtcNow()));
                rows.Add(new { point.Id, point.Source, point.Kind, point.CreatedAt, point.Bytes, point.StoredBytes, Proof = proof, Tiers = tiers.ToDictionary(tier => tier.Tier, tier => tier.State) });
                if (!parsed.GetValue(options.Json))
                {
                    Console.WriteLine($"{point.Id} {point.Source,-20} {point.CreatedAt:u} {point.Bytes,14} {proof,-9} {string.Join(' ', tiers.Select(tier => $"{tier.Tier}:{tier.State}"))}");
                }
            }

            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(rows);
            }

            return ExitCodes.Done;
        }));
        return command;
    }

    internal static Command OnRun(
        Command command, ConsoleOptions options, Option<bool> noWait, Func<CatalogSession, ParseResult, CancellationToken, Task<Run>> request,
        Func<Run, object> report, Func<object, string> text, Func<Run, int> exitCode)
    {
        options.AddTo(command);
        command.Options.Add(options.Json);
        command.Options.Add(noWait);
        command.SetAction((parsed, stopping) => CommandRunner.RunAsync(async () =>
        {
            await using var session = await CatalogSession.OpenAsync(parsed, options, stopping);
            var run = await request(session, parsed, stopping);
            var isAwaited = !parsed.GetValue(noWait);
            if (isAwaited)
            {
                run = await session.FinishAsync(run.Id, stopping);
                if (run.IsOpen)
                {
                    await Console.Error.WriteLineAsync(
                        $"drconsole: {run.Id} is not done: it waits for a person, and no console runs here that could take an answer\n  → Start one with: drconsole serve. The run goes on there as soon as it is answered.");
                }
            }
            else if (!session.IsGuest)
            {
                await Console.Error.WriteLineAsync($"{run.Id} waits for the next start of the console.");
            }

            var result = report(run);
            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(result);
            }
            else
            {
                Console.WriteLine(run.IsOpen ? run.Id.ToString() : text(result));
            }

            return run.IsOpen ? isAwaited ? ExitCodes.Failed : ExitCodes.Done : run.State == RunState.Completed ? exitCode(run) : CatalogSession.ExitCodeOf(run);
        }));
        return command;
    }

    private static ValidationResult? Validation(Run run) =>
        run.ResultJson is null ? null : ValidationResult.Parse(JsonElement.Parse(run.ResultJson));

    internal static string Status(Run run) => JsonNamingPolicy.SnakeCaseLower.ConvertName(run.State.ToString());

    internal static T? Result<T>(Run run)
        where T : class => run.ResultJson is null ? null : JsonSerializer.Deserialize<T>(run.ResultJson, JsonSerializerOptions.Web);

    private sealed record BackupReport(long RunId, string? RestorePointId, string Status, long? Bytes, long? StoredBytes, double? Seconds);

    /// <summary>The contract's three members; what was not restored shows in the exit code and in the text.</summary>
    private sealed record RestoreReport(long RunId, string Status, double? Seconds, [property: JsonIgnore] int NotRestored, [property: JsonIgnore] int Warnings)
    {
        /// <summary>The status, with what a person must not overlook.</summary>
        [JsonIgnore]
        public string Text => string.Join(", ", new[] { Status, NotRestored > 0 ? $"{NotRestored} not restored" : "", Warnings > 0 ? $"{Counted.Of(Warnings, "warning")}, which are in its log" : "" }.Where(part => part.Length > 0));

        public static RestoreReport Of(Run run) => Result<RestoreRunResult>(run) is { } result
            ? new RestoreReport(run.Id.Value, SourceCommands.Status(run), result.Seconds, result.NotRestored, result.Warnings.Count)
            : new RestoreReport(run.Id.Value, SourceCommands.Status(run), null, 0, 0);
    }

    private sealed record DrillReport(long RunId, string Status, DateTimeOffset? Moment, string? Outcome, string? Reason, double? Seconds, IReadOnlyList<DrillPhase> Phases);

    private sealed record StepReport(string Name, ValidationStepStatus Status, double? Seconds, string? Reason);

    private sealed record ValidationReport(string RestorePointId, bool OverallPassed, IReadOnlyList<StepReport> Steps);
}
