using System.Collections.Concurrent;
using Hexabase.DrConsole.Engine.Repository.Format;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Engine.Repository.Wal;

/// <summary>
/// The WAL of one PostgreSQL cluster in one tier. Everything that it stores was read back when the call returns, the same
/// bytes twice are one object, and other bytes for the same place are refused, never written over what is there.
/// Lives as long as the repository that it was opened with; thread-safe for different segments.
/// </summary>
public sealed partial class WalArchive
{
    /// <summary>Pieces are replaced every few seconds, and each look goes on where the last one was overtaken.</summary>
    private const int MaxLooks = 20;

    private readonly WalStore _wal;
    private WalStreamInfo? _info;

    internal WalArchive(WalStore wal, string source, ulong systemIdentifier, string stream, WalStreamInfo? info) =>
        (_wal, Source, SystemIdentifier, Stream, _info) = (wal, source, systemIdentifier, stream, info);

    /// <summary>The source's name.</summary>
    public string Source { get; }

    /// <summary>The cluster's system identifier.</summary>
    public ulong SystemIdentifier { get; }

    /// <summary>The stream's name in the repository.</summary>
    public string Stream { get; }

    /// <summary>The stream's description, or null where nothing was stored yet.</summary>
    public WalStreamInfo? Info => _info;

    /// <summary>
    /// Says what the stream is, before anything of it is stored; repeatable. Writes the description anew where it was damaged.
    /// </summary>
    /// <exception cref="EngineException">Code <c>wal-stream-changed</c>: the cluster has another segment size or major version than the stream.</exception>
    public async Task DescribeAsync(int segmentBytes, int serverMajor, CancellationToken cancellationToken)
    {
        var now = new WalStreamInfo(Source, SystemIdentifier, new WalSegmentSize(segmentBytes).Bytes, serverMajor, _wal.Parts.Options.Time.GetUtcNow());
        WalStreamInfo? there;
        try
        {
            there = await _wal.TryReadInfoAsync(Stream, cancellationToken);
        }
        catch (EngineException error) when (error.Kind == ErrorKind.Damaged)
        {
            there = null;
        }

        if (there is null)
        {
            await _wal.WriteInfoAsync(now, Stream, cancellationToken);
        }
        else if (there.SegmentBytes != segmentBytes || there.ServerMajor != serverMajor)
        {
            throw new EngineException(
                "wal-stream-changed", ErrorKind.Conflict,
                $"the WAL of '{Source}' is stored with segments of {there.SegmentBytes} bytes of PostgreSQL {there.ServerMajor}; the server has {segmentBytes} bytes and version {serverMajor}",
                "give the changed cluster a source name of its own, and take a base backup of it");
        }

        _info = there ?? now with { Stream = Stream };
    }

    /// <summary>A whole segment, to be stored in one or several tiers of this repository.</summary>
    public WalObject Segment(uint timeline, ulong segment, ReadOnlyMemory<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(bytes.Length, Described().SegmentBytes);
        return new WalObject(WalName.OfSegment(Stream, timeline, segment, bytes.Length, _wal.DigestOf(bytes.Span)), bytes);
    }

    /// <summary>A part of a segment that is not full yet, from a byte of it on.</summary>
    public WalObject Piece(uint timeline, ulong segment, int from, ReadOnlyMemory<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        ArgumentOutOfRangeException.ThrowIfZero(bytes.Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, Described().SegmentBytes - from);
        return new WalObject(WalName.OfPiece(Stream, timeline, segment, from, from + bytes.Length, _wal.DigestOf(bytes.Span)), bytes);
    }

    /// <summary>A timeline history file as the server gives it.</summary>
    /// <exception cref="EngineException">Code <c>timeline-history-invalid</c>.</exception>
    public WalObject History(uint timeline, ReadOnlyMemory<byte> text)
    {
        _ = TimelineHistory.Parse(timeline, text.Span);
        return new WalObject(WalName.OfHistory(Stream, timeline, _wal.DigestOf(text.Span)), text);
    }

    /// <summary>Stores a whole segment, reads it back, and then deletes the pieces of it.</summary>
    /// <returns>False where it was there already.</returns>
    /// <exception cref="EngineException">Code <c>wal-conflict</c> where other bytes are stored for this place.</exception>
    public Task<bool> StoreSegmentAsync(uint timeline, ulong segment, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        StoreAsync(Segment(timeline, segment, bytes), cancellationToken);

    /// <summary>Stores a piece of a segment, reads it back, and then deletes the pieces that lie within it.</summary>
    /// <returns>False where all of it was there already.</returns>
    /// <exception cref="EngineException">Code <c>wal-conflict</c> where other bytes are stored for this place.</exception>
    public Task<bool> StorePieceAsync(uint timeline, ulong segment, int from, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        StoreAsync(Piece(timeline, segment, from, bytes), cancellationToken);

    /// <summary>Stores a timeline history and reads it back.</summary>
    /// <returns>False where it was there already.</returns>
    /// <exception cref="EngineException">Code <c>wal-conflict</c> where another history of this timeline is stored.</exception>
    public Task<bool> StoreHistoryAsync(uint timeline, ReadOnlyMemory<byte> text, CancellationToken cancellationToken) =>
        StoreAsync(History(timeline, text), cancellationToken);

    /// <summary>Stores what <see cref="Segment"/>, <see cref="Piece"/> or <see cref="History"/> of this or another tier's archive made.</summary>
    /// <returns>False where it was there already.</returns>
    /// <exception cref="EngineException">Code <c>wal-conflict</c> where other bytes are stored for this place.</exception>
    public async Task<bool> StoreAsync(WalObject item, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(item);
        _ = Described();
        if (item.Name.Stream != Stream)
        {
            throw new ArgumentException($"{item.Key} belongs to another stream", nameof(item));
        }

        return item.Name.Type == ObjectType.TimelineHistory ? await StoreHistoryAsync(item, cancellationToken) : await StoreWalAsync(item, cancellationToken);
    }

    /// <summary>What is stored, from the store's listing and the histories.</summary>
    /// <exception cref="EngineException">Kind Damaged where the stream's description cannot be read.</exception>
    public async Task<WalCoverage> CoverageAsync(CancellationToken cancellationToken)
    {
        _info ??= await _wal.TryReadInfoAsync(Stream, cancellationToken);
        return await WalListing.ReadAsync(_wal, Stream, _info?.SegmentBytes ?? 0, cancellationToken);
    }

    /// <summary>
    /// What is missing along a timeline's line, or damaged. A hole counts when two looks show it: while pieces give way to their segment,
    /// one listing may show neither.
    /// </summary>
    /// <exception cref="EngineException">The store cannot be listed: then nobody can tell.</exception>
    public async Task<IReadOnlyList<WalHole>> HolesAsync(uint timeline, CancellationToken cancellationToken)
    {
        var holes = (await CoverageAsync(cancellationToken)).HolesOf(timeline);
        return holes.Count == 0 ? holes : WalHole.Common([holes, (await CoverageAsync(cancellationToken)).HolesOf(timeline)]);
    }

    /// <summary>
    /// Writes the segment files that hold a range of a timeline and its ancestors, and all history files, into a directory
    /// under PostgreSQL's names. Each appears whole or not at all; a last segment that is not full is filled with zeros.
    /// </summary>
    /// <param name="timeline">The timeline to recover along.</param>
    /// <param name="fromLsn">The first byte needed; the segment that holds it comes from its start.</param>
    /// <param name="toLsn">The byte after the last needed; null for the end of what is stored of the timeline.</param>
    /// <param name="directory">Made where it does not exist.</param>
    /// <param name="progress">Told files and bytes.</param>
    /// <param name="cancellationToken">Ends it; the files so far stay.</param>
    /// <exception cref="EngineException">Code <c>wal-missing</c>, naming the first range that is not stored; kind Damaged; OutOfSpace.</exception>
    public async Task<WalFetch> FetchAsync(
        uint timeline, ulong fromLsn, ulong? toLsn, string directory, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        var written = new ConcurrentDictionary<string, bool>(StringComparer.Ordinal);
        for (var look = 1; ; look++)
        {
            var coverage = await CoverageAsync(cancellationToken);
            try
            {
                return await new WalFetcher(_wal, Stream, coverage, directory, written).RunAsync(timeline, fromLsn, toLsn, progress, cancellationToken);
            }
            catch (EngineException gone) when (gone.Kind == ErrorKind.NotFound && gone.Code != WalFetcher.MissingCode && look < MaxLooks)
            {
                // A receiver is at work: what it stored since took the place of a piece that the listing showed.
            }
        }
    }

    /// <summary>
    /// Writes every history file that is stored, and no WAL: for a server that is promoted without any, so that it takes a number
    /// that no timeline has.
    /// </summary>
    /// <param name="timeline">The timeline to recover along.</param>
    /// <param name="directory">Made where it does not exist.</param>
    /// <param name="cancellationToken">Ends it; the files so far stay.</param>
    /// <returns>False where nothing is stored of the stream: then nothing is written.</returns>
    public async Task<bool> FetchHistoriesAsync(uint timeline, string directory, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        var coverage = await CoverageAsync(cancellationToken);
        if (coverage is { Timelines: [], Histories: [] })
        {
            return false;
        }

        try
        {
            await new WalFetcher(_wal, Stream, coverage, directory, new ConcurrentDictionary<string, bool>(StringComparer.Ordinal)).WriteHistoriesAsync(timeline, cancellationToken);
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw StoreFaults.From(error, directory);
        }
    }

    private WalStreamInfo Described() => _info ?? throw new InvalidOperationException("the stream is described before WAL is stored");
}
