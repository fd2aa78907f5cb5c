using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Repository.Crypto;

namespace Hexabase.DrConsole.Engine.Repository.Format;

/// <summary>
/// The encrypted form of every object that is not a pack or a key slot: header, id, salt, nonce, ciphertext, tag, and a
/// SHA-256 of all of it, by which the object can be checked without keys. The id is authenticated, so an object that was
/// renamed is found. A byte of the header says in which encryption epoch it was sealed.
/// </summary>
internal static class Envelope
{
    private const int EpochAt = 11;
    private const int IdAt = 12;
    private const int SaltAt = 28;
    private const int NonceAt = 60;
    private const int BodyAt = 72;
    private const int TagLength = 16;
    private const int ChecksumLength = 32;
    private const int MaxPlainLength = 1 << 30;

    /// <summary>Bytes around the payload.</summary>
    public const int Overhead = BodyAt + TagLength + ChecksumLength;

    /// <summary>Encrypts an object.</summary>
    /// <param name="keys">The repository's keys.</param>
    /// <param name="type">What it is.</param>
    /// <param name="id">The id that its name carries.</param>
    /// <param name="plain">Its content.</param>
    /// <param name="compression">How hard it is compressed.</param>
    /// <param name="epoch">The epoch; null for the one in which new objects are encrypted.</param>
    public static byte[] Seal(KeyRing keys, ObjectType type, Guid id, ReadOnlySpan<byte> plain, Compression compression = Compression.Balanced, uint? epoch = null)
    {
        // Asked once: the keys may learn a newer epoch meanwhile.
        var sealing = epoch ?? keys.SealingEpoch;
        var buffer = new byte[Overhead + Payload.Bound(plain.Length)];
        RepositoryFormat.ObjectMagic.CopyTo(buffer);
        BinaryPrimitives.WriteUInt16LittleEndian(buffer.AsSpan(8), RepositoryFormat.Version);
        buffer[10] = (byte)type;
        buffer[EpochAt] = checked((byte)sealing);
        id.TryWriteBytes(buffer.AsSpan(IdAt), bigEndian: true, out _);
        RandomNumberGenerator.Fill(buffer.AsSpan(SaltAt, BodyAt - SaltAt));

        var length = Payload.Encode(plain, buffer.AsSpan(BodyAt), compression);
        var body = buffer.AsSpan(BodyAt, length);
        using (var aes = keys.ObjectCipher(buffer.AsSpan(SaltAt, 32), sealing))
        {
            aes.Encrypt(buffer.AsSpan(NonceAt, 12), body, body, buffer.AsSpan(BodyAt + length, TagLength), buffer.AsSpan(0, NonceAt));
        }

        var end = BodyAt + length + TagLength;
        SHA256.HashData(buffer.AsSpan(0, end), buffer.AsSpan(end));
        Array.Resize(ref buffer, end + ChecksumLength);
        return buffer;
    }

    /// <summary>True where the bytes are whole by their own checksum; needs no key.</summary>
    public static bool IsWhole(ReadOnlySpan<byte> sealedBytes)
    {
        if (sealedBytes.Length < Overhead + Payload.HeaderLength)
        {
            return false;
        }

        Span<byte> digest = stackalloc byte[ChecksumLength];
        SHA256.HashData(sealedBytes[..^ChecksumLength], digest);
        return digest.SequenceEqual(sealedBytes[^ChecksumLength..]);
    }

    /// <summary>The epoch in which an object was sealed; only of bytes that are whole.</summary>
    public static uint EpochOf(ReadOnlySpan<byte> sealedBytes) => sealedBytes[EpochAt];

    /// <summary>Decrypts an object that may be of an epoch which began since the repository was opened.</summary>
    /// <inheritdoc cref="Open"/>
    public static async Task<byte[]> OpenAsync(KeyRing keys, ObjectType type, Guid? id, string name, ReadOnlyMemory<byte> sealedBytes, CancellationToken ct)
    {
        await LearnAsync(keys, sealedBytes, ct);
        return Open(keys, type, id, name, sealedBytes.Span);
    }

    /// <summary>Lets the keys look for the epoch of an object where they do not know it.</summary>
    public static ValueTask LearnAsync(KeyRing keys, ReadOnlyMemory<byte> sealedBytes, CancellationToken ct) =>
        sealedBytes.Length > EpochAt && !keys.Knows(sealedBytes.Span[EpochAt]) && IsWhole(sealedBytes.Span) ? keys.LearnAsync(sealedBytes.Span[EpochAt], ct) : ValueTask.CompletedTask;

    /// <summary>Decrypts an object.</summary>
    /// <param name="keys">The repository's keys.</param>
    /// <param name="type">The type that the caller expects at this place.</param>
    /// <param name="id">The id that the object's name carries, or null where the name carries none.</param>
    /// <param name="name">The object's key, for messages.</param>
    /// <param name="sealedBytes">The object's bytes.</param>
    /// <exception cref="EngineException">Kind Damaged where a byte is not as written, Unsupported for another version or type.</exception>
    public static byte[] Open(KeyRing keys, ObjectType type, Guid? id, string name, ReadOnlySpan<byte> sealedBytes)
    {
        var payload = new byte[Math.Max(0, sealedBytes.Length - Overhead)];
        Decrypt(keys, type, id, name, sealedBytes, payload);
        var plain = new byte[LengthIn(payload, name)];
        Decode(payload, plain, name);
        return plain;
    }

    /// <summary>Decrypts a large object where it lies, which overwrites it. The caller disposes what it returns.</summary>
    /// <inheritdoc cref="Open"/>
    public static PooledBytes OpenInPlace(KeyRing keys, ObjectType type, Guid? id, string name, Span<byte> sealedBytes)
    {
        var payload = sealedBytes.Length < Overhead ? [] : sealedBytes[BodyAt..^(TagLength + ChecksumLength)];
        Decrypt(keys, type, id, name, sealedBytes, payload);
        var length = LengthIn(payload, name);
        var plain = new PooledBytes(ArrayPool<byte>.Shared.Rent(Math.Max(1, length)), length);
        var isDecoded = false;
        try
        {
            Decode(payload, plain.Writable, name);
            isDecoded = true;
            return plain;
        }
        finally
        {
            if (!isDecoded)
            {
                plain.Dispose();
            }
        }
    }

    private static void Decrypt(KeyRing keys, ObjectType type, Guid? id, string name, ReadOnlySpan<byte> sealedBytes, Span<byte> payload)
    {
        if (!IsWhole(sealedBytes))
        {
            throw Damaged(name, "is cut or has a changed byte");
        }

        if (!sealedBytes.StartsWith(RepositoryFormat.ObjectMagic))
        {
            throw Damaged(name, "is not an object of a repository");
        }

        var version = BinaryPrimitives.ReadUInt16LittleEndian(sealedBytes[8..]);
        if (version != RepositoryFormat.Version)
        {
            throw RepositoryFormat.UnknownVersion(name, version);
        }

        if (sealedBytes[10] != (byte)type)
        {
            throw RepositoryFormat.UnknownType(name, $"{sealedBytes[10]} where {(byte)type} belongs");
        }

        if (id is { } expected && new Guid(sealedBytes.Slice(IdAt, 16), bigEndian: true) != expected)
        {
            throw Damaged(name, "carries another object's id");
        }

        var epoch = sealedBytes[EpochAt];
        if (!keys.Knows(epoch))
        {
            throw new EngineException(
                "epoch-unknown", ErrorKind.Unsupported, $"{name} is encrypted in epoch {epoch}, whose key is not among those of this repository's passphrase",
                "copy the folders 'keys' and 'epochs' from another tier");
        }

        using var aes = keys.ObjectCipher(sealedBytes.Slice(SaltAt, 32), epoch);
        try
        {
            aes.Decrypt(
                sealedBytes.Slice(NonceAt, 12), sealedBytes[BodyAt..^(TagLength + ChecksumLength)],
                sealedBytes[^(TagLength + ChecksumLength)..^ChecksumLength], payload, sealedBytes[..NonceAt]);
        }
        catch (AuthenticationTagMismatchException)
        {
            throw Damaged(name, "does not decrypt with this repository's key");
        }
    }

    private static int LengthIn(ReadOnlySpan<byte> payload, string name) =>
        Payload.DeclaredLength(payload, MaxPlainLength) is >= 0 and var length ? length : throw Damaged(name, "declares an impossible length");

    private static void Decode(ReadOnlySpan<byte> payload, Span<byte> plain, string name)
    {
        if (!Payload.TryDecode(payload, plain))
        {
            throw Damaged(name, "does not decompress");
        }
    }

    private static EngineException Damaged(string name, string cause) => new(
        "object-damaged",
        ErrorKind.Damaged,
        $"{name} {cause}",
        "run 'drconsole repository check' to see what it touches, and copy the restore points from another tier")
    {
        Context = new Dictionary<string, string> { ["object"] = name },
    };
}
