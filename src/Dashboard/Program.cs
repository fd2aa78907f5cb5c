using System.CommandLine;
using Hexabase.DrConsole.Dashboard.Commands;

var root = new RootCommand("Backup, proof and recovery for PostgreSQL, Redis, volumes and virtual clusters.")
{
    ServeCommand.Create(),
    UserCommand.Create(),
    AuditCommand.Create(),
    RepositoryCommand.Create(),
};
foreach (var command in SourceCommands.Create())
{
    root.Subcommands.Add(command);
}

var parsed = root.Parse(args);
// System.CommandLine would end "serve" two seconds after SIGTERM; the host stops in its own order instead.
var code = await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
return parsed.Errors.Count > 0 ? ExitCodes.Usage : code;
