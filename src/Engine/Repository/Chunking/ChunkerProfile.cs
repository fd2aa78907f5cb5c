namespace Hexabase.DrConsole.Engine.Repository.Chunking;

/// <summary>The bounds of a chunk in bytes. Part of the format: other bounds would still read, but no longer deduplicate.</summary>
/// <param name="Minimum">No chunk but the last of a stream is shorter.</param>
/// <param name="Normal">A power of two around which lengths gather.</param>
/// <param name="Maximum">No chunk is longer.</param>
internal readonly record struct ChunkerProfile(int Minimum, int Normal, int Maximum)
{
    /// <summary>Streams and files: 512 KiB, 2 MiB, 8 MiB.</summary>
    public static ChunkerProfile Content => new(512 * 1024, 2 * 1024 * 1024, 8 * 1024 * 1024);

    /// <summary>The node stream of a tree, where one changed file should not store megabytes anew: 32 KiB, 128 KiB, 1 MiB.</summary>
    public static ChunkerProfile Tree => new(32 * 1024, 128 * 1024, 1024 * 1024);

    /// <summary>
    /// Files of pages: always 256 KiB, whatever the content. Shorter would find more of a file unchanged after scattered
    /// writes, and compress worse and index more for all others.
    /// </summary>
    public static ChunkerProfile Pages => new(256 * 1024, 256 * 1024, 256 * 1024);
}
