using System.Security.Cryptography;

namespace Hexabase.DrConsole.Engine.Storage.Sftp;

/// <summary>
/// Decides whether a server is the one that is meant, before anything secret is sent to it. There is no "accept the first
/// time": a person who cannot be asked would accept anything.
/// </summary>
internal sealed class HostKeyCheck
{
    private readonly SftpLocation _location;
    private readonly KnownHosts _known;

    public HostKeyCheck(SftpLocation location)
    {
        _location = location;
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify);
        IEnumerable<string> files = location.KnownHosts is { } named ? [named] : [Path.Combine(home, ".ssh", "known_hosts"), "/etc/ssh/ssh_known_hosts"];
        _known = KnownHosts.Read(location.HostKeys.Count > 0 ? [] : files, location.Host, location.Port);
    }

    /// <summary>
    /// True where the server should be asked for a key of this algorithm first, because one of that type is known: a server
    /// has several keys, and would else show one that nobody wrote down.
    /// </summary>
    public bool Prefers(string algorithm) => _location.HostKeys.Count > 0
        ? algorithm == "ssh-ed25519"
        : _known.Known.Any(known => known.Type == algorithm || (known.Type == "ssh-rsa" && algorithm.StartsWith("rsa-sha2-", StringComparison.Ordinal)));

    /// <summary>Null where the key is trusted, else why not.</summary>
    public EngineException? Refusal(string type, byte[] key)
    {
        var fingerprint = Fingerprint(key);
        if (_location.HostKeys.Count > 0)
        {
            return _location.HostKeys.Contains(fingerprint, StringComparer.Ordinal) ? null : Changed(type, fingerprint, string.Join(", ", _location.HostKeys));
        }

        if (_known.IsKnown(key))
        {
            return null;
        }

        if (_known.IsRevoked(key))
        {
            return new EngineException(
                "sftp-host-key-revoked", ErrorKind.Denied, $"{_location.Address} shows a host key that is marked as revoked: {fingerprint}",
                "do not use this server until its administrator has given it a new key");
        }

        return _known.Known.Count > 0
            ? Changed(type, fingerprint, string.Join(", ", _known.Known.Select(known => $"{Fingerprint(known.Key)} ({known.Type})")))
            : new EngineException(
                "sftp-host-key-unknown", ErrorKind.Denied, $"the host key of {_location.Address} is not known; it shows {fingerprint} ({type})",
                $"compare it with the server's own (ssh-keygen -lf /etc/ssh/ssh_host_*.pub there), then add hostKey={fingerprint} to the store's URL or the host to known_hosts");
    }

    private static string Fingerprint(byte[] key) => "SHA256:" + Convert.ToBase64String(SHA256.HashData(key)).TrimEnd('=');

    private EngineException Changed(string type, string shown, string expected) => new(
        "sftp-host-key-changed", ErrorKind.Denied, $"{_location.Address} shows another host key than the one on record: {shown} ({type}) instead of {expected}",
        "somebody may stand between you and the server; ask its administrator whether the key was changed, and only then record the new one");
}
