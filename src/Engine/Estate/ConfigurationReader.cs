using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.Json;

namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>
/// Reads one configuration section by hand, so that every mistake is reported with its key and what to write instead,
/// all of them at once. The stock binder stops at the first and passes over keys that it does not know.
/// </summary>
internal sealed class ConfigurationReader(IConfigurationRoot root, IConfigurationSection section, List<string> problems)
{
    /// <summary>The section's own key within its parent.</summary>
    public string Key => section.Key;

    /// <summary>The full key, for messages.</summary>
    public string Path => section.Path;

    public ConfigurationReader Section(string key) => new(root, section.GetSection(key), problems);

    public bool Has(string key) => section.GetSection(key).Exists();

    /// <summary>True also where the key is there with nothing in it, which <see cref="Has"/> cannot tell from one that is absent.</summary>
    public bool IsNamed(string key) => section.GetChildren().Any(child => string.Equals(child.Key, key, StringComparison.OrdinalIgnoreCase));

    public IEnumerable<ConfigurationReader> Items(string key) =>
        section.GetSection(key).GetChildren().Select(child => new ConfigurationReader(root, child, problems));

    public void Problem(string key, string what) => problems.Add($"{section.Path}:{key}: {what}");

    /// <summary>Reports keys that nobody reads: most are misspelled, and a misspelled safety setting is not set.</summary>
    public void AllowOnly(params string[] keys)
    {
        foreach (var child in section.GetChildren().Where(child => !keys.Contains(child.Key, StringComparer.OrdinalIgnoreCase)))
        {
            problems.Add($"{child.Path}: unknown key; known here are {string.Join(", ", keys)}");
        }
    }

    public string? Text(string key)
    {
        var value = section[key];
        return string.IsNullOrWhiteSpace(value) ? null : value;
    }

    public string RequiredText(string key)
    {
        if (Text(key) is { } value)
        {
            return value;
        }

        Problem(key, "is missing");
        return "";
    }

    public int Number(string key, int fallback, int least, int most)
    {
        if (Text(key) is not { } text)
        {
            return fallback;
        }

        if (int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most)
        {
            return value;
        }

        Problem(key, $"'{text}' is not a whole number from {least} to {most}");
        return fallback;
    }

    /// <summary>A whole number, or null where the key is absent or was reported.</summary>
    public int? OptionalNumber(string key, int least, int most) => Text(key) is null ? null : Number(key, least, least, most);

    public bool Flag(string key, bool fallback)
    {
        if (Text(key) is not { } text)
        {
            return fallback;
        }

        if (bool.TryParse(text, out var value))
        {
            return value;
        }

        Problem(key, $"'{text}' is neither true nor false");
        return fallback;
    }

    public TimeSpan Duration(string key, TimeSpan fallback)
    {
        if (Text(key) is not { } text)
        {
            return fallback;
        }

        if (TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var value) && value > TimeSpan.Zero)
        {
            return value;
        }

        Problem(key, $"'{text}' is not a duration; write hh:mm:ss or d.hh:mm:ss, for example 00:15:00");
        return fallback;
    }

    /// <summary>The same within bounds; one outside them is reported.</summary>
    public TimeSpan Duration(string key, TimeSpan fallback, TimeSpan least, TimeSpan most)
    {
        var read = Duration(key, fallback);
        if (read < least || read > most)
        {
            Problem(key, $"is from {least:c} to {most:c}");
        }

        return read;
    }

    /// <summary>One of an enumeration's names, in any case; null after a problem was reported.</summary>
    public T? Choice<T>(string key, T? fallback)
        where T : struct, Enum
    {
        var text = Text(key);
        if (text is null && fallback is { } chosen)
        {
            return chosen;
        }

        if (text is not null && Enum.TryParse<T>(text, ignoreCase: true, out var value) && Enum.IsDefined(value) && !char.IsDigit(text[0]))
        {
            return value;
        }

        var known = string.Join(", ", Enum.GetNames<T>().Select(name => name.ToLowerInvariant()));
        Problem(key, text is null ? $"is missing; one of {known}" : $"'{text}' is not one of {known}");
        return null;
    }

    /// <summary>A program with its arguments, one entry each; null where the key is absent.</summary>
    public IReadOnlyList<string>? Words(string key)
    {
        if (!Has(key))
        {
            return null;
        }

        List<string> words = [.. Items(key).Select(item => Section(key).Text(item.Key) ?? "")];
        if (words.Count == 0 || words[0].Length == 0)
        {
            Problem(key, "names no program; write it and its arguments as a list");
        }

        return words;
    }

    /// <summary>A path made absolute: one from a file starts at that file's folder, any other at the working directory.</summary>
    public string? FilePath(string key) => Text(key) is { } path ? System.IO.Path.GetFullPath(path, FolderOf(key)) : null;

    /// <summary>The folder at which relative paths of this key start.</summary>
    public string FolderOf(string key)
    {
        var full = ConfigurationPath.Combine(section.Path, key);
        var provider = root.Providers.Reverse().FirstOrDefault(one => one.TryGet(full, out _));
        if (provider is JsonConfigurationProvider { Source.FileProvider: { } files } json && json.Source.Path is { } name
            && files.GetFileInfo(name).PhysicalPath is { } physical)
        {
            return System.IO.Path.GetDirectoryName(physical)!;
        }

        return Directory.GetCurrentDirectory();
    }
}
