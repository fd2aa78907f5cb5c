using System.CommandLine;
using Hexabase.DrConsole.Dashboard.Commands;

var root = new RootCommand("Backup, proof and recovery for PostgreSQL, Redis, volumes and virtual clusters.")
{
    ServeCommand.Create(),
    WorkerCommand.Create(),
    UserCommand.Create(),
    TokenCommand.Create(),
    AuditCommand.Create(),
    ReportCommand.Create(),
    WorkspaceCommand.Create(),
    WalCommand.Create(),
    RepositoryCommand.Create(),
};
foreach (var command in SourceCommands.Create())
{
    root.Subcommands.Add(command);
}

var parsed = root.Parse(args);
// System.CommandLine would end a command two seconds after the signal; a run takes longer to let go of its tools, and the
// console longer to stop in its own order.
using var termination = new Termination();
var code = await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null }, termination.Token);
return parsed.Errors.Count > 0 ? ExitCodes.Usage : code;
