using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Backups.Redis;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Recovery.Plans;

/// <summary>Why a restore point did not do.</summary>
public sealed record RefusedPoint(string RestorePoint, DateTimeOffset CreatedAt, string Reason)
{
    public override string ToString() => $"{new RestorePointId(RestorePoint).Short} of {CreatedAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC: {Reason}";
}

/// <summary>A restore point to recover from.</summary>
/// <param name="Point">The point.</param>
/// <param name="ProvenAt">When a restore of it last passed; null where none has.</param>
/// <param name="Refused">The newer ones that did not do.</param>
public sealed record ChosenPoint(RestorePointRow Point, DateTimeOffset? ProvenAt, IReadOnlyList<RefusedPoint> Refused);

/// <summary>
/// Chooses the restore point of a recovery: the newest valid one that is no older than the plan allows, and where damage may have
/// been backed up the newest one from before the first evidence. Valid means: its last validation did not fail, and an undamaged tier holds it.
/// </summary>
public sealed class PointChoice(RestorePointCatalog points, TimeProvider time)
{
    private const int LookedThrough = 500;

    /// <summary>The point.</summary>
    /// <param name="source">The source.</param>
    /// <param name="oldest">The plan's limit, before the first evidence where there is some, else before now; null: any age does.</param>
    /// <param name="before">The first evidence of damage; null where there is none.</param>
    /// <param name="unfit">Points that a driver has looked at and cannot restore from, with the reason.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    /// <exception cref="EngineException"><c>no-valid-backup</c>, with the reason of each candidate.</exception>
    public async Task<ChosenPoint> ChooseAsync(
        Source source, TimeSpan? oldest, DateTimeOffset? before, IReadOnlyDictionary<string, string> unfit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(unfit);
        var all = await points.CandidatesAsync(source.Name, source.Kind == SourceKind.Redis ? null : StrategyFor(source.Kind), before, LookedThrough, cancellationToken);
        var ids = all.Select(point => point.Id).ToArray();
        var validations = (await points.LastVerdictsOfAsync(ids, cancellationToken)).ToDictionary(one => one.RestorePoint);
        var tiers = (await points.TiersOfAsync(ids, cancellationToken)).ToLookup(row => row.RestorePoint);
        var refused = new List<RefusedPoint>();
        foreach (var point in all)
        {
            var validation = validations.GetValueOrDefault(point.Id);
            if ((unfit.GetValueOrDefault(point.Id) ?? ReasonAgainst(point, oldest, before, validation, tiers[point.Id])) is not { } reason)
            {
                return new ChosenPoint(point, validation is { Passed: true } ? validation.ValidatedAt : null, refused);
            }

            refused.Add(new RefusedPoint(point.Id, point.CreatedAt, reason));
        }

        throw new EngineException("no-valid-backup", ErrorKind.NotFound,
            refused.Count == 0
                ? $"{source.Name} has no restore point that it could be recovered from in place ({StrategyFor(source.Kind)})"
                : $"no restore point of {source.Name} does: {string.Join("; ", refused.Take(10))}{(refused.Count > 10 ? $"; and {Counted.Of(refused.Count - 10, "more")}" : "")}",
            "take another plan, or validate an older restore point");
    }

    /// <summary>A restore point that somebody names, where it does.</summary>
    /// <exception cref="EngineException"><c>point-unfit</c>, with the reason.</exception>
    public async Task<ChosenPoint> ExactlyAsync(Source source, string restorePoint, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        var point = await points.ResolveAsync(restorePoint, cancellationToken);
        var validation = await points.LastVerdictsOfAsync([point.Id], cancellationToken) is [var last, ..] ? last : null;
        var reason = IsPutBack(source.Kind, point.Strategy)
            ? ReasonAgainst(point, null, null, validation, await points.TiersOfAsync([point.Id], cancellationToken))
            : $"its sort is '{point.Strategy}', and only '{StrategyFor(source.Kind)}' is put back in its place";
        return reason is null
            ? new ChosenPoint(point, validation is { Passed: true } ? validation.ValidatedAt : null, [])
            : throw new EngineException("point-unfit", ErrorKind.Conflict, $"restore point {point.PointId.Short} of {source.Name} does not do: {reason}", "restore it by hand into another place, or take a recovery set that has another");
    }

    /// <summary>Of Redis every restore point is a snapshot, however it was taken.</summary>
    private static bool IsPutBack(SourceKind kind, string? strategy) => kind == SourceKind.Redis || StrategyFor(kind) == strategy;

    /// <summary>The only sort of restore point that is put back in its place.</summary>
    private static string StrategyFor(SourceKind kind) => kind switch
    {
        SourceKind.Volume => VolumeDriver.FilesStrategy,
        SourceKind.VCluster => VClusterBackup.Strategy,
        SourceKind.Redis => RedisBackup.Snapshot,
        _ => PhysicalBackup.Strategy,
    };

    private string? ReasonAgainst(
        RestorePointRow point, TimeSpan? oldest, DateTimeOffset? before, ValidationRow? validation, IEnumerable<RestorePointTierRow> tiers)
    {
        if (before is { } evidence && point.CompletedAt >= evidence)
        {
            return $"it was completed after the first evidence of the damage at {evidence.UtcDateTime:HH:mm:ss} UTC";
        }

        // Against the evidence, not against now: over a weekend on which nobody came every point from before it would grow too old,
        // while retention keeps them for just this.
        if (oldest is { } limit && (before ?? time.GetUtcNow()) - point.CreatedAt > limit)
        {
            return $"it is older than the {limit.TotalHours:0.#} h that the plan allows{(before is null ? "" : " before the first evidence")}";
        }

        if (validation is { Passed: false })
        {
            return $"its validation of {validation.ValidatedAt.UtcDateTime:yyyy-MM-dd HH:mm} UTC failed";
        }

        var states = tiers.ToList();
        return states.Any(tier => tier.State is "stored" or "verified") ? null
            : states.Any(tier => tier.State == "damaged") ? "every copy of it is damaged"
            : "no tier holds it";
    }
}
