using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Strategies.Retention;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Backups.Maintenance;

/// <summary>What retention did in one workspace's repository.</summary>
/// <param name="Expired">Restore points that left this tier.</param>
/// <param name="Protected">Restore points that were to go and stay, with the reason.</param>
/// <param name="Kept">Restore points that stay.</param>
/// <param name="MarkedBytes">Bytes of packs that nothing needs any more and that go after the grace period.</param>
/// <param name="FreedBytes">Bytes of packs deleted now.</param>
/// <param name="Refused">Objects that the store refused to delete.</param>
/// <param name="Notes">What is worth knowing.</param>
public sealed record WorkspaceRetention(
    string Workspace, IReadOnlyList<PrunedPoint> Expired, IReadOnlyList<PrunedPoint> Protected, int Kept, long MarkedBytes, long FreedBytes,
    IReadOnlyList<string> Refused, IReadOnlyList<string> Notes)
{
    /// <summary>WAL that stays beyond its time.</summary>
    public IReadOnlyList<KeptWal> KeptWal { get; init; } = [];
}

/// <summary>What a retention run ends with.</summary>
public sealed record RetentionRunResult(string Tier, IReadOnlyList<WorkspaceRetention> Workspaces, double Seconds);

/// <summary>
/// Gives up what retention keeps no longer in a tier and frees its space, one workspace's repository after the other. What
/// goes is decided from the catalog at the start of each step, and once more right before it goes, for then nobody can hold it
/// any more; the repository's own attestations are asked both times too. Done again after a crash it finds the manifests gone and only writes down what it had done.
/// </summary>
public sealed class RetentionRun(
    TierRepositories tiers, RetentionPlanning planning, PointHolds holds, SourceFreezes freezes, RestorePointCatalog points, ProtectedEstate estate, TimeProvider time) : IRunHandler
{
    /// <inheritdoc/>
    public string Kind => RunKinds.Retention;

    /// <inheritdoc/>
    public async Task<object> ExecuteAsync(RunContext context)
    {
        var began = time.GetTimestamp();
        var request = context.Request<RetentionRequest>();
        var tier = estate.TierNamed(request.Tier);
        var done = new List<WorkspaceRetention>();
        var faults = new WorkspaceFaults(context, "retention");
        foreach (var workspace in await points.WorkspacesAsync(tier.Name, context.Cancellation))
        {
            await faults.TryAsync(workspace, async () =>
            {
                if (await context.StepAsync($"retention of {workspace}", step => PruneAsync(context, step, request, tier, workspace)) is { } one)
                {
                    done.Add(one);
                }
            });
        }

        faults.ThrowIfAny();
        return new RetentionRunResult(tier.Name, done, time.GetElapsedTime(began).TotalSeconds);
    }

    private async Task<WorkspaceRetention?> PruneAsync(RunContext context, StepHandle step, RetentionRequest request, StorageTier tier, string workspace)
    {
        if (!await tiers.ExistsAsync(tier, workspace, context.Cancellation))
        {
            context.Warn("retention", $"{tier.Name} holds no repository of {workspace}");
            return null;
        }

        await using var repository = await tiers.OpenForPruneAsync(tier, workspace, context.Cancellation);
        if (await holds.TellAsync(repository, tier.Name, workspace, context.Cancellation) + await freezes.TellAsync(repository, workspace, context.Cancellation) is > 0 and var told)
        {
            context.Log("holds", $"{tier.Name} was told of holds, freezes or releases that it had missed: {told}");
        }

        var decisions = await planning.OfTierAsync(tier, workspace, repository, context.Cancellation);
        SayKept(context, decisions);
        var going = decisions.Where(decision => !decision.IsKept).ToList();
        context.Log("retention", $"{workspace}: {Counted.Of(going.Count, "restore point", "is", "are")} kept by nothing in {tier.Name}");
        var reasons = going.ToDictionary(one => one.Point.Id, one => one.Expiry!.ToText());
        var options = new PruneOptions
        {
            Expire = [.. reasons.Select(one => new PointToExpire(new RestorePointId(one.Key), one.Value))],
            Claim = (some, cancel) => points.ClaimAsync(tier.Name, workspace, reasons, some, cancel),
        };
        var report = await repository.PruneAsync(
            request.AllowedShare is { } share ? options with { MaxDeletedShare = share } : options, context.Progress, context.Cancellation);
        Say(context, tier, workspace, report);
        var keptWal = await ExpireWalAsync(context, tier, workspace, repository);
        var stays = report.Protected.Select(point => point.Id.Value).Concat(report.Refused.Select(one => one.Name[(one.Name.LastIndexOf('/') + 1)..])).ToHashSet();
        // What went now is written down already. Those that an interrupted attempt had deleted are in nobody's list any more, but noted
        // beside the packs. One that is not there without such a note was not given up here: it lies on a disk that is away, or is lost,
        // which is sure where a check has called it damaged: nothing keeps it, and nobody will find it.
        var recorded = report.Expired.Select(point => point.Id.Value).ToHashSet();
        var noted = (await repository.ExpiredAsync(context.Cancellation)).Select(point => point.Value).ToHashSet();
        var lost = (await points.TiersOfAsync([.. reasons.Keys], context.Cancellation)).Where(row => row.Tier == tier.Name && row.State == "damaged").Select(row => row.RestorePoint).ToHashSet();
        var gone = reasons.Keys.Where(id => (noted.Contains(id) || lost.Contains(id)) && !stays.Contains(id) && !recorded.Contains(id)).ToArray();
        foreach (var id in gone.Where(id => !noted.Contains(id)))
        {
            reasons[id] += "; it was not there to be deleted: the tier had lost its manifest";
        }

        step.OnCommit(transaction => RecordAsync(transaction, tier, workspace, gone, reasons));
        return new WorkspaceRetention(
            workspace, report.Expired, report.Protected, report.RestorePoints, BytesOf(report, PackAction.Mark, PackAction.Repack), BytesOf(report, PackAction.Delete),
            [.. report.Refused.Select(one => $"{one.Name}: {one.Reason}")], report.Notes) { KeptWal = keptWal };
    }

    /// <summary>Base backups that would go, but for what the tier's own WAL says.</summary>
    private static void SayKept(RunContext context, IReadOnlyList<TierDecision> decisions)
    {
        foreach (var one in decisions.Where(one => one.Reasons.Any(reason => reason.Cause == KeepCause.LeadsToTimeline)))
        {
            context.Log("kept", $"{new RestorePointId(one.Point.Id).Short} stays: the WAL of the point-in-time window leads on from it, also along a timeline that has no base backup yet");
        }

        if (decisions.SelectMany(one => one.Reasons).FirstOrDefault(reason => reason.Cause == KeepCause.LinesUnknown) is { } unknown)
        {
            context.Warn("kept", $"base backups stay, since nobody can tell which of them the stored WAL leads on from: {unknown.Detail}");
        }
    }

    private async Task<WalRetention> WalRetentionOfAsync(RunContext context, StorageTier tier, string workspace, BackupRepository repository)
    {
        var frozen = await points.FrozenSourcesAsync(context.Cancellation);
        var known = (await planning.RetainedOfAsync(workspace, context.Cancellation)).ToDictionary(point => point.Id);
        var awaited = (await points.BehindAsync(tier.Name, workspace, context.Cancellation)).Select(row => (row.Source, row.SystemIdentifier ?? "")).ToHashSet();
        return new WalRetention(repository, tier.Name, source => frozen.Contains(source) ? null : planning.WindowOf(source), id => known.GetValueOrDefault(id.Value), awaited);
    }

    /// <summary>After the points, so that WAL is judged by the base backups that are left. A fault here costs space, nothing else.</summary>
    private async Task<IReadOnlyList<KeptWal>> ExpireWalAsync(RunContext context, StorageTier tier, string workspace, BackupRepository repository)
    {
        var kept = new List<KeptWal>();
        var retention = await WalRetentionOfAsync(context, tier, workspace, repository);
        try
        {
            var report = await retention.ExpireAsync(time.GetUtcNow(), context.Cancellation);
            foreach (var (source, before, expiry) in report.GivenUp)
            {
                context.Log("wal", $"{source} in {tier.Name}: {Counted.Of(expiry.Objects, "object")} of WAL {before} given up, {expiry.Bytes:N0} bytes");
            }

            kept.AddRange(report.Kept);
            if (await repository.ClearWalLeftoversAsync(context.Cancellation) is { Objects: > 0 } cleared)
            {
                context.Log("wal", $"{tier.Name}: {Counted.Of(cleared.Objects, "piece")} of WAL segments cleared away that are there whole, {cleared.Bytes:N0} bytes");
            }
        }
        catch (EngineException fault) when (fault.Kind is ErrorKind.Damaged or ErrorKind.Denied)
        {
            kept.Add(new KeptWal(null, KeptWalCause.Refused, 0, fault.Message));
        }

        foreach (var one in kept.Where(one => one.Cause == KeptWalCause.ForRun))
        {
            context.Log("wal", $"{tier.Name}: {one.ToText()}");
        }

        foreach (var one in kept.Where(one => one.Cause != KeptWalCause.ForRun))
        {
            context.Warn("wal", $"{tier.Name}: {one.ToText()}");
        }

        return kept;
    }

    private static async Task RecordAsync(
        NpgsqlTransaction transaction, StorageTier tier, string workspace, string[] gone, Dictionary<string, string> reasons)
    {
        await RestorePointCatalog.DropUnwantedCopiesAsync(transaction, tier.Name, workspace, CancellationToken.None);
        if (gone.Length > 0)
        {
            await RestorePointCatalog.ExpireAsync(transaction, tier.Name, gone, CancellationToken.None);
            await RestorePointCatalog.AuditExpiredAsync(transaction, tier.Name, workspace, gone, reasons, CancellationToken.None);
        }
    }

    private static void Say(RunContext context, StorageTier tier, string workspace, PruneReport report)
    {
        foreach (var point in report.Expired)
        {
            context.Log("expired", $"{point.Id.Short} of {point.Source}, {point.CreatedAt?.UtcDateTime:yyyy-MM-dd HH:mm} UTC: {point.Reason}");
        }

        foreach (var point in report.Protected)
        {
            context.Warn("kept", $"{point.Id.Short} of {point.Source} stays in {tier.Name}: {point.Reason}");
        }

        foreach (var refused in report.Refused.Take(10))
        {
            context.Warn("refused", $"{refused.Name}: {refused.Reason}");
        }

        foreach (var note in report.Notes)
        {
            context.Warn("prune", note);
        }

        context.Log("prune", $"{workspace} in {tier.Name}: {Counted.Of(report.Packs.Count(pack => pack.Action == PackAction.Delete), "pack")} deleted, "
            + $"{report.Packs.Count(pack => pack.Action is PackAction.Mark or PackAction.Repack)} marked, {report.Packs.Count(pack => pack.Action == PackAction.Wait)} in their grace period");
    }

    private static long BytesOf(PruneReport report, params PackAction[] actions) => report.Packs.Where(pack => actions.Contains(pack.Action)).Sum(pack => pack.Bytes);
}
