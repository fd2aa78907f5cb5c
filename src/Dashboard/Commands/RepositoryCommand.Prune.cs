using System.CommandLine;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Strategies.Retention;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>prune</c>.</summary>
internal static partial class RepositoryCommand
{
    private static Command Prune()
    {
        var options = new StoreOptions();
        var keep = new KeepOptions();
        var dryRun = new Option<bool>("--dry-run") { Description = "only say what would happen, with the reasons" };
        var grace = new Option<TimeSpan>("--grace")
        {
            Description = "how long packs stay after they were marked, for example 24:00:00", HelpName = "TIME", DefaultValueFactory = _ => TimeSpan.FromHours(24),
        };
        var share = new Option<double>("--allow-delete-share")
        {
            Description = "approve that up to this share of restore points, or of bytes, goes", HelpName = "0..1", DefaultValueFactory = _ => 0.5,
        };
        var use = new Option<double>("--minimum-use") { Description = "repack packs of which a smaller share is needed", HelpName = "0..1", DefaultValueFactory = _ => 0.5 };
        var command = new Command("prune", "give up restore points and free what no other needs; with no --keep option it only frees") { options.Store, options.KeyFile, dryRun };
        foreach (var option in (Option[])[.. keep.All, grace, share, use, options.Json, options.SessionLife])
        {
            command.Options.Add(option);
        }

        command.SetAction((parsed, stopping) => WithRepositoryAsync(parsed, options, async repository =>
        {
            var wanted = new PruneOptions
            {
                Expire = await keep.ExpireAsync(parsed, repository, stopping),
                Grace = parsed.GetValue(grace),
                MaxDeletedShare = parsed.GetValue(share),
                MinimumUse = parsed.GetValue(use),
            };
            var report = await WithProgressAsync(progress => parsed.GetValue(dryRun)
                ? repository.PlanPruneAsync(wanted, progress, stopping) : repository.PruneAsync(wanted, progress, stopping));
            if (parsed.GetValue(options.Json))
            {
                PrintJson(report);
            }
            else
            {
                PrintReport(report);
            }

            return ExitCodes.Done;
        }, stopping));
        return command;
    }

    private static void PrintJson(PruneReport report) => CommandRunner.PrintJson(new
    {
        DryRun = report.IsDryRun, report.RestorePoints,
        Expired = report.Expired.Select(Describe), Protected = report.Protected.Select(Describe),
        Packs = Enum.GetValues<PackAction>().ToDictionary(
            action => action.ToString().ToLowerInvariant(), action => new { Packs = report.Sum(action).Count, report.Sum(action).Bytes }),
        Decisions = report.Packs, report.TotalPacks, report.TotalBytes, report.UsedBytes,
        Segments = new { report.Segments.Written, report.Segments.Deleted }, report.Refused, report.Notes,
    });

    private static object Describe(PrunedPoint point) => new { Id = point.Id.Value, point.Source, point.CreatedAt, point.Reason };

    private static void PrintReport(PruneReport report)
    {
        foreach (var point in report.Expired)
        {
            Console.WriteLine($"{(report.IsDryRun ? "would expire" : "expired")}: {point.Id}  {point.CreatedAt:yyyy-MM-dd HH:mm:ss}Z  {point.Source}: {point.Reason}");
        }

        foreach (var point in report.Protected)
        {
            Console.WriteLine($"stays: {point.Id}  {point.CreatedAt:yyyy-MM-dd HH:mm:ss}Z  {point.Source}: {point.Reason}");
        }

        if (report.IsDryRun)
        {
            foreach (var pack in report.Packs)
            {
                Console.WriteLine($"{pack.Action.ToString().ToLowerInvariant(),-8} pack {pack.Name[..16]}  {ByteText.Of(pack.Bytes),10}: {pack.Reason}");
            }
        }

        foreach (var (action, text) in ((PackAction, string)[])
            [(PackAction.Mark, "marked"), (PackAction.Repack, "repacked and marked"), (PackAction.Delete, "deleted"), (PackAction.Recover, "needed again"), (PackAction.Wait, "waiting"), (PackAction.Spare, "left alone")])
        {
            if (report.Sum(action) is { Count: > 0 } sum)
            {
                Console.WriteLine($"{Counted.Of(sum.Count, "pack")} of {ByteText.Of(sum.Bytes)} {(report.IsDryRun ? "would be " : "")}{text}: {report.Packs.First(pack => pack.Action == action).Reason}");
            }
        }

        foreach (var refused in report.Refused)
        {
            Console.WriteLine($"not deleted: {refused.Name}: {refused.Reason}");
        }

        foreach (var note in report.Notes)
        {
            Console.WriteLine($"note: {note}");
        }

        Console.WriteLine(
            $"{Counted.Of(report.RestorePoints, "restore point", "needs", "need")} {ByteText.Of(report.UsedBytes)} of the {ByteText.Of(report.TotalBytes)} in {Counted.Of(report.TotalPacks, "pack")}");
    }

    /// <summary>The retention options, applied to each source by itself.</summary>
    private sealed class KeepOptions
    {
        private readonly Option<int?> _last = Count("--keep-last", "the newest N");
        private readonly Option<TimeSpan?> _within = new("--keep-within") { Description = "keep all that are younger, for example 48:00:00", HelpName = "TIME" };
        private readonly Option<int?> _hourly = Count("--keep-hourly", "the newest of each of N hours");
        private readonly Option<int?> _daily = Count("--keep-daily", "the newest of each of N days");
        private readonly Option<int?> _weekly = Count("--keep-weekly", "the newest of each of N weeks");
        private readonly Option<int?> _monthly = Count("--keep-monthly", "the newest of each of N months");
        private readonly Option<int?> _yearly = Count("--keep-yearly", "the newest of each of N years");
        private readonly Option<string?> _source = new("--source") { Description = "expire restore points of this source only", HelpName = "NAME" };

        public Option[] All => [_last, _within, _hourly, _daily, _weekly, _monthly, _yearly, _source];

        /// <summary>The restore points that no option keeps; none where no option is given.</summary>
        public async Task<IReadOnlyList<PointToExpire>> ExpireAsync(ParseResult parsed, BackupRepository repository, CancellationToken ct)
        {
            Option<int?>[] counts = [_last, _hourly, _daily, _weekly, _monthly, _yearly];
            if (parsed.GetValue(_within) is null && counts.All(option => parsed.GetValue(option) is null))
            {
                return [];
            }

            if (counts.Any(option => parsed.GetValue(option) < 0) || (parsed.GetValue(_within) is not { Ticks: > 0 } && counts.All(option => parsed.GetValue(option) is null or 0)))
            {
                throw new EngineException(
                    "retention-keeps-nothing", ErrorKind.Input, "these --keep options keep no restore point at all", "keep at least one; nothing was changed");
            }

            var policy = new RetentionPolicy(Of(_hourly), Of(_daily), Of(_weekly), Of(_monthly), Of(_yearly), KeepAllHours: 0);
            var points = (await repository.ListAsync(ct)).Points;
            var proven = Attestations.Proven((await repository.LoadAttestationsAsync(ct)).Readable);
            var now = TimeProvider.System.GetUtcNow();
            var youngest = parsed.GetValue(_within) is { } within ? now - within : DateTimeOffset.MaxValue;

            var only = parsed.GetValue(_source);
            return
            [
                .. points.Where(point => only is null || point.Source == only).GroupBy(point => (point.Workspace, point.Source, point.Kind))
                    .SelectMany(source => RetentionPlan.Decide(source.Select(p => new RetainedPoint(p.Id.Value, p.CreatedAt, proven.Contains(p.Id)) { Strategy = p.Strategy }), policy, now).Skip(Of(_last)))
                    .Where(decision => !decision.IsKept && decision.Point.CreatedAt < youngest)
                    .Select(decision => new PointToExpire(new RestorePointId(decision.Point.Id), "no --keep option keeps it")),
            ];

            int Of(Option<int?> option) => parsed.GetValue(option) ?? 0;
        }

        private static Option<int?> Count(string name, string what) => new(name) { Description = $"keep {what}", HelpName = "N" };
    }
}
