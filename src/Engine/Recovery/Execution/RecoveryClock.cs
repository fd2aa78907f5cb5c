using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Recovery.Execution;

/// <summary>From when a recovery's time counts against what its class promises.</summary>
public static class RecoveryClock
{
    /// <summary>
    /// The confirmation of the incident that it answers: from then on the service is known to be broken, whoever has to be woken. What
    /// answers none, or one that became sure only later, counts from when it was asked for.
    /// </summary>
    /// <param name="confirmedAt">Of the plan's incident; null where there is none, or it is only suspected.</param>
    public static DateTimeOffset From(Run run, DateTimeOffset? confirmedAt)
    {
        ArgumentNullException.ThrowIfNull(run);
        return confirmedAt is { } sure && sure < run.CreatedAt ? sure : run.CreatedAt;
    }
}
