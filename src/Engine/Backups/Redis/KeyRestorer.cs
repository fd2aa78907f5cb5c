using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.RedisProtocol;

namespace Hexabase.DrConsole.Engine.Backups.Redis;

/// <summary>Puts keys into a server, a batch of commands at a time.</summary>
/// <param name="replaces">Which keys are written over what is there; null for none. Any other that is there by then is refused.</param>
internal sealed class KeyRestorer(RedisConnection server, TimeProvider time, Func<StoredKey, bool>? replaces = null)
{
    /// <summary>The error where a key is there that was not when the plan was made.</summary>
    public const string TakenCode = "redis-keys-exist";

    private int _database = -1;

    public long Restored { get; private set; }

    /// <summary>Keys whose time was over: the server makes none of them.</summary>
    public long Expired { get; private set; }

    public async Task RestoreAsync(IReadOnlyList<StoredKey> batch, CancellationToken cancellationToken)
    {
        var asked = new List<StoredKey?>();
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        foreach (var key in batch)
        {
            if (key.IsTooLarge)
            {
                throw TooLarge(key);
            }

            if (key.Database != _database)
            {
                _database = key.Database;
                server.Write(["SELECT", key.Database.ToString(CultureInfo.InvariantCulture)]);
                asked.Add(null);
            }

            if (key.IsOver(now))
            {
                Expired++;
                continue;
            }

            Write(key);
            asked.Add(key);
        }

        await server.SendAsync(cancellationToken);
        EngineException? first = null;
        foreach (var key in asked)
        {
            var answer = await server.ReadAsync(cancellationToken);
            if (answer.IsError)
            {
                first ??= FaultOf(key, answer.Text);
            }
            else if (key is not null)
            {
                Restored++;
            }
        }

        if (first is not null)
        {
            throw first;
        }
    }

    internal static EngineException TooLarge(StoredKey key) => new(
        "redis-value-too-large", ErrorKind.Unsupported, $"the value of key {KeyText.Of(key.Key)} is longer than a server takes in one command ({RdbReader.LongestPayload} bytes)",
        "restore in place with redisdata:/path, or name other keys");

    private void Write(StoredKey key)
    {
        var replace = replaces?.Invoke(key) == true;
        server.BeginCommand(replace ? 6 : 5);
        server.WriteArgument("RESTORE"u8);
        server.WriteArgument(key.Key);
        server.WriteArgument(Encoding.ASCII.GetBytes((key.ExpiresAtMs ?? 0).ToString(CultureInfo.InvariantCulture)));
        server.WriteArgument(key.Payload);
        server.WriteArgument("ABSTTL"u8);
        if (replace)
        {
            server.WriteArgument("REPLACE"u8);
        }
    }

    private EngineException FaultOf(StoredKey? key, string error) => error switch
    {
        _ when key is null => RedisFault.Of(error, server.Endpoint, "SELECT"),
        _ when error.StartsWith("BUSYKEY", StringComparison.Ordinal) => new EngineException(TakenCode, ErrorKind.Conflict,
            $"key {KeyText.Of(key!.Key)} appeared on {server.Endpoint.Address} meanwhile, and was not touched", "make the plan again"),
        _ when error.Contains("version or checksum", StringComparison.Ordinal) => new EngineException("redis-target-older", ErrorKind.Unsupported,
            $"{server.Endpoint.Address} is older than the source and does not read its values", "name a server of the source's version or newer"),
        _ when error.Contains("Bad data format", StringComparison.Ordinal) => new EngineException("redis-value-refused", ErrorKind.Unsupported,
            $"{server.Endpoint.Address} does not take key {KeyText.Of(key!.Key)}: {error}", "it may need a module, or a newer server"),
        _ => RedisFault.Of(error, server.Endpoint, "RESTORE"),
    };
}

/// <summary>A key in messages: as text where it is text, short, and without control characters.</summary>
internal static class KeyText
{
    private const int Longest = 80;

    /// <summary>A key with its database, so that no other has the same text: one that its text alone does not tell bears its digest.</summary>
    public static string Exactly(StoredKey key)
    {
        var text = Of(key.Key);
        var digest = Encoding.UTF8.GetBytes(text).AsSpan().SequenceEqual(key.Key) ? "" : $" SHA-256 {Convert.ToHexStringLower(SHA256.HashData(key.Key))}";
        return string.Create(CultureInfo.InvariantCulture, $"db{key.Database}{digest}:{text}");
    }

    public static string Of(ReadOnlySpan<byte> key)
    {
        if (!System.Text.Unicode.Utf8.IsValid(key))
        {
            return "0x" + Convert.ToHexStringLower(key.Length > Longest ? key[..Longest] : key);
        }

        var text = string.Concat(Encoding.UTF8.GetString(key).Select(one => char.IsControl(one) ? '\uFFFD' : one));
        return text.Length > Longest ? text[..Longest] + "…" : text;
    }
}
