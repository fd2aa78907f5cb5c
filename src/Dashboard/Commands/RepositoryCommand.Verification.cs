using System.CommandLine;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>check</c> and <c>scrub</c>.</summary>
internal static partial class RepositoryCommand
{
    private static Command Check()
    {
        var options = new StoreOptions();
        var level = new Option<CheckLevel>("--level")
        {
            Description = "L1 objects and packs are there, L2 also every pack's SHA-256, L3 also every chunk's content",
            DefaultValueFactory = _ => CheckLevel.L2,
        };
        var slice = SliceOption();
        var budget = new Option<TimeSpan?>("--budget")
        {
            Description = "read packs for so long, for example 00:10:00, those first that were not read for the longest time", HelpName = "TIME",
        };
        var compare = new Option<string?>("--compare") { Description = "another tier of this repository: WAL that only it still holds is damage here", HelpName = "URL" };
        var command = new Command("check", "verify a repository; exit code 3 and the damaged names where any")
        {
            options.Store, options.KeyFile, level, slice, budget, compare, options.Json,
        };
        command.SetAction((parsed, stopping) => WithRepositoryAsync(parsed, options, async repository =>
        {
            await using var otherStore = parsed.GetValue(compare) is { } url ? OpenStore(url) : null;
            using var key = otherStore is null ? null : await ReadKeyAsync(parsed, options, stopping);
            await using var other = otherStore is null ? null : await BackupRepository.OpenAsync(otherStore, key!, null, stopping);
            var wanted = new CheckOptions
            {
                Level = parsed.GetValue(level), Slice = ParseSlice(parsed.GetValue(slice)), Budget = parsed.GetValue(budget), Others = other is null ? [] : [other],
            };
            var report = await WithProgressAsync(progress => repository.CheckAsync(wanted, progress, stopping));
            await QuarantineAsync(repository, report, stopping);
            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(new
                {
                    Level = report.Level.ToString(), report.IsSound, report.RestorePoints, report.Packs, report.PacksRead, report.PacksLeft, report.OldestRead, report.ChunksRead, report.BytesRead,
                    Damaged = report.Damaged.Select(d => new { d.Name, d.Reason, RestorePoints = d.RestorePoints.Select(p => p.Value) }), report.Notes,
                });
            }
            else
            {
                PrintReport(report);
            }

            return report.IsSound ? ExitCodes.Done : ExitCodes.Damaged;
        }, stopping));
        return command;
    }

    private static Command Scrub()
    {
        var options = new StoreOptions();
        var slice = SliceOption();
        var command = new Command("scrub", "compare every stored object with its checksum; needs no key") { options.Store, slice, options.Json };
        command.SetAction((parsed, stopping) => RunAsync(async () =>
        {
            await using var store = OpenStore(parsed.GetValue(options.Store)!);
            var share = ParseSlice(parsed.GetValue(slice));
            var report = await WithProgressAsync(progress => BackupRepository.ScrubAsync(store, share, progress, null, stopping));
            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(new { report.IsSound, report.Objects, report.Bytes, report.Damaged });
            }
            else
            {
                foreach (var damage in report.Damaged)
                {
                    Console.WriteLine($"damaged: {damage.Name}: {damage.Reason}");
                }

                Console.WriteLine($"{Counted.Of(report.Objects, "object")}, {ByteText.Of(report.Bytes)} read: {(report.IsSound ? "no damage" : $"{report.Damaged.Count} damaged")}");
            }

            return report.IsSound ? ExitCodes.Done : ExitCodes.Damaged;
        }));
        return command;
    }

    /// <summary>What was found damaged is marked, so that no later backup leans on it.</summary>
    private static async Task QuarantineAsync(BackupRepository repository, CheckReport report, CancellationToken ct)
    {
        try
        {
            await repository.QuarantineAsync(report.Damaged.Select(damage => damage.Name), "found damaged by a check", ct);
        }
        catch (EngineException fault)
        {
            await Console.Error.WriteLineAsync($"drconsole: damaged packs could not be marked, so later backups may lean on them: {fault.ToText()}");
        }
    }

    private static void PrintReport(CheckReport report)
    {
        foreach (var damage in report.Damaged)
        {
            Console.WriteLine($"damaged: {damage.Name}: {damage.Reason}");
            foreach (var point in damage.RestorePoints)
            {
                Console.WriteLine($"  hurts restore point {point}");
            }
        }

        foreach (var note in report.Notes)
        {
            Console.WriteLine($"note: {note}");
        }

        if (report.PacksLeft > 0)
        {
            Console.WriteLine($"{Counted.Of(report.PacksLeft, "pack", "is", "are")} left for the next time; the longest waiting was last read {(report.OldestRead is { } at ? $"{at:yyyy-MM-dd HH:mm:ss}Z" : "never")}");
        }

        Console.WriteLine(
            $"{Counted.Of(report.RestorePoints, "restore point")}, {Counted.Of(report.PacksRead, report.Packs, "pack")} and {Counted.Of(report.ChunksRead, "chunk")} read ({ByteText.Of(report.BytesRead)}): {(report.IsSound ? "no damage" : $"{report.Damaged.Count} damaged")}");
    }

    private static Option<string?> SliceOption() => new("--slice") { Description = "only this share of the packs, for example 2/7", HelpName = "n/t" };

    private static CheckSlice ParseSlice(string? text) => text is null ? CheckSlice.All : CheckSlice.Parse(text);
}
