using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Storage;

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
    private readonly Lock _lock = new();
    private readonly KeySource? _source;

    /// <summary>Replaced as a whole, never changed: it is read beside <see cref="Take"/>.</summary>
    private volatile SortedDictionary<uint, EpochKeys> _epochs;
    private volatile uint _sealing;

    /// <param name="repositoryId">The repository.</param>
    /// <param name="master">32 bytes; owned from now on.</param>
    /// <param name="secrets">The secrets of the epochs from 1 on, each 32 bytes; copied.</param>
    /// <param name="source">Where to look for the epochs that begin later, owned from now on; null for keys that stay as they are.</param>
    public KeyRing(Guid repositoryId, byte[] master, IReadOnlyDictionary<uint, byte[]>? secrets = null, KeySource? source = null)
    {
        _source = source;
        RepositoryId = repositoryId;
        _master = master;
        _id = Derive(master, "id");
        _identity = new KeyedHash(_id);
        _wal = Derive(master, "wal");
        _epochs = new SortedDictionary<uint, EpochKeys> { [0] = KeysOf(master, null) };
        foreach (var (epoch, secret) in secrets ?? new Dictionary<uint, byte[]>())
        {
            _epochs.Add(epoch, KeysOf(secret, [.. secret]));
        }

        _sealing = Epoch;
        var chunker = Derive(master, "chunker");
        GearSeed = HKDF.Expand(HashAlgorithmName.SHA256, chunker, 256 * sizeof(ulong), "drconsole v1 gear"u8.ToArray());
        CryptographicOperations.ZeroMemory(chunker);
    }

    public Guid RepositoryId { get; }

    /// <summary>The newest epoch.</summary>
    public uint Epoch => _epochs.Keys.Max();

    /// <summary>
    /// The epoch in which new blobs and objects are encrypted: the newest, but for the one before while a rotation has not ended. What a
    /// rotation began may be taken back, and what was encrypted by then would open no more.
    /// </summary>
    public uint SealingEpoch => _sealing;

    /// <summary>2,048 secret bytes: the gear table as little-endian words, so that chunk lengths do not betray known content.</summary>
    public byte[] GearSeed { get; }

    /// <summary>The master, for a new key slot. Do not keep it.</summary>
    public ReadOnlySpan<byte> Master => _master;

    /// <summary>The secrets of the epochs from 1 on. Do not keep them.</summary>
    public IReadOnlyDictionary<uint, byte[]> Secrets => _epochs.Where(pair => pair.Value.Secret is not null).ToDictionary(pair => pair.Key, pair => pair.Value.Secret!);

    /// <summary>True where blobs and objects of an epoch can be opened.</summary>
    public bool Knows(uint epoch) => _epochs.ContainsKey(epoch);

    /// <summary>Looks in the store for an epoch that these keys do not know. Where it is not there either they stay as they are.</summary>
    public ValueTask LearnAsync(uint epoch, CancellationToken ct) => Knows(epoch) || _source is null ? ValueTask.CompletedTask : new ValueTask(_source.LearnAsync(this, epoch, ct));

    /// <summary>Looks in the store for newer keys where its key slots are others than at the last look.</summary>
    /// <returns>True where they were others.</returns>
    public Task<bool> RenewAsync(CancellationToken ct) => _source is null ? Task.FromResult(false) : _source.RenewAsync(this, ct);

    /// <summary>Takes the epochs over that another look at the same repository's keys showed.</summary>
    public void Take(KeyRing newer)
    {
        lock (_lock)
        {
            var epochs = new SortedDictionary<uint, EpochKeys>(_epochs);
            foreach (var (epoch, secret) in newer.Secrets.Where(pair => !epochs.ContainsKey(pair.Key)))
            {
                epochs.Add(epoch, KeysOf(secret, [.. secret]));
            }

            _epochs = epochs;
            _sealing = Math.Max(_sealing, newer.SealingEpoch);
        }
    }

    /// <summary>Encrypts in the epoch before the newest.</summary>
    public void HoldBack() => _sealing = _epochs.Keys.Where(epoch => epoch < Epoch).DefaultIfEmpty().Max();

    /// <summary>The epoch of a slot that the passphrase behind these keys opens; null for others.</summary>
    public uint? EpochOf(KeySlot slot) => _source?.TryUnwrap(slot)?.Epoch;

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

    /// <summary>The same keys with a life of their own.</summary>
    /// <param name="store">The tier that they are for, where later epochs are looked for.</param>
    public KeyRing Copy(IObjectStore store)
    {
        var copy = new KeyRing(RepositoryId, [.. _master], Secrets, _source?.For(store));
        copy._sealing = _sealing;
        return copy;
    }

    public void Dispose()
    {
        _source?.Dispose();
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
