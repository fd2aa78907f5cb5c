using System.Globalization;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary>Shows a run on standard error while it goes on: its log, and every few seconds where it is.</summary>
internal sealed class RunReport
{
    private string? _shown;

    /// <summary>The last log line that was shown.</summary>
    public long LastSeq { get; private set; }

    public void Show(Run run, IReadOnlyList<RunEvent> lines)
    {
        foreach (var line in lines)
        {
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{line.At:HH:mm:ss} {line.Phase,-10} {line.Text}"));
            LastSeq = line.Seq;
        }

        if (run.ProgressJson is null || run.ProgressJson == _shown || !run.IsOpen)
        {
            return;
        }

        _shown = run.ProgressJson;
        var progress = JsonSerializer.Deserialize<RunProgressReport>(run.ProgressJson, JsonSerializerOptions.Web)!;
        var items = progress.ItemsTotal is { } total ? $"{progress.ItemsDone} of {total} items, " : "";
        var bytes = progress.BytesTotal is { } all ? $"{Megabytes(progress.BytesDone)} of {(progress.IsEstimate ? "about " : "")}{Megabytes(all)}" : Megabytes(progress.BytesDone);
        var rate = progress.BytesPerSecond is { } speed ? $", {Megabytes((long)speed)}/s" : "";
        var left = progress.Remaining is { } remaining ? $", {remaining.TotalSeconds.ToString("0", CultureInfo.InvariantCulture)}s left" : "";
        Console.Error.WriteLine($"         {progress.Phase,-10} {items}{bytes}{rate}{left}");
    }

    private static string Megabytes(long bytes) => (bytes / 1e6).ToString("0.0", CultureInfo.InvariantCulture) + " MB";
}
