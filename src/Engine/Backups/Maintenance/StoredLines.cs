using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>A cluster's stored WAL with its timelines, and the base backups of the cluster in the same tier.</summary>
internal sealed record StoredLine(WalStreamInfo Stream, WalCoverage Coverage, IReadOnlyList<Manifest> Bases);

/// <summary>What a tier's repository says of where stored WAL leads on from.</summary>
/// <param name="Lines">The streams that have base backups; none where that could not be read.</param>
/// <param name="Fault">Why it could not be read; null where it was.</param>
internal sealed record StoredLines(IReadOnlyList<StoredLine> Lines, string? Fault)
{
    /// <summary>Reads them.</summary>
    /// <exception cref="EngineException">Kind Damaged where a stream's description cannot be read.</exception>
    public static async Task<StoredLines> ReadAsync(BackupRepository repository, CancellationToken cancellationToken)
    {
        var streams = await repository.ListWalAsync(cancellationToken);
        var points = streams.Count == 0 ? [] : (await repository.ListAsync(cancellationToken)).Points;
        var lines = new List<StoredLine>();
        foreach (var stream in streams)
        {
            if (points.Where(point => WalRetention.IsBaseOf(stream, point)).ToList() is { Count: > 0 } bases)
            {
                var archive = await repository.OpenWalAsync(stream.Source, stream.SystemIdentifier, cancellationToken);
                lines.Add(new StoredLine(stream, await archive.CoverageAsync(cancellationToken), bases));
            }
        }

        return new StoredLines(lines, null);
    }
}
