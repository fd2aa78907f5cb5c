using System.CommandLine;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>drconsole workspace list|set|rotate-keys|shred</c>: a tenant's sources together, its keys, and the end of them.</summary>
internal static class WorkspaceCommand
{
    private const string Actor = SourceCommands.Actor;

    public static Command Create()
    {
        var options = new ConsoleOptions();
        return new Command("workspace", "workspaces: their recovery sets and their keys") { List(options), Set(options), Rotate(options), Shred(options) };
    }

    private static Command List(ConsoleOptions options)
    {
        var command = new Command("list", "workspaces with the state of their keys") { options.Json };
        options.AddTo(command);
        command.SetAction((parsed, stopping) => CommandRunner.RunAsync(async () =>
        {
            await using var session = await CatalogSession.OpenAsync(parsed, options, stopping);
            var standings = await session.Get<WorkspaceRequests>().LookAsync(stopping);
            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(standings.Select(one => new { one.Workspace, one.Key?.Epoch, one.Key?.RotatedAt, one.Key?.Tiers, one.Behind, one.Key?.SeenAt, one.RotationDays, one.DueAt, one.Key?.ShreddedAt, one.Fault }));
                return ExitCodes.Done;
            }

            foreach (var one in standings)
            {
                Console.WriteLine(one.Key switch
                {
                    null => $"{one.Workspace,-30} keys unknown",
                    { ShreddedAt: { } gone } => $"{one.Workspace,-30} shredded {gone:yyyy-MM-dd HH:mm}Z",
                    { } key => $"{one.Workspace,-30} epoch {key.Epoch}, keys of {key.RotatedAt:yyyy-MM-dd}, next rotation {(one.DueAt is { } due ? $"{due:yyyy-MM-dd}" : "never")}{(one.Behind.Count > 0 ? $"; not in {string.Join(", ", one.Behind)}" : "")}",
                });
                if (one.Fault is not null)
                {
                    await Console.Error.WriteLineAsync($"drconsole: the keys of {one.Workspace} could not be looked at: {one.Fault}");
                }
            }

            return ExitCodes.Done;
        }));
        return command;
    }

    private static Command Set(ConsoleOptions options)
    {
        var workspace = new Argument<string>("WORKSPACE");
        var command = new Command("set", "back up all sources of a workspace together, beside a running console") { workspace };
        return OnRun(command, options, (session, parsed, stopping) => session.IsGuest
            ? session.Get<WorkspaceRequests>().TakeSetAsync(parsed.GetValue(workspace)!, Actor, stopping)
            : throw new EngineException("console-needed", ErrorKind.Unavailable, "no console runs, whose workers back up the parts of a set side by side", "Start it (drconsole serve), then ask again."));
    }

    private static Command Rotate(ConsoleOptions options)
    {
        var workspace = new Argument<string>("WORKSPACE");
        var command = new Command("rotate-keys", "begin a new encryption epoch with new key slots in all tiers") { workspace };
        return OnRun(command, options, (session, parsed, stopping) => session.Get<WorkspaceRequests>().RotateAsync(parsed.GetValue(workspace)!, Actor, stopping));
    }

    private static Command Shred(ConsoleOptions options)
    {
        var workspace = new Argument<string>("WORKSPACE");
        var confirm = new Option<string>("--confirm") { Description = "the workspace's name again: there is no way back", HelpName = "WORKSPACE", Required = true };
        var command = new Command("shred", "delete a workspace's keys in all tiers, so that nobody ever reads its backups again") { workspace, confirm };
        return OnRun(command, options, (session, parsed, stopping) =>
            session.Get<WorkspaceRequests>().ShredAsync(parsed.GetValue(workspace)!, parsed.GetValue(confirm)!, Actor, stopping));
    }

    private static Command OnRun(Command command, ConsoleOptions options, Func<CatalogSession, ParseResult, CancellationToken, Task<Run>> ask)
    {
        options.AddTo(command);
        command.SetAction((parsed, stopping) => CommandRunner.RunAsync(async () =>
        {
            await using var session = await CatalogSession.OpenAsync(parsed, options, stopping);
            var run = await session.FinishAsync((await ask(session, parsed, stopping)).Id, stopping);
            Console.WriteLine($"{run.Id} {run.State.ToString().ToLowerInvariant()}");
            return CatalogSession.ExitCodeOf(run);
        }));
        return command;
    }
}
