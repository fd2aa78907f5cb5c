using System.Globalization;

namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>
/// A store's URL taken apart by hand, so that every mistake in it is reported at once and none of its text that could be a
/// secret is repeated.
/// </summary>
internal sealed class StoreUrlReader
{
    private static readonly string[] Schemes = ["file", "s3", "sftp"];
    private readonly Dictionary<string, string> _options = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<string> _problems = [];
    private readonly string _relativeTo;

    public StoreUrlReader(string url, string relativeTo)
    {
        _relativeTo = relativeTo;
        var colon = url.IndexOf(':', StringComparison.Ordinal);
        Scheme = colon > 0 ? url[..colon].ToLowerInvariant() : "";
        if (!Schemes.Contains(Scheme))
        {
            throw new EngineException(
                "store-url-invalid", ErrorKind.Input,
                colon > 0 ? $"stores of type {Scheme}: are not known" : $"'{Redact(url)}' is not a store's URL",
                "write file:///absolute/path, s3://bucket/prefix or sftp://user@host:22/path");
        }

        var rest = url[(colon + 1)..];
        // A directory's name may hold a question mark; the other schemes have options.
        var question = Scheme == "file" ? -1 : rest.IndexOf('?', StringComparison.Ordinal);
        if (question >= 0)
        {
            ReadOptions(rest[(question + 1)..]);
            rest = rest[..question];
        }

        if (rest.StartsWith("//", StringComparison.Ordinal))
        {
            rest = rest[2..];
            var slash = rest.IndexOf('/', StringComparison.Ordinal);
            Authority = slash < 0 ? rest : rest[..slash];
            rest = slash < 0 ? "" : rest[slash..];
        }

        Path = Uri.UnescapeDataString(rest);
    }

    public string Scheme { get; }

    /// <summary>What stands between <c>//</c> and the path; null where there is no <c>//</c>.</summary>
    public string? Authority { get; }

    /// <summary>The path, unescaped.</summary>
    public string Path { get; }

    public void Problem(string what) => _problems.Add(what);

    public void AllowOnly(params string[] names)
    {
        foreach (var name in _options.Keys.Where(name => !names.Contains(name, StringComparer.OrdinalIgnoreCase)))
        {
            Problem($"there is no option '{Redact(name)}'; known are {string.Join(", ", names)}");
        }
    }

    public string? Text(string name) => _options.TryGetValue(name, out var value) && value.Length > 0 ? value : null;

    /// <summary>A file's absolute path; <c>~/</c> is the user's home.</summary>
    public string? File(string name) => Text(name) is { } value ? FullPath(value) : null;

    public bool? Flag(string name)
    {
        if (Text(name) is not { } text)
        {
            return null;
        }

        if (bool.TryParse(text, out var value))
        {
            return value;
        }

        Problem($"{name} is neither true nor false");
        return null;
    }

    public int? Number(string name, int least, int most)
    {
        if (Text(name) is not { } text)
        {
            return null;
        }

        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most)
        {
            return value;
        }

        Problem($"{name} is not a whole number from {least} to {most}");
        return null;
    }

    public TimeSpan? Seconds(string name) => Number(name, 1, 86_400) is { } seconds ? TimeSpan.FromSeconds(seconds) : null;

    public T? Choice<T>(string name)
        where T : struct, Enum
    {
        if (Text(name) is not { } text)
        {
            return null;
        }

        if (Enum.TryParse<T>(text, ignoreCase: true, out var value) && Enum.IsDefined(value) && !char.IsAsciiDigit(text[0]))
        {
            return value;
        }

        Problem($"{name} is none of {string.Join(", ", Enum.GetNames<T>().Select(Camel))}");
        return null;
    }

    /// <summary>Throws where anything was wrong, with all of it in one message.</summary>
    public void ThrowIfWrong(string hint)
    {
        if (_problems.Count > 0)
        {
            throw new EngineException("store-url-invalid", ErrorKind.Input, $"the {Scheme}: store's URL is wrong: {string.Join("; ", _problems)}", hint);
        }
    }

    public string FullPath(string path)
    {
        if (path.StartsWith("~/", StringComparison.Ordinal))
        {
            return System.IO.Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify), path[2..]);
        }

        return path.Contains('\0', StringComparison.Ordinal) ? path : System.IO.Path.GetFullPath(path, _relativeTo);
    }

    /// <summary>Splits <c>host:port</c>, also <c>[::1]:port</c>; the port is null where none is written.</summary>
    public (string Host, int? Port) SplitHost(string text)
    {
        var end = text.StartsWith('[') ? text.IndexOf(']', StringComparison.Ordinal) + 1 : 0;
        var colon = text.IndexOf(':', Math.Max(end, 0));
        if (colon < 0)
        {
            return (text.Trim('[', ']'), null);
        }

        if (!int.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port is < 1 or > 65535)
        {
            Problem("the port is not a number from 1 to 65535");
        }

        return (text[..colon].Trim('[', ']'), port);
    }

    public static string Camel(string name) => char.ToLowerInvariant(name[0]) + name[1..];

    /// <summary>Escapes what a path or an option's value must not hold as it is, and leaves it readable else.</summary>
    public static string Escape(string text) =>
        Uri.EscapeDataString(text).Replace("%2F", "/", StringComparison.Ordinal).Replace("%3A", ":", StringComparison.Ordinal)
            .Replace("%2B", "+", StringComparison.Ordinal).Replace("%3D", "=", StringComparison.Ordinal).Replace("%2C", ",", StringComparison.Ordinal);

    /// <summary>Options that are set as a query.</summary>
    public static string Query(params (string Name, string? Value)[] options)
    {
        var set = options.Where(option => option.Value is not null).Select(option => $"{option.Name}={Escape(option.Value!)}").ToList();
        return set.Count == 0 ? "" : "?" + string.Join('&', set);
    }

    private static string Redact(string text)
    {
        var at = text.LastIndexOf('@');
        var kept = at < 0 ? text : "…" + text[at..];
        return kept.Length > 100 ? kept[..100] + "…" : kept;
    }

    private void ReadOptions(string query)
    {
        foreach (var part in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            var name = Uri.UnescapeDataString(equals < 0 ? part : part[..equals]);
            if (!_options.TryAdd(name, equals < 0 ? "" : Uri.UnescapeDataString(part[(equals + 1)..])))
            {
                Problem($"the option '{Redact(name)}' is given twice");
            }
        }
    }
}
