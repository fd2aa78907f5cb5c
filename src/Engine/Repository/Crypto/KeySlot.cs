using System.Buffers.Binary;
using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Repository.Format;
using NSec.Cryptography;

namespace Hexabase.DrConsole.Engine.Repository.Crypto;

/// <summary>What a key slot wraps.</summary>
/// <param name="Master">32 bytes.</param>
/// <param name="Epoch">The newest epoch when the slot was made.</param>
/// <param name="Secret">That epoch's secret, 32 bytes; null in epoch 0, which has none.</param>
internal sealed record SlotKeys(byte[] Master, uint Epoch, byte[]? Secret)
{
    private const int LaterLength = 68;

    /// <summary>True for slots of one rotation: two that run beside one another begin the same epoch with another secret each.</summary>
    public bool IsSameEpoch(SlotKeys other) => Epoch == other.Epoch && Secret.AsSpan().SequenceEqual(other.Secret);

    public byte[] Encode()
    {
        if (Secret is null)
        {
            return [.. Master];
        }

        var bytes = new byte[LaterLength];
        Master.CopyTo(bytes, 0);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(32), Epoch);
        Secret.CopyTo(bytes, 36);
        return bytes;
    }

    public static SlotKeys? TryDecode(ReadOnlySpan<byte> bytes) => bytes.Length switch
    {
        32 => new SlotKeys(bytes.ToArray(), 0, null),
        LaterLength => new SlotKeys(bytes[..32].ToArray(), BinaryPrimitives.ReadUInt32LittleEndian(bytes[32..]), bytes[36..].ToArray()),
        _ => null,
    };
}

/// <summary>
/// A passphrase's way to the keys: Argon2id parameters, and the master wrapped with the newest epoch's secret. Stored as two identical copies, each
/// ending in a SHA-256 of itself, because one lost key object would otherwise lose everything.
/// </summary>
internal sealed record KeySlot
{
    private const byte Argon2id = 1;
    private const int FixedLength = 76;
    private const int ChecksumLength = 32;
    private const uint MaxMemoryKiB = 1024 * 1024;
    private const uint MaxPasses = 64;

    public required Guid RepositoryId { get; init; }

    public required Guid SlotId { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When the store took the first of its copies, by the store's clock; no part of the slot.</summary>
    public DateTimeOffset StoredAt { get; init; }

    public required uint MemoryKiB { get; init; }

    public required uint Passes { get; init; }

    /// <summary>16 random bytes.</summary>
    public required byte[] Salt { get; init; }

    /// <summary>The <see cref="SlotKeys"/> under the passphrase's key, RFC 5649: 40 or 80 bytes.</summary>
    public required byte[] WrappedKeys { get; init; }

    public static KeySlot Create(
        Guid repositoryId, SlotKeys keys, ReadOnlySpan<byte> passphrase, KeyDerivation cost, DateTimeOffset createdAt)
    {
        var salt = RandomNumberGenerator.GetBytes(16);
        var wrapping = DeriveWrappingKey(passphrase, salt, cost.MemoryKiB, cost.Passes);
        var plain = keys.Encode();
        try
        {
            using var aes = Aes.Create();
            aes.Key = wrapping;
            return new KeySlot
            {
                RepositoryId = repositoryId,
                SlotId = Guid.CreateVersion7(createdAt),
                CreatedAt = createdAt,
                MemoryKiB = cost.MemoryKiB,
                Passes = cost.Passes,
                Salt = salt,
                WrappedKeys = aes.EncryptKeyWrapPadded(plain),
            };
        }
        finally
        {
            CryptographicOperations.ZeroMemory(wrapping);
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    /// <summary>The keys, or null where the passphrase is another.</summary>
    public SlotKeys? TryUnwrap(ReadOnlySpan<byte> passphrase)
    {
        var wrapping = DeriveWrappingKey(passphrase, Salt, MemoryKiB, Passes);
        byte[] plain = [];
        try
        {
            using var aes = Aes.Create();
            aes.Key = wrapping;
            plain = aes.DecryptKeyWrapPadded(WrappedKeys);
            return SlotKeys.TryDecode(plain);
        }
        catch (CryptographicException)
        {
            return null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(wrapping);
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    public byte[] Encode()
    {
        var bytes = new byte[FixedLength + WrappedKeys.Length + ChecksumLength];
        RepositoryFormat.KeyMagic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(8), RepositoryFormat.Version);
        RepositoryId.TryWriteBytes(bytes.AsSpan(10), bigEndian: true, out _);
        SlotId.TryWriteBytes(bytes.AsSpan(26), bigEndian: true, out _);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(42), CreatedAt.ToUnixTimeMilliseconds());
        bytes[50] = Argon2id;
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(51), MemoryKiB);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(55), Passes);
        Salt.CopyTo(bytes.AsSpan(59));
        bytes[75] = (byte)WrappedKeys.Length;
        WrappedKeys.CopyTo(bytes.AsSpan(FixedLength));
        SHA256.HashData(bytes.AsSpan(..^ChecksumLength), bytes.AsSpan(bytes.Length - ChecksumLength));
        return bytes;
    }

    /// <summary>Reads a copy; null where it is cut or changed (its twin may be whole).</summary>
    /// <exception cref="EngineException">Kind Unsupported for another format version or key derivation.</exception>
    public static KeySlot? TryDecode(string name, ReadOnlySpan<byte> bytes)
    {
        // The checksum comes first in every version: a flipped version byte is damage, not a newer format.
        if (bytes.Length < 10 + ChecksumLength || !bytes.StartsWith(RepositoryFormat.KeyMagic)
            || !SHA256.HashData(bytes[..^ChecksumLength]).AsSpan().SequenceEqual(bytes[^ChecksumLength..]))
        {
            return null;
        }

        var version = BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..]);
        if (version != RepositoryFormat.Version)
        {
            throw RepositoryFormat.UnknownVersion(name, version);
        }

        if (bytes.Length < FixedLength + ChecksumLength || bytes.Length != FixedLength + bytes[75] + ChecksumLength)
        {
            return null;
        }

        var memory = BinaryPrimitives.ReadUInt32LittleEndian(bytes[51..]);
        var passes = BinaryPrimitives.ReadUInt32LittleEndian(bytes[55..]);
        if (bytes[50] != Argon2id || memory is < 8 or > MaxMemoryKiB || passes is < 1 or > MaxPasses)
        {
            throw RepositoryFormat.UnknownType(name, $"of key derivation {bytes[50]} ({memory} KiB, {passes} passes)");
        }

        return new KeySlot
        {
            RepositoryId = new Guid(bytes.Slice(10, 16), bigEndian: true),
            SlotId = new Guid(bytes.Slice(26, 16), bigEndian: true),
            CreatedAt = DateTimeOffset.FromUnixTimeMilliseconds(BinaryPrimitives.ReadInt64LittleEndian(bytes[42..])),
            MemoryKiB = memory,
            Passes = passes,
            Salt = bytes.Slice(59, 16).ToArray(),
            WrappedKeys = bytes[FixedLength..^ChecksumLength].ToArray(),
        };
    }

    private static byte[] DeriveWrappingKey(ReadOnlySpan<byte> passphrase, byte[] salt, uint memoryKiB, uint passes)
    {
        var argon2 = PasswordBasedKeyDerivationAlgorithm.Argon2id(new Argon2Parameters
        {
            DegreeOfParallelism = 1,
            MemorySize = memoryKiB,
            NumberOfPasses = passes,
        });
        return argon2.DeriveBytes(passphrase, salt, 32);
    }
}
