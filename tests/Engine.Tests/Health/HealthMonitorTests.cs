using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Health.Probes;
using Hexabase.DrConsole.Engine.Notifications;
using Hexabase.DrConsole.Engine.Notifications.Outbox;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Health;

/// <summary>The monitor on servers that are stopped, frozen, damaged and cut off. One class: there is one monitor in a catalog, and one word of whether it looks.</summary>
[Collection("notifications")]
public sealed class HealthMonitorTests(CatalogServer catalog, ClusterSeed seed)
{
    private const UnixSignal Stop = (UnixSignal)19;
    private const UnixSignal Continue = (UnixSignal)18;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Stopped_server_is_suspected_after_two_rounds_confirmed_after_four_and_healthy_again_after_six()
    {
        await using var rig = await HealthRig.CreateAsync(catalog, seed);
        Assert.Empty(await rig.LookAsync());
        var window = await rig.Windows.AddAsync(rig.Name(), rig.Now, rig.Now.AddHours(1), "a new disk", "tester", Ct);
        await rig.Servers[0].StopAsync(Ct);
        Assert.Empty(await rig.LookAsync(6));
        Assert.Empty(await rig.IncidentsAsync());
        Assert.Contains(await rig.History.LastAsync(rig.Now.AddMinutes(-1), Ct), sample => sample.Subject.Name == rig.Name() && sample.IsMaintained);
        await catalog.Pool.Command("UPDATE maintenance_window SET ends_at = $2 WHERE id = $1", window.Id, rig.Now.ToUniversalTime()).RunAsync(Ct);

        Assert.Empty(await rig.LookAsync());
        var first = rig.Now;
        Assert.Equal(IncidentState.Suspected, Assert.Single(await rig.LookAsync()).State);
        Assert.Equal(WatchState.Disagree, (await rig.Watch.ReadAsync(Ct)).StateAt(rig.Now));
        // Another process takes over in between and knows what was counted.
        rig.Begin();
        await rig.Monitor.RememberAsync(Ct);
        var verdict = Assert.Single(await rig.LookAsync(2));
        Assert.Equal((DisasterKind.DatabaseOutage, IncidentState.Confirmed), (verdict.Kind, verdict.State));
        var incident = Assert.Single(await rig.IncidentsAsync());
        Assert.Equal(IncidentState.Confirmed, incident.State);
        Assert.Equal([rig.Name()], incident.Sources);
        Assert.True(incident.ConfirmedAt - first <= 4 * rig.Estate.Health.Interval, $"{incident.ConfirmedAt - first}");
        var card = Evidence.Parse(incident.EvidenceJson);
        Assert.Contains(card.Disagreements, remark => remark.Remark == Remark.HostAnswersPortClosed);
        Assert.Contains(card.Alternatives, remark => remark.Remark == Remark.ServerStopped);

        await rig.Servers[0].StartAsync(Ct);
        Assert.NotEmpty(await rig.LookAsync(5));
        Assert.True((await rig.Incidents.FindAsync(incident.Id, Ct))!.IsOpen);
        Assert.Empty(await rig.LookAsync());
        Assert.Equal("healthy", (await rig.Incidents.FindAsync(incident.Id, Ct))!.Resolution);
        Assert.Equal(["suspected", "confirmed", "healthy"], (await rig.Incidents.EventsAsync(incident.Id, Ct)).Select(one => one.What));
        var told = await catalog.Pool.Command($"SELECT {NotificationStore.Columns} FROM notification n WHERE n.thread = $1 ORDER BY n.id", incident.Id.ToString()).ListAsync(NotificationStore.Map, Ct);
        Assert.Equal([NotificationEvent.IncidentSuspected, NotificationEvent.IncidentConfirmed, NotificationEvent.IncidentResolved], told.Select(one => one.Event));
        Assert.Equal((NotificationSeverity.Critical, "DATABASE_OUTAGE", false), (told[1].Severity, told[1].Facts.Kind, told[1].Closes));
        Assert.Contains(told[1].Facts.Evidence, fact => fact.Subject == rig.Name() && fact.Answer == nameof(ProbeAnswer.Refused));
        await ReplayAsync(rig, incident);
    }

    [Fact]
    public async Task Corruption_that_is_open_is_known_to_the_next_process_however_long_ago_it_showed()
    {
        await using var rig = await HealthRig.CreateAsync(catalog, seed);
        var incident = await catalog.Pool.Command(
            """
            INSERT INTO incident (kind, sources, state, first_evidence_at, suspected_at, evidence)
            VALUES ('DATABASE_CORRUPTION', ARRAY[$1], 'suspected', $2, $2, $3) RETURNING id
            """, rig.Name(), rig.Now.AddHours(-30).ToUniversalTime(), new Jsonb(new Evidence(rig.Now, [], [], []).ToJson())).FirstAsync(row => Tuple.Create(new IncidentId(row.GetInt64(0))), Ct);

        await rig.Monitor.RememberAsync(Ct);
        var verdict = Assert.Single(await rig.LookAsync(2));

        Assert.Equal((DisasterKind.DatabaseCorruption, IncidentState.Suspected), (verdict.Kind, verdict.State));
        Assert.Equal(rig.Now.AddMinutes(-1).AddHours(-30), verdict.FirstEvidenceAt, TimeSpan.FromSeconds(1));
        await rig.Incidents.CloseAsync(incident!.Item1, "it was a test", "tester", Ct);
        Assert.Empty(await rig.LookAsync());
    }

    [Fact]
    public async Task Part_of_a_recovery_of_several_that_stops_it_is_no_outage()
    {
        await using var rig = await HealthRig.CreateAsync(catalog, seed);
        Assert.Empty(await rig.LookAsync());
        var run = await catalog.Pool.Command(
            """
            WITH asked AS (INSERT INTO run (kind, source, request, request_hash, state, requested_by) VALUES ('recovery', $2, '{}', '', 'running', 'tester') RETURNING id),
              recovering AS (INSERT INTO recovery (run_id, plan, plan_version, plan_hash, source, disaster, is_drill) SELECT id, 'both', 1, '', $2, 'UNKNOWN', false FROM asked),
              part AS (INSERT INTO recovery_part (run_id, source, restore_point) SELECT id, $1, '' FROM asked),
              step AS (INSERT INTO recovery_step (run_id, position, name, action, started_at) SELECT id, 1, 'stop', 'stop_database_service', clock_timestamp() FROM asked)
            SELECT id FROM asked
            """, rig.Name(), $"workspace {rig.Name()}").FirstAsync(row => Tuple.Create(row.GetInt64(0)), Ct);
        await rig.Servers[0].StopAsync(Ct);

        Assert.Empty(await rig.LookAsync(6));

        Assert.Empty(await rig.IncidentsAsync());
        // While it waits for a person too, but not for ever: then the source is down like any other.
        await catalog.Pool.Command("UPDATE run SET state = 'waiting' WHERE id = $1", run!.Item1).RunAsync(Ct);
        Assert.Empty(await rig.LookAsync(2));
        await catalog.Pool.Command("UPDATE recovery_step SET started_at = started_at - $2 WHERE run_id = $1", run.Item1, SourcesAtWork.MayWait).RunAsync(Ct);
        Assert.NotEmpty(await rig.LookAsync(2));
        await catalog.Pool.Command("UPDATE run SET state = 'completed', ended_at = clock_timestamp() WHERE id = $1", run.Item1).RunAsync(Ct);
    }

    [Fact]
    public async Task Outage_that_a_recovery_ended_is_not_told_of_once_more_and_counters_stay_news()
    {
        await using var rig = await HealthRig.CreateAsync(catalog, seed);
        Assert.Empty(await rig.LookAsync());
        await rig.Servers[0].StopAsync(Ct);
        Assert.Equal(IncidentState.Confirmed, Assert.Single(await rig.LookAsync(4)).State);
        var counters = await CountersAsync();
        Assert.NotEqual(0, counters);
        await rig.Servers[0].StartAsync(Ct);
        await rig.Incidents.CloseAsync(Assert.Single(await rig.IncidentsAsync()).Id, "recovered by R-1", "engine", Ct);

        Assert.Empty(await rig.LookAsync());

        Assert.Equal("closed", Assert.Single(await rig.IncidentsAsync()).Resolution);
        Assert.Equal(counters, await CountersAsync());
        await rig.Servers[0].StopAsync(Ct);
        Assert.Empty(await rig.LookAsync());
        Assert.Equal(IncidentState.Suspected, Assert.Single(await rig.LookAsync()).State);

        async Task<long> CountersAsync() =>
            (await catalog.Pool.Command("SELECT count(*) FROM health_baseline WHERE subject = $1", $"source/{rig.Name()}").FirstAsync(row => Tuple.Create(row.GetInt64(0)), Ct))!.Item1;
    }

    [Fact]
    public async Task Frozen_server_opens_its_port_and_answers_no_query_and_the_card_says_so()
    {
        // Four rounds of silence are waited for, each as long as a probe may take.
        await using var rig = await HealthRig.CreateAsync(catalog, seed, settings: new HealthSettings { Timeout = TimeSpan.FromMilliseconds(700) });
        await rig.LookAsync();
        var postmaster = rig.Servers[0].Postmaster!.Value;
        Assert.True(LibC.Signal(postmaster, Stop));
        try
        {
            var verdict = Assert.Single(await rig.LookAsync(4));
            Assert.Equal((DisasterKind.DatabaseOutage, IncidentState.Confirmed), (verdict.Kind, verdict.State));
            Assert.Contains(verdict.Evidence.Disagreements, remark => remark.Remark == Remark.PortOpensServerSilent);
            Assert.Contains(verdict.Evidence.Alternatives, remark => remark.Remark == Remark.FrozenOrOverloaded);
            var probes = verdict.Evidence.Subjects.Single().Probes.ToDictionary(probe => probe.Probe);
            Assert.Equal((ProbeAnswer.Answered, ProbeAnswer.NoAnswer, ProbeAnswer.NoAnswer), (probes["tcp"].Answer, probes["handshake"].Answer, probes["read"].Answer));
            Assert.InRange(probes["read"].MissesInARow, 4, 5);
        }
        finally
        {
            LibC.Signal(postmaster, Continue);
        }
    }

    [Fact]
    public async Task Overwritten_relation_that_is_read_is_corruption_freezes_retention_and_stays_until_it_is_closed()
    {
        await using var rig = await HealthRig.CreateAsync(catalog, seed, settings: new HealthSettings { AmcheckEvery = TimeSpan.FromHours(1) });
        await rig.ExecuteAsync("CREATE TABLE parcel AS SELECT i AS id, repeat('x', 500) AS label FROM generate_series(1, 20000) i; CREATE EXTENSION amcheck; CHECKPOINT");
        Assert.Empty(await rig.LookAsync());
        var seen = (await rig.History.LastOfAsync($"source/{rig.Name()}", Ct))!.Results.ToDictionary(result => result.Probe);
        Assert.Equal(ProbeAnswer.Answered, seen["amcheck"].Answer);
        Assert.Matches("^index .+ is well$", seen["amcheck"].Detail);
        Assert.Equal(ProbeAnswer.Answered, seen["disk"].Answer);
        var path = Path.Combine(rig.Servers[0].DataFolder, await rig.ScalarAsync("SELECT pg_relation_filepath('parcel')"));
        await using (var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.Seek(700 * 8192 + 100, SeekOrigin.Begin);
            await file.WriteAsync(new byte[4000], Ct);
        }

        await Assert.ThrowsAsync<PostgresException>(() => rig.ExecuteAsync("SELECT sum(length(label)) FROM parcel"));
        // As if it had counted 5 once, crashed, and counted this from nothing: it is news all the same.
        await catalog.Pool.Command("UPDATE health_baseline SET value = 5, since = since - interval '1 day' WHERE subject = $1 AND probe = 'checksums'", $"source/{rig.Name()}").RunAsync(Ct);
        var first = Assert.Single(await rig.LookAsync());
        Assert.Equal(DisasterKind.DatabaseCorruption, first.Kind);
        var verdict = Assert.Single(await rig.LookAsync());
        Assert.Equal(IncidentState.Confirmed, verdict.State);
        var incident = Assert.Single(await rig.IncidentsAsync());
        var card = Evidence.Parse(incident.EvidenceJson);
        Assert.Contains(card.Subjects.Single().Probes, probe => probe is { Probe: "checksums", Answer: ProbeAnswer.Corrupt } && probe.Detail!.Contains("1 more than before", StringComparison.Ordinal));
        Assert.Contains(card.Disagreements, remark => remark.Remark == Remark.AnswersButCorrupt);
        Assert.Contains(rig.Name(), await new RestorePointCatalog(catalog.Pool).FrozenSourcesAsync(Ct));

        // Good answers disprove nothing, and a process that starts anew still knows.
        rig.Begin();
        Assert.Equal(DisasterKind.DatabaseCorruption, Assert.Single(await rig.LookAsync(8)).Kind);
        await rig.ExecuteAsync("DROP TABLE parcel");
        await rig.Incidents.AcknowledgeAsync(incident.Id, "looking", "ann", Ct);
        await Assert.ThrowsAsync<EngineException>(() => rig.Incidents.AcknowledgeAsync(incident.Id, "", "bob", Ct));
        await Assert.ThrowsAsync<EngineException>(() => rig.Incidents.CloseAsync(incident.Id, " ", "ann", Ct));
        await rig.Incidents.CloseAsync(incident.Id, "restored to the point before", "ann", Ct);
        Assert.Empty(await rig.LookAsync(3));
        Assert.DoesNotContain(rig.Name(), await new RestorePointCatalog(catalog.Pool).FrozenSourcesAsync(Ct));
    }

    [Fact]
    public async Task Everything_dead_at_once_is_a_partition_and_no_outage_of_anybody()
    {
        await using var rig = await HealthRig.CreateAsync(catalog, seed, servers: 2);
        await rig.LookAsync();
        await Task.WhenAll(rig.Servers.Select(server => server.KillAsync(Ct)));
        var verdict = Assert.Single(await rig.LookAsync(5));
        Assert.Equal((DisasterKind.NetworkPartition, IncidentState.Confirmed, 2), (verdict.Kind, verdict.State, verdict.Sources.Count));
        var incident = Assert.Single(await rig.IncidentsAsync());
        Assert.False(incident.IsDisaster);
        Assert.Contains(Evidence.Parse(incident.EvidenceJson).Alternatives, remark => remark.Remark == Remark.AllStopped);
        Assert.Equal(WatchState.Isolated, (await rig.Watch.ReadAsync(Ct)).StateAt(rig.Now));
    }

    [Fact]
    public async Task Incident_that_others_join_is_as_old_as_the_first_sign_of_any_of_them()
    {
        var now = TimeProvider.System.GetUtcNow();
        var (one, other) = ($"cluster-{Guid.NewGuid():n}", $"cluster-{Guid.NewGuid():n}");
        await using var connection = await catalog.Pool.OpenConnectionAsync(Ct);
        await using var transaction = await connection.BeginTransactionAsync(Ct);
        Verdict Of(DateTimeOffset first, params string[] sources) =>
            new(DisasterKind.PartialVClusterFailure, sources, [], IncidentState.Confirmed, first, new Evidence(now, [], [], []));
        await IncidentWriter.WriteAsync(transaction, new IncidentChanges([Of(now.AddMinutes(-1), one)], [], [], []), now, Ct);
        var opened = Assert.Single(await IncidentWriter.OpenAsync(transaction, Ct), incident => incident.Sources.Contains(one));

        await IncidentWriter.WriteAsync(transaction, new IncidentChanges([], [(opened, Of(now.AddMinutes(-5), one, other))], [], []), now, Ct);

        var joined = Assert.Single(await IncidentWriter.OpenAsync(transaction, Ct), incident => incident.Sources.Contains(one));
        Assert.Equal([one, other], joined.Sources);
        Assert.Equal(now.AddMinutes(-5), joined.FirstEvidenceAt, TimeSpan.FromMilliseconds(1));
    }

    [Fact]
    public async Task Incident_of_a_full_disk_becomes_the_outage_that_is_sure_and_no_full_disk_replaces_an_outage()
    {
        var now = TimeProvider.System.GetUtcNow();
        var tier = $"tier-{Guid.NewGuid():n}";
        ProbeEvidence full = new("disk", ProbeKind.Disk, ProbeAnswer.Exceeded, 1, null, null, now, 9);
        await using var connection = await catalog.Pool.OpenConnectionAsync(Ct);
        await using var transaction = await connection.BeginTransactionAsync(Ct);
        await IncidentWriter.WriteAsync(transaction, new IncidentChanges([Of(-9, isSure: false, full)], [], [], []), now, Ct);
        var opened = await FindAsync();
        Assert.True(opened.IsOnlyFullDisk);

        foreach (var verdict in (Verdict[])[Of(-10, isSure: true, full), Of(-8, isSure: false, full, Silent(1)), Of(-8, isSure: false, full, Silent(3))])
        {
            var same = await ContinueAsync(verdict);
            Assert.Equal((opened.FirstEvidenceAt, opened.EvidenceJson), (same.FirstEvidenceAt, same.EvidenceJson));
        }

        // What was written while it was only full is sound: this began later.
        var outage = await ContinueAsync(Of(-2, isSure: true, full, Silent(4)));
        Assert.False(outage.IsOnlyFullDisk);
        Assert.Equal(now.AddMinutes(-2), outage.FirstEvidenceAt, TimeSpan.FromMilliseconds(1));

        foreach (var verdict in (Verdict[])[Of(-9, isSure: false, full), Of(-9, isSure: true, full), Of(-1, isSure: true, full, Silent(8))])
        {
            var same = await ContinueAsync(verdict);
            Assert.Equal((outage.FirstEvidenceAt, outage.EvidenceJson), (same.FirstEvidenceAt, same.EvidenceJson));
        }

        var told = await transaction.Command("SELECT what FROM incident_event WHERE incident = $1 ORDER BY id", opened.Id.Value).ListAsync(row => row.GetString(0), Ct);
        Assert.Equal(["confirmed", "changed"], told);

        ProbeEvidence Silent(int rounds) => new("read", ProbeKind.Query, ProbeAnswer.NoAnswer, 1, null, null, now, rounds);

        Verdict Of(int minutes, bool isSure, params ProbeEvidence[] probes) => new(
            DisasterKind.StorageFailure, [], [tier], IncidentState.Confirmed, now.AddMinutes(minutes),
            new Evidence(now, [new SubjectEvidence(tier, SubjectKind.Tier, null, 9, now.AddMinutes(minutes), probes)], [], [])) { IsOutageSure = isSure };

        async Task<Incident> ContinueAsync(Verdict verdict)
        {
            await IncidentWriter.WriteAsync(transaction, new IncidentChanges([], [(await FindAsync(), verdict)], [], []), now, Ct);
            return await FindAsync();
        }

        async Task<Incident> FindAsync() => Assert.Single(await IncidentWriter.OpenAsync(transaction, Ct), incident => incident.Tiers.Contains(tier));
    }

    [Fact]
    public async Task Forty_three_seconds_in_which_nothing_answers_declare_nothing()
    {
        // Two rounds fall into them at most.
        await using var rig = await HealthRig.CreateAsync(catalog, seed, servers: 2);
        await rig.LookAsync();
        await Task.WhenAll(rig.Servers.Select(server => server.KillAsync(Ct)));
        var verdict = Assert.Single(await rig.LookAsync(2));
        Assert.Equal((DisasterKind.NetworkPartition, IncidentState.Suspected), (verdict.Kind, verdict.State));
        await Task.WhenAll(rig.Servers.Select(server => server.StartAsync(Ct)));

        await rig.LookAsync(rig.Estate.Health.Thresholds.HealthyAfter);
        Assert.All(await rig.IncidentsAsync(), incident => Assert.Equal((null, false), (incident.ConfirmedAt, incident.IsOpen)));
    }

    [Fact]
    public async Task Monitor_that_lost_its_lease_writes_nothing_and_old_rounds_are_summed_up_once()
    {
        await using var rig = await HealthRig.CreateAsync(catalog, seed);
        await rig.LookAsync(3);
        var seen = (await rig.History.RoundsAsync(rig.Now.AddMinutes(-5), rig.Now, Ct)).Count(round => round.Subjects.Any(one => one.Subject.Name == rig.Name()));
        Assert.Equal(3, seen);
        await catalog.Pool.Command("UPDATE health_watch SET fence = fence + 1 WHERE name = $1", HealthWatch.Monitor).RunAsync(Ct);
        await Assert.ThrowsAsync<LeadershipLostException>(() => rig.LookAsync());
        Assert.Equal(seen, (await rig.History.RoundsAsync(rig.Now.AddMinutes(-5), rig.Now, Ct)).Count(round => round.Subjects.Any(one => one.Subject.Name == rig.Name())));

        var subject = $"source/{rig.Name()}";
        var raw = await SummariesAsync(rig, subject);
        await rig.History.DownsampleAsync(rig.Now.AddHours(25), Ct);
        await rig.History.DownsampleAsync(rig.Now.AddDays(8), Ct);
        Assert.NotEmpty(raw);
        Assert.Equal(raw, await SummariesAsync(rig, subject));
        await rig.History.DownsampleAsync(rig.Now.AddDays(402), Ct);
        Assert.Empty(await SummariesAsync(rig, subject));
    }

    [Fact]
    public async Task Rounds_that_come_to_an_hour_that_was_summed_up_before_them_are_taken_into_it()
    {
        await using var rig = await HealthRig.CreateAsync(catalog, seed);
        var subject = $"source/{rig.Name()}";
        await rig.LookAsync(2);
        await rig.History.DownsampleAsync(rig.Now.AddHours(25), Ct);
        await rig.History.DownsampleAsync(rig.Now.AddDays(8), Ct);
        await rig.LookAsync();
        var all = await SummariesAsync(rig, subject);

        // Minutes are made of them, and hours of those, as after days without the job.
        await rig.History.DownsampleAsync(rig.Now.AddHours(25), Ct);
        await rig.History.DownsampleAsync(rig.Now.AddDays(8), Ct);

        Assert.Equal(3, all.GroupBy(one => one.Probe).Max(probe => probe.Sum(one => one.Answered)));
        Assert.Equal(all, await SummariesAsync(rig, subject));
    }

    [Fact]
    public async Task Monitor_that_looks_no_more_is_told_once_and_so_is_that_it_is_back()
    {
        await using var rig = await HealthRig.CreateAsync(catalog, seed);
        await rig.LookAsync();
        var known = (await ToldAsync()).Count;
        var (one, other) = (rig.Promises(), rig.Promises());
        rig.Pass(TimeSpan.FromHours(1));
        // After an hour without a console nobody is called while the monitor may be about to begin.
        await one.LookAsync(Ct);
        await other.LookAsync(Ct);
        Assert.Equal(known, (await ToldAsync()).Count);

        rig.Pass(TimeSpan.FromMinutes(3));
        await Task.WhenAll(one.LookAsync(Ct), other.LookAsync(Ct));
        await one.LookAsync(Ct);
        var told = await ToldAsync();
        Assert.Equal((known + 1, NotificationEvent.WatcherSilent, NotificationSeverity.Critical), (told.Count, told[0].Event, told[0].Severity));

        await rig.LookAsync();
        await Task.WhenAll(one.LookAsync(Ct), other.LookAsync(Ct));
        var back = (await ToldAsync())[0];
        Assert.Equal((NotificationEvent.WatcherBack, true, told[0].Thread), (back.Event, back.Closes, back.Thread));

        async Task<IReadOnlyList<Notification>> ToldAsync() =>
            [.. (await new NotificationStore(catalog.Pool).ListAsync(null, 1_000_000, Ct)).Where(one => one.Event is NotificationEvent.WatcherSilent or NotificationEvent.WatcherBack)];
    }

    private static async Task<IReadOnlyList<ProbeSummary>> SummariesAsync(HealthRig rig, string subject) =>
        [.. (await rig.History.SummariesAsync(subject, byHour: true, rig.Now.AddHours(-2), Ct)).Select(one => one with { MeanLatencyMs = Math.Round(one.MeanLatencyMs, 3) })];

    /// <summary>The kept history, played again: with the same thresholds the same incident, with higher ones none.</summary>
    private static async Task ReplayAsync(HealthRig rig, Incident incident)
    {
        var rounds = (await rig.History.RoundsAsync(rig.Now.AddHours(-1), rig.Now, Ct))
            .Select(round => round with { Subjects = [.. round.Subjects.Where(one => one.Subject.Name == rig.Name())] }).Where(round => round.Subjects.Count > 0).ToList();
        var replayed = Assert.Single(ShadowReplay.Run(rounds, rig.Estate.Health.Thresholds));
        Assert.True(replayed.IsProposed);
        Assert.Equal(incident.ConfirmedAt!.Value, replayed.ConfirmedAt!.Value, TimeSpan.FromMilliseconds(1));
        var careful = Assert.Single(ShadowReplay.Run(rounds, new HealthThresholds { ConfirmAfter = 9 }));
        Assert.False(careful.IsProposed);
        Assert.Empty(ShadowReplay.Run(rounds, new HealthThresholds { SuspectAfter = 9, ConfirmAfter = 9 }));
    }
}
