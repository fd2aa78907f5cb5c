namespace Hexabase.DrConsole.Engine.Repository;

/// <summary>What one guess at a passphrase costs (Argon2id, one lane).</summary>
/// <param name="MemoryKiB">Memory in KiB.</param>
/// <param name="Passes">Passes over that memory.</param>
public readonly record struct KeyDerivation(uint MemoryKiB, uint Passes)
{
    /// <summary>64 MiB and three passes: RFC 9106's second recommended choice, about 0.2 s.</summary>
    public static KeyDerivation Default => new(64 * 1024, 3);
}
