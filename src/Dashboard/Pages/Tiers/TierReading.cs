using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Pages.Tiers;

/// <summary>A restore point that a tier shall have and has not.</summary>
public sealed record WaitingCopy(string Id, string Source, DateTimeOffset CreatedAt, string? Detail);

/// <summary>Reads tiers with all that was measured of them.</summary>
public sealed class TierReading(
    TierCatalog catalog, TierMonitor monitor, RestorePointCatalog points, RunStore runs, RetentionPlanning planning, ProtectedEstate estate, TimeProvider time)
{
    private const int HistoryDays = 30;
    private const int RunsLookedThrough = 50;
    private const int WaitingShown = 20;

    /// <summary>All tiers in the order of the configuration.</summary>
    public async Task<IReadOnlyList<TierSight>> ReadAsync(CancellationToken cancellationToken)
    {
        var holdings = (await catalog.HoldingsAsync(cancellationToken)).ToDictionary(one => one.Tier);
        var checks = (await catalog.ChecksAsync(cancellationToken)).ToLookup(check => check.Tier);
        var days = (await catalog.UsageAsync(DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime).AddDays(-HistoryDays), cancellationToken)).ToLookup(day => day.Tier);
        var found = new List<TierSight>();
        foreach (var (index, tier) in estate.Tiers.Index())
        {
            found.Add(new TierSight(
                tier, index, monitor.Of(tier.Name), holdings.GetValueOrDefault(tier.Name) ?? TierHoldings.Nothing(tier.Name),
                await points.WorkspacesAsync(tier.Name, cancellationToken), [.. checks[tier.Name]], [.. days[tier.Name]],
                StandingFailures(await RunsOfAsync(tier.Name, cancellationToken))));
        }

        return found;
    }

    /// <summary>The last runs on a tier, newest first. A source may bear a tier's name; its runs are not among them.</summary>
    public async Task<IReadOnlyList<Run>> RunsOfAsync(string tier, CancellationToken cancellationToken) =>
        [.. (await runs.ListAsync(tier, null, null, RunsLookedThrough, cancellationToken)).Where(run => RunKinds.IsOfTier(run.Kind))];

    /// <summary>Copies that wait, oldest first.</summary>
    public async Task<IReadOnlyList<WaitingCopy>> WaitingAsync(string tier, CancellationToken cancellationToken) =>
        [.. (await catalog.BehindAsync(tier, WaitingShown, cancellationToken)).Select(row => new WaitingCopy(row.Id, row.Source, row.CreatedAt, row.Detail))];

    /// <summary>How many copies the next retention run would give up in a tier, and how many it holds.</summary>
    public async Task<(int Leaving, int All)> LeavingAsync(string tier, CancellationToken cancellationToken)
    {
        var (leaving, all) = (0, 0);
        foreach (var workspace in await points.WorkspacesAsync(tier, cancellationToken))
        {
            var here = await planning.OfTierAsync(estate.TierNamed(tier), workspace, cancellationToken);
            (leaving, all) = (leaving + here.Count(decision => !decision.IsKept), all + here.Count);
        }

        return (leaving, all);
    }

    /// <summary>WAL that the last retention run left in place beyond its time.</summary>
    internal static IReadOnlyList<KeptWal> KeptWalOf(IReadOnlyList<Run> newestFirst) =>
        newestFirst.FirstOrDefault(run => run is { Kind: RunKinds.Retention, State: RunState.Completed, ResultJson: not null }) is { ResultJson: { } json }
            ? [.. JsonSerializer.Deserialize<RetentionRunResult>(json, JsonSerializerOptions.Web)!.Workspaces.SelectMany(one => one.KeptWal)] : [];

    /// <summary>Failed runs after which none of their kind ended well.</summary>
    internal static IReadOnlyList<Run> StandingFailures(IReadOnlyList<Run> newestFirst) =>
        [.. newestFirst.GroupBy(run => run.Kind).SelectMany(kind => kind.TakeWhile(run => run.State != RunState.Completed).Where(run => run.State == RunState.Failed)).OrderByDescending(run => run.Id.Value)];
}
