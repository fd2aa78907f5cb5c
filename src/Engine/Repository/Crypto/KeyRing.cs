using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Crypto;

/// <summary>
/// The keys of an open repository. All come from the 32-byte master: one for chunk ids, one for blobs, one for objects, one for
/// the chunker; salted with the repository id, so two repositories never share a key even under one master. From epoch 1 on
/// blobs and objects have keys of a random secret of their own, which the master does not give away; ids and cuts stay, so
/// that a new epoch does not store everything anew.
/// </summary>
internal sealed class KeyRing : IDisposable
{
    private readonly byte[] _master;
    private readonly byte[] _id;
    private readonly KeyedHash _identity;
    private readonly byte[] _wal;
    private readonly SortedDictionary<uint, EpochKeys> _epochs = [];

    /// <param name="repositoryId">The repository.</param>
    /// <param name="master">32 bytes; owned from now on.</param>
    /// <param name="secrets">The secrets of the epochs from 1 on, each 32 bytes; copied.</param>
    public KeyRing(Guid repositoryId, byte[] master, IReadOnlyDictionary<uint, byte[]>? secrets = null)
    {
        RepositoryId = repositoryId;
        _master = master;
        _id = Derive(master, "id");
        _identity = new KeyedHash(_id);
        _wal = Derive(master, "wal");
        _epochs.Add(0, KeysOf(master, null));
        foreach (var (epoch, secret) in secrets ?? new Dictionary<uint, byte[]>())
        {
            _epochs.Add(epoch, KeysOf(secret, [.. secret]));
        }

        Epoch = _epochs.Keys.Max();
        var chunker = Derive(master, "chunker");
        GearSeed = HKDF.Expand(HashAlgorithmName.SHA256, chunker, 256 * sizeof(ulong), "drconsole v1 gear"u8.ToArray());
        CryptographicOperations.ZeroMemory(chunker);
    }

    public Guid RepositoryId { get; }

    /// <summary>The epoch in which new blobs and objects are encrypted: the newest.</summary>
    public uint Epoch { get; }

    /// <summary>2,048 secret bytes: the gear table as little-endian words, so that chunk lengths do not betray known content.</summary>
    public byte[] GearSeed { get; }

    /// <summary>The master, for a new key slot. Do not keep it.</summary>
    public ReadOnlySpan<byte> Master => _master;

    /// <summary>The secrets of the epochs from 1 on. Do not keep them.</summary>
    public IReadOnlyDictionary<uint, byte[]> Secrets => _epochs.Where(pair => pair.Value.Secret is not null).ToDictionary(pair => pair.Key, pair => pair.Value.Secret!);

    /// <summary>True where blobs and objects of an epoch can be opened.</summary>
    public bool Knows(uint epoch) => _epochs.ContainsKey(epoch);

    public ChunkId IdentityOf(ReadOnlySpan<byte> plain)
    {
        Span<byte> digest = stackalloc byte[ChunkId.Length];
        _identity.Hash(plain, digest);
        return new ChunkId(digest);
    }

    /// <summary>A name for WAL streams and a digest for WAL objects, as hex digits; says nothing to whoever lacks the key.</summary>
    public string WalDigest(ReadOnlySpan<byte> plain, int digits)
    {
        Span<byte> digest = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(_wal, plain, digest);
        return Convert.ToHexStringLower(digest[..(digits / 2)]);
    }

    /// <summary>The cipher of one blob. The key depends on the plaintext's id, so a random nonce can never repeat under it in practice.</summary>
    public AesGcm BlobCipher(ChunkId id, uint epoch)
    {
        // HKDF-Expand of one block, which is one HMAC: chunks are small and many.
        Span<byte> info = stackalloc byte[ChunkId.Length + sizeof(uint) + 1];
        id.CopyTo(info);
        BinaryPrimitives.WriteUInt32LittleEndian(info[ChunkId.Length..], epoch);
        info[^1] = 1;
        Span<byte> key = stackalloc byte[HMACSHA256.HashSizeInBytes];
        _epochs[epoch].BlobKeys.Hash(info, key);
        return new AesGcm(key, 16);
    }

    /// <summary>The cipher of one object, by the object's random 32-byte salt.</summary>
    public AesGcm ObjectCipher(ReadOnlySpan<byte> salt, uint epoch)
    {
        Span<byte> key = stackalloc byte[32];
        HKDF.Expand(HashAlgorithmName.SHA256, _epochs[epoch].Metadata, key, salt);
        return new AesGcm(key, 16);
    }

    /// <summary>The same keys with a life of their own, for another tier.</summary>
    public KeyRing Copy() => new(RepositoryId, [.. _master], Secrets);

    public void Dispose()
    {
        _identity.Dispose();
        CryptographicOperations.ZeroMemory(_master);
        CryptographicOperations.ZeroMemory(_id);
        CryptographicOperations.ZeroMemory(_wal);
        CryptographicOperations.ZeroMemory(GearSeed);
        foreach (var keys in _epochs.Values)
        {
            keys.BlobKeys.Dispose();
            CryptographicOperations.ZeroMemory(keys.Encryption);
            CryptographicOperations.ZeroMemory(keys.Metadata);
            CryptographicOperations.ZeroMemory(keys.Secret);
        }
    }

    private EpochKeys KeysOf(byte[] from, byte[]? secret) => new(Derive(from, "enc"), Derive(from, "meta"), secret);

    private byte[] Derive(byte[] from, string purpose) => HKDF.DeriveKey(
        HashAlgorithmName.SHA256, from, 32, RepositoryId.ToByteArray(bigEndian: true), Encoding.ASCII.GetBytes($"drconsole v1 {purpose}"));

    private sealed record EpochKeys(byte[] Encryption, byte[] Metadata, byte[]? Secret)
    {
        public KeyedHash BlobKeys { get; } = new(Encryption);
    }
}
