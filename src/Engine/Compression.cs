namespace Hexabase.DrConsole.Engine;

/// <summary>How hard a backup's new chunks are compressed. Readers need not know: a zstd frame opens the same whatever made it.</summary>
public enum Compression
{
    /// <summary>zstd at level 3.</summary>
    Balanced,

    /// <summary>zstd at level 1: less processor time for about a tenth more bytes.</summary>
    Fast,
}
