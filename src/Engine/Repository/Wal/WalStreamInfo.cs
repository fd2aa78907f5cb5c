namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>What a stream of WAL is.</summary>
/// <param name="Source">The source's name.</param>
/// <param name="SystemIdentifier">The cluster's, as <c>pg_control</c> has it; another cluster on the same address is another stream.</param>
/// <param name="SegmentBytes">The cluster's WAL segment size.</param>
/// <param name="ServerMajor">The server's major version.</param>
/// <param name="CreatedAt">When the stream was begun in this tier.</param>
public sealed record WalStreamInfo(string Source, ulong SystemIdentifier, int SegmentBytes, int ServerMajor, DateTimeOffset CreatedAt)
{
    /// <summary>The stream's name in the repository: 32 hex digits, a keyed digest of source and system identifier.</summary>
    public string Stream { get; init; } = "";
}
