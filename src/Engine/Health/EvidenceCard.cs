using Hexabase.DrConsole.Engine.Health.Probes;

namespace Hexabase.DrConsole.Engine.Health;

/// <summary>Puts evidence cards together: what was said, who disagreed, what else it could be.</summary>
internal static class EvidenceCard
{
    private const string StartingCode = "57P03";

    private const string FullCode = "53300";

    public static Evidence Of(IReadOnlyList<Seen> troubled, IReadOnlyList<Seen> all, HealthRound round)
    {
        var split = troubled.SelectMany(one => Splits(one, all)).ToList();
        return new Evidence(
            round.At, [.. troubled.Select(one => Subject(one, round.At))],
            split.Count > 0 ? split : [.. troubled.Select(one => new EvidenceRemark(Remark.AllAgree, one.Subject.Name))],
            [.. troubled.SelectMany(Alternatives).DistinctBy(remark => (remark.Remark, remark.Subject))]);
    }

    public static Evidence OfCorruption(Seen one, HealthRound round)
    {
        var name = one.Subject.Name;
        var answers = one.Round.Results;
        List<EvidenceRemark> split = [];
        if (answers.Any(result => result is { IsOfService: true, Answer: ProbeAnswer.Answered }))
        {
            split.Add(new EvidenceRemark(Remark.AnswersButCorrupt, name));
        }

        if (one.Health.CorruptKinds.Count == 1 && answers.Any(result => result is { Kind: ProbeKind.Query, Answer: ProbeAnswer.Answered } or { Kind: ProbeKind.Integrity, Answer: ProbeAnswer.Answered }))
        {
            split.Add(new EvidenceRemark(Remark.CorruptByOneOnly, name, one.Health.CorruptKinds.Single().ToString()));
        }

        return new Evidence(
            round.At, [Subject(one, round.At) with { FirstSignAt = one.Health.FirstCorruptAt }],
            split.Count > 0 ? split : [new EvidenceRemark(Remark.AllAgree, name)],
            [new EvidenceRemark(Remark.FailingDisk, name), new EvidenceRemark(Remark.FailingMemory, name), new EvidenceRemark(Remark.StaleFile, name)]);
    }

    public static Evidence OfIsolation(IReadOnlyList<Seen> network, HealthRound round, DateTimeOffset? since, int rounds)
    {
        List<EvidenceRemark> split =
        [
            .. network.Where(one => one.Round.IsRefused).Select(one => new EvidenceRemark(Remark.HostAnswersPortClosed, one.Subject.Name, one.Subject.Endpoint)),
        ];
        return new Evidence(
            round.At, [.. network.Select(one => Subject(one, round.At) with { FirstSignAt = since, MissesInARow = rounds })],
            split.Count > 0 ? split : [new EvidenceRemark(Remark.AllAgree)],
            [new EvidenceRemark(Remark.ConsoleCutOff), new EvidenceRemark(Remark.AllStopped)]);
    }

    private static SubjectEvidence Subject(Seen one, DateTimeOffset at) => new(
        one.Subject.Name, one.Subject.Kind, one.Subject.Endpoint,
        (one.Health.IsOut ? one.Health.Outage : one.Health.All).Misses, (one.Health.IsOut ? one.Health.Outage : one.Health.All).Since,
        [
            .. one.Round.Results.Select(result => new ProbeEvidence(
                result.Probe, result.Kind, result.Answer, result.LatencyMs, result.Detail, result.Code, at,
                result.IsMiss ? one.Health.MissesByKind.GetValueOrDefault(result.Kind) : 0)),
        ]);

    private static IEnumerable<EvidenceRemark> Splits(Seen one, IReadOnlyList<Seen> all)
    {
        var (name, place) = (one.Subject.Name, one.Subject.Endpoint);
        if (OpensButSilent(one))
        {
            yield return new EvidenceRemark(Remark.PortOpensServerSilent, name, place);
        }

        if (one.Round.IsDown && one.Round.Results.Any(result => result is { Kind: ProbeKind.Reach, Answer: ProbeAnswer.Refused }))
        {
            yield return new EvidenceRemark(Remark.HostAnswersPortClosed, name, place);
        }

        if (one.Health.IsOnlyDenied)
        {
            yield return new EvidenceRemark(Remark.AnswersButDenies, name, place);
        }

        var neighbours = all.Where(other => other.Subject.Id != one.Subject.Id && place is not null && HostOf(other.Subject.Endpoint) == HostOf(place)
            && other.Round.Results.Any(result => result is { IsOfService: true, Answer: ProbeAnswer.Answered })).Select(other => other.Subject.Name).ToList();
        if (neighbours.Count > 0 && one.Round.IsDown)
        {
            yield return new EvidenceRemark(Remark.NeighboursAnswer, name, string.Join(", ", neighbours));
        }
    }

    private static IEnumerable<EvidenceRemark> Alternatives(Seen one)
    {
        var (name, answers) = (one.Subject.Name, one.Round.Results);
        if (one.Health.IsOnlyDenied)
        {
            yield return new EvidenceRemark(answers.Any(result => result.Code == FullCode) ? Remark.TooManyConnections : Remark.CredentialsChanged, name);
            yield break;
        }

        if (answers.Any(result => result.Code == StartingCode))
        {
            yield return new EvidenceRemark(Remark.Starting, name);
        }

        if (OpensButSilent(one))
        {
            yield return new EvidenceRemark(Remark.FrozenOrOverloaded, name);
        }
        else if (one.Round is { IsDown: true, IsRefused: true })
        {
            yield return new EvidenceRemark(Remark.ServerStopped, name);
        }
        else if (one.Round.IsDown && one.Subject.Endpoint is not null)
        {
            yield return new EvidenceRemark(Remark.WayBetween, name, HostOf(one.Subject.Endpoint));
        }

        if (answers.Any(result => result is { Kind: ProbeKind.Disk, Answer: ProbeAnswer.Exceeded } || result.Code == "53100"))
        {
            yield return new EvidenceRemark(Remark.DiskFull, name);
        }

        yield return new EvidenceRemark(Remark.UnannouncedMaintenance, name);
    }

    private static bool OpensButSilent(Seen one) => one.Round.Results.Any(result => result is { Kind: ProbeKind.Reach, Answer: ProbeAnswer.Answered })
        && one.Round.Results.Any(result => result is { Kind: ProbeKind.Protocol or ProbeKind.Query, Answer: ProbeAnswer.NoAnswer });

    private static string? HostOf(string? endpoint) => endpoint is null || endpoint.LastIndexOf(':') is not (> 0 and var at) ? endpoint : endpoint[..at];
}
