namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>Reads a source's <c>Volume</c>.</summary>
internal static class VolumeConfiguration
{
    private static readonly TimeSpan s_longestTimeout = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan s_longestFreeze = TimeSpan.FromHours(1);

    public static VolumeSettings Read(ConfigurationReader settings)
    {
        settings.AllowOnly("Path", "Exclude", "OneFileSystem", "RequireMount", "MayBeEmptied", "FreezeCommand", "ThawCommand", "Fsfreeze", "HookTimeout", "FrozenLimit", "Node");
        settings.RequiredText("Path");
        var node = settings.Text("Node");
        if (node is not null && !EstateConfiguration.NameShape().IsMatch(node))
        {
            settings.Problem("Node", $"'{node}' is not a name; use lower-case letters, digits, '.', '_' and '-'");
        }

        return new VolumeSettings(System.IO.Path.TrimEndingDirectorySeparator(settings.FilePath("Path") ?? ""))
        {
            Exclude = [.. settings.Items("Exclude").Select(item => settings.Section("Exclude").Text(item.Key)).OfType<string>()],
            OneFileSystem = settings.Flag("OneFileSystem", false),
            RequireMount = settings.Text("RequireMount") is null ? null : settings.Flag("RequireMount", false),
            MayBeEmptied = settings.Flag("MayBeEmptied", false),
            Hooks = ReadHooks(settings),
            Node = node,
        };
    }

    private static VolumeHooks? ReadHooks(ConfigurationReader settings)
    {
        var (freeze, thaw) = (settings.Words("FreezeCommand"), settings.Words("ThawCommand"));
        var isFsfreeze = settings.Flag("Fsfreeze", false);
        foreach (var (key, words, other) in new[] { ("FreezeCommand", freeze, thaw), ("ThawCommand", thaw, freeze) })
        {
            if (words is null && other is not null)
            {
                settings.Problem(key, "is missing; what is frozen must be thawed again, and the other way round");
            }
            else if (words is not null && isFsfreeze)
            {
                settings.Problem(key, "does not go with Fsfreeze; choose one of them");
            }
        }

        var timeout = Bounded(settings, "HookTimeout", VolumeHooks.DefaultTimeout, s_longestTimeout);
        var limit = Bounded(settings, "FrozenLimit", VolumeHooks.DefaultFrozenLimit, s_longestFreeze);
        return freeze is not null || isFsfreeze ? new VolumeHooks(freeze, thaw, isFsfreeze, timeout, limit) : null;
    }

    private static TimeSpan Bounded(ConfigurationReader settings, string key, TimeSpan fallback, TimeSpan longest)
    {
        var value = settings.Duration(key, fallback);
        if (value > longest)
        {
            settings.Problem(key, $"{value:c} is longer than {longest:c}; writers would be held up for so long");
        }

        return value;
    }
}
