using System.CommandLine;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>release</c>.</summary>
internal static partial class RepositoryCommand
{
    private static Command Release()
    {
        var options = new StoreOptions();
        var id = new Argument<string>("ID") { Description = "the attestation that 'prune --dry-run' names" };
        var reason = new Option<string>("--reason") { Description = "why; stays in the repository", HelpName = "TEXT", Required = true };
        var command = new Command("release", "end a hold, a use or a freeze of retention in this store") { id, options.Store, options.KeyFile, reason, options.Json };
        command.SetAction((parsed, stopping) => WithRepositoryAsync(parsed, options, async repository =>
        {
            var attestation = parsed.GetValue(id)!;
            await repository.EndAsync(attestation, parsed.GetValue(reason)!, stopping);
            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(new { Released = attestation, Store = repository.Info.Url });
            }
            else
            {
                Console.WriteLine($"{attestation} keeps nothing any more in {repository.Info.Url}");
            }

            return ExitCodes.Done;
        }, stopping));
        return command;
    }
}
