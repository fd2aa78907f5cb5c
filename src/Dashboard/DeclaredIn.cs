using Microsoft.Extensions.Configuration.Json;

namespace Hexabase.DrConsole.Dashboard;

/// <summary>Tells which file, or which other provider, a part of the configuration comes from.</summary>
/// <param name="configuration">What the console was started with.</param>
public sealed class DeclaredIn(IConfigurationRoot configuration)
{
    /// <summary>The file that declares a class; where none does, the one that declares the sources; null where no file does.</summary>
    public string? OfClass(string name) => Of($"DrConsole:Classes:{name}") ?? Of("DrConsole:Sources");

    /// <summary>The path of the last file that says anything of a section, or null.</summary>
    public string? Of(string section) => configuration.Providers.Reverse().OfType<JsonConfigurationProvider>()
        .Where(provider => provider.GetChildKeys([], section).Any()).Select(PathOf).FirstOrDefault(path => path is not null);

    private static string? PathOf(JsonConfigurationProvider provider) =>
        provider.Source is { FileProvider: { } files, Path: { } name } ? files.GetFileInfo(name).PhysicalPath : null;
}
