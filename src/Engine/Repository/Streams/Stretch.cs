using Hexabase.DrConsole.Engine.Repository.Format;

namespace Hexabase.DrConsole.Engine.Repository.Streams;

/// <summary>Bytes of a chunk that stand at some place of a stretch.</summary>
/// <param name="Source">A chunk of type stream that is stored whole, never put together itself.</param>
/// <param name="SourceLength">Its length.</param>
/// <param name="Offset">Where the bytes begin in it.</param>
/// <param name="Length">How many they are.</param>
internal readonly record struct PageRun(ChunkId Source, int SourceLength, int Offset, int Length);

/// <summary>
/// A piece of content and where its bytes lie. The id is that of the bytes, as a chunk's; without runs it is a chunk itself,
/// else the bytes of the runs one after the other.
/// </summary>
internal readonly record struct Stretch(ChunkId Id, long Length, IReadOnlyList<PageRun> Runs)
{
    public static Stretch Of(ChunkRef chunk) => new(chunk.Id, chunk.Length, []);

    /// <summary>True where it is a chunk.</summary>
    public bool IsChunk => Runs.Count == 0;

    /// <summary>The chunks that it leans on.</summary>
    public IEnumerable<ChunkRef> Sources =>
        IsChunk ? [new ChunkRef(Id, Length)] : Runs.Select(run => new ChunkRef(run.Source, run.SourceLength)).Distinct();
}
