using System.Globalization;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>A restore point whose manifest a backup run was about to write.</summary>
internal sealed record BegunCommit(string Tier, string Point);

/// <summary>What a backup run says before it acts, so that what it left is found again without reading whole tiers.</summary>
/// <param name="Tier">The tier that it captures into.</param>
/// <param name="Commits">Every manifest that any attempt was about to write; none: no store can hold one. Null where that was not noted.</param>
/// <param name="IsSettled">True once every tier was asked what it holds of them, long after the run had ended.</param>
internal sealed record CaptureIntent(string? Tier, IReadOnlyList<BegunCommit>? Commits, bool IsSettled = false)
{
    public static CaptureIntent? Of(string? json) => json is null ? null : JsonSerializer.Deserialize<CaptureIntent>(json, JsonSerializerOptions.Web);
}

/// <summary>A restore point of a run that a tier holds.</summary>
internal sealed record LeftPoint(StorageTier Tier, Manifest Point, PointStanding Standing);

/// <summary>
/// Finds what a backup run committed in tiers without coming to tell the catalog of it. Nobody would see that: retention would never give
/// it up, and what it leans on could never be deleted.
/// </summary>
internal sealed class LeftPoints(TierRepositories tiers, TierRequests requests, ProtectedEstate estate, TimeProvider time)
{
    /// <summary>A writer that was frozen may store a manifest after its run has ended; none is frozen for so long and goes on.</summary>
    private static readonly TimeSpan s_settled = TimeSpan.FromHours(1);

    /// <summary>
    /// What a run stored is no older than the run, but for how far a store's clock may be behind the catalog's: a tier may hold thousands of
    /// restore points.
    /// </summary>
    private static readonly TimeSpan s_clockSkew = TimeSpan.FromDays(1);

    /// <summary>So many earlier runs are looked after at once.</summary>
    private const int MostEarlier = 10;

    /// <summary>Of how many runs of the source the record is read for that: some days of the busiest one. Runs are never forgotten, and each backup looks.</summary>
    private const int MostLookedAt = 5_000;

    /// <summary>Phase of a run's log in which all of it is said.</summary>
    private const string Phase = "capture";

    /// <summary>The restore points of a run that tiers hold, in the order of the tiers. A tier that does not answer within the patience is passed over.</summary>
    /// <returns>Also whether every tier was asked.</returns>
    public Task<(IReadOnlyList<LeftPoint> Points, bool IsAll)> FindAsync(RunContext context, Source source, CaptureIntent? intent, TimeSpan patience) =>
        FindAsync(context, source, context.Run.Id, intent, patience);

    /// <summary>
    /// Settles what is not on record. What is whole is put there, since it may be the last state of a source that is gone. So is what is not,
    /// as damaged, for the same reason: another tier may have what is lacking. Only where a sound restore point of the run, or a newer one of
    /// the source, is on record is one of which something is gone taken back.
    /// </summary>
    public Task SettleAsync(RunContext context, Source source, CaptureIntent? intent, TimeSpan patience) => SettleAsync(context, source, context.Run.Id, intent, patience);

    /// <summary>
    /// The same for runs of the source that have ended: the tier whose answer was lost did most likely not answer either when they ended, and
    /// nobody else would ever look.
    /// </summary>
    public async Task SettleEarlierAsync(RunContext context, Source source, TimeSpan patience)
    {
        var earlier = await context.Catalog.Command(
            """
            SELECT r.id, s.intent::text, r.ended_at < clock_timestamp() - $3
            FROM (SELECT id, kind, ended_at FROM run WHERE source = $1 AND id < $2 ORDER BY id DESC LIMIT $5) r JOIN run_step s ON s.run_id = r.id
            WHERE r.kind = 'backup' AND r.ended_at IS NOT NULL AND s.name = 'capture'
              AND NOT coalesce((s.intent ->> 'isSettled')::boolean, false)
              AND EXISTS (SELECT FROM jsonb_path_query(s.intent, '$.commits[*].point') c WHERE NOT EXISTS (SELECT FROM restore_point p WHERE p.id = c #>> '{}'))
            ORDER BY r.id LIMIT $4
            """, source.Name, context.Run.Id.Value, s_settled, MostEarlier, MostLookedAt)
            .ListAsync(row => (Run: new RunId(row.GetInt64(0)), Intent: CaptureIntent.Of(row.GetString(1))!, IsLongAgo: row.GetBoolean(2)), context.Cancellation);
        var began = time.GetTimestamp();
        foreach (var (run, intent, isLongAgo) in earlier)
        {
            if (time.GetElapsedTime(began) >= patience)
            {
                // Not once for each: the next backup goes on.
                return;
            }

            if (await SettleAsync(context, source, run, intent, patience) && isLongAgo)
            {
                await context.CommitAsync(transaction => transaction.Command(
                    "UPDATE run_step SET intent = $2 WHERE run_id = $1 AND name = 'capture'", run.Value,
                    new Jsonb(JsonSerializer.Serialize(intent with { IsSettled = true }, JsonSerializerOptions.Web))).RunAsync(CancellationToken.None));
            }
        }
    }

    private async Task<(IReadOnlyList<LeftPoint> Points, bool IsAll)> FindAsync(RunContext context, Source source, RunId run, CaptureIntent? intent, TimeSpan patience)
    {
        var asked = intent?.Commits is { } commits
            ? estate.Tiers.Select(tier => (Tier: tier, Wanted: (string[]?)[.. commits.Where(one => one.Tier == tier.Name).Select(one => one.Point)])).Where(one => one.Wanted!.Length > 0)
            : (intent?.Tier is { } only ? estate.Tiers.Where(tier => tier.Name == only) : estate.TiersOf(source)).Select(tier => (Tier: tier, Wanted: (string[]?)null));
        // At the same time: several that are slow must not take as long as all of them together.
        var found = await Task.WhenAll(asked.Select(one => LookAsync(context, source, run, one.Tier, one.Wanted, patience)));
        return ([.. found.Where(points => points is not null).SelectMany(points => points!)], found.All(points => points is not null));
    }

    /// <returns>True where every tier could be asked, and nothing is left to be settled.</returns>
    private async Task<bool> SettleAsync(RunContext context, Source source, RunId run, CaptureIntent? intent, TimeSpan patience)
    {
        if (intent?.Commits is { } commits)
        {
            var unknown = await UnknownAsync(context, [.. commits.Select(one => one.Point)]);
            intent = intent with { Commits = [.. commits.Where(one => unknown.Contains(one.Point))] };
        }

        var (points, isAll) = await FindAsync(context, source, run, intent, patience);
        var unsettled = await UnknownAsync(context, [.. points.Select(one => one.Point.Id.Value)]);
        // What is whole first: it decides what becomes of the others.
        foreach (var left in points.Where(one => unsettled.Contains(one.Point.Id.Value)).OrderBy(one => one.Standing))
        {
            if (left.Standing == PointStanding.Lacking && await IsAnotherOnRecordAsync(context, run, left.Point))
            {
                isAll &= await WithdrawAsync(context, source, left, patience);
            }
            else
            {
                await RecordAsync(context, source, run, left);
            }
        }

        return isAll;
    }

    private async Task RecordAsync(RunContext context, Source source, RunId run, LeftPoint left)
    {
        var (point, tier) = (left.Point, left.Tier.Name);
        var fault = left.Standing switch
        {
            PointStanding.Lacking => "the interrupted run that made it left it with something lacking",
            PointStanding.Doubtful => "the interrupted run that made it left it leaning on what is marked or cannot be read",
            _ => null,
        };
        await context.CommitAsync(async transaction =>
        {
            await RestorePointCatalog.RecordAsync(transaction, point, run.Value, CancellationToken.None);
            await RestorePointCatalog.RecordTierAsync(transaction, point.Id, tier, fault is null ? "stored" : "damaged", fault, CancellationToken.None);
        });
        context.Warn(Phase, fault is null
            ? $"restore point {point.Id.Short} of {run} is whole in tier {tier} although the run did not come to its end there; it was put on record"
            : $"restore point {point.Id.Short} of {run} is in tier {tier}, but not safely ({fault}); it was put on record as damaged there");
        if (fault is null)
        {
            return;
        }

        try
        {
            await requests.AskForRepairAsync(context, tier, [source.Workspace]);
        }
        catch (EngineException refusal)
        {
            // It is on record as damaged: the next check of the tier asks again.
            context.Warn(Phase, $"no repair of {tier} could be asked for: {refusal.Message}");
        }
    }

    /// <summary>Nobody counts it, and it must not show when the tier is read anew.</summary>
    /// <returns>False where nobody could take it back.</returns>
    private async Task<bool> WithdrawAsync(RunContext context, Source source, LeftPoint left, TimeSpan patience)
    {
        var what = $"restore point {left.Point.Id.Short} of an interrupted attempt leans on what tier {left.Tier.Name} does not hold";
        try
        {
            var isGone = await ApartAsync(context, left.Tier, patience, async ended =>
            {
                await using var repository = await tiers.OpenForPruneAsync(left.Tier, source.Workspace, ended);
                return await repository.WithdrawUnprovenAsync(left.Point, ended);
            });
            context.Warn(Phase, isGone ? $"{what}; it was taken back" : $"{what}, or did not a moment ago");
            return isGone;
        }
        catch (EngineException fault) when (!context.Cancellation.IsCancellationRequested)
        {
            // A check names it from now on.
            context.Warn(Phase, $"{what}, and cannot be taken back now: {fault.Message}");
            return false;
        }
    }

    /// <returns>Null where the tier could not be asked.</returns>
    private async Task<IReadOnlyList<LeftPoint>?> LookAsync(RunContext context, Source source, RunId run, StorageTier tier, IReadOnlyList<string>? wanted, TimeSpan patience)
    {
        try
        {
            return await ApartAsync(context, tier, patience, ended => ReadAsync(context, source, run, tier, wanted, ended));
        }
        catch (EngineException fault) when (!context.Cancellation.IsCancellationRequested)
        {
            context.Warn(Phase, $"tier {tier.Name} cannot be asked what interrupted attempts have left: {fault.Message}");
            return null;
        }
    }

    private async Task<IReadOnlyList<LeftPoint>> ReadAsync(RunContext context, Source source, RunId run, StorageTier tier, IReadOnlyList<string>? wanted, CancellationToken ended)
    {
        if (!await tiers.ExistsAsync(tier, source.Workspace, ended))
        {
            return [];
        }

        await using var repository = await tiers.OpenAsync(tier, source.Workspace, ended);
        var found = new List<LeftPoint>();
        foreach (var point in wanted is null
            ? [.. (await repository.ListStoredSinceAsync(context.Run.CreatedAt - s_clockSkew, ended)).Points.Where(point => IsOf(context.Run, point))] : await ReadNamedAsync(context, repository, run, tier, wanted, ended))
        {
            found.Add(new LeftPoint(tier, point, await repository.StandingOfAsync(point, ended)));
        }

        return found;
    }

    private static async Task<List<Manifest>> ReadNamedAsync(RunContext context, BackupRepository repository, RunId run, StorageTier tier, IReadOnlyList<string> wanted, CancellationToken ended)
    {
        var found = new List<Manifest>();
        foreach (var id in wanted)
        {
            try
            {
                found.Add(await repository.ReadManifestAsync(new RestorePointId(id), ended));
            }
            catch (EngineException fault) when (fault.Kind is ErrorKind.NotFound or ErrorKind.Damaged)
            {
                // Not written, which most often is so. What is there and cannot be read a check names.
                context.Log(Phase, $"restore point {new RestorePointId(id).Short} of {run} is not in tier {tier.Name}: {fault.Message}");
            }
        }

        return found;
    }

    /// <summary>
    /// Does something with a tier on a thread of its own, which is left behind where it hangs: a dead mount blocks whoever asks it in a call
    /// that nothing ends, and a run whose end waits for it would keep its source from every further backup.
    /// </summary>
    private async Task<T> ApartAsync<T>(RunContext context, StorageTier tier, TimeSpan patience, Func<CancellationToken, Task<T>> work)
    {
        var cancellation = context.Cancellation;
        var apart = Task.Run(
            async () =>
            {
                using var tooLong = new CancellationTokenSource(patience, time);
                using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation, tooLong.Token);
                return await work(ended.Token);
            },
            CancellationToken.None);
        try
        {
            return await apart.WaitAsync(patience, time, cancellation);
        }
        catch (Exception fault) when (fault is TimeoutException || (fault is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            throw new EngineException("tier-silent", ErrorKind.Unavailable, $"{tier.Name} did not answer within {patience.TotalSeconds:0} s", "Look at its mount or connection.", fault);
        }
    }

    private static async Task<IReadOnlySet<string>> UnknownAsync(RunContext context, string[] points)
    {
        var known = points.Length == 0 ? [] : await context.Catalog.Command("SELECT id FROM restore_point WHERE id = ANY ($1)", (object)points)
            .ListAsync(row => row.GetString(0), context.Cancellation);
        return points.Except(known).ToHashSet(StringComparer.Ordinal);
    }

    private static async Task<bool> IsAnotherOnRecordAsync(RunContext context, RunId run, Manifest but) =>
        await context.Catalog.Command(
            """
            SELECT 1 FROM restore_point p JOIN restore_point_tier t ON t.restore_point = p.id
            WHERE (p.run_id = $1 OR (p.source = $3 AND p.created_at > $4)) AND p.id <> $2 AND p.expired_at IS NULL AND t.state IN ('stored', 'verified') LIMIT 1
            """, run.Value, but.Id.Value, but.Source, but.CreatedAt.ToUniversalTime()).FirstAsync(_ => "one", context.Cancellation) is not null;

    /// <summary>True of a restore point that the run made: a catalog that was made anew counts its runs from R-1 again.</summary>
    private static bool IsOf(Run run, Manifest point) =>
        point.Properties.GetValueOrDefault(BackupRun.RunProperty) == run.Id.ToString() && point.Properties.GetValueOrDefault(BackupRun.RequestedAtProperty) == RequestedAt(run);

    /// <summary>When a run was asked for, as its restore points have it.</summary>
    public static string RequestedAt(Run run) => run.CreatedAt.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
}
