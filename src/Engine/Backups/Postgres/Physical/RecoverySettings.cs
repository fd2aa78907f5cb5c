using System.Globalization;
using System.Text.RegularExpressions;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Backups.Postgres.Physical;

/// <summary>What a server is told of its recovery.</summary>
internal static class RecoverySettings
{
    /// <summary>The settings that say where a recovery ends, of which a server takes one only.</summary>
    public static readonly IReadOnlyList<string> Targets = ["recovery_target", "recovery_target_time", "recovery_target_xid", "recovery_target_lsn", "recovery_target_name"];

    /// <summary>Settings for a recovery along a path.</summary>
    /// <param name="path">The timeline.</param>
    /// <param name="target">Where it ends.</param>
    /// <param name="walFolder">Holds the WAL that was fetched.</param>
    /// <param name="isBounded">False where nothing follows the moment or the place: then the end of the WAL is what was asked for.</param>
    public static Dictionary<string, string> For(RecoveryPath path, PgDataTarget target, string walFolder, bool isBounded)
    {
        var recovery = ForEnd(path.Timeline, walFolder);
        if (!isBounded)
        {
            return recovery;
        }

        if (target.Time is { } moment)
        {
            recovery["recovery_target_time"] = moment.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.ffffff+00", CultureInfo.InvariantCulture);
        }
        else if (target.Lsn is { } lsn)
        {
            // A place is the number of bytes before it: the record that begins there is not before it.
            recovery["recovery_target_lsn"] = lsn;
            recovery["recovery_target_inclusive"] = "off";
        }
        else if (target.Name is { } point)
        {
            recovery["recovery_target_name"] = point;
        }

        return recovery;
    }

    /// <summary>
    /// Settings for a base backup's own WAL, which its directory holds to the end; none where no other WAL of the cluster is stored.
    /// Where some is, the copy is promoted to a timeline of its own: a server that came back on the old one, behind what is stored,
    /// would be refused by its receiver, or go on in other bytes from where the old WAL ends.
    /// </summary>
    public static async Task<Dictionary<string, string>> ForOwnAsync(
        BackupRepository repository, Manifest manifest, ClusterFacts facts, string walFolder, ServerUser owner, CancellationToken cancellationToken)
    {
        var archive = await repository.OpenWalAsync(manifest.Source, ulong.Parse(facts.SystemIdentifier, CultureInfo.InvariantCulture), cancellationToken);
        if (!await archive.FetchHistoriesAsync(facts.Timeline, walFolder, cancellationToken))
        {
            return [];
        }

        OwnedFolder.Give(walFolder, owner);
        return ForEnd(facts.Timeline, walFolder);
    }

    /// <summary>Settings for a recovery along a timeline as far as there is WAL.</summary>
    private static Dictionary<string, string> ForEnd(uint timeline, string walFolder) => new()
    {
        ["restore_command"] = $"cp {Quote(walFolder)}/%f \"%p\"",
        // By number a server takes none but the first without its history. Nothing is stored then but the base backup's own timeline.
        ["recovery_target_timeline"] = timeline == 1 || File.Exists(Path.Combine(walFolder, WalFetcher.HistoryFile(timeline))) ? timeline.ToString(CultureInfo.InvariantCulture) : "current",
        ["recovery_target_action"] = "promote",
    };

    /// <summary>For the shell that PostgreSQL runs the command in; a percent sign would be its own.</summary>
    private static string Quote(string path) =>
        $"'{path.Replace("'", "'\\''", StringComparison.Ordinal).Replace("%", "%%", StringComparison.Ordinal)}'";
}

/// <summary>What a server wrote into its log while it replayed, in English and UTC.</summary>
/// <param name="LastText">Time of the last commit that was replayed, as it stands there; null where there was none.</param>
/// <param name="Last">The same as a time, where it can be read.</param>
/// <param name="Next">Time of the commit, or abort, before which replay stopped at its target; null where WAL ended.</param>
internal sealed partial record ReplayLog(string? LastText, DateTimeOffset? Last, DateTimeOffset? Next)
{
    /// <summary>Where the last record begins that was replayed; null where none was.</summary>
    public Lsn? Done { get; init; }

    /// <summary>Reads the last recovery of a log.</summary>
    public static ReplayLog Read(string log)
    {
        var last = LastCompleted().Matches(log).LastOrDefault()?.Groups["time"].Value;
        var next = StoppingBefore().Matches(log).LastOrDefault()?.Groups["time"].Value;
        return new ReplayLog(last, Time(last), Time(next)) { Done = Lsn.TryParse(RedoDone().Matches(log).LastOrDefault()?.Groups["lsn"].Value, out var done) ? done : null };
    }

    /// <summary>True where a start failed because the WAL ends before the target.</summary>
    public static bool EndedBeforeTarget(EngineException fault) =>
        fault.Code == "postgres-start-failed" && fault.Message.Contains("recovery ended before configured recovery target was reached", StringComparison.Ordinal);

    /// <summary>In the zone of the log, which is the server's: scratch servers are given UTC.</summary>
    internal static DateTimeOffset? Time(string? text) =>
        DateTimeOffset.TryParse(text?.Replace(" UTC", "Z", StringComparison.Ordinal).Replace(" GMT", "Z", StringComparison.Ordinal), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time) ? time : null;

    [GeneratedRegex("last completed transaction was at log time (?<time>[^\n]+)")]
    private static partial Regex LastCompleted();

    [GeneratedRegex("redo done at (?<lsn>[0-9A-F]+/[0-9A-F]+)")]
    private static partial Regex RedoDone();

    [GeneratedRegex("recovery stopping before (commit|abort) of transaction [0-9]+, time (?<time>[^\n]+)")]
    private static partial Regex StoppingBefore();
}
