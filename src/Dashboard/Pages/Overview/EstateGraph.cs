using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Kinds;
using Hexabase.DrConsole.Dashboard.Live;
using Hexabase.DrConsole.Dashboard.Pages.Tiers;
using Hexabase.DrConsole.Dashboard.Resources;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Pages.Overview;

/// <summary>Draws the estate as a flow: sources, the engine, tiers. An edge moves only while data moves on it.</summary>
internal static class EstateGraph
{
    private const string Engine = "engine";

    public static FlowGraphModel From(
        IReadOnlyList<SourceStanding> standings, IReadOnlyList<StorageTier> tiers, Func<string, TierUsage?> usage, IReadOnlyList<Run> open, TimeProvider time)
    {
        var running = open.Where(run => run.State == RunState.Running).ToList();
        var backups = running.Where(run => run.Kind == RunKinds.Backup).ToList();
        FlowColumn[] columns =
        [
            new(PageTexts.GraphSources, Figures.Format(PageTexts.GraphCount, standings.Count)),
            new(PageTexts.GraphEngine, running.Count == 0 ? PageTexts.GraphNoRun : Figures.Format(PageTexts.GraphRuns, running.Count)),
            new(PageTexts.GraphTiers, Figures.Format(PageTexts.GraphCount, tiers.Count)),
        ];
        var nodes = standings.Select((standing, index) => SourceNode(standing, index, time))
            .Append(new FlowNode(Engine, 1, PageTexts.GraphEngine, EngineLine(running), IconShape.Engine, running.Count > 0 ? Status.Running : Status.Answers) { Href = "/runs" })
            .Concat(tiers.Select((tier, index) => TierNode(tier, index, usage(tier.Name), time)));
        var edges = standings.Select((standing, index) => SourceEdge(standing, index, backups, time))
            .Concat(tiers.Select((tier, index) => TierEdge(index, usage(tier.Name), backups, time)));
        return new FlowGraphModel(Conclusion(standings, backups), columns, [.. nodes], [.. edges]);
    }

    private static FlowNode SourceNode(SourceStanding standing, int index, TimeProvider time) => new(
        $"source-{index}", 0, standing.Source.Name,
        standing.Facts.NewestAt is { } at ? Figures.Format(PageTexts.GraphNewest, Figures.Age(time.GetUtcNow() - at)) : PageTexts.HowNoPoint,
        KindWords.Of(standing.Source.Kind).Icon, SourceRows.StatusOf(standing.Standing))
    {
        Group = standing.Source.Workspace,
        Href = SourceRows.Href(standing.Source.Name),
        Facts = KindWords.SheetOf(standing, time).Brief,
    };

    private static FlowNode TierNode(StorageTier tier, int index, TierUsage? usage, TimeProvider time) => new(
        $"tier-{index}", 2, tier.Name,
        usage is { UsedBytes: { } used } ? Figures.Format(PageTexts.GraphTierLine, Figures.Bytes(used), Age(usage.LastWriteAt, time)) : usage?.Fault ?? PageTexts.TierNotLooked,
        TierCards.Icon(index), TierCards.StatusOf(usage))
    {
        Href = TierSight.HrefOf(tier.Name),
        Used = usage is { UsedBytes: { } bytes, CapacityBytes: > 0 and var capacity } ? (double)bytes / capacity : null,
    };

    private static FlowEdge SourceEdge(SourceStanding standing, int index, List<Run> backups, TimeProvider time)
    {
        var id = $"source-{index}";
        if (backups.FirstOrDefault(run => run.Source == standing.Source.Name) is { } run)
        {
            var rate = RunTexts.Progress(run)?.BytesPerSecond;
            return new FlowEdge(id, Engine, FlowState.Live, rate is { } speed ? Figures.Rate(speed) : PageTexts.RunStarting);
        }

        return standing.Facts.NewestAt is { } at
            ? new FlowEdge(id, Engine, standing.Standing == Standing.Breached ? FlowState.Failing : FlowState.Idle, Figures.Age(time.GetUtcNow() - at))
            : new FlowEdge(id, Engine, FlowState.Paused, PageTexts.GraphNever);
    }

    private static FlowEdge TierEdge(int index, TierUsage? usage, List<Run> backups, TimeProvider time) => new(
        Engine, $"tier-{index}",
        usage?.Fault is not null ? FlowState.Failing : backups.Count > 0 && index == 0 ? FlowState.Live : usage?.LastWriteAt is null ? FlowState.Paused : FlowState.Idle,
        Age(usage?.LastWriteAt, time));

    private static string Age(DateTimeOffset? at, TimeProvider time) => at is { } moment ? Figures.Age(time.GetUtcNow() - moment) : PageTexts.GraphNever;

    private static string EngineLine(List<Run> running) => running.Count == 0 ? PageTexts.GraphNoRun : Figures.List(running.Take(2).Select(run => RunTexts.Title(run)));

    private static string Conclusion(IReadOnlyList<SourceStanding> standings, List<Run> backups) =>
        Figures.Format(PageTexts.GraphConclusion, standings.Count(standing => standing.Standing == Standing.Proven), standings.Count, backups.Count);
}
