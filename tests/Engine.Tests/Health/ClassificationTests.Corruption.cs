using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Health.Probes;

namespace Hexabase.DrConsole.Engine.Tests.Health;

/// <summary>When corruption begins, and what is no sign of it.</summary>
public sealed partial class ClassificationTests
{
    [Fact]
    public void Corruption_that_shows_in_a_window_is_corruption_from_its_first_sign_on()
    {
        var round = Well();
        round[0] = Acts.Corrupt;
        var rounds = Rounds([.. Enumerable.Repeat(round, 3), .. Enumerable.Repeat(Well(), 3)]).Select(one => one with { Subjects = [.. one.Subjects.Select(subject => subject with { IsMaintained = true })] }).ToList();
        Assert.All(Verdicts(rounds), verdicts => Assert.Equal((DisasterKind.DatabaseCorruption, Start), (Assert.Single(verdicts).Kind, verdicts[0].FirstEvidenceAt)));
    }

    [Fact]
    public void Corrupt_answer_that_only_stands_is_no_second_sign_and_opens_nothing_again()
    {
        var rounds = Rounds([.. Enumerable.Repeat(Well(), 8)]).Select((one, at) => one with
        {
            Subjects = [.. one.Subjects.Select(subject => subject.Subject.Name == "db1" ? subject with { Results = [.. subject.Results, new("amcheck", ProbeKind.Integrity, ProbeAnswer.Corrupt, 1) { IsRepeat = at > 0 }] } : subject)],
            Cleared = at == 4 ? new HashSet<string> { "source/db1" } : new HashSet<string>(),
        }).ToList();
        var verdicts = Verdicts(rounds);
        Assert.All(verdicts[..4], one => Assert.Equal((DisasterKind.DatabaseCorruption, IncidentState.Suspected), (Assert.Single(one).Kind, one[0].State)));
        Assert.All(verdicts[4..], Assert.Empty);
    }

    [Fact]
    public void Corrupt_answer_of_the_round_in_which_somebody_closed_it_opens_nothing_again()
    {
        var corrupt = Well();
        corrupt[0] = Acts.Corrupt;
        var rounds = Rounds([corrupt, corrupt, Well(), corrupt]);
        rounds[1] = rounds[1] with { Cleared = new HashSet<string> { "source/db1" } };
        var verdicts = Verdicts(rounds);
        Assert.Equal([1, 0, 0, 1], verdicts.Select(one => one.Count));
    }

    [Fact]
    public void Corruption_that_came_while_nobody_looked_is_as_old_as_it_says()
    {
        var bad = Well();
        bad[0] = Acts.Corrupt;
        HealthRound At(int hours, params int[] minutes) => Rounds([Well(), bad])[1] with
        {
            At = Start.AddHours(hours),
            Subjects = [.. Rounds([bad])[0].Subjects.Select(one => one.Subject != All[0] ? one
                : one with { Results = [.. one.Results.Select(result => result.Answer == ProbeAnswer.Corrupt ? result with { Since = Start.AddHours(hours).AddMinutes(minutes[0]) } : result)] })],
        };

        DateTimeOffset FirstOf(params HealthRound[] rounds) => Verdicts(rounds)[^1].Single(verdict => verdict.Kind == DisasterKind.DatabaseCorruption).FirstEvidenceAt;
        Assert.Equal(Start.AddMinutes(65), FirstOf(Rounds([Well()])[0], At(2, -55)));
        // An earlier sign that joins it counts; a clock that is ahead does not.
        Assert.Equal(Start.AddMinutes(65), FirstOf(Rounds([Well()])[0], At(2, 5), At(3, -115)));
        Assert.Equal(Start.AddHours(2), FirstOf(Rounds([Well()])[0], At(2, 5)));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(-1, 2)]
    public void Corruption_that_was_suspected_long_ago_is_known_to_a_watcher_that_has_just_begun(int suspectedHours, int counted)
    {
        var corrupt = Well();
        corrupt[0] = Acts.Corrupt;
        var rounds = Rounds([corrupt, Well(), Well()]);
        var incident = new Incident(new IncidentId(7), DisasterKind.DatabaseCorruption, ["db1"], IncidentState.Suspected, Start.AddDays(-1), null, "{}") { SuspectedAt = Start.AddHours(suspectedHours) };

        // It went through the last two rounds only.
        var state = Hysteresis.Recall(HealthState.Empty, "source/db1", incident, rounds);

        var health = state.Of("source/db1");
        Assert.Equal((counted, Start.AddDays(-1)), (health.CorruptRounds, health.FirstCorruptAt));
        Assert.Equal(1, Hysteresis.Recall(HealthState.Empty, "source/db1", incident, []).Of("source/db1").CorruptRounds);
        Assert.Equal(counted + 1, Hysteresis.Advance(state, Rounds([corrupt])[0], Usual).Of("source/db1").CorruptRounds);
    }
}
