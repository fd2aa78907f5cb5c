using System.Diagnostics;
using System.Globalization;

namespace Hexabase.DrConsole.Engine.Runs;

/// <summary>How long a holder of a run may be silent before another may take it up.</summary>
/// <param name="Duration">The lease's length on the database's clock.</param>
/// <param name="RenewEvery">How often the holder renews it; also how soon it hears of a cancel.</param>
public sealed record LeaseTimes(TimeSpan Duration, TimeSpan RenewEvery)
{
    public static LeaseTimes Default { get; } = new(TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(2));
}

/// <summary>
/// Names this process as a holder of leases: machine, pid and start time. A console that starts on the same machine can
/// tell from it that a holder is dead and need not wait for its leases to run out.
/// </summary>
public static class LeaseOwner
{
    /// <summary>This process: <c>machine/pid/start-ticks</c>.</summary>
    public static string Current { get; } = string.Create(
        CultureInfo.InvariantCulture, $"{Environment.MachineName}/{Environment.ProcessId}/{StartTicks(Environment.ProcessId)}");

    /// <summary>True where the owner ran on this machine and is certainly gone.</summary>
    public static bool IsDead(string owner)
    {
        var parts = owner.Split('/');
        return parts.Length == 3
            && parts[0] == Environment.MachineName
            && int.TryParse(parts[1], CultureInfo.InvariantCulture, out var pid)
            && StartTicks(pid) != parts[2];
    }

    private static string? StartTicks(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            // Field 22 of /proc/PID/stat counts from boot and is the same for every reader; the name before it may hold spaces.
            var stat = File.ReadAllText($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[19];
        }
        catch (Exception fault) when (fault is ArgumentException or IOException or InvalidOperationException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
