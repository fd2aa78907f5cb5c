using System.CommandLine;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Validation.Rescue;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary>
/// <c>drconsole rescue</c>: shows how a table was, and copies it beside the living one. A command waits for nobody: without
/// <c>--copy</c> it shows the difference and copies nothing.
/// </summary>
internal static class RescueCommand
{
    private const int ExamplesShown = 10;

    public static Command Create(ConsoleOptions options, Option<bool> noWait)
    {
        var source = new Argument<string>("SOURCE");
        var table = new Argument<string>("TABLE") { Description = "schema.table, or a table of public" };
        var time = new Option<DateTimeOffset?>("--time") { Description = "as it was at this moment (ISO 8601, UTC where it says no zone)", HelpName = "T", CustomParser = SourceCommands.ReadTime };
        var point = new Option<string?>("--restore-point") { Description = "as it is in this logical restore point", HelpName = "ID" };
        var copy = new Option<string?>("--copy") { Description = "copy into a side table of the source's database: all, or the rows that are missing there", HelpName = "all|missing" };
        copy.AcceptOnlyFromAmong("all", "missing");
        var command = new Command("rescue", "show how a table was, and copy it beside the living one") { source, table, time, point, copy };
        return SourceCommands.OnRun(command, options, noWait,
            (session, parsed, stopping) => session.Get<RunRequests>().RescueAsync(
                parsed.GetValue(source)!, parsed.GetValue(table)!, parsed.GetValue(time), parsed.GetValue(point), Decision(parsed.GetValue(copy)), SourceCommands.Actor, stopping),
            run => new Report(run.Id.Value, SourceCommands.Status(run), SourceCommands.Result<TableRescueResult>(run)),
            report => Text((Report)report),
            _ => ExitCodes.Done);
    }

    private static string Decision(string? copy) => copy switch
    {
        "all" => RescueDecisions.CopyAll,
        "missing" => RescueDecisions.CopyMissing,
        _ => RescueDecisions.Discard,
    };

    private static string Text(Report report)
    {
        if (report.Result is not { } result)
        {
            return report.Status;
        }

        var lines = new List<string>();
        if (result.Difference is { } difference)
        {
            lines.Add($"{difference.Table}: {difference.PastRows} rows then, {difference.LiveRows} now; {difference.OnlyPast} only then, {difference.OnlyLive} only now, {difference.Changed} changed");
            lines.AddRange(difference.Examples.Take(ExamplesShown).Select(row => $"  {row.State,-10} {row.Key} {string.Join(", ", row.Columns.Select(column => $"{column.Column}: {column.Past ?? "NULL"} -> {column.Live ?? "NULL"}"))}"));
        }

        lines.Add(result.SideTable is { } side ? $"{result.Rows} rows are in {side}" : "nothing was copied; --copy all or --copy missing does");
        return string.Join('\n', lines);
    }

    private sealed record Report(long RunId, string Status, TableRescueResult? Result);
}
