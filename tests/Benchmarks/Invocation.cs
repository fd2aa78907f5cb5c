using System.Diagnostics;
using System.Globalization;

namespace Hexabase.DrConsole.Benchmarks;

/// <summary>A program to run, with its arguments, its folder and what it needs in its environment.</summary>
internal sealed record Invocation(string Program, IReadOnlyList<string> Arguments, string Folder)
{
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>The same through the shell; arguments are part of the line.</summary>
    public static Invocation Shell(string line, string folder) => new("/bin/bash", ["-o", "pipefail", "-c", line], folder);
}

/// <summary>What one run took.</summary>
/// <param name="Seconds">By the clock on the wall.</param>
/// <param name="CpuSeconds">Of the process and all its children, user and system.</param>
/// <param name="PeakBytes">The largest resident memory of the process and its children together.</param>
/// <param name="Output">Its standard output.</param>
internal sealed record Measured(double Seconds, double CpuSeconds, long PeakBytes, string Output);

/// <summary>Runs programs one at a time and reads from /proc what they took.</summary>
internal static class ProcessMeter
{
    private const double TicksPerSecond = 100;
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(15);

    /// <summary>Runs a program to its end.</summary>
    /// <exception cref="InvalidOperationException">It did not end with success; its last lines are in the message.</exception>
    public static async Task<Measured> RunAsync(Invocation invocation, CancellationToken ct)
    {
        var start = new ProcessStartInfo(invocation.Program, invocation.Arguments)
        {
            WorkingDirectory = invocation.Folder, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
        };
        foreach (var (name, value) in invocation.Environment)
        {
            start.Environment[name] = value;
        }

        var cpuBefore = ChildrenCpuTicks();
        var clock = Stopwatch.StartNew();
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{invocation.Program} did not start");
        var output = process.StandardOutput.ReadToEndAsync(ct);
        var errors = process.StandardError.ReadToEndAsync(ct);
        var exit = process.WaitForExitAsync(ct);
        var peak = 0L;
        while (!exit.IsCompleted)
        {
            peak = Math.Max(peak, Math.Max(TreeResident(process.Id), StatusBytes(process.Id, "VmHWM:")));
            await Task.WhenAny(exit, Task.Delay(PollInterval, ct));
        }

        await exit;
        var seconds = clock.Elapsed.TotalSeconds;
        // The runtime has waited for the child by now, so its times, and those of its own children, have been added to ours.
        var cpu = (ChildrenCpuTicks() - cpuBefore) / TicksPerSecond;
        var text = await output;
        if (process.ExitCode != 0)
        {
            var last = string.Join('\n', (await errors).Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(5));
            throw new InvalidOperationException($"{invocation.Program} {string.Join(' ', invocation.Arguments)} ended with {process.ExitCode}:\n{last}");
        }

        return new Measured(seconds, cpu, peak, text);
    }

    private static long ChildrenCpuTicks()
    {
        var stat = File.ReadAllText("/proc/self/stat");
        // The name in parentheses may hold blanks; the fields after it count from the third.
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return long.Parse(fields[13], CultureInfo.InvariantCulture) + long.Parse(fields[14], CultureInfo.InvariantCulture);
    }

    private static long TreeResident(int pid)
    {
        var sum = StatusBytes(pid, "VmRSS:");
        try
        {
            foreach (var task in Directory.EnumerateDirectories($"/proc/{pid}/task"))
            {
                foreach (var child in File.ReadAllText(Path.Combine(task, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries))
                {
                    sum += TreeResident(int.Parse(child, CultureInfo.InvariantCulture));
                }
            }
        }
        catch (IOException)
        {
            // It ended meanwhile; what was seen before counts.
        }

        return sum;
    }

    private static long StatusBytes(int pid, string field)
    {
        try
        {
            var line = File.ReadLines($"/proc/{pid}/status").FirstOrDefault(l => l.StartsWith(field, StringComparison.Ordinal));
            return line is null ? 0 : long.Parse(line[field.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) * 1024;
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
