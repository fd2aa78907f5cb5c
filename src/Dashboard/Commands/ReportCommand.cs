using System.CommandLine;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Reports;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary><c>drconsole report verify</c>: checks a signed report, with no console running.</summary>
internal static class ReportCommand
{
    public static Command Create()
    {
        var options = new ConsoleOptions();
        var file = new Argument<string>("FILE") { Description = "the signed report" };
        var key = new Option<string?>("--key") { Description = "the public key (PEM) of the console that made it; this console's own where it is left out" };
        var verify = new Command("verify", "check a report's signature and say what it holds; exit code 3 where a byte was changed");
        verify.Arguments.Add(file);
        verify.Options.Add(key);
        options.AddTo(verify);
        verify.Options.Add(options.Json);
        verify.SetAction((parsed, stopping) => CommandRunner.RunAsync(async () =>
        {
            var bytes = await File.ReadAllBytesAsync(parsed.GetValue(file)!, stopping);
            var pem = parsed.GetValue(key) is { } path
                ? await File.ReadAllTextAsync(path, stopping)
                : OwnKey(parsed.GetValue(options.Config), parsed.GetValue(options.Data));
            var (report, keyId) = SignedReport.Check(bytes, pem);
            if (parsed.GetValue(options.Json))
            {
                CommandRunner.PrintJson(new { IsGenuine = true, KeyId = keyId, report.Run, report.IsDrill, report.Source, report.Outcome, report.MadeAt, report.Plan.Hash });
            }
            else
            {
                Console.WriteLine($"genuine: signed by key {keyId} of the console {report.Console} at {report.MadeAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC");
                Console.WriteLine($"{(report.IsDrill ? "drill" : "recovery")} {report.Run} of {report.Source} by plan {report.Plan.Name} v{report.Plan.Version} ({report.Plan.Hash[..12]}): {report.Outcome ?? "under way"}");
                Console.WriteLine($"asked for by {report.RequestedBy} at {report.AskedAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC, {report.Gates.Sum(gate => gate.Votes.Count(vote => vote.Approves && vote.Counts != false))} approvals, {report.Steps.Count} steps, audit head {report.Audit.HeadSeq}");
            }

            return ExitCodes.Done;
        }));
        return new Command("report", "reports of recoveries and drills") { verify };
    }

    private static string OwnKey(string? config, string? data)
    {
        var folder = EstateConfiguration.Read(ConsoleConfiguration.Load(config), data).DataDirectory;
        return (Directory.Exists(folder) ? new ReportKey(DataFolder.Open(folder)).FindPublicPem() : null) ?? throw new EngineException(
            "report-key-unknown", ErrorKind.NotFound, $"no console in {folder} has signed a report, so that there is no key to check with",
            "name the public key of the console that made the report with --key; it is on its Reports page");
    }
}
