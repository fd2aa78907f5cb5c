using System.CommandLine;
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
        var command = new Command("check", "verify a repository; exit code 3 and the damaged names where any") { options.Store, options.KeyFile, level, slice, options.Json };
        command.SetAction((parsed, stopping) => WithRepositoryAsync(parsed, options, async repository =>
        {
            var share = ParseSlice(parsed.GetValue(slice));
            var report = await WithProgressAsync(progress => repository.CheckAsync(parsed.GetValue(level), share, progress, stopping));
            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(new
                {
                    Level = report.Level.ToString(), report.IsSound, report.RestorePoints, report.Packs, report.PacksRead, report.ChunksRead, report.BytesRead,
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

                Console.WriteLine($"{report.Objects:N0} objects, {ByteText.Of(report.Bytes)} read: {(report.IsSound ? "no damage" : $"{report.Damaged.Count} damaged")}");
            }

            return report.IsSound ? ExitCodes.Done : ExitCodes.Damaged;
        }));
        return command;
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

        Console.WriteLine(
            $"{report.RestorePoints} restore points, {report.PacksRead} of {report.Packs} packs and {report.ChunksRead:N0} chunks read ({ByteText.Of(report.BytesRead)}): {(report.IsSound ? "no damage" : $"{report.Damaged.Count} damaged")}");
    }

    private static Option<string?> SliceOption() => new("--slice") { Description = "only this share of the packs, for example 2/7", HelpName = "n/t" };

    private static CheckSlice ParseSlice(string? text) => text is null ? CheckSlice.All : CheckSlice.Parse(text);
}
