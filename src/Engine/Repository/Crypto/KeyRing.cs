using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Crypto;

/// <summary>
/// The keys of an open repository, all derived from the 32-byte master: one for chunk ids, one for blobs, one for objects,
/// one for the chunker. Salted with the repository id, so two repositories never share a key even under one master.
/// </summary>
internal sealed class KeyRing : IDisposable
{
    private readonly byte[] _master;
    private readonly byte[] _id;
    private readonly byte[] _encryption;
    private readonly byte[] _metadata;

    public KeyRing(Guid repositoryId, byte[] master)
    {
        RepositoryId = repositoryId;
        _master = master;
        _id = Derive("id");
        _encryption = Derive("enc");
        _metadata = Derive("meta");
        var chunker = Derive("chunker");
        GearSeed = HKDF.Expand(HashAlgorithmName.SHA256, chunker, 256 * sizeof(ulong), "drconsole v1 gear"u8.ToArray());
        CryptographicOperations.ZeroMemory(chunker);
    }

    public Guid RepositoryId { get; }

    /// <summary>2,048 secret bytes: the gear table as little-endian words, so that chunk lengths do not betray known content.</summary>
    public byte[] GearSeed { get; }

    public ChunkId IdentityOf(ReadOnlySpan<byte> plain)
    {
        Span<byte> digest = stackalloc byte[ChunkId.Length];
        HMACSHA256.HashData(_id, plain, digest);
        return new ChunkId(digest);
    }

    /// <summary>The cipher of one blob. The key depends on the plaintext's id, so a random nonce can never repeat under it in practice.</summary>
    public AesGcm BlobCipher(ChunkId id, uint epoch)
    {
        Span<byte> info = stackalloc byte[ChunkId.Length + sizeof(uint)];
        id.CopyTo(info);
        BinaryPrimitives.WriteUInt32LittleEndian(info[ChunkId.Length..], epoch);
        Span<byte> key = stackalloc byte[32];
        HKDF.Expand(HashAlgorithmName.SHA256, _encryption, key, info);
        return new AesGcm(key, 16);
    }

    /// <summary>The cipher of one object, by the object's random 32-byte salt.</summary>
    public AesGcm ObjectCipher(ReadOnlySpan<byte> salt)
    {
        Span<byte> key = stackalloc byte[32];
        HKDF.Expand(HashAlgorithmName.SHA256, _metadata, key, salt);
        return new AesGcm(key, 16);
    }

    /// <summary>The same keys with a life of their own, for another tier.</summary>
    public KeyRing Copy() => new(RepositoryId, [.. _master]);

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_master);
        CryptographicOperations.ZeroMemory(_id);
        CryptographicOperations.ZeroMemory(_encryption);
        CryptographicOperations.ZeroMemory(_metadata);
        CryptographicOperations.ZeroMemory(GearSeed);
    }

    private byte[] Derive(string purpose) => HKDF.DeriveKey(
        HashAlgorithmName.SHA256, _master, 32, RepositoryId.ToByteArray(bigEndian: true), Encoding.ASCII.GetBytes($"drconsole v1 {purpose}"));
}
