using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>Opens the repository from which a restore point is read.</summary>
public sealed class RestorePointAccess(RestorePointCatalog points, TierRepositories tiers)
{
    /// <summary>Where a sound tier is open with all that can be wanted, no restore waits longer for another.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    /// <summary>Where one is open that may be behind another, a restore waits that long for it: what only that one has would be lost.</summary>
    private static readonly TimeSpan s_patienceForMore = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Opens the first tier, in the order of the configuration, that holds the point and is not known to be damaged there;
    /// a tier that does not answer, or has lost the point's manifest, is passed over for the next.
    /// </summary>
    /// <param name="point">The restore point.</param>
    /// <param name="tierName">Only this tier, or null.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="EngineException">No tier holds it; with the reason of each.</exception>
    public Task<(StorageTier Tier, BackupRepository Repository)> OpenAsync(RestorePointRow point, string? tierName, CancellationToken cancellationToken) =>
        OpenAsync(point, tierName, [], cancellationToken);

    /// <summary>The same of any tier but some, which were tried.</summary>
    internal async Task<(StorageTier Tier, BackupRepository Repository)> OpenAsync(
        RestorePointRow point, string? tierName, IReadOnlyCollection<StorageTier> tried, CancellationToken cancellationToken)
    {
        var reasons = new List<string>();
        var order = await OrderAsync(point, tierName, tried, cancellationToken);
        foreach (var (tier, _) in order)
        {
            try
            {
                var repository = await tiers.OpenAsync(tier, point.Workspace, cancellationToken);
                if (tier == order[^1].Tier || await LossAsync(repository, point, cancellationToken) is not { } loss)
                {
                    return (tier, repository);
                }

                await repository.DisposeAsync();
                await points.MarkDamagedAsync(point.PointId, tier.Name, loss, cancellationToken);
                reasons.Add($"{tier.Name}: {loss}");
            }
            catch (EngineException fault)
            {
                reasons.Add($"{tier.Name}: {fault.Message}");
            }
        }

        throw Unreachable(point, reasons);
    }

    /// <summary>
    /// The same for a restore to a target: where WAL that follows a base backup is wanted, the tier in which most of it does. One that
    /// has got none for an hour answers like any other, and would end the recovery an hour early.
    /// </summary>
    /// <param name="point">The restore point.</param>
    /// <param name="target">Where it is restored, and to which moment.</param>
    /// <param name="passedOver">Told of each tier that does not answer, where another is taken.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="EngineException">No tier holds it; with the reason of each.</exception>
    public Task<(StorageTier Tier, BackupRepository Repository)> OpenForAsync(RestorePointRow point, RestoreTarget target, Action<string>? passedOver, CancellationToken cancellationToken) =>
        target is PgDataTarget { IsPointInTime: true } wanted && point.SystemIdentifier is not null
            ? OpenFurthestAsync(point, wanted.ToEnd ? null : wanted.Time, passedOver, cancellationToken)
            : OpenAsync(point, null, cancellationToken);

    private async Task<(StorageTier Tier, BackupRepository Repository)> OpenFurthestAsync(RestorePointRow point, DateTimeOffset? moment, Action<string>? passedOver, CancellationToken cancellationToken)
    {
        var furthest = await points.FurthestWalAsync(point.Source, point.SystemIdentifier!, cancellationToken);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var opening = (await OrderAsync(point, null, [], cancellationToken)).Select(one => WithinAsync(one.Tier, one.IsDamaged, point, patience.Token)).ToList();
        var hasAll = false;
        await foreach (var one in Task.WhenEach(opening))
        {
            if (await one is { Repository: not null, IsDamaged: false } open)
            {
                hasAll |= open.Reach.IsBeyond(moment) || (furthest is { } known && (open.Reach.Timeline, open.Reach.Until).CompareTo((known.Timeline, known.Until)) >= 0);
                patience.CancelAfter(hasAll ? s_patience : s_patienceForMore);
            }
        }

        var opened = await Task.WhenAll(opening);
        var there = opened.Where(one => one.Repository is not null).ToList();
        var found = there.OrderBy(one => one.IsDamaged).ThenByDescending(one => one.Reach.Timeline).ThenByDescending(one => one.Reach.IsBeyond(moment) ? ulong.MaxValue : one.Reach.Until).FirstOrDefault();
        foreach (var other in there.Where(one => one != found || cancellationToken.IsCancellationRequested))
        {
            await other.Repository!.DisposeAsync();
        }

        cancellationToken.ThrowIfCancellationRequested();
        foreach (var reason in found is null ? [] : opened.Select(one => one.Reason).OfType<string>())
        {
            passedOver?.Invoke($"passed over {reason}");
        }

        return found is null ? throw Unreachable(point, [.. opened.Select(one => one.Reason!)]) : (found.Tier, found.Repository!);
    }

    /// <summary>A mount whose server is away hangs in the kernel, and hears of no cancel: it is left behind, and closed should it ever come back.</summary>
    private async Task<OpenedTier> WithinAsync(StorageTier tier, bool isDamaged, RestorePointRow point, CancellationToken cancellationToken)
    {
        var opening = Task.Run(() => TryOpenAsync(tier, isDamaged, point, cancellationToken), CancellationToken.None);
        try
        {
            return await opening.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            _ = CloseAsync(opening);
            return new OpenedTier(tier, isDamaged, null, default, $"{tier.Name}: it does not answer in time");
        }

        static async Task CloseAsync(Task<OpenedTier> late) => await ((await late).Repository?.DisposeAsync() ?? ValueTask.CompletedTask);
    }

    private async Task<OpenedTier> TryOpenAsync(StorageTier tier, bool isDamaged, RestorePointRow point, CancellationToken cancellationToken)
    {
        BackupRepository? repository = null;
        try
        {
            repository = await tiers.OpenAsync(tier, point.Workspace, cancellationToken);
            return new OpenedTier(tier, isDamaged, repository, await WalReach.ReadAsync(repository, await repository.ReadManifestAsync(point.PointId, cancellationToken), cancellationToken), null);
        }
        catch (Exception fault) when (fault is EngineException or OperationCanceledException)
        {
            await (repository?.DisposeAsync() ?? ValueTask.CompletedTask);
            return new OpenedTier(tier, isDamaged, null, default, $"{tier.Name}: {fault.Message}");
        }
    }

    /// <summary>A damaged tier comes last, not never: where no other holds the point, reading it names what is damaged.</summary>
    private async Task<IReadOnlyList<(StorageTier Tier, bool IsDamaged)>> OrderAsync(
        RestorePointRow point, string? tierName, IReadOnlyCollection<StorageTier> tried, CancellationToken cancellationToken)
    {
        var rows = await points.TiersAsync(point.Id, cancellationToken);
        return
        [
            .. tiers.Tiers.Where(tier => (tierName is null || tier.Name == tierName) && !tried.Contains(tier))
                .Select(tier => (Tier: tier, Row: rows.FirstOrDefault(row => row.Tier == tier.Name)))
                .Where(pair => pair.Row is { State: not "behind" })
                .Select(pair => (pair.Tier, IsDamaged: pair.Row!.State == "damaged"))
                .OrderBy(pair => pair.IsDamaged),
        ];
    }

    private static EngineException Unreachable(RestorePointRow point, IReadOnlyList<string> reasons) => new(
        "restore-point-unreachable", ErrorKind.Unavailable,
        reasons.Count == 0 ? $"no configured tier holds restore point {point.PointId.Short}" : $"restore point {point.PointId.Short} cannot be read: {string.Join("; ", reasons)}",
        "Check the tiers in the configuration and that their stores are reachable.");

    /// <summary>Why the point's manifest cannot be had from a tier, or null where it can.</summary>
    private static async Task<string?> LossAsync(BackupRepository repository, RestorePointRow point, CancellationToken cancellationToken)
    {
        try
        {
            await repository.ReadManifestAsync(point.PointId, cancellationToken);
            return null;
        }
        catch (EngineException fault) when (RepositoryDamage.IsIn(fault))
        {
            return fault.Message;
        }
        catch
        {
            await repository.DisposeAsync();
            throw;
        }
    }

    /// <param name="Repository">Null where it does not give the point.</param>
    /// <param name="Reason">Then why.</param>
    private sealed record OpenedTier(StorageTier Tier, bool IsDamaged, BackupRepository? Repository, WalReach Reach, string? Reason);
}
