using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>
/// Gives up WAL that the point-in-time window needs no longer: what lies before the newest base backup that is as old as the
/// window. Base backups before that carry the WAL that makes them consistent themselves. What cannot be judged is kept.
/// </summary>
internal static class WalRetention
{
    /// <summary>Decides and deletes in one tier's repository; may be killed at any instant and repeated.</summary>
    /// <param name="repository">Opened with the right to delete.</param>
    /// <param name="windowOf">Days of the window by source; null for a source of which nothing is known.</param>
    /// <param name="now">The time that the window is counted from.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>What was given up, by source.</returns>
    /// <exception cref="EngineException">Kind Denied where the store refuses to delete; Damaged where a stream's description cannot be read.</exception>
    public static async Task<IReadOnlyList<(string Source, string Before, WalExpiry Expiry)>> ExpireAsync(
        BackupRepository repository, Func<string, int?> windowOf, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var done = new List<(string, string, WalExpiry)>();
        var streams = await repository.ListWalAsync(cancellationToken);
        if (streams.Count == 0)
        {
            return done;
        }

        var points = await repository.ListAsync(cancellationToken);
        if (points.Damaged.Count > 0)
        {
            // One of them may be the base backup that WAL is kept for.
            return done;
        }

        foreach (var stream in streams)
        {
            var system = stream.SystemIdentifier.ToString(CultureInfo.InvariantCulture);
            var bases = points.Points.Where(point => point.Source == stream.Source && point.Strategy == PhysicalBackup.Strategy
                && point.Properties.GetValueOrDefault(PhysicalBackup.SystemProperty) == system).ToList();
            if (windowOf(stream.Source) is not { } days || First(bases, now.AddDays(-days)) is not { } first)
            {
                continue;
            }

            var archive = await repository.OpenWalAsync(stream.Source, stream.SystemIdentifier, cancellationToken);
            var start = first.Properties[PhysicalBackup.StartProperty];
            var horizon = Horizon(await archive.CoverageAsync(cancellationToken), uint.Parse(first.Properties[PhysicalBackup.TimelineProperty], CultureInfo.InvariantCulture), Lsn.Parse(start).Value);
            if (horizon.Count > 0)
            {
                done.Add((stream.Source, start, await repository.ExpireWalAsync(stream.Stream, horizon, cancellationToken)));
            }
        }

        return done;
    }

    /// <summary>The base backup that the window begins with: the newest as old as it. Younger ones alone mean that all WAL is within it.</summary>
    private static Manifest? First(IReadOnlyList<Manifest> bases, DateTimeOffset begin) =>
        bases.Where(point => RecoveryPath.ConsistentAt(point) <= begin).MaxBy(RecoveryPath.ConsistentAt);

    /// <summary>Per timeline of the base backup's own line what may go; other lines and later timelines stay.</summary>
    private static Dictionary<uint, ulong> Horizon(WalCoverage coverage, uint timeline, ulong start)
    {
        var line = coverage.LineageOf(timeline).Select(step => step.Timeline).ToHashSet();
        return coverage.Timelines.Where(one => line.Contains(one.Timeline) && one.Extents.Any(extent => extent.EndLsn <= start))
            .ToDictionary(one => one.Timeline, _ => start);
    }
}
