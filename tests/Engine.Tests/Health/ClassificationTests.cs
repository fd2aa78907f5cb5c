using CsCheck;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Health.Probes;

namespace Hexabase.DrConsole.Engine.Tests.Health;

/// <summary>Hysteresis and classification over probe histories, drawn at random and written by hand.</summary>
public sealed partial class ClassificationTests
{
    private static readonly HealthThresholds Usual = new();
    private static readonly DateTimeOffset Start = new(2026, 11, 24, 3, 0, 0, TimeSpan.Zero);
    private static readonly HealthSubject[] Databases = [.. Enumerable.Range(1, 3).Select(at => new HealthSubject($"db{at}", SubjectKind.Database, $"10.0.0.{at}:5432"))];
    private static readonly HealthSubject[] Clusters = [.. Enumerable.Range(1, 4).Select(at => new HealthSubject($"vc{at}", SubjectKind.VCluster, $"10.1.0.{at}:443"))];
    private static readonly HealthSubject[] All = [.. Databases, .. Clusters, new HealthSubject("warm", SubjectKind.Tier, "10.2.0.1:443"), new HealthSubject("hot", SubjectKind.Tier, null)];

    /// <summary>What a subject does in a round.</summary>
    private enum Acts
    {
        Well,
        Silent,
        Refused,
        Frozen,
        Denied,
        Corrupt,
    }

    private static readonly Gen<Acts> Any = Gen.Frequency(
        (12, Gen.Const(Acts.Well)), (4, Gen.Const(Acts.Silent)), (2, Gen.Const(Acts.Refused)), (2, Gen.Const(Acts.Frozen)), (1, Gen.Const(Acts.Denied)), (1, Gen.Const(Acts.Corrupt)));

    private static readonly Gen<Acts[][]> Histories = Any.Array[All.Length].Array[1, 60];

    [Fact]
    public void Of_any_history_confirms_nothing_without_enough_misses_in_a_row_by_enough_kinds() => Histories.Sample(history =>
    {
        var rounds = Rounds(history);
        foreach (var (at, verdict) in Verdicts(rounds).SelectMany((verdicts, at) => verdicts.Select(verdict => (at, verdict)))
            .Where(one => one.verdict is { State: IncidentState.Confirmed, Kind: DisasterKind.DatabaseOutage or DisasterKind.StorageFailure or DisasterKind.Unknown }))
        {
            var column = Array.FindIndex(All, subject => subject.Name == verdict.Sources.Concat(verdict.Tiers).Single());
            Assert.Contains(Enumerable.Range(0, at + 1), end => end >= Usual.ConfirmAfter - 1
                && Enumerable.Range(end - Usual.ConfirmAfter + 1, Usual.ConfirmAfter).All(round => history[round][column] is not (Acts.Well or Acts.Corrupt)));
        }
    });

    [Fact]
    public void Of_any_history_gives_its_verdicts_in_order_and_one_subject_one_verdict_beside_corruption() => Histories.Sample(history =>
    {
        foreach (var verdicts in Verdicts(Rounds(history)))
        {
            Assert.Equal(verdicts.OrderBy(verdict => verdict.Kind), verdicts);
            var named = verdicts.Where(verdict => verdict.Kind != DisasterKind.DatabaseCorruption).SelectMany(verdict => verdict.Sources.Concat(verdict.Tiers)).ToList();
            Assert.Equal(named.Distinct(), named);
        }
    });

    [Fact]
    public void Of_any_history_that_ends_well_leaves_nothing_open_but_corruption() => Histories.Sample(history =>
    {
        Acts[][] well = [.. Enumerable.Repeat(Enumerable.Repeat(Acts.Well, All.Length).ToArray(), Usual.HealthyAfter)];
        var left = ShadowReplay.Run(Rounds([.. history, .. well]), Usual).Where(incident => incident.ResolvedAt is null);
        Assert.All(left, incident => Assert.Equal(DisasterKind.DatabaseCorruption, incident.Kind));
    });

    [Fact]
    public void Everything_silent_at_once_is_a_partition_for_as_long_as_it_lasts_and_nothing_is_counted_against_anybody() => Gen.Select(Gen.Int[1, 40], Gen.Bool, Gen.Int[0, 5]).Sample((length, isRefused, before) =>
    {
        var dead = Enumerable.Repeat(isRefused ? Acts.Refused : Acts.Silent, All.Length).ToArray();
        var history = Enumerable.Repeat(Well(), before).Concat(Enumerable.Repeat(dead, length)).Concat(Enumerable.Repeat(Well(), 3)).ToArray();
        var verdicts = Verdicts(Rounds(history)).SelectMany(one => one).ToList();
        Assert.All(verdicts, verdict => Assert.True(verdict.Kind == DisasterKind.NetworkPartition || (verdict.Kind == DisasterKind.StorageFailure && verdict.Tiers is ["hot"])));
        Assert.Equal(length >= Usual.SuspectAfter, verdicts.Exists(verdict => verdict.Kind == DisasterKind.NetworkPartition));
        Assert.DoesNotContain(ShadowReplay.Run(Rounds(history), Usual), incident => incident.IsProposed && incident.Sources.Count > 0);
    });

    [Fact]
    public void Forty_three_seconds_of_partition_declare_no_disaster_wherever_they_begin() => Gen.Select(Gen.Int[0, 29_999], Gen.Bool).Sample((offset, isWhole) =>
    {
        // The cut begins some milliseconds after a round; a round sees it where it falls into it. In part of the cases one database is on this side of the cut.
        var history = Enumerable.Range(0, 10).Select(round => Enumerable.Range(0, All.Length).Select(column =>
            (round * 30_000) - 60_000 >= offset && (round * 30_000) - 60_000 < offset + 43_000 && (isWhole || column > 0) ? Acts.Silent : Acts.Well).ToArray()).ToArray();
        Assert.DoesNotContain(Verdicts(Rounds(history)).SelectMany(one => one), verdict => verdict.State == IncidentState.Confirmed);
    });

    [Fact]
    public void Cut_that_heals_in_stages_declares_nothing_of_those_that_come_back_last()
    {
        var dead = Enumerable.Repeat(Acts.Silent, All.Length).ToArray();
        var half = All.Select((_, at) => at < 2 ? Acts.Well : Acts.Silent).ToArray();
        var history = Enumerable.Repeat(Well(), 3).Concat(Enumerable.Repeat(dead, 20)).Concat(Enumerable.Repeat(half, Usual.ConfirmAfter - 1)).Concat(Enumerable.Repeat(Well(), 8));
        Assert.Equal([DisasterKind.NetworkPartition], ShadowReplay.Run(Rounds([.. history]), Usual).Where(incident => incident.ConfirmedAt is not null && incident.Tiers.Count == 0).Select(incident => incident.Kind));
    }

    [Theory]
    [InlineData(1, DisasterKind.PartialVClusterFailure)]
    [InlineData(2, DisasterKind.PartialVClusterFailure)]
    [InlineData(3, DisasterKind.MassiveVClusterFailure)]
    public void VClusters_fail_massively_from_more_than_half_on(int failing, DisasterKind kind)
    {
        var round = Well();
        Array.Fill(round, Acts.Silent, Databases.Length, failing);
        var verdict = Assert.Single(Verdicts(Rounds([.. Enumerable.Repeat(round, Usual.ConfirmAfter)]))[^1]);
        Assert.Equal((kind, failing, IncidentState.Confirmed), (verdict.Kind, verdict.Sources.Count, verdict.State));
    }

    [Theory]
    [InlineData(false, DisasterKind.NetworkPartition)]
    [InlineData(true, DisasterKind.MassiveVClusterFailure)]
    public void VClusters_that_all_go_at_once_are_cut_off_where_their_host_is_silent_too(bool answers, DisasterKind kind)
    {
        var round = Well();
        Array.Fill(round, Acts.Silent, Databases.Length, Clusters.Length);
        var rounds = Rounds([.. Enumerable.Repeat(round, Usual.ConfirmAfter), .. Enumerable.Repeat(Well(), Usual.HealthyAfter)]).Select(one => one with
        {
            Subjects = [.. one.Subjects.Select(subject => subject.Subject.Kind != SubjectKind.VCluster ? subject
                : subject with { Results = [.. subject.Results, new("host", ProbeKind.Host, answers || one.At >= Start.AddSeconds(30 * Usual.ConfirmAfter) ? ProbeAnswer.Answered : ProbeAnswer.NoAnswer, 1)] })],
        }).ToList();
        var verdict = Assert.Single(Verdicts(rounds)[Usual.ConfirmAfter - 1]);
        Assert.Equal((kind, Clusters.Length, IncidentState.Confirmed), (verdict.Kind, verdict.Sources.Count, verdict.State));
        var incident = Assert.Single(ShadowReplay.Run(rounds, Usual));
        Assert.Equal((kind, answers, "healthy"), (incident.Kind, incident.IsProposed, incident.Resolution));
    }

    [Fact]
    public void Place_on_this_machine_is_no_witness_where_others_are_elsewhere()
    {
        HealthSubject[] subjects = [Databases[0], Databases[1], new HealthSubject("cache", SubjectKind.Database, "127.0.0.1:6379")];
        var verdict = Assert.Single(Verdicts(Rounds([.. Enumerable.Repeat(new[] { Acts.Silent, Acts.Silent, Acts.Well }, 4)], subjects))[^1]);
        Assert.Equal(DisasterKind.NetworkPartition, verdict.Kind);
        Assert.Equal(["db1", "db2"], verdict.Sources);
        // What stops on this machine meanwhile is an outage, and one place elsewhere alone is none to go by.
        var both = Verdicts(Rounds([.. Enumerable.Repeat(new[] { Acts.Silent, Acts.Silent, Acts.Refused }, 4)], subjects))[^1];
        Assert.Equal([(DisasterKind.DatabaseOutage, "cache"), (DisasterKind.NetworkPartition, "db1")], both.Select(one => (one.Kind, one.Sources[0])));
        Assert.Equal(DisasterKind.DatabaseOutage, Assert.Single(Verdicts(Rounds([.. Enumerable.Repeat(new[] { Acts.Silent, Acts.Well }, 4)], [Databases[0], subjects[2]]))[^1]).Kind);
        Assert.Contains(Verdicts(Rounds([.. Enumerable.Repeat(new[] { Acts.Silent, Acts.Silent, Acts.Refused }, 4), .. Enumerable.Repeat(new[] { Acts.Well, Acts.Well, Acts.Refused }, 2)], subjects))[^1],
            one => one is { Kind: DisasterKind.DatabaseOutage, Sources: ["cache"], State: IncidentState.Confirmed });
    }

    [Fact]
    public void VClusters_that_join_a_failure_stay_in_its_incident()
    {
        var (one, three) = (Well(), Well());
        Array.Fill(one, Acts.Silent, Databases.Length, 1);
        Array.Fill(three, Acts.Silent, Databases.Length, 3);
        var incident = Assert.Single(ShadowReplay.Run(Rounds([.. Enumerable.Repeat(one, 5), .. Enumerable.Repeat(three, 5)]), Usual));
        Assert.Equal((DisasterKind.MassiveVClusterFailure, 3), (incident.Kind, incident.Sources.Count));
    }

    [Fact]
    public void Single_place_that_refuses_is_an_outage_and_one_that_is_silent_a_partition()
    {
        HealthSubject[] alone = [Databases[0]];
        Assert.Equal(DisasterKind.DatabaseOutage, Verdicts(Rounds([.. Enumerable.Repeat(new[] { Acts.Refused }, 4)], alone))[^1].Single().Kind);
        Assert.Equal(DisasterKind.NetworkPartition, Verdicts(Rounds([.. Enumerable.Repeat(new[] { Acts.Silent }, 4)], alone))[^1].Single().Kind);
    }

    [Fact]
    public void Refused_password_is_no_disaster_of_the_database()
    {
        var round = Well();
        round[0] = Acts.Denied;
        var verdict = Verdicts(Rounds([.. Enumerable.Repeat(round, 6)]))[^1].Single();
        Assert.Equal(DisasterKind.Unknown, verdict.Kind);
        Assert.Contains(verdict.Evidence.Alternatives, remark => remark.Remark == Remark.CredentialsChanged);
    }

    [Fact]
    public void VClusters_that_refuse_the_account_are_no_failure_of_theirs_and_nothing_is_proposed()
    {
        var round = Well();
        Array.Fill(round, Acts.Denied, Databases.Length, 3);
        var history = Rounds([.. Enumerable.Repeat(round, 6)]);
        var verdicts = Verdicts(history)[^1];
        Assert.Equal(["vc1", "vc2", "vc3"], verdicts.SelectMany(verdict => verdict.Sources));
        Assert.All(verdicts, verdict => Assert.Equal(DisasterKind.Unknown, verdict.Kind));
        Assert.All(ShadowReplay.Run(history, Usual), incident => Assert.False(incident.IsProposed));
        // One that fails beside them is one of four.
        Array.Fill(round, Acts.Silent, Databases.Length + 3, 1);
        Assert.Contains(Verdicts(Rounds([.. Enumerable.Repeat(round, 6)]))[^1], verdict => verdict is { Kind: DisasterKind.PartialVClusterFailure, Sources: ["vc4"] });
    }

    [Fact]
    public void Database_that_went_long_before_stays_an_outage_when_one_more_goes()
    {
        HealthSubject[] two = [Databases[0], Databases[1]];
        Acts[][] history = [.. Enumerable.Repeat(new[] { Acts.Refused, Acts.Well }, 10), .. Enumerable.Repeat(new[] { Acts.Refused, Acts.Refused }, 5)];
        var verdicts = Verdicts(Rounds(history, two))[^1];
        Assert.Equal([DisasterKind.DatabaseOutage, DisasterKind.DatabaseOutage], verdicts.Select(verdict => verdict.Kind));
    }

    /// <summary>Windows cover and uncover subjects, and people close incidents; each write is held against what the catalog bears: one open incident of a kind and set.</summary>
    [Fact]
    public void Of_any_history_with_windows_and_closings_no_two_open_incidents_are_the_same_and_none_begins_with_good_answers() =>
        Gen.Select(Histories, Gen.Int[0, 9].Array[All.Length].Array[1, 60], Gen.Int[0, 5].Array[60]).Sample((history, windows, closings) =>
        {
            var (state, open, next) = (HealthState.Empty, new List<Incident>(), 0);
            var (cleared, settled) = (new HashSet<string>(), new HashSet<string>());
            foreach (var (round, at) in Rounds(history).Select((round, at) => (round, at)))
            {
                var window = windows[at / 6 % windows.Length];
                var seen = round with
                {
                    Subjects = [.. round.Subjects.Select((one, column) => one with { IsMaintained = window[column] == 0 })], Cleared = cleared, Settled = settled,
                };
                state = Hysteresis.Advance(state, seen, Usual);
                var changes = IncidentChanges.From(Classification.Of(state, seen, Usual), open, state, Usual);
                open.RemoveAll(one => changes.Superseded.Any(other => other.Incident.Id == one.Id) || changes.Healthy.Any(other => other.Id == one.Id));
                foreach (var (incident, verdict) in changes.Continued)
                {
                    open[open.FindIndex(one => one.Id == incident.Id)] = Of(incident.Id, verdict);
                    Assert.Equal(open.Count, open.Select(Named).Distinct().Count());
                }

                foreach (var verdict in changes.Opened)
                {
                    Assert.True(verdict.Kind is DisasterKind.DatabaseCorruption or DisasterKind.NetworkPartition
                        || verdict.Sources.Concat(verdict.Tiers).Any(name => seen.Subjects.Any(one => one.Subject.Name == name && one.Results.Any(result => result.IsMiss))), "it began with good answers");
                    open.Add(Of(new IncidentId(++next), verdict));
                    Assert.Equal(open.Count, open.Select(Named).Distinct().Count());
                }

                (cleared, settled) = ([], []);
                if (closings[at % closings.Length] == 0 && open.Count > 0)
                {
                    var closed = open[at % open.Count];
                    open.Remove(closed);
                    (closed.Kind == DisasterKind.DatabaseCorruption ? cleared : settled).UnionWith(closed.Sources.Select(name => $"source/{name}").Concat(closed.Tiers.Select(name => $"tier/{name}")));
                }
            }
        });

    [Fact]
    public void Clusters_that_failed_around_a_window_are_one_incident_the_oldest()
    {
        var verdict = Assert.Single(Verdicts(Rounds([.. Enumerable.Repeat(Failing(1), Usual.ConfirmAfter)]))[^1]);
        Incident[] open = [Of(new IncidentId(1), verdict) with { Sources = ["vc1", "vc2"] }, Of(new IncidentId(2), verdict) with { Sources = ["vc1"] }];
        var changes = IncidentChanges.From([verdict], open, HealthState.Empty, Usual);
        Assert.Equal((1, 2), (Assert.Single(changes.Continued).Incident.Id.Value, Assert.Single(changes.Superseded).Incident.Id.Value));
        open[0] = open[0] with { State = IncidentState.Suspected };
        Assert.Equal(2, Assert.Single(IncidentChanges.From([verdict], open, HealthState.Empty, Usual).Continued).Incident.Id.Value);
        Assert.Empty(changes.Opened);

        static Acts[] Failing(int count)
        {
            var round = Well();
            Array.Fill(round, Acts.Silent, Databases.Length, count);
            return round;
        }
    }

    [Fact]
    public void Partition_is_not_over_because_all_that_could_tell_is_under_maintenance()
    {
        var dead = Enumerable.Repeat(Acts.Silent, All.Length).ToArray();
        var rounds = Rounds([.. Enumerable.Repeat(dead, 20), .. Enumerable.Repeat(Well(), Usual.HealthyAfter)]);
        for (var at = 6; at < rounds.Length; at++)
        {
            rounds[at] = rounds[at] with { Subjects = [.. rounds[at].Subjects.Select(subject => subject with { IsMaintained = true })] };
        }

        var partition = Assert.Single(ShadowReplay.Run(rounds, Usual), incident => incident.Kind == DisasterKind.NetworkPartition);
        // What answers in the window does tell.
        Assert.Equal(rounds[^1].At, partition.ResolvedAt);
    }

    [Fact]
    public void Outage_that_somebody_closed_is_not_opened_again_by_good_answers_and_is_counted_anew()
    {
        var dead = Well();
        dead[0] = Acts.Refused;
        var rounds = Rounds([.. Enumerable.Repeat(dead, 5), .. Enumerable.Repeat(Well(), 2), .. Enumerable.Repeat(dead, 4)]).ToList();
        rounds[5] = rounds[5] with { Settled = new HashSet<string> { "source/db1" } };
        var verdicts = Verdicts(rounds);
        Assert.All(verdicts[5..8], Assert.Empty);
        Assert.Equal((IncidentState.Suspected, IncidentState.Confirmed), (Assert.Single(verdicts[8]).State, Assert.Single(verdicts[10]).State));
        Assert.Equal([rounds[0].At, rounds[7].At], ShadowReplay.Run(rounds, Usual).Select(incident => incident.FirstEvidenceAt));
    }

    [Fact]
    public void Full_disk_is_sure_by_itself_and_no_reason_to_restore()
    {
        var full = Rounds([.. Enumerable.Repeat(Well(), 5)]).Select(round => Full(round)).ToList();
        var incident = Assert.Single(ShadowReplay.Run(full, Usual));
        Assert.Equal((DisasterKind.StorageFailure, true, false), (incident.Kind, incident.ConfirmedAt is not null, incident.IsProposed));
        Assert.False(Of(new IncidentId(1), Assert.Single(Verdicts(full)[^1])).IsDisaster);
    }

    /// <summary>What is sure for one cause makes a silent round no sure outage: that has to be seen as often as any other.</summary>
    [Theory]
    [InlineData(true, DisasterKind.StorageFailure)]
    [InlineData(false, DisasterKind.Unknown)]
    public void Silent_round_of_what_is_in_another_trouble_is_no_outage_until_it_is_sure_by_itself(bool isFull, DisasterKind before)
    {
        var acts = isFull ? Acts.Well : Acts.Denied;
        var (troubled, silent) = (Well(), Well());
        (troubled[0], silent[0]) = (acts, Acts.Silent);
        var rounds = Rounds([.. Enumerable.Repeat(troubled, 10), silent, .. Enumerable.Repeat(troubled, 10), .. Enumerable.Repeat(silent, 4)]).Select(round => isFull ? Full(round) : round).ToList();
        var verdicts = Verdicts(rounds);
        Assert.All(verdicts[4..^3], one => Assert.Equal((before, IncidentState.Confirmed), (Assert.Single(one).Kind, one[0].State)));
        var last = Assert.Single(verdicts[^1]);
        Assert.Equal((DisasterKind.DatabaseOutage, IncidentState.Confirmed, rounds[^4].At), (last.Kind, last.State, last.FirstEvidenceAt));
    }

    [Fact]
    public void Volume_that_dies_on_a_full_disk_is_told_to_be_worse_than_full()
    {
        var column = Array.FindIndex(All, subject => subject.Kind == SubjectKind.Tier);
        var dead = Well();
        dead[column] = Acts.Silent;
        var verdicts = Verdicts([.. Rounds([.. Enumerable.Repeat(Well(), 10), .. Enumerable.Repeat(dead, 4)]).Select(round => Full(round, column))]);
        Assert.True(verdicts[9].Single() is { IsOutageSure: false, Evidence.IsOnlyFullDisk: true });
        Assert.True(verdicts[10].Single() is { IsOutageSure: false, Evidence.IsOnlyFullDisk: true });
        Assert.True(verdicts[^1].Single() is { Kind: DisasterKind.StorageFailure, IsOutageSure: true, Evidence.IsOnlyFullDisk: false } worse && worse.FirstEvidenceAt == Start.AddSeconds(300));
    }

    private static HealthRound Full(HealthRound round, int column = 0) => round with
    {
        Subjects = [.. round.Subjects.Select(one => one.Subject == All[column] ? one with { Results = [.. one.Results, new("disk", ProbeKind.Disk, ProbeAnswer.Exceeded, 1)] } : one)],
    };

    [Fact]
    public void Server_with_as_many_connections_as_it_takes_is_no_disaster()
    {
        var full = Rounds([.. Enumerable.Repeat(Well(), 5)]).Select(round => round with
        {
            Subjects = [.. round.Subjects.Select(one => one.Subject.Name == "db1" ? one with { Results = [one.Results[0], .. one.Results.Skip(1).Select(result => result with { Answer = ProbeAnswer.Denied, Code = "53300" })] } : one)],
        }).ToList();
        var verdict = Assert.Single(Verdicts(full)[^1]);
        Assert.Equal((DisasterKind.Unknown, Remark.TooManyConnections), (verdict.Kind, Assert.Single(verdict.Evidence.Alternatives).Remark));
    }

    private static Incident Of(IncidentId id, Verdict verdict) =>
        new(id, verdict.Kind, verdict.Sources, verdict.State, verdict.FirstEvidenceAt, null, verdict.Evidence.ToJson()) { Tiers = verdict.Tiers };

    private static string Named(Incident incident) => $"{incident.Kind} {string.Join(',', incident.Sources)} {string.Join(',', incident.Tiers)}";

    private static Acts[] Well() => [.. Enumerable.Repeat(Acts.Well, All.Length)];

    private static List<IReadOnlyList<Verdict>> Verdicts(IReadOnlyList<HealthRound> rounds)
    {
        var state = HealthState.Empty;
        return [.. rounds.Select(round => Classification.Of(state = Hysteresis.Advance(state, round, Usual), round, Usual))];
    }

    private static HealthRound[] Rounds(Acts[][] history, HealthSubject[]? subjects = null) =>
    [
        .. history.Select((round, at) => new HealthRound(
            Start.AddSeconds(30 * at), [.. round.Select((acts, column) => new SubjectRound((subjects ?? All)[column], Say(acts)))], new HashSet<string>())),
    ];

    private static ProbeResult[] Say(Acts acts)
    {
        var (reach, protocol, query) = acts switch
        {
            Acts.Silent => (ProbeAnswer.NoAnswer, ProbeAnswer.NoAnswer, ProbeAnswer.NoAnswer),
            Acts.Refused => (ProbeAnswer.Refused, ProbeAnswer.Refused, ProbeAnswer.Refused),
            Acts.Frozen => (ProbeAnswer.Answered, ProbeAnswer.NoAnswer, ProbeAnswer.NoAnswer),
            Acts.Denied => (ProbeAnswer.Answered, ProbeAnswer.Denied, ProbeAnswer.Denied),
            Acts.Corrupt => (ProbeAnswer.Answered, ProbeAnswer.Answered, ProbeAnswer.Corrupt),
            _ => (ProbeAnswer.Answered, ProbeAnswer.Answered, ProbeAnswer.Answered),
        };
        return [new("tcp", ProbeKind.Reach, reach, 1), new("handshake", ProbeKind.Protocol, protocol, 1), new("read", ProbeKind.Query, query, 1)];
    }
}
