using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>What a retention run is asked for.</summary>
/// <param name="Tier">The tier.</param>
/// <param name="AllowedShare">The largest share of restore points, or of stored bytes, that may go at once, 0 to 1; null for the default.</param>
public sealed record RetentionRequest(string Tier, double? AllowedShare = null);

/// <summary>The door for work on tiers, next to <see cref="RunRequests"/> for sources and restore points.</summary>
public sealed class TierRequests(RunRequests requests, ProtectedEstate estate)
{
    /// <summary>Asks to give up what retention keeps no longer in a tier.</summary>
    /// <param name="allowedShare">What a person allows to go at once, 0 to 1; null for the default.</param>
    /// <exception cref="EngineException">Unknown tier, a share out of range, or a retention run that is still open there.</exception>
    public Task<Run> RetentionAsync(string tier, double? allowedShare, string actor, CancellationToken cancellationToken) =>
        allowedShare is < 0 or > 1 or double.NaN
            ? throw new EngineException("share-invalid", ErrorKind.Input, "the allowed share is a number from 0 to 1", "1 allows everything that nothing keeps.")
            : requests.OfTierAsync(RunKinds.Retention, tier, new RetentionRequest(tier, allowedShare), actor, cancellationToken);

    /// <summary>Asks to copy into a tier what it shall have and has not.</summary>
    /// <exception cref="EngineException">Unknown tier, or a replication that is still open there.</exception>
    public Task<Run> ReplicationAsync(string tier, string actor, CancellationToken cancellationToken) =>
        requests.OfTierAsync(RunKinds.Replication, tier, new ReplicationRequest(tier), actor, cancellationToken);

    /// <summary>Asks to read a tier's stored bytes back.</summary>
    /// <exception cref="EngineException">Unknown tier, or a verification that is still open there.</exception>
    public Task<Run> VerifyAsync(VerificationRequest request, string actor, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return requests.OfTierAsync(RunKinds.Verification, request.Tier, request, actor, cancellationToken);
    }

    /// <summary>Asks to repair a tier from the others.</summary>
    /// <exception cref="EngineException">Unknown tier, or a repair that is still open there.</exception>
    /// <param name="workspaces">Only these, or null for all.</param>
    public Task<Run> RepairAsync(string tier, IReadOnlyList<string>? workspaces, string actor, CancellationToken cancellationToken) =>
        requests.OfTierAsync(RunKinds.Repair, tier, new RepairRequest(tier, workspaces), actor, cancellationToken);

    /// <summary>
    /// Notes, for a run that could not read a restore point in a tier, that it is damaged there, and asks for a repair: whoever reads
    /// it next takes another tier first. A point that the tier gave up meanwhile is left alone.
    /// </summary>
    internal async Task NoteDamageAsync(RunContext context, RestorePointId point, string workspace, string tier, EngineException fault)
    {
        var marked = 0;
        await context.CommitAsync(async transaction => marked = await TierChecks.MarkDamagedAsync(transaction, tier, [point.Value], fault.Message));
        if (marked > 0)
        {
            context.Warn("damaged", $"restore point {point.Short} in {tier}: {fault.Message}");
            await AskForRepairAsync(context, tier, [workspace]);
        }
    }

    /// <summary>The same, where it may as well be WAL behind the restore point that cannot be read: then that counts as damaged, and the point as it did.</summary>
    internal async Task NoteDamageAsync(RunContext context, RestorePointId point, string workspace, string tier, BackupRepository repository, EngineException fault)
    {
        if (await NoteDamagedWalAsync(context, repository, tier, fault))
        {
            context.Warn("damaged", $"WAL in {tier}: {fault.Message}");
            await AskForRepairAsync(context, tier, [workspace]);
            return;
        }

        await NoteDamageAsync(context, point, workspace, tier, fault);
    }

    /// <summary>Notes damaged WAL in its tier. One that takes no note, as when it is full, must not hide what was found.</summary>
    /// <returns>False where it is no WAL, or could not be noted.</returns>
    internal static async Task<bool> NoteDamagedWalAsync(RunContext context, BackupRepository repository, string tier, EngineException damage)
    {
        if (RepositoryDamage.ObjectOf(damage) is not { } key)
        {
            return false;
        }

        try
        {
            return await repository.NoteUnreadableWalAsync(key, context.Cancellation);
        }
        catch (EngineException fault)
        {
            context.Warn("damaged", $"{key} is damaged, which could not be noted in {tier}: {fault.Message}");
            return false;
        }
    }

    /// <summary>Asks, for a run that found damage, to repair the tier from the others, where there are any.</summary>
    /// <param name="isRepeated">True where the damage came back right after a repair; then no other check follows by itself.</param>
    internal async Task AskForRepairAsync(RunContext context, string tier, IReadOnlyList<string> workspaces, bool isRepeated = false)
    {
        if (estate.Tiers.Count < 2)
        {
            context.Warn("repair", $"{tier} is the only tier: nothing can be fetched from another; take a new backup");
            return;
        }

        try
        {
            var repair = await requests.OfTierAsync(RunKinds.Repair, tier, new RepairRequest(tier, workspaces, isRepeated), "engine", context.Cancellation);
            context.Log("repair", $"{repair.Id} repairs {tier} from the other tiers");
        }
        catch (EngineException busy) when (busy.Code == "run-already-open")
        {
            context.Log("repair", $"a repair of {tier} is asked for already");
        }
    }

    /// <summary>Asks, for a repair that made a tier whole, to read it again: until then it counts as damaged.</summary>
    internal async Task AskForVerificationAsync(RunContext context, string tier, string? workspace)
    {
        try
        {
            var check = await VerifyAsync(
                new VerificationRequest(tier, CheckLevel.L2, Workspace: workspace, AfterRepair: context.Run.Id.ToString()), "engine", context.Cancellation);
            context.Log("repair", $"{check.Id} reads {tier} again");
        }
        catch (EngineException busy) when (busy.Code == "run-already-open")
        {
            context.Log("repair", $"a check of {tier} is asked for already");
        }
    }
}
