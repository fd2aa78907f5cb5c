using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>What became of a copy into a tier.</summary>
/// <param name="Reason">Why the tier is behind; null where it holds the restore point.</param>
public sealed record Replicated(string? Reason);

/// <summary>
/// Copies a new restore point into another tier, and later those that a tier could not take when they were made. A tier that
/// is down never takes the backup down: the point exists, it only counts less until the tier has caught up.
/// </summary>
public sealed class TierReplication(TierRepositories tiers, RestorePointAccess access, RestorePointCatalog points, TierRequests requests, ProtectedEstate estate)
{
    /// <summary>Code of a copy whose restore point its source does not hold any more.</summary>
    private const string GivenUp = "restore-point-given-up";

    /// <summary>The body of a backup run's step "replicate to TIER".</summary>
    /// <param name="context">The run.</param>
    /// <param name="step">The step; what the tiers hold is written when it is done.</param>
    /// <param name="source">Whose workspace names the repository.</param>
    /// <param name="point">The new restore point.</param>
    /// <param name="from">The tier that holds it.</param>
    /// <param name="to">The tier that shall hold it too.</param>
    public async Task<Replicated> ReplicateAsync(RunContext context, StepHandle step, Source source, RestorePointId point, string from, StorageTier to)
    {
        try
        {
            await using var origin = await tiers.OpenAsync(estate.Tiers.First(tier => tier.Name == from), source.Workspace, context.Cancellation);
            await using var copy = await tiers.OpenOrCreateAsync(to, source.Workspace, context.Cancellation);
            await CopyAsync(context, step, origin, copy, point, to);
            return new Replicated(null);
        }
        catch (EngineException fault)
        {
            await NoteDamageAsync(context, point, source.Workspace, from, fault);
            Warn(context, point, to, fault);
            step.OnCommit(transaction => RestorePointCatalog.RecordTierAsync(transaction, point, to.Name, "behind", fault.Message, CancellationToken.None));
            return new Replicated(fault.Message);
        }
    }

    private static async Task CopyAsync(RunContext context, StepHandle step, BackupRepository origin, BackupRepository copy, RestorePointId point, StorageTier to)
    {
        var report = await origin.CopyAsync(copy, [point], context.Progress, context.Cancellation);
        if (report.RestorePoints + report.AlreadyThere == 0)
        {
            throw new EngineException(GivenUp, ErrorKind.NotFound, $"the tier that {point.Short} was copied from gave it up meanwhile", "its copy is made from another tier that holds it, or not at all where its time is over");
        }

        // What was copied now was read back, but a restore point also leans on packs that were there before: "verified" is for
        // who has read them all, which the validation does.
        step.OnCommit(transaction => RestorePointCatalog.RecordTierAsync(transaction, point, to.Name, "stored", null, CancellationToken.None));
        context.Log("replicate", $"{to.Name} holds {point.Short}");
    }

    /// <summary>
    /// Copies what a tier that answers again has missed, each restore point from a tier that holds it. One that cannot be had
    /// now stays behind until the tier's next replication run, or the next backup.
    /// </summary>
    public async Task CatchUpAsync(RunContext context, Source source, StorageTier to)
    {
        var missed = await points.BehindAsync(to.Name, source.Workspace, context.Cancellation);
        if (missed.Count > 0)
        {
            await context.StepAsync($"catch up {to.Name}", async step =>
            {
                foreach (var point in missed)
                {
                    await CatchUpAsync(context, step, point, to);
                }

                return missed.Count;
            });
        }
    }

    /// <summary>
    /// Copies one restore point from a tier that holds it; what came of it is written when the step is done. A tier in which it turns
    /// out to be damaged is noted and passed over for the next.
    /// </summary>
    /// <returns>True where the tier holds it now.</returns>
    public async Task<bool> CatchUpAsync(RunContext context, StepHandle step, RestorePointRow point, StorageTier to)
    {
        var tried = new List<StorageTier>();
        EngineException? damage = null;
        while (true)
        {
            StorageTier? from = null;
            try
            {
                (from, var origin) = await access.OpenAsync(point, null, tried, context.Cancellation);
                await using (origin)
                {
                    await using var copy = await tiers.OpenOrCreateAsync(to, point.Workspace, context.Cancellation);
                    await CopyAsync(context, step, origin, copy, point.PointId, to);
                    return true;
                }
            }
            catch (EngineException fault) when (from is not null && IsOfSource(fault))
            {
                await NoteDamageAsync(context, point.PointId, point.Workspace, from.Name, fault);
                tried.Add(from);
                damage = fault;
            }
            catch (EngineException fault)
            {
                // Where no tier is left, what was found in the last says more than that.
                var said = from is null && damage is not null ? damage : fault;
                Warn(context, point.PointId, to, said);
                step.OnCommit(transaction => RestorePointCatalog.RecordTierAsync(transaction, point.PointId, to.Name, "behind", said.Message, CancellationToken.None));
                return false;
            }
        }
    }

    /// <summary>One that was given up while it was copied is not damaged, though the catalog may not know of that yet.</summary>
    private Task NoteDamageAsync(RunContext context, RestorePointId point, string workspace, string from, EngineException fault) =>
        fault.Code == BackupRepository.CopySourceDamaged ? requests.NoteDamageAsync(context, point, workspace, from, fault) : Task.CompletedTask;

    /// <summary>True where another tier's copy may do what this one's could not.</summary>
    private static bool IsOfSource(EngineException fault) => fault.Code is BackupRepository.CopySourceDamaged or GivenUp;

    private static void Warn(RunContext context, RestorePointId point, StorageTier to, EngineException fault) =>
        context.Warn("replicate", $"{to.Name} does not hold {point.Short}: {fault.Message}{(fault.Hint is null ? "" : $" → {fault.Hint}")}");
}
