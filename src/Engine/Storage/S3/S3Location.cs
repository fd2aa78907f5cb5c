using System.Globalization;
using System.Text.RegularExpressions;

namespace Hexabase.DrConsole.Engine.Storage.S3;

/// <summary>When the client sends and expects checksums of its own beside Content-MD5 and our hashes.</summary>
public enum ChecksumMode
{
    /// <summary>Only where the operation demands one: what servers other than AWS understand.</summary>
    WhenRequired,

    /// <summary>Wherever the operation can carry one: AWS's own default.</summary>
    WhenSupported,
}

/// <summary>How an object is locked against deletion until its time is over.</summary>
public enum ObjectLock
{
    /// <summary>Privileged users may still delete it.</summary>
    Governance,

    /// <summary>Nobody may, not even the account's owner.</summary>
    Compliance,
}

/// <summary>An S3 store but for its prefix: server, bucket and how to talk to it.</summary>
public sealed partial record S3Location
{
    private const string Hint = "write s3://bucket/prefix?endpoint=http://host:port&region=us-east-1&pathStyle=true";

    // Objects there are first thawed for hours, so nothing could be checked or restored when it is needed.
    private static readonly string[] FrozenClasses = ["GLACIER", "DEEP_ARCHIVE"];

    public required string Bucket { get; init; }

    /// <summary>The server; null for AWS itself.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>The region that requests are signed for; from <c>AWS_REGION</c>, else us-east-1, where null.</summary>
    public string? Region { get; init; }

    /// <summary>True for <c>host/bucket/key</c>, false for <c>bucket.host/key</c>.</summary>
    public bool PathStyle { get; init; }

    public ChecksumMode Checksum { get; init; }

    /// <summary>The storage class of objects from 128 KiB; smaller ones cost more there than in the standard class.</summary>
    public string? StorageClass { get; init; }

    public ObjectLock? Lock { get; init; }

    /// <summary>How long a new object stays locked.</summary>
    public int LockDays { get; init; }

    /// <summary>A PEM file with the certificate authorities to trust instead of the system's.</summary>
    public string? CaFile { get; init; }

    /// <summary>A file in the format of AWS's shared credentials; else the AWS variables, then the usual profile files.</summary>
    public string? CredentialsFile { get; init; }

    /// <summary>The profile in that file.</summary>
    public string? Profile { get; init; }

    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long an answer, or the next bytes of it, may take; a large upload gets a second more for each 64 KiB.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(60);

    internal IEnumerable<(string Option, string Path)> Files =>
        new[] { ("ca", CaFile), ("credentials", CredentialsFile) }.Where(file => file.Item2 is not null).Select(file => (file.Item1, file.Item2!));

    internal static StoreUrl Read(StoreUrlReader reader)
    {
        reader.AllowOnly("endpoint", "region", "pathStyle", "checksum", "storageClass", "objectLock", "objectLockDays", "ca", "credentials", "profile", "connectTimeout", "timeout");
        var bucket = reader.Authority ?? "";
        if (bucket.Contains('@', StringComparison.Ordinal))
        {
            reader.Problem("credentials do not belong in a URL; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file with credentials=FILE");
        }
        else if (!BucketShape().IsMatch(bucket))
        {
            reader.Problem(bucket.Length == 0 ? "no bucket is named" : "the bucket's name holds other than letters, digits, '.', '_' and '-', or is too short");
        }

        var prefix = reader.Path.Trim('/');
        if (prefix.Split('/').Any(part => part is "." or "..") || prefix.Contains("//", StringComparison.Ordinal) || prefix.Any(char.IsControl))
        {
            reader.Problem("the prefix is not a plain path");
        }

        var endpoint = ReadEndpoint(reader);
        var days = reader.Number("objectLockDays", 1, 36_500);
        var objectLock = reader.Choice<ObjectLock>("objectLock");
        if (reader.Text("objectLock") is null != (reader.Text("objectLockDays") is null))
        {
            reader.Problem("objectLock and objectLockDays belong together");
        }

        var storageClass = reader.Text("storageClass")?.ToUpperInvariant();
        if (FrozenClasses.Contains(storageClass))
        {
            reader.Problem($"objects of class {storageClass} cannot be read at once; use GLACIER_IR or STANDARD_IA");
        }

        var location = new S3Location
        {
            Bucket = bucket,
            Endpoint = endpoint,
            Region = reader.Text("region"),
            PathStyle = reader.Flag("pathStyle") ?? endpoint is not null,
            Checksum = reader.Choice<ChecksumMode>("checksum") ?? (endpoint is null ? ChecksumMode.WhenSupported : ChecksumMode.WhenRequired),
            StorageClass = storageClass,
            Lock = objectLock,
            LockDays = days ?? 0,
            CaFile = reader.File("ca"),
            CredentialsFile = reader.File("credentials"),
            Profile = reader.Text("profile"),
            ConnectTimeout = reader.Seconds("connectTimeout") ?? TimeSpan.FromSeconds(10),
            Timeout = reader.Seconds("timeout") ?? TimeSpan.FromSeconds(60),
        };
        reader.ThrowIfWrong(Hint);
        return new StoreUrl(prefix) { S3 = location };
    }

    internal string Display(string prefix) =>
        $"s3://{Bucket}{(prefix.Length == 0 ? "" : "/" + StoreUrlReader.Escape(prefix))}{StoreUrlReader.Query(("endpoint", EndpointText))}";

    internal string Place(string prefix) =>
        $"s3:{Endpoint?.Authority.ToLowerInvariant().Replace("localhost", "127.0.0.1", StringComparison.Ordinal) ?? "aws"}/{Bucket}/{prefix}".TrimEnd('/');

    internal string ToUrl(string prefix) => $"s3://{Bucket}/{StoreUrlReader.Escape(prefix)}" + StoreUrlReader.Query(
        ("endpoint", EndpointText),
        ("region", Region),
        ("pathStyle", PathStyle == Endpoint is not null ? null : PathStyle ? "true" : "false"),
        ("checksum", Checksum == (Endpoint is null ? ChecksumMode.WhenSupported : ChecksumMode.WhenRequired) ? null : StoreUrlReader.Camel(Checksum.ToString())),
        ("storageClass", StorageClass),
        ("objectLock", Lock?.ToString().ToLowerInvariant()),
        ("objectLockDays", Lock is null ? null : LockDays.ToString(CultureInfo.InvariantCulture)),
        ("ca", CaFile),
        ("credentials", CredentialsFile),
        ("profile", Profile),
        ("connectTimeout", SecondsText(ConnectTimeout, 10)),
        ("timeout", SecondsText(Timeout, 60)));

    private string? EndpointText => Endpoint?.GetLeftPart(UriPartial.Authority);

    private static string? SecondsText(TimeSpan value, int usual) =>
        value == TimeSpan.FromSeconds(usual) ? null : ((int)value.TotalSeconds).ToString(CultureInfo.InvariantCulture);

    private static Uri? ReadEndpoint(StoreUrlReader reader)
    {
        if (reader.Text("endpoint") is not { } text)
        {
            return null;
        }

        if (Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && uri.AbsolutePath == "/" && uri.Query.Length == 0 && uri.UserInfo.Length == 0)
        {
            return uri;
        }

        reader.Problem("endpoint is not http://host:port or https://host:port");
        return null;
    }

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$")]
    private static partial Regex BucketShape();
}
