using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace Hexabase.DrConsole.Engine.Repository.Crypto;

/// <summary>
/// HMAC-SHA256 under one key. Setting it up costs more than hashing a small chunk, so what was set up is used again. Thread-safe
/// until it is disposed; the key stays the caller's.
/// </summary>
internal sealed class KeyedHash(byte[] key) : IDisposable
{
    private readonly ConcurrentBag<IncrementalHash> _ready = [];

    /// <summary>Fills <paramref name="digest"/>, 32 bytes.</summary>
    public void Hash(ReadOnlySpan<byte> bytes, Span<byte> digest)
    {
        if (!_ready.TryTake(out var hash))
        {
            hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        }

        hash.AppendData(bytes);
        hash.GetHashAndReset(digest);
        _ready.Add(hash);
    }

    public void Dispose()
    {
        while (_ready.TryTake(out var hash))
        {
            hash.Dispose();
        }
    }
}
