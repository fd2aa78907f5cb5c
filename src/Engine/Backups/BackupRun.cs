using System.Diagnostics;
using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Runs;
using NpgsqlTypes;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>What a backup run ends with.</summary>
/// <param name="Backup">What was captured.</param>
/// <param name="Tiers">The tiers that hold the restore point, by name, with the URL of its repository.</param>
/// <param name="Behind">Tiers that could not be written, with the reason; replication catches up later.</param>
/// <param name="WantedTiers">How many tiers the class asks for before the restore point counts.</param>
/// <param name="Seconds">From the start of this attempt to the end of replication.</param>
public sealed record BackupRunResult(
    BackupResult Backup, IReadOnlyDictionary<string, string> Tiers, IReadOnlyDictionary<string, string> Behind, int WantedTiers, double Seconds)
{
    /// <summary>True where fewer tiers hold it than its class asks for.</summary>
    public bool IsDegraded => Tiers.Count < WantedTiers;
}

/// <summary>
/// A backup as a durable run: capture into the first tier that can be written, replicate to the others, then ask for a
/// validation. After a crash a restore point whose manifest was stored is found by its run number and taken over; without
/// one the capture begins again, since its snapshot died with the process.
/// </summary>
public sealed class BackupRun(
    TierRepositories tiers, TierReplication replication, SourceDrivers drivers, ProtectedEstate estate, SourceCatalog sources, RunRequests requests, TimeProvider time) : IRunHandler
{
    /// <summary>Property of a manifest: the run that made it.</summary>
    public const string RunProperty = "run";

    /// <summary>
    /// Property of a manifest: when that run was asked for, on the catalog's clock. A catalog that was made anew counts from
    /// R-1 again; number and time together are one run only.
    /// </summary>
    public const string RequestedAtProperty = "runRequestedAt";

    /// <summary>Begins the code of every fault of a store.</summary>
    private const string TierFault = "store-";

    private const string CaptureStep = "capture";

    /// <summary>How long a tier is waited for that may hold what an attempt left: it may save a whole capture.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(10);

    /// <summary>The same where nothing depends on it, since there is another restore point: the copies wait for it.</summary>
    private static readonly TimeSpan s_patienceOfOthers = TimeSpan.FromMinutes(1);

    /// <summary>The same where the run ends without a result: a restore may wait for just that.</summary>
    internal TimeSpan PatienceAtEnd { get; init; } = TimeSpan.FromSeconds(20);

    private LeftPoints Left => new(tiers, new TierRequests(requests, estate), estate, time);

    /// <inheritdoc/>
    public string Kind => RunKinds.Backup;

    /// <summary>A store that went away while a restore point was committed may hold it all the same.</summary>
    public bool AbandonsFirstAttempt => true;

    /// <inheritdoc/>
    public async Task<object> ExecuteAsync(RunContext context)
    {
        var began = time.GetTimestamp();
        var source = estate.SourceNamed(context.Request<BackupRequest>().Source);
        await RequireNotRecoveredAsync(context, source);
        var captured = await context.StepAsync(CaptureStep, step => CaptureAsync(context, step, source), intent => FindCapturedAsync(context, source, CaptureIntent.Of(intent)), keepsIntent: true);
        // Also in a first attempt: a tier whose answer was lost may hold what was then captured into the next one.
        if (await IntentAsync(context) is { Commits.Count: > 0 } intent)
        {
            await Left.SettleAsync(context, source, intent, s_patienceOfOthers);
        }

        await Left.SettleEarlierAsync(context, source, s_patienceOfOthers);
        var held = new Dictionary<string, string> { [captured.Tier] = estate.Tiers.First(tier => tier.Name == captured.Tier).RepositoryUrl(source.Workspace) };
        var behind = new Dictionary<string, string>();
        foreach (var tier in estate.TiersOf(source).Where(tier => tier.Name != captured.Tier))
        {
            var fault = await context.StepAsync($"replicate to {tier.Name}", step => replication.ReplicateAsync(context, step, source, captured.Backup.BackupId, captured.Tier, tier));
            (fault.Reason is null ? held : behind)[tier.Name] = fault.Reason ?? tier.RepositoryUrl(source.Workspace);
        }

        foreach (var tier in estate.Tiers.Where(tier => held.ContainsKey(tier.Name)))
        {
            await replication.CatchUpAsync(context, source, tier);
        }

        await FollowUpAsync(context, source, captured);
        var wanted = estate.ClassOf(source).MinimumTiers;
        if (held.Count < wanted)
        {
            context.Warn("engine", $"degraded: {held.Count} of {wanted} tiers hold restore point {captured.Backup.BackupId.Short}");
        }

        return new BackupRunResult(captured.Backup, held, behind, wanted, time.GetElapsedTime(began).TotalSeconds);
    }

    /// <summary>A commit whose manifest it was about to write may have been done all the same. Where none was, no tier is asked.</summary>
    public async Task AbandonAsync(RunContext context)
    {
        if (await context.HasBegunAsync(CaptureStep))
        {
            await Left.SettleAsync(context, estate.SourceNamed(context.Request<BackupRequest>().Source), await IntentAsync(context), PatienceAtEnd);
        }
    }

    private static async Task<CaptureIntent?> IntentAsync(RunContext context) => CaptureIntent.Of((await context.FindStepAsync(CaptureStep))?.IntentJson);

    /// <summary>What is captured while a recovery replaces it is a mixture that may validate: its facts are those of what was read.</summary>
    private static async Task RequireNotRecoveredAsync(RunContext context, Source source)
    {
        if ((await SourceClaims.RecoveryAtWorkAsync(context.Catalog, [source.Name], context.Cancellation)
            ?? await SourceClaims.RestoreAtWorkAsync(context.Catalog, [source.Name], context.Cancellation)) is { } other)
        {
            throw new EngineException("source-recovering", ErrorKind.Conflict, $"{other.Run} recovers {source.Name} at this moment, so that a backup would hold a mixture",
                "Nothing was captured; it is backed up again by its schedule, or by hand once that run has ended.");
        }
    }

    /// <summary>Captures into the first tier that takes all of it: one that is down, full or read-only costs the copy there, not the backup.</summary>
    private async Task<Captured> CaptureAsync(RunContext context, StepHandle step, Source source)
    {
        var serving = estate.TiersOf(source);
        List<BegunCommit> begun = [.. (await IntentAsync(context))?.Commits ?? []];
        foreach (var tier in serving)
        {
            try
            {
                return await CaptureAsync(context, step, source, tier, begun);
            }
            catch (EngineException fault) when (tier != serving[^1] && IsOfTheTier(fault))
            {
                context.Warn(CaptureStep, $"tier {tier.Name} cannot be used: {fault.Message}; trying the next");
            }
        }

        throw new UnreachableException("an estate has at least one tier");
    }

    /// <param name="begun">Every commit that this run has begun; those of this capture are added.</param>
    private async Task<Captured> CaptureAsync(RunContext context, StepHandle step, Source source, StorageTier tier, List<BegunCommit> begun)
    {
        await step.RecordIntentAsync(new CaptureIntent(tier.Name, begun));
        await using var repository = await OpenAsync(source, tier, context.Cancellation);
        var request = await RequestFor(context, source);
        request = request with { Description = request.Description with { BeforeManifest = BeforeManifestAsync } };
        var result = await drivers.Of(source).CaptureAsync(request, repository, context.Progress, context.Log, context.Cancellation);
        // It is committed: a cancel that comes only now no longer takes it back, so it belongs into the catalog.
        var manifest = await repository.ReadManifestAsync(result.BackupId, CancellationToken.None);
        Record(context, step, manifest, tier.Name);
        return new Captured(tier.Name, result);

        async Task BeforeManifestAsync(RestorePointId point, CancellationToken _)
        {
            begun.Add(new BegunCommit(tier.Name, point.Value));
            await step.RecordIntentAsync(new CaptureIntent(tier.Name, begun));
            // Last: a process that was frozen while it captured must not commit what a restore has been writing over since.
            await context.RequireLeaseAsync();
        }
    }

    /// <summary>What opening says is the tier's in any case; while capturing, the source may fail as well.</summary>
    private async Task<BackupRepository> OpenAsync(Source source, StorageTier tier, CancellationToken cancellationToken)
    {
        try
        {
            return await tiers.OpenOrCreateAsync(tier, source.Workspace, cancellationToken);
        }
        catch (EngineException fault) when (fault.Kind is ErrorKind.Unavailable or ErrorKind.NotFound && !IsOfTheTier(fault))
        {
            throw new EngineException($"{TierFault}unusable", fault.Kind, fault.Message, fault.Hint, fault);
        }
    }

    private static bool IsOfTheTier(EngineException fault) => fault.Code.StartsWith(TierFault, StringComparison.Ordinal);

    private async Task<CaptureRequest> RequestFor(RunContext context, Source source) => new()
    {
        Source = source,
        Strategy = context.Request<BackupRequest>().Strategy,
        Description = new BackupDescription
        {
            Source = source.Name,
            Kind = source.Kind.ToString().ToLowerInvariant(),
            Workspace = source.Workspace,
            Class = source.Class,
            HostName = Environment.MachineName,
            Compression = estate.ClassOf(source).Compression,
            // Before the snapshot is taken: the content is never older than the time that an RPO is counted from.
            CreatedAt = time.GetUtcNow(),
        },
        PreviousSnapshotAt = await sources.NewestPointAsync(source.Name, context.Cancellation),
        MeasuredRestoreTime = await sources.MeasuredRestoreTimeAsync(source.Name, context.Cancellation),
        Gaps = source.Postgres is null ? [] : [.. (await new WalCatalog(context.Catalog).GapsAsync(source.Name, onlyOpen: true, context.Cancellation))
            .Select(gap => new WalGapEnd(gap.SystemIdentifier, new Lsn((ulong)gap.ToLsn)))],
        Properties = new Dictionary<string, string>
        {
            [RunProperty] = context.Run.Id.ToString(),
            [RequestedAtProperty] = LeftPoints.RequestedAt(context.Run),
        },
    };

    /// <summary>Looks in the tiers for a restore point of this run that is whole.</summary>
    private async Task<StepProbe<Captured>> FindCapturedAsync(RunContext context, Source source, CaptureIntent? intent)
    {
        var (points, isAll) = await Left.FindAsync(context, source, intent, s_patience);
        if (intent?.Commits is null && isAll)
        {
            // From now on each is found by its name, whatever becomes of this attempt.
            await context.WriteIntentAsync(CaptureStep, new CaptureIntent(intent?.Tier, [.. points.Select(one => new BegunCommit(one.Tier.Name, one.Point.Id.Value))]));
        }

        foreach (var left in points.Where(one => one.Standing == PointStanding.Whole).GroupBy(one => one.Tier.Name).Select(same => same.Last()))
        {
            try
            {
                await using var repository = await tiers.OpenAsync(left.Tier, source.Workspace, context.Cancellation);
                var result = await drivers.Of(source).DescribeAsync(await RequestFor(context, source), repository, left.Point, context.Cancellation);
                return new StepProbe<Captured>.Done(new Captured(left.Tier.Name, result), step => Record(context, step, left.Point, left.Tier.Name));
            }
            catch (EngineException fault) when (!context.Cancellation.IsCancellationRequested)
            {
                // Whatever is wrong with one tier, another may have it, and without any it is captured again.
                context.Warn(CaptureStep, $"restore point {left.Point.Id.Short} of the interrupted attempt in tier {left.Tier.Name} cannot be taken over: {fault.Message}");
            }
        }

        context.Log(CaptureStep, "no restore point of the interrupted attempt was committed; capturing again");
        return new StepProbe<Captured>.NotDone();
    }

    private static void Record(RunContext context, StepHandle step, Manifest manifest, string tier) =>
        step.OnCommit(async transaction =>
        {
            await RestorePointCatalog.RecordAsync(transaction, manifest, context.Run.Id.Value, CancellationToken.None);
            await RestorePointCatalog.RecordTierAsync(transaction, manifest.Id, tier, "stored", null, CancellationToken.None);
            await transaction.Command("UPDATE run SET restore_point = $2 WHERE id = $1", context.Run.Id.Value, manifest.Id.Value).RunAsync(CancellationToken.None);
            if (manifest.Strategy == PhysicalBackup.Strategy)
            {
                // What was lost of the WAL before this backup began is needed by nothing that comes after it.
                await WalCatalog.CloseGapsBehindAsync(
                    transaction, manifest.Source, manifest.Properties[PhysicalBackup.SystemProperty], long.Parse(manifest.Properties[PhysicalBackup.TimelineProperty], CultureInfo.InvariantCulture),
                    NpgsqlLogSequenceNumber.Parse(manifest.Properties[PhysicalBackup.StartProperty]), manifest.Id.Value, CancellationToken.None);
            }
        });

    /// <summary>Critical sources are validated at once, others when the newest proof has lived half its life.</summary>
    private async Task FollowUpAsync(RunContext context, Source source, Captured captured)
    {
        RunId? asked = null;
        await context.StepAsync("ask for validation", async step =>
        {
            var needed = await sources.NeedsValidationAsync(source, estate.ClassOf(source), context.Cancellation);
            if (needed)
            {
                var id = captured.Backup.BackupId.Value;
                step.OnCommit(async transaction => asked = (await RunStore.InsertAsync(
                    transaction, RunKinds.Validation, source.Name, id, new ValidationRequest(id), "engine", context.Run.Id, CancellationToken.None)).Id);
            }

            return needed;
        });
        if (asked is { } run)
        {
            // Lost in a crash here, the reconciler hands it over.
            await requests.HandOverAsync(run, context.Cancellation);
        }
    }

    /// <summary>The result of the capture step.</summary>
    private sealed record Captured(string Tier, BackupResult Backup);
}
