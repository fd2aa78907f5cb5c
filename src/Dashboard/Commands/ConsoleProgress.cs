using System.Globalization;
using Hexabase.DrConsole.Engine;

namespace Hexabase.DrConsole.Dashboard.Commands;

/// <summary>
/// Progress on standard error: one line that is rewritten on a terminal, a line every few seconds elsewhere. Standard output
/// stays free for results.
/// </summary>
internal sealed class ConsoleProgress(TimeProvider time, TextWriter output, bool isTerminal) : IProgress<TransferProgress>
{
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(5);
    private readonly Lock _lock = new();
    private string? _phase;
    private long _phaseStart;
    private long _lastLine;
    private int _width;

    public static ConsoleProgress Create() => new(TimeProvider.System, Console.Error, !Console.IsErrorRedirected);

    public void Report(TransferProgress value)
    {
        lock (_lock)
        {
            var now = time.GetTimestamp();
            if (_phase != value.Phase)
            {
                (_phase, _phaseStart, _lastLine) = (value.Phase, now, now);
            }

            if (isTerminal)
            {
                var line = Describe(value, time.GetElapsedTime(_phaseStart, now));
                output.Write($"\r{line.PadRight(_width)}");
                _width = line.Length;
            }
            else if (time.GetElapsedTime(_lastLine, now) >= LineInterval)
            {
                output.WriteLine(Describe(value, time.GetElapsedTime(_phaseStart, now)));
                _lastLine = now;
            }
        }
    }

    /// <summary>Ends the rewritten line, so that what follows stands on its own.</summary>
    public void End()
    {
        lock (_lock)
        {
            if (isTerminal && _width > 0)
            {
                output.WriteLine();
            }

            _width = 0;
        }
    }

    /// <summary>The line: phase, items, bytes, rate, and the time left where the total is known.</summary>
    public static string Describe(TransferProgress value, TimeSpan elapsed)
    {
        var about = value.IsEstimate ? "~" : "";
        var items = value.ItemsTotal is { } itemsTotal ? $"{value.ItemsDone:N0}/{about}{itemsTotal:N0}" : $"{value.ItemsDone:N0}";
        var bytes = value.BytesTotal is { } bytesTotal ? $"{ByteText.Of(value.BytesDone)}/{about}{ByteText.Of(bytesTotal)}" : ByteText.Of(value.BytesDone);
        var rate = elapsed > TimeSpan.Zero ? value.BytesDone / elapsed.TotalSeconds : 0;
        var left = value.BytesTotal is { } total && rate > 0 && total >= value.BytesDone
            ? $"  {TimeSpan.FromSeconds(Math.Round((total - value.BytesDone) / rate)).ToString("c", CultureInfo.InvariantCulture)} left" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{value.Phase}: {items} items  {bytes}  {ByteText.Of((long)rate)}/s{left}");
    }
}

/// <summary>Bytes as a person reads them: 1.5 GiB.</summary>
internal static class ByteText
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

    public static string Of(long bytes)
    {
        var value = (double)bytes;
        var unit = 0;
        while (value >= 1024 && unit < Units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{value.ToString(unit == 0 ? "0" : "0.0", CultureInfo.InvariantCulture)} {Units[unit]}");
    }
}
