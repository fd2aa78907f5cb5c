using System.Globalization;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Engine.Runs;

/// <summary>How long a holder of a run may be silent before another may take it up.</summary>
/// <param name="Duration">The lease's length on the database's clock.</param>
/// <param name="RenewEvery">How often the holder renews it; also how soon it hears of a cancel.</param>
public sealed record LeaseTimes(TimeSpan Duration, TimeSpan RenewEvery)
{
    public static LeaseTimes Default { get; } = new(TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(2));
}

/// <summary>
/// Names this process as a holder of leases: machine, boot, pid and start time. A console that starts on the same machine
/// can tell from it that a holder is dead and need not wait for its leases to run out.
/// </summary>
public static class LeaseOwner
{
    /// <summary>This process: <c>machine/boot/pid/start-ticks</c>.</summary>
    public static string Current { get; } = string.Create(
        CultureInfo.InvariantCulture,
        $"{Environment.MachineName}/{ProcessIdentity.Current.BootId}/{ProcessIdentity.Current.Pid}/{ProcessIdentity.Current.StartTicks}");

    /// <summary>True where the owner ran on this machine and is certainly gone.</summary>
    public static bool IsDead(string owner) =>
        owner.Split('/') is [var machine, var boot, var pid, var ticks]
        && machine == Environment.MachineName
        && int.TryParse(pid, CultureInfo.InvariantCulture, out var number)
        && long.TryParse(ticks, CultureInfo.InvariantCulture, out var start)
        && !new ProcessIdentity(number, start, boot).IsAlive();
}
