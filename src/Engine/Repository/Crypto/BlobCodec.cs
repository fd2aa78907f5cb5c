using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Crypto;

/// <summary>What is wrong with a stored blob; the layers are told apart because validation reports them apart.</summary>
public enum BlobFault
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>No pack that is present holds it.</summary>
    Missing,

    /// <summary>The AES-GCM tag does not fit: a byte was changed, or the key is another.</summary>
    Encryption,

    /// <summary>Decrypted well, but the zstd frame or its length is wrong.</summary>
    Compression,

    /// <summary>Decompressed well, but the HMAC is not the chunk's id.</summary>
    Identity,
}

/// <summary>A pooled buffer with the bytes of a blob. Dispose it once, when nothing reads <see cref="Memory"/> any more.</summary>
internal readonly struct PooledBytes(byte[] buffer, int length) : IDisposable
{
    public ReadOnlyMemory<byte> Memory => buffer.AsMemory(0, length);

    public Memory<byte> WritableMemory => buffer.AsMemory(0, length);

    public Span<byte> Writable => buffer.AsSpan(0, length);

    public ReadOnlySpan<byte> Span => buffer.AsSpan(0, length);

    public int Length => length;

    public void Dispose() => ArrayPool<byte>.Shared.Return(buffer);
}

/// <summary>A stored blob: epoch (u32), nonce (12), ciphertext, tag (16). AAD = version ‖ type ‖ chunk id.</summary>
internal static class BlobCodec
{
    private const int NonceAt = 4;
    private const int BodyAt = 16;
    private const int TagLength = 16;

    /// <summary>Bytes that a stored blob has beyond the content, uncompressed.</summary>
    public const int Overhead = BodyAt + Payload.HeaderLength + TagLength;

    /// <summary>Compresses and encrypts into a pooled buffer.</summary>
    public static PooledBytes Seal(KeyRing keys, ObjectType type, ChunkId id, ReadOnlySpan<byte> plain, Compression compression = Compression.Balanced)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BodyAt + Payload.Bound(plain.Length) + TagLength);
        var length = Payload.Encode(plain, buffer.AsSpan(BodyAt), compression);
        // Asked once: the keys may learn a newer epoch meanwhile.
        var epoch = keys.SealingEpoch;
        BinaryPrimitives.WriteUInt32LittleEndian(buffer, epoch);
        RandomNumberGenerator.Fill(buffer.AsSpan(NonceAt, BodyAt - NonceAt));

        Span<byte> associated = stackalloc byte[AssociatedLength];
        WriteAssociated(associated, type, id);
        using var aes = keys.BlobCipher(id, epoch);
        var body = buffer.AsSpan(BodyAt, length);
        aes.Encrypt(buffer.AsSpan(NonceAt, 12), body, body, buffer.AsSpan(BodyAt + length, TagLength), associated);
        return new PooledBytes(buffer, BodyAt + length + TagLength);
    }

    /// <summary>
    /// Decrypts (in place: <paramref name="stored"/> is overwritten), decompresses and compares the id.
    /// On <see cref="BlobFault.None"/> the caller owns <paramref name="plain"/>.
    /// </summary>
    public static BlobFault TryOpen(KeyRing keys, ObjectType type, ChunkId id, Span<byte> stored, out PooledBytes plain)
    {
        plain = default;
        if (!TryDecrypt(keys, type, id, stored))
        {
            return BlobFault.Encryption;
        }

        var body = stored[BodyAt..^TagLength];
        var length = Payload.DeclaredLength(body, RepositoryFormat.MaxBlobLength);
        if (length < 0)
        {
            return BlobFault.Compression;
        }

        var buffer = ArrayPool<byte>.Shared.Rent(Math.Max(1, length));
        var fault = !Payload.TryDecode(body, buffer.AsSpan(0, length)) ? BlobFault.Compression
            : keys.IdentityOf(buffer.AsSpan(0, length)) != id ? BlobFault.Identity
            : BlobFault.None;
        if (fault == BlobFault.None)
        {
            plain = new PooledBytes(buffer, length);
        }
        else
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return fault;
    }

    /// <summary>Opens a copy, so that the ciphertext can travel on.</summary>
    public static BlobFault Verify(KeyRing keys, ObjectType type, ChunkId id, ReadOnlySpan<byte> stored)
    {
        using var copy = new PooledBytes(ArrayPool<byte>.Shared.Rent(stored.Length), stored.Length);
        stored.CopyTo(copy.Writable);
        var fault = TryOpen(keys, type, id, copy.Writable, out var plain);
        if (fault == BlobFault.None)
        {
            plain.Dispose();
        }

        return fault;
    }

    /// <summary>Lets the keys look for the epoch of a stored blob where they do not know it: one of a newer epoch is no damage.</summary>
    public static ValueTask LearnAsync(KeyRing keys, ReadOnlyMemory<byte> stored, CancellationToken ct) =>
        stored.Length < Overhead ? ValueTask.CompletedTask : keys.LearnAsync(BinaryPrimitives.ReadUInt32LittleEndian(stored.Span), ct);

    /// <summary>Decrypts in place; false where the tag does not fit.</summary>
    public static bool TryDecrypt(KeyRing keys, ObjectType type, ChunkId id, Span<byte> stored)
    {
        if (stored.Length < Overhead || BinaryPrimitives.ReadUInt32LittleEndian(stored) is var epoch && !keys.Knows(epoch))
        {
            return false;
        }

        Span<byte> associated = stackalloc byte[AssociatedLength];
        WriteAssociated(associated, type, id);
        var body = stored[BodyAt..^TagLength];
        using var aes = keys.BlobCipher(id, epoch);
        try
        {
            aes.Decrypt(stored.Slice(NonceAt, 12), body, stored[^TagLength..], body, associated);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    private const int AssociatedLength = sizeof(ushort) + 1 + ChunkId.Length;

    private static void WriteAssociated(Span<byte> destination, ObjectType type, ChunkId id)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(destination, RepositoryFormat.Version);
        destination[2] = (byte)type;
        id.CopyTo(destination[3..]);
    }
}
