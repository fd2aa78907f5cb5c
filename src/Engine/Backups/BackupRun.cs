using System.Diagnostics;
using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Drivers;
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

    /// <summary>
    /// What a run stored is no older than the run, but for how far a store's clock may be behind the catalog's. A tier may hold thousands of
    /// restore points, and each backup that fails looks for its own.
    /// </summary>
    private static readonly TimeSpan s_clockSkew = TimeSpan.FromDays(1);

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
        var captured = await context.StepAsync(CaptureStep, step => CaptureAsync(context, step, source), _ => FindCapturedAsync(context, source));
        if (context.Run.Attempt > 1)
        {
            await WithdrawTornAsync(context, source, captured.Backup.BackupId);
        }

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

    /// <summary>
    /// What this run committed in a tier without coming to tell the catalog of it would be seen by nobody: retention would never give it up.
    /// Whole, it is put on record, since it may be the last state of a source that is gone; torn, it is taken back.
    /// </summary>
    public async Task AbandonAsync(RunContext context)
    {
        if (!await context.HasBegunAsync(CaptureStep))
        {
            return;
        }

        var source = estate.SourceNamed(context.Request<BackupRequest>().Source);
        await EachLeftAsync(context, source, async (tier, repository, point) =>
        {
            if (await IsKnownAsync(context, point.Id))
            {
                return;
            }

            if (!await repository.HoldsAllOfAsync(point, context.Cancellation))
            {
                await WithdrawAsync(context, source, tier, point);
                return;
            }

            await context.CommitAsync(async transaction =>
            {
                await RestorePointCatalog.RecordAsync(transaction, point, context.Run.Id.Value, CancellationToken.None);
                await RestorePointCatalog.RecordTierAsync(transaction, point.Id, tier.Name, "stored", null, CancellationToken.None);
            });
            context.Warn(CaptureStep, $"restore point {point.Id.Short} of this run is whole in tier {tier.Name} although the run did not come to its end; it was put on record");
        });
    }

    private static async Task<bool> IsKnownAsync(RunContext context, RestorePointId point)
    {
        await using var command = context.Catalog.CreateCommand("SELECT 1 FROM restore_point WHERE id = $1");
        command.Parameters.AddWithValue(point.Value);
        return await command.ExecuteScalarAsync(context.Cancellation) is not null;
    }

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
        foreach (var tier in serving)
        {
            try
            {
                return await CaptureAsync(context, step, source, tier);
            }
            catch (EngineException fault) when (tier != serving[^1] && IsOfTheTier(fault))
            {
                context.Warn(CaptureStep, $"tier {tier.Name} cannot be used: {fault.Message}; trying the next");
            }
        }

        throw new UnreachableException("an estate has at least one tier");
    }

    private async Task<Captured> CaptureAsync(RunContext context, StepHandle step, Source source, StorageTier tier)
    {
        await using var repository = await OpenAsync(source, tier, context.Cancellation);
        var request = await RequestFor(context, source);
        await step.RecordIntentAsync(new { tier = tier.Name });
        var result = await drivers.Of(source).CaptureAsync(request, repository, context.Progress, context.Log, context.Cancellation);
        // It is committed: a cancel that comes only now no longer takes it back, so it belongs into the catalog.
        var manifest = await repository.ReadManifestAsync(result.BackupId, CancellationToken.None);
        Record(context, step, manifest, tier.Name);
        return new Captured(tier.Name, result);
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
            [RequestedAtProperty] = RequestedAt(context.Run),
        },
    };

    /// <summary>Looks in every tier that answers for a restore point of this run.</summary>
    private async Task<StepProbe<Captured>> FindCapturedAsync(RunContext context, Source source)
    {
        foreach (var tier in estate.Tiers)
        {
            try
            {
                if (await FindCapturedAsync(context, source, tier) is { } found)
                {
                    return found;
                }
            }
            catch (EngineException fault) when (!context.Cancellation.IsCancellationRequested)
            {
                // Whatever is wrong with one tier, another may have it, and without any it is captured again.
                context.Warn(CaptureStep, $"tier {tier.Name} cannot be asked for the interrupted attempt: {fault.Message}");
            }
        }

        context.Log(CaptureStep, "no restore point of the interrupted attempt was committed; capturing again");
        return new StepProbe<Captured>.NotDone();
    }

    private async Task<StepProbe<Captured>?> FindCapturedAsync(RunContext context, Source source, StorageTier tier)
    {
        if (!await tiers.ExistsAsync(tier, source.Workspace, context.Cancellation))
        {
            return null;
        }

        await using var repository = await tiers.OpenAsync(tier, source.Workspace, context.Cancellation);
        Manifest? whole = null;
        // Each attempt may have left one.
        foreach (var point in await OwnAsync(context, repository))
        {
            whole = await repository.HoldsAllOfAsync(point, context.Cancellation) ? point : whole;
        }

        if (whole is not { } found)
        {
            return null;
        }

        var result = await drivers.Of(source).DescribeAsync(await RequestFor(context, source), repository, found, context.Cancellation);
        return new StepProbe<Captured>.Done(new Captured(tier.Name, result), step => Record(context, step, found, tier.Name));
    }

    /// <summary>
    /// Takes back what interrupted attempts have left that is not whole; only once another restore point of the run is on record, since half
    /// of the newest state may be all that is left of a source that died with the console.
    /// </summary>
    private Task WithdrawTornAsync(RunContext context, Source source, RestorePointId captured) => EachLeftAsync(context, source, async (tier, repository, point) =>
    {
        if (point.Id != captured && !await repository.HoldsAllOfAsync(point, context.Cancellation))
        {
            await WithdrawAsync(context, source, tier, point);
        }
    });

    /// <summary>Each restore point of this run in each tier that can be asked.</summary>
    private async Task EachLeftAsync(RunContext context, Source source, Func<StorageTier, BackupRepository, Manifest, Task> look)
    {
        foreach (var tier in estate.Tiers)
        {
            try
            {
                if (await tiers.ExistsAsync(tier, source.Workspace, context.Cancellation))
                {
                    await using var repository = await tiers.OpenAsync(tier, source.Workspace, context.Cancellation);
                    foreach (var point in await OwnAsync(context, repository))
                    {
                        await look(tier, repository, point);
                    }
                }
            }
            catch (EngineException fault) when (!context.Cancellation.IsCancellationRequested)
            {
                context.Warn(CaptureStep, $"tier {tier.Name} cannot be asked what interrupted attempts have left: {fault.Message}");
            }
        }
    }

    /// <summary>It ended before its last look whether all is there that it leans on: nobody counts it, and it must not show when the tier is read anew.</summary>
    private async Task WithdrawAsync(RunContext context, Source source, StorageTier tier, Manifest point)
    {
        var what = $"restore point {point.Id.Short} of an interrupted attempt leans on what tier {tier.Name} does not hold safely";
        try
        {
            await using var repository = await tiers.OpenForPruneAsync(tier, source.Workspace, context.Cancellation);
            var isGone = await repository.WithdrawUnprovenAsync(point, context.Cancellation);
            context.Warn(CaptureStep, isGone ? $"{what}; it was taken back" : $"{what}, or did not a moment ago");
        }
        catch (EngineException fault) when (fault.Kind is ErrorKind.Denied or ErrorKind.Unavailable)
        {
            // The next attempt looks again; a check names it until then.
            context.Warn(CaptureStep, $"{what}, and cannot be taken back now: {fault.Message}");
        }
    }

    /// <summary>The restore points of this run in a tier, oldest first.</summary>
    private static async Task<IReadOnlyList<Manifest>> OwnAsync(RunContext context, BackupRepository repository) =>
        [.. (await repository.ListStoredSinceAsync(context.Run.CreatedAt - s_clockSkew, context.Cancellation)).Points.Where(point => IsOf(context.Run, point))];

    private static bool IsOf(Run run, Manifest point) =>
        point.Properties.GetValueOrDefault(RunProperty) == run.Id.ToString() && point.Properties.GetValueOrDefault(RequestedAtProperty) == RequestedAt(run);

    private static string RequestedAt(Run run) => run.CreatedAt.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);

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
