using System.CommandLine;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Audit;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>drconsole audit verify</c>: walks the hash chain.</summary>
internal static class AuditCommand
{
    public static Command Create()
    {
        var options = new ConsoleOptions();
        var verify = new Command("verify", "recompute the chain's hashes; exit code 3 where one does not hold");
        options.AddTo(verify);
        verify.Options.Add(options.Json);
        verify.SetAction((parsed, stopping) => CommandRunner.RunAsync(async () =>
        {
            var configuration = ConsoleConfiguration.Load(parsed.GetValue(options.Config));
            await using var setup = await EngineSetup.StartAsync(configuration, parsed.GetValue(options.Data), mayBeGuest: true, TimeProvider.System, stopping, CommandRunner.SayWait);
            await using var pool = setup.Connection.OpenPool();
            var found = await AuditLog.VerifyAsync(pool, stopping);
            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(new { found.IsIntact, found.Events, found.Head, found.BrokenAt, found.Reason });
            }
            else
            {
                Console.WriteLine(found.IsIntact
                    ? $"{found.Events} events, unbroken; head {found.Head}"
                    : $"broken at event {found.BrokenAt}: {found.Reason}; {found.Events} events before it hold");
            }

            return found.IsIntact ? ExitCodes.Done : ExitCodes.Damaged;
        }));
        return new Command("audit", "the hash chain of every change") { verify };
    }
}
