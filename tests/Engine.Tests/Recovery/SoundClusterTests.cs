using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Executable;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>What plans do about a cluster that nothing has damaged: those that restore nothing, and one whose disk is not mounted.</summary>
public sealed class SoundClusterTests(RecoveryRig rig) : IClassFixture<RecoveryRig>, IAsyncLifetime
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync() => await rig.SetRightAsync();

    [Fact]
    public async Task Nothing_is_recovered_below_the_mount_point_of_a_disk_that_is_not_mounted()
    {
        Assert.SkipUnless(Environment.UserName == "root", "mounting needs root");
        var disk = Path.GetDirectoryName(rig.Server.DataFolder)!;
        await Shell.RunAsync("mount", "--bind", disk, disk);
        var isMounted = true;
        try
        {
            var backup = await rig.AdvanceAsync((await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct)).Id);
            Assert.True(backup.State == RunState.Completed, backup.ErrorJson);
            var plan = await rig.PlanAsync();
            await Shell.RunAsync("umount", disk);
            isMounted = false;

            var ended = await rig.RecoverAsync(plan);

            await RequireUntouchedAsync(ended);
            Assert.Contains("nothing is mounted there now", ended.ErrorJson, StringComparison.Ordinal);
            var refused = await Assert.ThrowsAsync<EngineException>(() => rig.PlanAsync());
            Assert.Equal(DataDirectoryMount.UnmountedCode, refused.Code);
            Assert.Contains($"at {disk}", refused.Hint, StringComparison.Ordinal);
        }
        finally
        {
            if (isMounted)
            {
                await Shell.RunAsync("umount", disk);
            }

            // The other tests of this server recover from a point that knows nothing of the mount.
            await rig.AdvanceAsync((await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct)).Id);
        }
    }

    [Theory]
    [InlineData("restore-point-unreachable")]
    [InlineData("restore-point-changed")]
    [InlineData("corruption-since")]
    [InlineData("incident-over")]
    public async Task Nothing_is_stopped_for_a_recovery_that_could_not_be_done_or_ought_not_to_be_since_it_was_asked_for(string code)
    {
        IncidentId? incident = code == "incident-over" ? await rig.ConfirmIncidentAsync(TimeProvider.System.GetUtcNow(), "DATABASE_OUTAGE") : null;
        var plan = await rig.Recoveries.PlanAsync("postgres-outage", new PlanRequest(rig.Source.Name, "DATABASE_OUTAGE", incident?.Value), Ct);
        if (code == "restore-point-changed")
        {
            plan = plan with { Basis = plan.Basis with { ManifestHash = new string('0', 64) } };
        }
        else if (code == "corruption-since")
        {
            plan = plan with { Basis = plan.Basis with { ToEnd = true } };
        }

        var run = await rig.Recoveries.RequestAsync(plan, plan.Hash, "olga", Ct);
        await rig.AdvanceAsync(run.Id);
        await rig.ApproveAsync(run.Id, "paul");
        var tiers = rig.Estate.Tiers.Select(tier => StoreUrl.Parse(tier.Store).LocalFolder!).ToList();
        if (code == "corruption-since")
        {
            // As the monitor writes it down: suspected in the round that saw the first evidence.
            incident = await rig.ConfirmIncidentAsync(TimeProvider.System.GetUtcNow());
        }
        else if (code == "incident-over")
        {
            // The server is back by itself, while the gate waited.
            await rig.Pool.Command("UPDATE incident SET state = 'resolved', resolved_at = clock_timestamp(), resolution = 'healthy' WHERE id = $1", incident!.Value.Value).RunAsync(Ct);
        }
        else if (code == "restore-point-unreachable")
        {
            tiers.ForEach(tier => Directory.Move(tier, $"{tier}.away"));
        }

        try
        {
            var ended = await rig.AdvanceAsync(run.Id);

            await RequireUntouchedAsync(ended);
            Assert.Contains(code, ended.ErrorJson, StringComparison.Ordinal);
        }
        finally
        {
            tiers.Where(tier => Directory.Exists($"{tier}.away")).ToList().ForEach(tier => Directory.Move($"{tier}.away", tier));
            await (code == "corruption-since" ? rig.Incidents.CloseAsync(incident!.Value, "the test has ended", "tester", Ct) : Task.CompletedTask);
        }
    }

    private async Task RequireUntouchedAsync(Run ended)
    {
        Assert.True(RecoveryOutcome.Error == await rig.OutcomeAsync(ended.Id), await rig.LogAsync(ended.Id));
        Assert.All(await rig.StatesAsync(ended.Id), state => Assert.Equal(StepState.Pending, state));
        Assert.True(await rig.IsWholeAsync());
    }

    [Fact]
    public async Task Clients_are_led_back_to_a_place_that_answers_and_a_plan_that_restores_nothing_says_so()
    {
        var request = new PlanRequest(rig.Source.Name, "UNKNOWN");
        var plan = await rig.Recoveries.PlanAsync("postgres-fail-back", request, Ct);
        Assert.False(plan.Restores);
        Assert.Equal(plan.Hash, RecoveryPlan.Parse(plan.ToJson()).Hash);
        Assert.Contains("check 'all parcels'", string.Join('\n', plan.Steps[0].Does), StringComparison.Ordinal);
        Assert.StartsWith("run sh -c echo back", plan.Steps[1].Does[0], StringComparison.Ordinal);
        Assert.Equal("plan-restores-nothing", (await Assert.ThrowsAsync<EngineException>(() => rig.Recoveries.PlanAsync("postgres-fail-back", request with { Moment = TimeProvider.System.GetUtcNow() }, Ct))).Code);
        Assert.Equal("drill-shows-nothing", (await Assert.ThrowsAsync<EngineException>(() => rig.Drills.RequestAsync("postgres-fail-back", rig.Source.Name, "olga", Ct))).Code);
        Assert.DoesNotContain(await rig.Drills.DueAsync(Ct), due => due.Template.Name is "postgres-fail-back" or "postgres-network-partition");
        await rig.PlanReadiness.EvaluateAsync(Ct);
        Assert.Contains((await ReadinessAsync()).Reasons, reason => reason.Cause == ReadinessCause.NotDrillable);

        // Where a check of the operators' says no, clients stay where they are.
        await rig.ExecuteAsync("INSERT INTO parcel VALUES (2001, 'one too many')");
        var refused = await rig.RecoverAsync(plan);
        Assert.True(RecoveryOutcome.VerificationFailed == await rig.OutcomeAsync(refused.Id), await rig.LogAsync(refused.Id));
        Assert.False(File.Exists(rig.SwitchLog));

        await rig.ExecuteAsync("DELETE FROM parcel WHERE id = 2001");
        var led = await rig.RecoverAsync(plan);
        Assert.True(led.State == RunState.Completed, await rig.LogAsync(led.Id));
        Assert.Equal(["back"], await File.ReadAllLinesAsync(rig.SwitchLog, Ct));
        Assert.Null(MeasuredLoss.Of(plan, await rig.Catalog.StepsAsync(led.Id, Ct)));
        await rig.PlanReadiness.EvaluateAsync(Ct);
        Assert.DoesNotContain((await ReadinessAsync()).Reasons, reason => reason.Cause is ReadinessCause.NotDrillable or ReadinessCause.NoDrill);

        var looked = await rig.RecoverAsync(await rig.Recoveries.PlanAsync("postgres-network-partition", request with { Disaster = "NETWORK_PARTITION" }, Ct));
        Assert.True(looked.State == RunState.Completed, await rig.LogAsync(looked.Id));

        async Task<ReadinessRow> ReadinessAsync() => (await rig.Readiness.ListAsync(Ct)).Single(row => row.Plan == "postgres-fail-back" && row.Source == rig.Source.Name);
    }
}
