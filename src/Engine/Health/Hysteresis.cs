using System.Collections.Immutable;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health.Probes;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>
/// Turns single looks into states that do not flap: two misses raise suspicion, four by two kinds of probe confirm it, six good
/// rounds end it. While the observer itself seems cut off nothing is counted against anybody.
/// </summary>
public static class Hysteresis
{
    /// <summary>The state after one more round.</summary>
    public static HealthState Advance(HealthState state, HealthRound round, HealthThresholds thresholds)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(round);
        var subjects = round.Subjects.ToImmutableDictionary(one => one.Subject.Id, one => Count(round.Settled.Contains(one.Subject.Id) ? Settled(state.Of(one.Subject.Id)) : state.Of(one.Subject.Id), one));
        var isIsolated = IsObserverIsolated(round, subjects, thresholds);
        var isCutOff = !isIsolated && AreClustersCutOff(round, subjects, thresholds);
        foreach (var one in round.Subjects)
        {
            var health = Corruption(subjects[one.Subject.Id], one, round);
            var isOutOfSight = (isIsolated && round.TellsOfNetwork(one.Subject)) || (isCutOff && one.Subject.Kind == SubjectKind.VCluster);
            subjects = subjects.SetItem(one.Subject.Id, isOutOfSight ? Held(health) : Judge(health, one, round.At, thresholds));
        }

        return isIsolated ? new HealthState { Subjects = subjects, IsolatedRounds = state.IsolatedRounds + 1, IsolatedSince = state.IsolatedSince ?? round.At }
            : isCutOff ? new HealthState { Subjects = subjects, CutOffClusterRounds = state.CutOffClusterRounds + 1, CutOffClustersSince = state.CutOffClustersSince ?? round.At }
            : IsBlind(state, round) ? state with { Subjects = subjects }
            : Connected(state, subjects, thresholds);
    }

    /// <summary>
    /// The state with what is known of a corruption that is open: signs of it may be older than all that a new watcher goes through, and
    /// good answers disprove none of them.
    /// </summary>
    /// <param name="incident">The corruption. Where no round is kept any more from when it was suspected, it is itself one sign.</param>
    /// <param name="rounds">The rounds that are kept of the subject, oldest first.</param>
    public static HealthState Recall(HealthState state, string subject, Incident incident, IReadOnlyList<HealthRound> rounds)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(incident);
        ArgumentNullException.ThrowIfNull(rounds);
        var kept = rounds.SelectMany(round => round.Subjects.Where(one => one.Subject.Id == subject).Select(one => (Seen: one, Round: round)))
            .Aggregate(SubjectHealth.Fresh, (health, one) => Corruption(health, one.Seen, one.Round));
        var isOlder = rounds.Count == 0 || incident.SuspectedAt < rounds[0].At;
        var since = incident.FirstEvidenceAt;
        return state with
        {
            Subjects = state.Subjects.SetItem(subject, state.Of(subject) with
            {
                CorruptRounds = isOlder ? kept.CorruptRounds + 1 : Math.Max(1, kept.CorruptRounds),
                CorruptKinds = kept.CorruptKinds,
                FirstCorruptAt = kept.FirstCorruptAt < since ? kept.FirstCorruptAt : since,
            }),
        };
    }

    /// <summary>
    /// True where nothing on the network answered, and where that came at once: then this console is likelier to be cut off than
    /// everything to have failed. With one place alone a closed port still is an answer of its host.
    /// </summary>
    private static bool IsObserverIsolated(HealthRound round, ImmutableDictionary<string, SubjectHealth> subjects, HealthThresholds thresholds) =>
        AreOutOfSight(round.Subjects.Where(one => round.TellsOfNetwork(one.Subject)), subjects, thresholds);

    /// <summary>
    /// The same of the virtual clusters alone: with all of them out of sight at once, and their host, the way to that host is likelier to
    /// be broken than each of them; and no recovery could do anything there, since it goes through the host.
    /// </summary>
    private static bool AreClustersCutOff(HealthRound round, ImmutableDictionary<string, SubjectHealth> subjects, HealthThresholds thresholds) =>
        AreOutOfSight(round.Subjects.Where(one => one.Subject.Kind == SubjectKind.VCluster), subjects, thresholds);

    /// <summary>
    /// True where a partition is open and all that could tell whether it is over is under maintenance, and answers nothing: that is
    /// no word of it, neither way.
    /// </summary>
    private static bool IsBlind(HealthState state, HealthRound round) =>
        (state.IsolatedSince is not null && AreAllMaintained(round.Subjects.Where(one => round.TellsOfNetwork(one.Subject))))
        || (state.CutOffClustersSince is not null && AreAllMaintained(round.Subjects.Where(one => one.Subject.Kind == SubjectKind.VCluster)));

    private static bool AreAllMaintained(IEnumerable<SubjectRound> watched)
    {
        var witnesses = watched.Where(one => one.Results.Any(result => result.IsOfService)).ToList();
        return witnesses.Count > 0 && witnesses.All(one => one is { IsMaintained: true, IsOutOfSight: true });
    }

    private static bool AreOutOfSight(IEnumerable<SubjectRound> watched, ImmutableDictionary<string, SubjectHealth> subjects, HealthThresholds thresholds)
    {
        var witnesses = watched.Where(one => !one.IsMaintained && one.Results.Any(result => result.IsOfService)).ToList();
        if (witnesses.Count == 0 || !witnesses.All(one => one.IsOutOfSight))
        {
            return false;
        }

        var places = witnesses.GroupBy(one => one.Subject.Endpoint!).ToList();
        if (places.Count == 1)
        {
            return !witnesses.Any(one => one.IsRefused);
        }

        // What was down long before says nothing of the present; at least two places must have gone together.
        var rounds = places.Select(place => place.Min(one => subjects[one.Subject.Id].OutOfSightRounds)).ToList();
        var newest = rounds.Min();
        return rounds.Count(down => down - newest <= thresholds.AtOnceRounds) >= 2;
    }

    private static SubjectHealth Count(SubjectHealth health, SubjectRound one) => health with { OutOfSightRounds = one.IsOutOfSight ? health.OutOfSightRounds + 1 : 0 };

    private static SubjectHealth Corruption(SubjectHealth health, SubjectRound one, HealthRound round)
    {
        if (round.Cleared.Contains(one.Subject.Id))
        {
            // Also what this round found: it was judged by what was there before somebody closed it.
            return health with { CorruptRounds = 0, CorruptKinds = [], FirstCorruptAt = null };
        }

        // An answer that stands from an earlier round is no second sign, and none of what came after it was dealt with.
        var signs = one.Results.Where(result => result is { Answer: ProbeAnswer.Corrupt, IsRepeat: false }).ToList();
        if (signs.Count == 0)
        {
            return health;
        }

        // Nobody may have looked when it came. A clock that is ahead of this one makes nothing younger.
        var first = signs.Min(sign => sign.Since is { } since && since < round.At ? since : round.At);
        return health with
        {
            CorruptRounds = health.CorruptRounds + 1, CorruptKinds = health.CorruptKinds.Union(signs.Select(sign => sign.Kind)), FirstCorruptAt = health.FirstCorruptAt < first ? health.FirstCorruptAt : first,
        };
    }

    private static SubjectHealth Held(SubjectHealth health) => health with { All = health.All.Held(), Outage = health.Outage.Held() };

    private static SubjectHealth Settled(SubjectHealth health) => health with { All = Trouble.None, Outage = Trouble.None, Kinds = [] };

    private static SubjectHealth Judge(SubjectHealth health, SubjectRound one, DateTimeOffset at, HealthThresholds thresholds)
    {
        var missed = one.Results.Where(result => result.IsMiss).ToList();
        if (missed.Count > 0 && one.IsMaintained)
        {
            return Held(health);
        }

        var all = missed.Count == 0 ? health.All.Answered(thresholds) : health.All.Missed(missed.Select(result => result.Kind), at, thresholds);
        var service = missed.Where(result => result.IsOfService).ToList();
        return health with
        {
            All = all,
            // What refuses this console answers; one that is silent beside refusals is not well either.
            Outage = service.All(result => result.Answer == ProbeAnswer.Denied) ? health.Outage.Answered(thresholds) : health.Outage.Missed(service.Select(result => result.Kind), at, thresholds),
            Kinds = all.Status == HealthStatus.Healthy ? [] : health.Kinds.Union(missed.Select(result => result.Kind)),
        };
    }

    private static HealthState Connected(HealthState state, ImmutableDictionary<string, SubjectHealth> subjects, HealthThresholds thresholds)
    {
        var connected = state.ConnectedRounds + 1;
        return new HealthState
        {
            Subjects = subjects,
            IsolatedSince = connected >= thresholds.HealthyAfter ? null : state.IsolatedSince,
            CutOffClustersSince = connected >= thresholds.HealthyAfter ? null : state.CutOffClustersSince,
            ConnectedRounds = connected,
        };
    }
}
