namespace Hexabase.DrConsole.Engine.Health.Probes;

/// <summary>
/// Asks one thing one question. A driver adds its kind of source to the health monitor by giving probes through an
/// <see cref="IProbeSource"/>: at least two kinds for each source, since one kind alone never confirms anything.
/// </summary>
public interface IHealthProbe
{
    /// <summary>Whom it asks.</summary>
    HealthSubject Subject { get; }

    /// <summary>Short and stable; unique for its subject.</summary>
    string Name { get; }

    ProbeKind Kind { get; }

    /// <summary>How often at most; null for every round. Between two askings the last answer stands.</summary>
    TimeSpan? Every => null;

    /// <summary>How long it may take; null for the configured time-out.</summary>
    TimeSpan? Timeout => null;

    /// <summary>
    /// Asks. What goes wrong out there is an answer, not an exception; the latency is measured by the caller. The token ends at
    /// the time-out, which the caller turns into <see cref="ProbeAnswer.NoAnswer"/>.
    /// </summary>
    Task<ProbeFinding> AskAsync(CancellationToken cancellationToken);
}

/// <summary>Gives the probes of a kind of source, or of the tiers.</summary>
public interface IProbeSource
{
    /// <summary>All probes, the same at every call.</summary>
    IReadOnlyList<IHealthProbe> Probes { get; }
}

/// <summary>What a probe found.</summary>
public sealed record ProbeFinding(ProbeAnswer Answer, string? Detail = null, string? Code = null, double? Number = null)
{
    public static ProbeFinding Answered { get; } = new(ProbeAnswer.Answered);

    /// <summary>True where the number counts failures and may only stand still: a rise over what it was when all was well is corruption.</summary>
    public bool IsFailureCount { get; init; }

    /// <summary>When the last of those that the number counts came, where that is known.</summary>
    public DateTimeOffset? LastFailure { get; init; }

    /// <summary>When what was found was so already, where that is known and was before it was asked.</summary>
    public DateTimeOffset? Since { get; init; }
}
