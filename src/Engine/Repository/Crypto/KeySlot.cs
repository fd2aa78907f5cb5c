using System.Buffers.Binary;
using System.Security.Cryptography;
using Hexabase.DrConsole.Engine.Repository.Format;
using NSec.Cryptography;

namespace Hexabase.DrConsole.Engine.Repository.Crypto;

/// <summary>
/// A passphrase's way to the master key: Argon2id parameters and the wrapped master. Stored as two identical copies, each
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

    public required uint MemoryKiB { get; init; }

    public required uint Passes { get; init; }

    /// <summary>16 random bytes.</summary>
    public required byte[] Salt { get; init; }

    /// <summary>The master under the passphrase's key, RFC 5649: 40 bytes.</summary>
    public required byte[] WrappedMaster { get; init; }

    public static KeySlot Create(
        Guid repositoryId, ReadOnlySpan<byte> master, ReadOnlySpan<byte> passphrase, KeyDerivation cost, DateTimeOffset createdAt)
    {
        var salt = RandomNumberGenerator.GetBytes(16);
        var wrapping = DeriveWrappingKey(passphrase, salt, cost.MemoryKiB, cost.Passes);
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
                WrappedMaster = aes.EncryptKeyWrapPadded(master),
            };
        }
        finally
        {
            CryptographicOperations.ZeroMemory(wrapping);
        }
    }

    /// <summary>The 32-byte master, or null where the passphrase is another.</summary>
    public byte[]? TryUnwrap(ReadOnlySpan<byte> passphrase)
    {
        var wrapping = DeriveWrappingKey(passphrase, Salt, MemoryKiB, Passes);
        try
        {
            using var aes = Aes.Create();
            aes.Key = wrapping;
            var master = aes.DecryptKeyWrapPadded(WrappedMaster);
            return master.Length == 32 ? master : null;
        }
        catch (CryptographicException)
        {
            return null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(wrapping);
        }
    }

    public byte[] Encode()
    {
        var bytes = new byte[FixedLength + WrappedMaster.Length + ChecksumLength];
        RepositoryFormat.KeyMagic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(8), RepositoryFormat.Version);
        RepositoryId.TryWriteBytes(bytes.AsSpan(10), bigEndian: true, out _);
        SlotId.TryWriteBytes(bytes.AsSpan(26), bigEndian: true, out _);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(42), CreatedAt.ToUnixTimeMilliseconds());
        bytes[50] = Argon2id;
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(51), MemoryKiB);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(55), Passes);
        Salt.CopyTo(bytes.AsSpan(59));
        bytes[75] = (byte)WrappedMaster.Length;
        WrappedMaster.CopyTo(bytes.AsSpan(FixedLength));
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
            WrappedMaster = bytes[FixedLength..^ChecksumLength].ToArray(),
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
