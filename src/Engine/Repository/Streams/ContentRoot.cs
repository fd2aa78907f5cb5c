using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Streams;

/// <summary>
/// Where content begins: depth 0 is one chunk, depth n a chunk list whose rows have depth n − 1. No id where it is empty.
/// </summary>
internal readonly record struct ContentRoot(int Depth, ChunkId? Id, long Length)
{
    public static ContentRoot Empty => new(0, null, 0);
}
