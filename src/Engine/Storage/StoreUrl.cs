using System.Diagnostics.CodeAnalysis;

namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>Where a store is: <c>file:///path</c>. Relative paths (<c>file:data/hot</c>) start at a folder that the caller names.</summary>
/// <param name="Path">The absolute path of the directory.</param>
public sealed record StoreUrl(string Path)
{
    private const string FileHint = "write a directory as file:///absolute/path";

    /// <summary>Reads a store's URL.</summary>
    /// <param name="url">The URL.</param>
    /// <param name="relativeTo">The folder at which a relative path starts; the working directory where null.</param>
    /// <exception cref="EngineException">Kind Input for what is no store's URL, Unsupported for a scheme of a later version.</exception>
    [SuppressMessage("Design", "CA1054:URI-like parameters should not be strings", Justification = "file:relative/path is no System.Uri.")]
    public static StoreUrl Parse(string url, string? relativeTo = null)
    {
        var colon = url.IndexOf(':', StringComparison.Ordinal);
        var scheme = colon > 0 ? url[..colon].ToLowerInvariant() : "";
        switch (scheme)
        {
            case "file":
                break;
            case "s3" or "sftp":
                throw new EngineException(
                    "store-not-supported", ErrorKind.Unsupported, $"stores of type {scheme}:// are not supported yet: part of a later version",
                    $"use a local directory for now; {FileHint}");
            case "":
                throw new EngineException("store-url-invalid", ErrorKind.Input, $"'{url}' is not a store's URL", FileHint);
            default:
                throw new EngineException("store-url-invalid", ErrorKind.Input, $"stores of type {scheme}:// are not known", FileHint);
        }

        var rest = url[(colon + 1)..];
        if (rest.StartsWith("//", StringComparison.Ordinal))
        {
            rest = rest[2..];
            if (!rest.StartsWith('/'))
            {
                throw new EngineException(
                    "store-url-invalid", ErrorKind.Input, $"'{url}' names a host, which a local directory has not",
                    $"{FileHint}, or file:relative/path");
            }
        }

        var path = Uri.UnescapeDataString(rest);
        if (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal))
        {
            throw new EngineException("store-url-invalid", ErrorKind.Input, $"'{url}' names no directory", FileHint);
        }

        var full = System.IO.Path.GetFullPath(path, relativeTo ?? Environment.CurrentDirectory);
        return new StoreUrl(full.Length > 1 ? full.TrimEnd('/') : full);
    }

    /// <summary>The URL of a folder below, for example a workspace's repository.</summary>
    public StoreUrl Combine(string name) => new(System.IO.Path.Combine(Path, name));

    /// <summary>Opens the store. The directory is made at the first write.</summary>
    public IObjectStore Open(TimeProvider? time = null) => new FileSystemStore(Path, time);

    /// <inheritdoc/>
    public override string ToString() => $"file://{string.Join('/', Path.Split('/').Select(Uri.EscapeDataString))}";
}
