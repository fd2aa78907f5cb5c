using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Hexabase.DrConsole.Engine.Storage.Sftp;

/// <summary>
/// The host keys that files in OpenSSH's <c>known_hosts</c> format give for one host: plain and hashed names, patterns,
/// <c>@revoked</c>. Certificate authorities are passed over.
/// </summary>
internal sealed class KnownHosts
{
    private readonly List<(string Type, byte[] Key)> _known = [];
    private readonly List<byte[]> _revoked = [];

    private KnownHosts()
    {
    }

    /// <summary>Keys that the host is known by.</summary>
    public IReadOnlyList<(string Type, byte[] Key)> Known => _known;

    /// <summary>Reads what is there; files that do not exist hold nothing.</summary>
    public static KnownHosts Read(IEnumerable<string> files, string host, int port)
    {
        var found = new KnownHosts();
        var name = port == 22 ? host : string.Create(CultureInfo.InvariantCulture, $"[{host}]:{port}");
        foreach (var line in files.Where(File.Exists).SelectMany(File.ReadLines))
        {
            found.Add(line, name.ToLowerInvariant());
        }

        return found;
    }

    public bool IsKnown(byte[] key) => !IsRevoked(key) && _known.Any(known => known.Key.AsSpan().SequenceEqual(key));

    public bool IsRevoked(byte[] key) => _revoked.Any(revoked => revoked.AsSpan().SequenceEqual(key));

    private void Add(string line, string host)
    {
        var words = line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        var marker = words.Length > 0 && words[0].StartsWith('@') ? words[0] : null;
        if (marker is not null)
        {
            words = words[1..];
        }

        if (words.Length < 3 || words[0].StartsWith('#') || marker is not (null or "@revoked") || !IsFor(words[0], host))
        {
            return;
        }

        // A line that was cut by hand is no key; the host then is unknown, which is said.
        var key = new byte[words[2].Length];
        if (Convert.TryFromBase64String(words[2], key, out var length))
        {
            if (marker is null)
            {
                _known.Add((words[1], key[..length]));
            }
            else
            {
                _revoked.Add(key[..length]);
            }
        }
    }

    private static bool IsFor(string names, string host)
    {
        if (names.StartsWith("|1|", StringComparison.Ordinal))
        {
            return IsHashOf(names, host);
        }

        var matches = false;
        foreach (var name in names.ToLowerInvariant().Split(','))
        {
            if (name.StartsWith('!') && Matches(name.AsSpan(1), host))
            {
                return false;
            }

            matches |= Matches(name, host);
        }

        return matches;
    }

    private static bool IsHashOf(string hashed, string host)
    {
        var parts = hashed.Split('|');
        var salt = new byte[64];
        var hash = new byte[64];
#pragma warning disable CA5350 // HMAC-SHA1 is what the file's format is.
        return parts.Length == 4 && Convert.TryFromBase64String(parts[2], salt, out var saltLength) && Convert.TryFromBase64String(parts[3], hash, out var hashLength)
            && HMACSHA1.HashData(salt.AsSpan(0, saltLength), Encoding.UTF8.GetBytes(host)).AsSpan().SequenceEqual(hash.AsSpan(0, hashLength));
#pragma warning restore CA5350
    }

    /// <summary><c>*</c> is any run of letters, <c>?</c> any one.</summary>
    private static bool Matches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> text)
    {
        if (pattern.IsEmpty)
        {
            return text.IsEmpty;
        }

        if (pattern[0] == '*')
        {
            for (var skipped = 0; skipped <= text.Length; skipped++)
            {
                if (Matches(pattern[1..], text[skipped..]))
                {
                    return true;
                }
            }

            return false;
        }

        return !text.IsEmpty && (pattern[0] == '?' || pattern[0] == text[0]) && Matches(pattern[1..], text[1..]);
    }
}
