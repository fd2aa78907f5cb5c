using Hexabase.DrConsole.Engine.Repository.Chunking;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Trees;

/// <summary>A file's content on its way into the repository, shown to who looks at it. The content stays the caller's.</summary>
internal sealed class InspectedStream(Stream content, IFileInspector? look) : ForwardReadStream
{
    /// <summary>How a file that is looked at is cut.</summary>
    public static ChunkerProfile ProfileFor(IFileInspector? look) => look?.IsPaged == true ? ChunkerProfile.Pages : ChunkerProfile.Content;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var read = await content.ReadAsync(buffer, cancellationToken);
        look?.Append(buffer.Span[..read]);
        return read;
    }
}
