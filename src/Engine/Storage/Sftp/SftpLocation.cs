using System.Globalization;

namespace Hexabase.DrConsole.Engine.Storage.Sftp;

/// <summary>A remote site by SFTP but for its path: who logs in where, and which host key is trusted.</summary>
public sealed record SftpLocation
{
    private const string Hint = "write sftp://user@host:22/absolute/path?identity=/path/to/key&hostKey=SHA256:…";
    private const int UsualConnections = 4;

    public required string User { get; init; }

    public required string Host { get; init; }

    public int Port { get; init; } = 22;

    /// <summary>The private key's file.</summary>
    public string? Identity { get; init; }

    /// <summary>A file whose first line is the private key's own passphrase.</summary>
    public string? PassphraseFile { get; init; }

    /// <summary>A file whose first line is the user's password.</summary>
    public string? PasswordFile { get; init; }

    /// <summary>A file in OpenSSH's format; the user's and the system's where null.</summary>
    public string? KnownHosts { get; init; }

    /// <summary>Fingerprints <c>SHA256:…</c> of the host keys to trust, instead of a file.</summary>
    public IReadOnlyList<string> HostKeys { get; init; } = [];

    /// <summary>How many connections are held at most for whole operations, and as many again for streams.</summary>
    public int Connections { get; init; } = UsualConnections;

    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the server's answer may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary><c>host:port</c>, for messages.</summary>
    public string Address => Host.Contains(':', StringComparison.Ordinal)
        ? string.Create(CultureInfo.InvariantCulture, $"[{Host}]:{Port}")
        : string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port}");

    internal IEnumerable<(string Option, string Path)> Files => new[]
    {
        ("identity", Identity), ("passphraseFile", PassphraseFile), ("passwordFile", PasswordFile), ("knownHosts", KnownHosts),
    }.Where(file => file.Item2 is not null).Select(file => (file.Item1, file.Item2!));

    internal static StoreUrl Read(StoreUrlReader reader)
    {
        reader.AllowOnly("identity", "passphraseFile", "passwordFile", "knownHosts", "hostKey", "connections", "connectTimeout", "timeout");
        var authority = reader.Authority ?? "";
        var at = authority.LastIndexOf('@');
        var user = at < 0 ? "" : authority[..at];
        if (user.Contains(':', StringComparison.Ordinal))
        {
            reader.Problem("a password does not belong in a URL; name a file with passwordFile=FILE");
        }
        else if (user.Length == 0)
        {
            reader.Problem("no user is named");
        }

        var (host, port) = reader.SplitHost(authority[(at + 1)..]);
        if (host.Length == 0)
        {
            reader.Problem("no host is named");
        }

        if (!reader.Path.StartsWith('/') || reader.Path.Trim('/').Length == 0 || reader.Path.Any(char.IsControl)
            || reader.Path.Split('/').Any(part => part is "." or ".."))
        {
            reader.Problem("no absolute path of a directory is named");
        }

        if (reader.Text("identity") is null && reader.Text("passwordFile") is null)
        {
            reader.Problem("neither identity=FILE (a private key) nor passwordFile=FILE is given");
        }

        var fingerprints = (reader.Text("hostKey") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (fingerprints.Any(one => !one.StartsWith("SHA256:", StringComparison.Ordinal) || one.TrimEnd('=').Length != "SHA256:".Length + 43))
        {
            reader.Problem("hostKey is not a fingerprint as ssh-keygen -l prints it (SHA256: and 43 letters)");
        }

        var location = new SftpLocation
        {
            User = Uri.UnescapeDataString(user),
            Host = host,
            Port = port ?? 22,
            Identity = reader.File("identity"),
            PassphraseFile = reader.File("passphraseFile"),
            PasswordFile = reader.File("passwordFile"),
            KnownHosts = reader.File("knownHosts"),
            HostKeys = [.. fingerprints.Select(one => one.TrimEnd('='))],
            Connections = reader.Number("connections", 1, 64) ?? UsualConnections,
            ConnectTimeout = reader.Seconds("connectTimeout") ?? TimeSpan.FromSeconds(10),
            Timeout = reader.Seconds("timeout") ?? TimeSpan.FromSeconds(60),
        };
        reader.ThrowIfWrong(Hint);
        return new StoreUrl("/" + string.Join('/', reader.Path.Split('/', StringSplitOptions.RemoveEmptyEntries))) { Sftp = location };
    }

    internal string Display(string path) => $"sftp://{Uri.EscapeDataString(User)}@{Address}{StoreUrlReader.Escape(path)}";

    internal string Place(string path) => $"sftp:{(Host is "localhost" ? "127.0.0.1" : Host.ToLowerInvariant())}:{Port}{path}";

    internal string ToUrl(string path) => Display(path) + StoreUrlReader.Query(
        ("identity", Identity),
        ("passphraseFile", PassphraseFile),
        ("passwordFile", PasswordFile),
        ("knownHosts", KnownHosts),
        ("hostKey", HostKeys.Count == 0 ? null : string.Join(',', HostKeys)),
        ("connections", Connections == UsualConnections ? null : Connections.ToString(CultureInfo.InvariantCulture)),
        ("connectTimeout", SecondsText(ConnectTimeout, 10)),
        ("timeout", SecondsText(Timeout, 60)));

    private static string? SecondsText(TimeSpan value, int usual) =>
        value == TimeSpan.FromSeconds(usual) ? null : ((int)value.TotalSeconds).ToString(CultureInfo.InvariantCulture);
}
