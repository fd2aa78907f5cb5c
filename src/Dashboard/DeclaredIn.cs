using Microsoft.Extensions.Configuration.Json;

namespace Hexabase.DrConsole.Dashboard;

/// <summary>Tells which file, or which other provider, a part of the configuration comes from.</summary>
/// <param name="configuration">What the console was started with.</param>
public sealed class DeclaredIn(IConfigurationRoot configuration)
{
    /// <summary>The file that declares a class; where none does, the one that declares the sources; null where no file does.</summary>
    public string? OfClass(string name) => Of($"DrConsole:Classes:{name}") ?? Of("DrConsole:Sources");

    /// <summary>What <see cref="OriginOf"/> says of the environment.</summary>
    public const string Environment = "environment";

    /// <summary>Where a value or section that is in effect comes from: a file's path, or <see cref="Environment"/>; null where nothing says it.</summary>
    public string? OriginOf(string key) => configuration.Providers.Reverse().Where(provider => provider.TryGet(key, out _) || provider.GetChildKeys([], key).Any())
        .Select(provider => provider is JsonConfigurationProvider json ? PathOf(json) : Environment).FirstOrDefault();

    /// <summary>The path of the last file that says anything of a section, or null.</summary>
    public string? Of(string section) => configuration.Providers.Reverse().OfType<JsonConfigurationProvider>()
        .Where(provider => provider.GetChildKeys([], section).Any()).Select(PathOf).FirstOrDefault(path => path is not null);

    private static string? PathOf(JsonConfigurationProvider provider) =>
        provider.Source is { FileProvider: { } files, Path: { } name } ? files.GetFileInfo(name).PhysicalPath : null;
}
