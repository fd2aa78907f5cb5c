using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>What a repair run is asked for.</summary>
/// <param name="Workspaces">Only these, or null for all.</param>
/// <param name="IsRepeated">True where the tier was damaged again right after a repair.</param>
public sealed record RepairRequest(string Tier, IReadOnlyList<string>? Workspaces = null, bool IsRepeated = false);

/// <summary>What a repair did in one workspace's repository.</summary>
/// <param name="Objects">Everything that was damaged or lost, and what became of it.</param>
/// <param name="From">The tier that helped, or null where none could be asked.</param>
/// <param name="Fetched">Chunks fetched from it.</param>
/// <param name="Salvaged">Chunks that were still whole in a damaged pack.</param>
/// <param name="PointsWhole">Restore points that were known to be damaged here and read back whole afterwards.</param>
public sealed record WorkspaceRepair(
    string Workspace, IReadOnlyList<RepairedObject> Objects, string? From, long Fetched, long Salvaged, IReadOnlyList<string> PointsWhole);

/// <summary>What a repair run ends with.</summary>
public sealed record RepairRunResult(string Tier, IReadOnlyList<WorkspaceRepair> Workspaces)
{
    /// <summary>True where nothing damaged is left.</summary>
    public bool IsWhole => Workspaces.All(one => one.Objects.All(part => part.IsRepaired));
}

/// <summary>
/// Repairs a tier from the others: damaged and lost objects are found by reading all of it, and what another tier has whole
/// is stored anew and read back. Nothing that can be read is deleted, so doing it again after a crash is safe. A tier that is
/// whole afterwards is read again by a verification, and restore points that were damaged are proven anew.
/// </summary>
public sealed class RepairRun(
    TierRepositories tiers, RestorePointCatalog points, NpgsqlDataSource catalog, TierRequests requests, RunRequests runs, ProtectedEstate estate) : IRunHandler
{
    /// <inheritdoc/>
    public string Kind => RunKinds.Repair;

    /// <inheritdoc/>
    public async Task<object> ExecuteAsync(RunContext context)
    {
        var request = context.Request<RepairRequest>();
        var tier = estate.TierNamed(request.Tier);
        var done = new List<WorkspaceRepair>();
        var faults = new WorkspaceFaults(context, "repair");
        foreach (var workspace in request.Workspaces ?? await points.WorkspacesAsync(tier.Name, context.Cancellation))
        {
            await faults.TryAsync(workspace, async () => done.Add(await context.StepAsync($"repair {workspace}", step => RepairAsync(context, step, tier, workspace))));
        }

        var result = new RepairRunResult(tier.Name, done);
        await AskForProofsAsync(context, tier, [.. done.SelectMany(one => one.PointsWhole)]);
        await AskForVerificationAsync(context, request, result);
        faults.ThrowIfAny();
        return result;
    }

    /// <summary>Bytes that are as they were written do not prove that the point restores: its last proof may be a failure.</summary>
    private async Task AskForProofsAsync(RunContext context, StorageTier tier, string[] whole)
    {
        var asked = new List<RunId>();
        await context.StepAsync("ask for validations", async step =>
        {
            var due = await TierChecks.ToProveAnewAsync(catalog, whole, context.Cancellation);
            step.OnCommit(async transaction =>
            {
                foreach (var (point, source) in due)
                {
                    asked.Add((await RunStore.InsertAsync(
                        transaction, RunKinds.Validation, source, point, new ValidationRequest(point, tier.Name), "engine", context.Run.Id, CancellationToken.None)).Id);
                }
            });
            return due.Count;
        });
        foreach (var run in asked)
        {
            // Lost in a crash here, the reconciler hands it over.
            await runs.HandOverAsync(run, context.Cancellation);
            context.Log("repair", $"{run} proves a restore point that is whole again");
        }
    }

    private async Task AskForVerificationAsync(RunContext context, RepairRequest request, RepairRunResult result)
    {
        string[] workspaces = [.. result.Workspaces.Select(one => one.Workspace)];
        if (!result.IsWhole
            || !(result.Workspaces.Any(one => one.Objects.Count > 0) || await TierChecks.IsAnyDamagedAsync(catalog, result.Tier, workspaces, context.Cancellation)))
        {
            return;
        }

        if (request.IsRepeated)
        {
            context.Warn("repair", $"{result.Tier} was damaged again right after it had been repaired; it is whole now, and counts as damaged until the next scheduled check. Look at its store");
            return;
        }

        await requests.AskForVerificationAsync(context, result.Tier, workspaces is [var one] ? one : null);
    }

    private async Task<WorkspaceRepair> RepairAsync(RunContext context, StepHandle step, StorageTier tier, string workspace)
    {
        WorkspaceRepair? done = null;
        EngineException? last = null;
        foreach (var other in estate.Tiers.Where(other => other != tier))
        {
            try
            {
                if (!(IsWhole(done) ? await HasMoreAsync(context, tier, workspace, other) : await tiers.ExistsAsync(other, workspace, context.Cancellation)))
                {
                    continue;
                }

                done = Together(done, await RepairFromAsync(context, step, tier, workspace, other));
            }
            catch (EngineException fault)
            {
                // Away, damaged itself, or of another repository: whatever is wrong with it, the next tier may be sound.
                last = fault;
                context.Warn("repair", $"{other.Name} cannot help now: {fault.Message}");
                // Where it was known to have what is lacking here, the others' work is not all.
                done = IsWhole(done) ? done! with { Objects = [.. done!.Objects, new RepairedObject(other.Name, $"{other.Name} has what is lacking here", [], false, fault.Message)] } : done;
            }
        }

        // Where every helper ended alike, the fault may be this tier's own: the last word says what it is.
        return done ?? throw new EngineException("repair-without-source", last?.Kind ?? ErrorKind.Unavailable,
            $"no other tier that answers holds a repository of {workspace}, from which {tier.Name} could be repaired{(last is null ? "" : $": {last.Message}")}", "Check the tiers, then ask again.", last);
    }

    private static bool IsWhole(WorkspaceRepair? done) => done is not null && done.Objects.All(one => one.IsRepaired);

    /// <summary>Nothing that is known is damaged any more; what only a tier has that does not answer now is found when it does.</summary>
    private async Task<bool> HasMoreAsync(RunContext context, StorageTier tier, string workspace, StorageTier other)
    {
        try
        {
            return await tiers.ExistsAsync(other, workspace, context.Cancellation) && await IsMoreInAsync(context, tier, workspace, other);
        }
        catch (EngineException fault)
        {
            context.Log("repair", $"{other.Name} could not be asked whether it has more: {fault.Message}");
            return false;
        }
    }

    /// <summary>
    /// True where another tier has what this one lacks, such as WAL that the tiers before it do not have either: a helper that repaired all
    /// that it knew says nothing of the next.
    /// </summary>
    private async Task<bool> IsMoreInAsync(RunContext context, StorageTier tier, string workspace, StorageTier other)
    {
        await using var from = await tiers.OpenAsync(other, workspace, context.Cancellation);
        await using var repository = await tiers.OpenAsync(tier, workspace, context.Cancellation);
        var look = await repository.CheckAsync(new CheckOptions { Level = CheckLevel.L1, Others = [from] }, null, context.Cancellation);
        return look.Damaged.Count > 0;
    }

    /// <summary>What several helpers did, one after the other: each begins with what the one before it left.</summary>
    private static WorkspaceRepair Together(WorkspaceRepair? before, WorkspaceRepair now)
    {
        if (before is null)
        {
            return now;
        }

        var named = now.Objects.Select(one => one.Name).ToHashSet(StringComparer.Ordinal);
        return now with
        {
            Objects = [.. before.Objects.Where(one => one.IsRepaired && !named.Contains(one.Name)), .. now.Objects],
            From = before.Fetched > 0 ? $"{before.From}, {now.From}" : now.From,
            Fetched = before.Fetched + now.Fetched,
            Salvaged = before.Salvaged + now.Salvaged,
            PointsWhole = [.. before.PointsWhole.Union(now.PointsWhole)],
        };
    }

    private async Task<WorkspaceRepair> RepairFromAsync(RunContext context, StepHandle step, StorageTier tier, string workspace, StorageTier other)
    {
        await using var from = await tiers.OpenAsync(other, workspace, context.Cancellation);
        await using var repository = await tiers.OpenLosingKeysAsync(tier, workspace, from, context.Cancellation);
        context.Log("repair", $"{workspace}: reading {tier.Name}, {other.Name} helps");
        var known = await points.StoredInAsync(tier.Name, workspace, context.Cancellation);
        var report = await repository.RepairAsync(from, new RepairOptions { Known = known }, context.Progress, context.Cancellation);
        foreach (var one in report.Objects)
        {
            (one.IsRepaired ? (Action<string, string>)context.Log : context.Warn)("repair", $"{one.Name}: {one.Reason}; {one.Remedy}");
        }

        context.Log("repair", $"{workspace}: {Counted.Of(report.Objects.Count(one => one.IsRepaired), report.Objects.Count, "object")} repaired, {Counted.Of(report.Fetched, "chunk")} fetched from {other.Name}, {report.Salvaged} salvaged");
        var whole = await ReadBackAsync(context, tier, workspace, repository);
        step.OnCommit(async transaction =>
        {
            foreach (var point in whole)
            {
                await RestorePointCatalog.RecordTierAsync(transaction, new RestorePointId(point), tier.Name, "verified", null, CancellationToken.None);
            }
        });
        return new WorkspaceRepair(workspace, report.Objects, other.Name, report.Fetched, report.Salvaged, whole);
    }

    /// <summary>
    /// A restore point that was damaged counts as whole again only when all its packs were read once more, and every chunk in them was
    /// opened: what was wrong before a pack was named shows in nothing else.
    /// </summary>
    private async Task<List<string>> ReadBackAsync(RunContext context, StorageTier tier, string workspace, BackupRepository repository)
    {
        var whole = new List<string>();
        foreach (var point in await TierChecks.DamagedAsync(catalog, tier.Name, workspace, context.Cancellation))
        {
            try
            {
                var manifest = await repository.ReadManifestAsync(new RestorePointId(point), context.Cancellation);
                if ((await repository.VerifyPacksAsync(manifest, context.Progress, context.Cancellation)).IsSound
                    && (await repository.VerifyChunksAsync(manifest, ChunkLayer.Content, context.Progress, context.Cancellation)).IsSound)
                {
                    whole.Add(point);
                }
            }
            catch (EngineException fault) when (fault.Kind is ErrorKind.Damaged or ErrorKind.NotFound)
            {
                // One that no tier can give back must not keep the others from being whole again.
                context.Warn("repair", $"restore point {point} stays damaged in {tier.Name}: {fault.Message}");
            }
        }

        return whole;
    }
}
