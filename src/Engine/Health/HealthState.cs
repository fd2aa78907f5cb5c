using System.Collections.Immutable;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health.Probes;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>How a subject stands.</summary>
public enum HealthStatus
{
    /// <summary>It answers.</summary>
    Healthy,

    /// <summary>It missed some rounds.</summary>
    Suspected,

    /// <summary>It missed enough rounds by enough kinds of probe.</summary>
    Confirmed,
}

/// <summary>What one round saw of one subject.</summary>
/// <param name="IsMaintained">True while a maintenance window covers it.</param>
public sealed record SubjectRound(HealthSubject Subject, IReadOnlyList<ProbeResult> Results, bool IsMaintained = false)
{
    /// <summary>True where nothing that tells whether it serves was answered.</summary>
    public bool IsDown => Results.Any(result => result.IsOfService) && !Results.Any(result => result.IsSignOfLife);

    /// <summary>True where what carries it answered: the way there works, whatever became of it.</summary>
    public bool IsHostAnswering => Results.Any(result => result is { Kind: ProbeKind.Host, Answer: ProbeAnswer.Answered or ProbeAnswer.Denied });

    /// <summary>True where neither it nor what carries it answers: it may be the way there.</summary>
    public bool IsOutOfSight => IsDown && !IsHostAnswering;

    /// <summary>True where its host said that the port is closed: the way there works.</summary>
    public bool IsRefused => Results.Any(result => result.IsOfService && result.Answer == ProbeAnswer.Refused);
}

/// <summary>One look at everything.</summary>
/// <param name="Cleared">Ids of subjects whose corruption a person or a recovery has dealt with since the last round.</param>
public sealed record HealthRound(DateTimeOffset At, IReadOnlyList<SubjectRound> Subjects, IReadOnlySet<string> Cleared)
{
    /// <summary>
    /// Ids of subjects whose outage a person or a recovery has dealt with since the last round. They are counted anew: good answers
    /// just after a recovery must not have to outlast the trouble that it ended, or it would be told of once more.
    /// </summary>
    public IReadOnlySet<string> Settled { get; init; } = new HashSet<string>();

    /// <summary>
    /// True where a subject's silence tells of the network. One on this machine answers when the machine is cut off, too; it is asked
    /// where fewer than two places are elsewhere, since one alone may as well have failed itself.
    /// </summary>
    public bool TellsOfNetwork(HealthSubject subject)
    {
        ArgumentNullException.ThrowIfNull(subject);
        return subject.Endpoint is not null && !(subject.IsOnThisMachine && Subjects.Where(one => one.Subject.IsElsewhere).DistinctBy(one => one.Subject.Endpoint).Take(2).Count() == 2);
    }
}

/// <summary>What is counted against a subject for one sort of reason.</summary>
public sealed record Trouble
{
    public static Trouble None { get; } = new();

    public HealthStatus Status { get; init; }

    /// <summary>Rounds in a row with a miss.</summary>
    public int Misses { get; init; }

    /// <summary>Rounds in a row without.</summary>
    public int Good { get; init; }

    /// <summary>When what is not over yet began.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Misses in a row by kind.</summary>
    public ImmutableDictionary<ProbeKind, int> MissesByKind { get; init; } = ImmutableDictionary<ProbeKind, int>.Empty;

    /// <summary>After a round in which these kinds missed.</summary>
    internal Trouble Missed(IEnumerable<ProbeKind> kinds, DateTimeOffset at, HealthThresholds thresholds)
    {
        var byKind = kinds.Distinct().ToImmutableDictionary(kind => kind, kind => MissesByKind.GetValueOrDefault(kind) + 1);
        var misses = Misses + 1;
        var often = byKind.Where(pair => pair.Value >= thresholds.SuspectAfter).Select(pair => pair.Key).ToList();
        // How full a disk of this machine is, nobody else need confirm.
        var isSure = often.Count >= thresholds.KindsToConfirm || often.Contains(ProbeKind.Disk);
        return new Trouble
        {
            Status = misses >= thresholds.ConfirmAfter && isSure ? HealthStatus.Confirmed
                : misses >= thresholds.SuspectAfter && Status == HealthStatus.Healthy ? HealthStatus.Suspected
                : Status,
            Misses = misses,
            Since = Since ?? at,
            MissesByKind = byKind,
        };
    }

    /// <summary>After a round without a miss.</summary>
    internal Trouble Answered(HealthThresholds thresholds)
    {
        var good = Good + 1;
        var isWell = Status == HealthStatus.Healthy || good >= thresholds.HealthyAfter;
        return new Trouble { Status = isWell ? HealthStatus.Healthy : Status, Good = good, Since = isWell ? null : Since };
    }

    /// <summary>Neither better nor worse: what cannot be seen is not counted, and what was counted begins anew.</summary>
    internal Trouble Held() => new() { Status = Status, Since = Status == HealthStatus.Healthy ? null : Since };
}

/// <summary>What is remembered of one subject from round to round.</summary>
public sealed record SubjectHealth
{
    public static SubjectHealth Fresh { get; } = new();

    /// <summary>All that is missed of it, whatever the cause.</summary>
    public Trouble All { get; init; } = Trouble.None;

    /// <summary>
    /// That it does not serve: rounds in which something that tells of it was not answered, and not only refused to this console's
    /// role. It is sure by itself: what was sure for another cause, as a full disk, makes one silent round no outage.
    /// </summary>
    public Trouble Outage { get; init; } = Trouble.None;

    /// <summary>The kinds that made it suspected or confirmed, until it is healthy again.</summary>
    public ImmutableHashSet<ProbeKind> Kinds { get; init; } = [];

    public HealthStatus Status => All.Status;

    /// <summary>Rounds in a row with a miss.</summary>
    public int Misses => All.Misses;

    /// <summary>When the trouble that is not over yet began.</summary>
    public DateTimeOffset? FirstMissAt => All.Since;

    /// <summary>Misses in a row by kind.</summary>
    public ImmutableDictionary<ProbeKind, int> MissesByKind => All.MissesByKind;

    /// <summary>True where it does not serve, as far as is known. While it is sure to be full, only where this is sure too.</summary>
    public bool IsOut => Outage.Status == HealthStatus.Confirmed || (Outage.Status == HealthStatus.Suspected && !(Status == HealthStatus.Confirmed && IsFull));

    /// <summary>True where its disk, or its memory, is or was nearly full in this trouble.</summary>
    public bool IsFull => Kinds.Contains(ProbeKind.Disk);

    /// <summary>True where all that is known is that it refuses this console's role.</summary>
    public bool IsOnlyDenied => Status != HealthStatus.Healthy && !IsOut && !IsFull;

    /// <summary>Rounds in a row in which neither it nor what carries it answered, counted also while the observer is cut off.</summary>
    public int OutOfSightRounds { get; init; }

    /// <summary>Rounds in which a probe said corrupt, since that was last dealt with. Good answers disprove nothing.</summary>
    public int CorruptRounds { get; init; }

    public ImmutableHashSet<ProbeKind> CorruptKinds { get; init; } = [];

    public DateTimeOffset? FirstCorruptAt { get; init; }
}

/// <summary>What is remembered of everything from round to round.</summary>
public sealed record HealthState
{
    public static HealthState Empty { get; } = new();

    /// <summary>By the subjects' ids.</summary>
    public ImmutableDictionary<string, SubjectHealth> Subjects { get; init; } = ImmutableDictionary<string, SubjectHealth>.Empty;

    /// <summary>Rounds in a row in which nothing answered at once.</summary>
    public int IsolatedRounds { get; init; }

    /// <summary>When that began, until it is over.</summary>
    public DateTimeOffset? IsolatedSince { get; init; }

    /// <summary>Rounds in a row in which no virtual cluster answered, nor any of their hosts, while something else did.</summary>
    public int CutOffClusterRounds { get; init; }

    /// <summary>When that began, until it is over.</summary>
    public DateTimeOffset? CutOffClustersSince { get; init; }

    /// <summary>Rounds in a row since either in which nothing of that kind was seen.</summary>
    public int ConnectedRounds { get; init; }

    public bool IsIsolated => IsolatedRounds > 0;

    public bool AreClustersCutOff => CutOffClusterRounds > 0;

    public SubjectHealth Of(string id) => Subjects.GetValueOrDefault(id, SubjectHealth.Fresh);
}
