using System.Globalization;

namespace Hexabase.DrConsole.Engine.Servers;

/// <summary>
/// One process for as long as the machine runs: a process id alone is given out again, together with its start time and
/// the boot it belongs to it is not.
/// </summary>
/// <param name="Pid">The process id.</param>
/// <param name="StartTicks">Start time in clock ticks since boot: field 22 of <c>/proc/PID/stat</c>.</param>
/// <param name="BootId">The kernel's random id of this boot.</param>
public readonly record struct ProcessIdentity(int Pid, long StartTicks, string BootId)
{
    private static readonly string s_bootId = File.Exists("/proc/sys/kernel/random/boot_id")
        ? File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim()
        : "";

    /// <summary>This process.</summary>
    public static ProcessIdentity Current { get; } = Read(Environment.ProcessId) ?? new(Environment.ProcessId, 0, s_bootId);

    /// <summary>The living process with this id, or null where there is none (a zombie is none).</summary>
    public static ProcessIdentity? Read(int pid) => ReadWithParent(pid)?.Process;

    /// <summary>True while exactly this process runs.</summary>
    public bool IsAlive() => Read(Pid) is { } living && living == this;

    /// <summary>The living process with this id and its parent's id.</summary>
    internal static (ProcessIdentity Process, int Parent)? ReadWithParent(int pid)
    {
        if (pid <= 0)
        {
            return null;
        }

        string stat;
        try
        {
            stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        // The command's name is in parentheses and may hold spaces and parentheses itself: fields count from the last one.
        var close = stat.LastIndexOf(')');
        if (close < 0)
        {
            return null;
        }

        var fields = stat[(close + 2)..].Split(' ');
        return fields.Length < 20 || fields[0] is "Z" or "X"
            ? null
            : (new ProcessIdentity(pid, long.Parse(fields[19], CultureInfo.InvariantCulture), s_bootId), int.Parse(fields[1], CultureInfo.InvariantCulture));
    }
}
