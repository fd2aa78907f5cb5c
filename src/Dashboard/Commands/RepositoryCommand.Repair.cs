using System.CommandLine;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Repository;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>repair</c>.</summary>
internal static partial class RepositoryCommand
{
    private static Command Repair()
    {
        var options = new StoreOptions();
        var from = new Option<string?>("--from") { Description = "another tier of this repository, for what is not left here", HelpName = "URL" };
        var level = new Option<CheckLevel>("--level")
        {
            Description = "how deep damage is looked for: L2 every pack's SHA-256, L3 also every chunk's content", DefaultValueFactory = _ => CheckLevel.L2,
        };
        var dryRun = new Option<bool>("--dry-run") { Description = "only say what is damaged and what could be done" };
        var drop = new Option<string[]>("--drop-attestation")
        {
            Description = "give up an attestation that no tier can read, by all digits of its id: it may be a hold, and keeps all restore points of its time", HelpName = "ID",
        };
        var reason = new Option<string?>("--reason") { Description = "why it is given up; kept with your name in the repository", HelpName = "TEXT" };
        var command = new Command("repair", "repair what is damaged or lost, from what is left and from another tier; exit code 3 where something stays damaged")
        {
            options.Store, options.KeyFile, from, level, dryRun, drop, reason, options.Json, options.SessionLife,
        };
        command.SetAction((parsed, stopping) => RunAsync(async () =>
        {
            await using var store = OpenStore(parsed.GetValue(options.Store)!);
            using var key = await ReadKeyAsync(parsed, options, stopping);
            await using var other = parsed.GetValue(from) is { } url ? OpenStore(url) : null;
            await using var tier = other is null ? null : await BackupRepository.OpenAsync(other, key, null, stopping);
            await using var repository = tier is null || parsed.GetValue(dryRun)
                ? await BackupRepository.OpenAsync(store, key, OptionsFrom(parsed, options), stopping)
                : await BackupRepository.OpenLosingKeysAsync(store, tier, key, OptionsFrom(parsed, options), stopping);
            var wanted = new RepairOptions
            {
                Level = parsed.GetValue(level),
                IsDryRun = parsed.GetValue(dryRun),
                DropAttestations = parsed.GetValue(drop) ?? [],
                DropReason = parsed.GetValue(reason) is { Length: > 0 } why ? $"{Environment.UserName}: {why}" : null,
            };
            var report = await WithProgressAsync(progress => repository.RepairAsync(tier, wanted, progress, stopping));
            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(new
                {
                    DryRun = report.IsDryRun, report.IsWhole, report.Salvaged, report.Fetched, report.Bytes,
                    Objects = report.Objects.Select(one => new { one.Name, one.Reason, one.IsRepaired, one.Remedy, RestorePoints = one.RestorePoints.Select(p => p.Value) }),
                });
            }
            else
            {
                PrintReport(report);
            }

            return report.IsWhole && (!report.IsDryRun || report.Objects.Count == 0) ? ExitCodes.Done : ExitCodes.Damaged;
        }));
        return command;
    }

    private static void PrintReport(RepairReport report)
    {
        foreach (var one in report.Objects)
        {
            Console.WriteLine($"{(report.IsDryRun ? "damaged" : one.IsRepaired ? "repaired" : "NOT repaired")}: {one.Name}: {one.Reason}; {one.Remedy}");
            foreach (var point in one.RestorePoints)
            {
                Console.WriteLine($"  restore point {point}");
            }
        }

        Console.WriteLine(report.Objects.Count == 0
            ? "no damage"
            : $"{report.Objects.Count(one => one.IsRepaired)} of {report.Objects.Count} {(report.IsDryRun ? "can be" : "are")} repaired; {Counted.Of(report.Salvaged, "chunk")} saved from damaged packs, {report.Fetched:N0} fetched, {ByteText.Of(report.Bytes)}");
    }
}
