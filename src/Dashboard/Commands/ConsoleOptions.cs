using System.CommandLine;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary>The options that every command of the console's own catalog takes.</summary>
internal sealed class ConsoleOptions
{
    public Option<string?> Config { get; } = new("--config") { Description = "a configuration file (JSON); wins over appsettings.json", HelpName = "FILE" };

    public Option<string?> Data { get; } = new("--data") { Description = "the console's data folder", HelpName = "DIR" };

    public Option<bool> Json { get; } = new("--json") { Description = "print one JSON document on standard output" };

    /// <summary>Adds configuration and data folder to a command.</summary>
    public void AddTo(Command command)
    {
        command.Options.Add(Config);
        command.Options.Add(Data);
    }
}
