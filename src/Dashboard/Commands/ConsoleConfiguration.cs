using Hexabase.DrConsole.Engine;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary>Gathers the configuration: the file beside the program, the file named by <c>--config</c>, environment variables.</summary>
internal static class ConsoleConfiguration
{
    /// <summary>Loads all sources; later ones win.</summary>
    /// <param name="file">The file of <c>--config</c>, or null.</param>
    /// <exception cref="EngineException">The file is missing or is no JSON.</exception>
    public static IConfigurationRoot Load(string? file)
    {
        var builder = new ConfigurationBuilder()
            .AddJsonFile(Path.Combine(AppContext.BaseDirectory, "appsettings.json"), optional: true, reloadOnChange: false);
        if (file is not null)
        {
            var path = Path.GetFullPath(file);
            if (!File.Exists(path))
            {
                throw new EngineException("configuration-missing", ErrorKind.NotFound, $"there is no configuration file {path}", "Check the path after --config.");
            }

            builder.AddJsonFile(path, optional: false, reloadOnChange: false);
        }

        try
        {
            return builder.AddEnvironmentVariables().Build();
        }
        catch (InvalidDataException fault)
        {
            throw new EngineException("configuration-unreadable", ErrorKind.Input, $"{fault.Message} {fault.GetBaseException().Message}",
                "Correct the JSON and start again; nothing was changed.", fault);
        }
    }
}
