namespace Hexabase.DrConsole.Dashboard.Access;

/// <summary>
/// After <paramref name="FreeAttempts"/> wrong passwords in a row a name is locked, for <paramref name="First"/>,
/// then twice as long after each further one, up to <paramref name="Longest"/>.
/// </summary>
public sealed record LockOutPolicy(int FreeAttempts, TimeSpan First, TimeSpan Longest)
{
    /// <summary>Five attempts, one minute, at most fifteen.</summary>
    public static LockOutPolicy Default { get; } = new(5, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(15));

    /// <summary>How long a name is locked after that many failures in a row; null for not at all.</summary>
    public TimeSpan? LockFor(int failures)
    {
        if (failures < FreeAttempts)
        {
            return null;
        }

        var doublings = Math.Min(failures - FreeAttempts, 30);
        var ticks = First.Ticks * Math.Pow(2, doublings);
        return ticks >= Longest.Ticks ? Longest : TimeSpan.FromTicks((long)ticks);
    }
}
