using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Hexabase.DrConsole.Engine.Storage.S3;
using Hexabase.DrConsole.Engine.Storage.Sftp;

namespace Hexabase.DrConsole.Engine.Storage;

/// <summary>
/// Where a store is: <c>file:///path</c>, <c>s3://bucket/prefix?…</c> or <c>sftp://user@host:22/path?…</c>. Never holds a
/// secret: credentials are named by file or by environment variable.
/// </summary>
/// <param name="Path">The absolute path of the directory; for S3 the prefix within the bucket, without slashes at its ends.</param>
public sealed record StoreUrl(string Path)
{
    /// <summary>What an S3 store needs to know besides its prefix; null for the other schemes.</summary>
    public S3Location? S3 { get; init; }

    /// <summary>What an SFTP store needs to know besides its path; null for the other schemes.</summary>
    public SftpLocation? Sftp { get; init; }

    /// <summary><c>file</c>, <c>s3</c> or <c>sftp</c>.</summary>
    public string Scheme => S3 is not null ? "s3" : Sftp is not null ? "sftp" : "file";

    /// <summary>The directory on this machine, or null where the store is elsewhere.</summary>
    public string? LocalFolder => S3 is null && Sftp is null ? Path : null;

    /// <summary>The URL without options that only say how to get there; for messages and pages.</summary>
    [SuppressMessage("Design", "CA1056:URI-like properties should not be strings", Justification = "Shown to people, never requested.")]
    public string Display => S3 is not null ? S3.Display(Path) : Sftp is not null ? Sftp.Display(Path) : ToString();

    /// <summary>The files that the URL names, each with its option: credentials, keys, certificates.</summary>
    public IEnumerable<(string Option, string Path)> Files => S3?.Files ?? Sftp?.Files ?? [];

    /// <summary>Those of the files that hold a secret.</summary>
    public IEnumerable<string> SecretFiles => Files.Where(file => file.Option is not ("ca" or "knownHosts")).Select(file => file.Path);

    /// <summary>
    /// The place that the URL means, however it is written: two tiers whose places are equal, or of which one lies inside the
    /// other, are one store.
    /// </summary>
    public string Place => S3 is not null ? S3.Place(Path) : Sftp is not null ? Sftp.Place(Path) : "file:" + LinkResolution.Resolve(Path);

    /// <summary>Reads a store's URL.</summary>
    /// <param name="url">The URL.</param>
    /// <param name="relativeTo">The folder at which relative paths in it start; the working directory where null.</param>
    /// <exception cref="EngineException">Code <c>store-url-invalid</c>, kind Input, with every mistake in it.</exception>
    [SuppressMessage("Design", "CA1054:URI-like parameters should not be strings", Justification = "file:relative/path is no System.Uri.")]
    public static StoreUrl Parse(string url, string? relativeTo = null)
    {
        var reader = new StoreUrlReader(url, relativeTo ?? Environment.CurrentDirectory);
        return reader.Scheme switch
        {
            "file" => ReadFile(reader),
            "s3" => S3Location.Read(reader),
            "sftp" => SftpLocation.Read(reader),
            _ => throw new UnreachableException(reader.Scheme),
        };
    }

    /// <summary>The URL of a folder below, for example a workspace's repository.</summary>
    public StoreUrl Combine(string name) => this with
    {
        Path = S3 is null ? System.IO.Path.Combine(Path, name) : Path.Length == 0 ? name : $"{Path}/{name}",
    };

    /// <summary>Opens the store with connections of its own. Nothing is made or asked before the first call.</summary>
    /// <exception cref="EngineException">A credential or key that the URL names cannot be read.</exception>
    public IObjectStore Open(TimeProvider? time = null) => StoreConnection.To(this, time).OpenAndOwn();

    /// <inheritdoc/>
    public override string ToString() => S3?.ToUrl(Path) ?? Sftp?.ToUrl(Path) ?? "file://" + StoreUrlReader.Escape(Path);

    private static StoreUrl ReadFile(StoreUrlReader reader)
    {
        if (reader.Authority is { Length: > 0 })
        {
            reader.Problem("a local directory has no host; write file:///absolute/path or file:relative/path");
        }

        if (reader.Path.Length == 0 || reader.Path.Contains('\0', StringComparison.Ordinal))
        {
            reader.Problem("no directory is named");
        }

        reader.AllowOnly();
        reader.ThrowIfWrong("write a directory as file:///absolute/path");
        var full = reader.FullPath(reader.Path);
        return new StoreUrl(full.Length > 1 ? full.TrimEnd('/') : full);
    }
}
