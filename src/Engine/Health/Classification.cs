using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health.Probes;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>What a round's findings amount to.</summary>
/// <param name="Sources">Sorted.</param>
/// <param name="Tiers">Sorted.</param>
/// <param name="State">Suspected or confirmed.</param>
/// <param name="FirstEvidenceAt">When the first sign of it was seen.</param>
public sealed record Verdict(
    DisasterKind Kind, IReadOnlyList<string> Sources, IReadOnlyList<string> Tiers, IncidentState State, DateTimeOffset FirstEvidenceAt, Evidence Evidence)
{
    /// <summary>True where it is sure that something does not serve, and not only that something is full.</summary>
    public bool IsOutageSure { get; init; }

    /// <summary>True where an incident of a disk that was only full becomes another by it: something does not serve any more, and a restore would help.</summary>
    public bool IsWorseThanFull => IsOutageSure && !Evidence.IsOnlyFullDisk;
}

/// <summary>
/// Says what the findings of one round amount to: a pure function. The guard for an isolated observer comes first, then the
/// kinds in their order; the first verdict is the estate's. A subject belongs to one verdict, but corruption stands beside any.
/// </summary>
public static class Classification
{
    /// <summary>All verdicts in their order; none where nothing is suspected.</summary>
    /// <param name="state">The state after <paramref name="round"/>.</param>
    public static IReadOnlyList<Verdict> Of(HealthState state, HealthRound round, HealthThresholds thresholds)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(round);
        ArgumentNullException.ThrowIfNull(thresholds);
        var seen = round.Subjects.Where(one => !one.IsMaintained).Select(one => new Seen(one, state.Of(one.Subject.Id))).ToList();
        // A window excuses what does not answer, never what answers with other bytes than were written: backups go on meanwhile.
        var verdicts = round.Subjects.Select(one => new Seen(one, state.Of(one.Subject.Id))).Where(one => one.Health.CorruptRounds > 0)
            .Select(one => Corruption(one, round, thresholds)).ToList();
        if (state.IsIsolated && Isolation(state, seen, round, thresholds) is { } partition)
        {
            verdicts.Add(partition);
        }

        // What is on this machine can be seen all the same.
        seen = state.IsIsolated ? [.. seen.Where(one => !round.TellsOfNetwork(one.Subject))] : seen;
        if (!state.IsIsolated && CutOff(state, seen, round, thresholds) is { } cut)
        {
            verdicts.Add(cut);
        }

        var troubled = seen.Where(one => one.Health.Status != HealthStatus.Healthy).ToList();
        verdicts.AddRange(troubled.Where(one => one.Subject.Kind == SubjectKind.Database && one.Health.IsOut).Select(one => Single(DisasterKind.DatabaseOutage, one, seen, round)));
        if (!state.AreClustersCutOff && VClusters(seen, round) is { } clusters)
        {
            verdicts.Add(clusters);
        }

        verdicts.AddRange(troubled.Where(IsStorage).Select(one => Single(DisasterKind.StorageFailure, one, seen, round)));
        verdicts.AddRange(troubled.Where(one => one.Health.IsOnlyDenied).Select(one => Single(DisasterKind.Unknown, one, seen, round)));
        return [.. verdicts.OrderBy(verdict => verdict.Kind)];
    }

    private static bool IsStorage(Seen one) => one.Subject.Kind switch
    {
        SubjectKind.Tier or SubjectKind.Volume => one.Health.IsOut || one.Health.IsFull,
        SubjectKind.Database => one.Health.IsFull && !one.Health.IsOut,
        _ => false,
    };

    private static Verdict Corruption(Seen one, HealthRound round, HealthThresholds thresholds)
    {
        var isSure = one.Health.CorruptKinds.Count >= 2 || one.Health.CorruptRounds >= thresholds.CorruptAfter;
        return new Verdict(
            DisasterKind.DatabaseCorruption, [one.Subject.Name], [], isSure ? IncidentState.Confirmed : IncidentState.Suspected, one.Health.FirstCorruptAt ?? round.At,
            EvidenceCard.OfCorruption(one, round));
    }

    /// <summary>Sources alone are named: what a console that is cut off sees of the tiers says nothing of them either.</summary>
    private static Verdict? Isolation(HealthState state, List<Seen> seen, HealthRound round, HealthThresholds thresholds) =>
        state.IsolatedRounds < thresholds.SuspectAfter
            ? null
            : new Verdict(
                DisasterKind.NetworkPartition, Sorted(seen.Where(one => one.Subject.IsSource && round.TellsOfNetwork(one.Subject))), [],
                state.IsolatedRounds >= thresholds.ConfirmAfter ? IncidentState.Confirmed : IncidentState.Suspected,
                state.IsolatedSince ?? round.At, EvidenceCard.OfIsolation([.. seen.Where(one => round.TellsOfNetwork(one.Subject))], round, state.IsolatedSince, state.IsolatedRounds));

    private static Verdict? CutOff(HealthState state, List<Seen> seen, HealthRound round, HealthThresholds thresholds)
    {
        var clusters = seen.Where(one => one.Subject.Kind == SubjectKind.VCluster).ToList();
        return state.CutOffClusterRounds < thresholds.SuspectAfter
            ? null
            : new Verdict(
                DisasterKind.NetworkPartition, Sorted(clusters), [], state.CutOffClusterRounds >= thresholds.ConfirmAfter ? IncidentState.Confirmed : IncidentState.Suspected,
                state.CutOffClustersSince ?? round.At, EvidenceCard.OfIsolation(clusters, round, state.CutOffClustersSince, state.CutOffClusterRounds));
    }

    /// <summary>Those that are sure count; while none is, those that are suspected.</summary>
    private static Verdict? VClusters(List<Seen> seen, HealthRound round)
    {
        var all = seen.Where(one => one.Subject.Kind == SubjectKind.VCluster).ToList();
        // One that only refuses this console's account answers: what it does for others nobody knows from here.
        var troubled = all.Where(one => one.Health.IsOut).ToList();
        var failing = troubled.Where(one => one.Health.Outage.Status == HealthStatus.Confirmed).ToList();
        var isSure = failing.Count > 0;
        failing = isSure ? failing : troubled;
        return failing.Count == 0
            ? null
            : new Verdict(
                failing.Count * 2 > all.Count ? DisasterKind.MassiveVClusterFailure : DisasterKind.PartialVClusterFailure, Sorted(failing), [],
                isSure ? IncidentState.Confirmed : IncidentState.Suspected, failing.Min(one => one.Health.Outage.Since) ?? round.At, EvidenceCard.Of(failing, seen, round));
    }

    /// <summary>An outage is as sure and as old as itself, whatever else was wrong before.</summary>
    private static Verdict Single(DisasterKind kind, Seen one, List<Seen> seen, HealthRound round) => new(
        kind, one.Subject.IsSource ? [one.Subject.Name] : [], one.Subject.IsSource ? [] : [one.Subject.Name],
        (one.Health is { IsOut: true, IsFull: false } ? one.Health.Outage : one.Health.All).Status == HealthStatus.Confirmed ? IncidentState.Confirmed : IncidentState.Suspected,
        (one.Health.IsOut ? one.Health.Outage : one.Health.All).Since ?? round.At, EvidenceCard.Of([one], seen, round))
    {
        IsOutageSure = one.Health.Outage.Status == HealthStatus.Confirmed,
    };

    private static string[] Sorted(IEnumerable<Seen> seen) => [.. seen.Select(one => one.Subject.Name).Order(StringComparer.Ordinal)];
}

/// <summary>A subject with what this round saw of it and what is remembered.</summary>
internal sealed record Seen(SubjectRound Round, SubjectHealth Health)
{
    public HealthSubject Subject => Round.Subject;
}
