using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using NSec.Cryptography;

namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>What one Argon2id computation costs. Memory in KiB; parallelism is always 1.</summary>
/// <param name="MemoryKiB">Memory that one guess needs.</param>
/// <param name="Passes">How often that memory is gone through.</param>
public sealed record PasswordCost(int MemoryKiB, int Passes)
{
    /// <summary>64 MiB and three passes: about a tenth of a second on a server.</summary>
    public static PasswordCost Default { get; } = new(65_536, 3);
}

/// <summary>
/// Argon2id in the PHC string format (<c>$argon2id$v=19$m=65536,t=3,p=1$salt$hash</c>), so that the cost of every
/// stored password stands beside it and can be raised later.
/// </summary>
public sealed class PasswordHasher(PasswordCost cost)
{
    private const int SaltBytes = 16;
    private const int HashBytes = 32;

    // A stored hash is data: one that asks for gigabytes or hours must not be able to stop the console.
    private const int MaxMemoryKiB = 1 << 20;
    private const int MaxPasses = 64;

    // Verified against for a name that nobody has, so that the answer takes as long as for one that exists.
    private readonly Lazy<string> _nobody = new(() => Encode(RandomNumberGenerator.GetHexString(32), cost));

    /// <summary>A new hash of <paramref name="password"/> with a salt of its own.</summary>
    public string Hash(string password) => Encode(password, cost);

    /// <summary>
    /// True where <paramref name="password"/> belongs to <paramref name="hash"/>. The comparison takes constant time;
    /// a null hash (no such user) takes as long and is false; so is a hash that cannot be read.
    /// </summary>
    public bool Verify(string? hash, string password)
    {
        var isReadable = TryParse(hash ?? _nobody.Value, out var stored);
        if (!isReadable)
        {
            return false;
        }

        var derived = Derive(password, stored.Salt, stored.Hash.Length, stored.Cost);
        var isEqual = CryptographicOperations.FixedTimeEquals(derived, stored.Hash);
        return isEqual && hash is not null;
    }

    /// <summary>True where <paramref name="hash"/> was made at another cost than today's.</summary>
    public bool NeedsRenewal(string hash) => !TryParse(hash, out var stored) || stored.Cost != cost;

    private static string Encode(string password, PasswordCost cost)
    {
        var salt = RandomNumberGenerator.GetBytes(SaltBytes);
        var hash = Derive(password, salt, HashBytes, cost);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"$argon2id$v=19$m={cost.MemoryKiB},t={cost.Passes},p=1${Unpadded(salt)}${Unpadded(hash)}");
    }

    private static byte[] Derive(string password, byte[] salt, int length, PasswordCost cost)
    {
        var algorithm = PasswordBasedKeyDerivationAlgorithm.Argon2id(new Argon2Parameters
        {
            DegreeOfParallelism = 1,
            MemorySize = cost.MemoryKiB,
            NumberOfPasses = cost.Passes,
        });

        // The overload for strings hashes UTF-16, which no other implementation of Argon2 does.
        return algorithm.DeriveBytes(Encoding.UTF8.GetBytes(password), salt, length);
    }

    private static bool TryParse(string text, out (PasswordCost Cost, byte[] Salt, byte[] Hash) stored)
    {
        stored = default;
        if (text.Split('$') is not ["", "argon2id", "v=19", var parameters, var salt, var hash]
            || parameters.Split(',') is not [var memory, var passes, "p=1"]
            || !TryNumber(memory, "m=", MaxMemoryKiB, out var memoryKiB)
            || !TryNumber(passes, "t=", MaxPasses, out var passCount)
            || !TryBytes(salt, out var saltBytes) || saltBytes.Length != SaltBytes
            || !TryBytes(hash, out var hashBytes) || hashBytes.Length is < 16 or > 64)
        {
            return false;
        }

        stored = (new PasswordCost(memoryKiB, passCount), saltBytes, hashBytes);
        return true;
    }

    private static bool TryNumber(string text, string prefix, int max, out int value)
    {
        value = 0;
        return text.StartsWith(prefix, StringComparison.Ordinal)
            && int.TryParse(text.AsSpan(prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out value)
            && value >= 1 && value <= max;
    }

    private static string Unpadded(byte[] bytes) => Convert.ToBase64String(bytes).TrimEnd('=');

    private static bool TryBytes(string text, out byte[] bytes)
    {
        var padded = text.PadRight((text.Length + 3) / 4 * 4, '=');
        bytes = new byte[padded.Length];
        var isBase64 = Convert.TryFromBase64String(padded, bytes, out var length);
        bytes = bytes[..length];
        return isBase64;
    }
}
