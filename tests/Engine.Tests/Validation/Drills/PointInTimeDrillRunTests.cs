using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Backups.Receiving;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Engine.Validation;
using Hexabase.DrConsole.Engine.Validation.Drills;
using Microsoft.Extensions.Logging.Abstractions;
using static Hexabase.DrConsole.Engine.Tests.Backups.Receiving.WalRig;

namespace Hexabase.DrConsole.Engine.Tests.Validation.Drills;

public sealed class PointInTimeDrillRunTests(CatalogServer catalog)
{
    [Fact]
    public async Task Drill_recovers_the_second_that_was_written_down_and_its_heartbeat_shows_it()
    {
        await using var rig = await CreateAsync(catalog, heartbeat: TimeSpan.FromSeconds(1));
        await rig.ExecuteAsync(HeartbeatTable.Creation.Replace("TO backup", "TO postgres", StringComparison.Ordinal));
        rig.StartReceiver();
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), TimeSpan.FromSeconds(20));
        await BaseBackup.CaptureAsync(rig);
        await Task.Delay(TimeSpan.FromSeconds(9), Ct);
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), TimeSpan.FromSeconds(20));
        var drills = new DrillCatalog(catalog.Pool);
        Assert.Null((await drills.HeartbeatAsync(rig.Source.Name, Ct))!.Message);

        // Killed right after it had chosen: it must not draw again.
        var window = (await new RecoverableWindows(rig.Tiers, new RestorePointCatalog(catalog.Pool), rig.Estate, TimeProvider.System).ReadAsync(rig.Source, Ct))!;
        var chosen = DrillMoment.Choose(window, null);
        var run = await RequestAsync(rig, null);
        await DieAfterChoosingAsync(run.Id, chosen);
        var first = await AdvanceAsync(rig, run.Id);

        Assert.True(first.State == RunState.Completed, first.ErrorJson);
        var drilled = Assert.Single(await drills.ListAsync(rig.Source.Name, 10, Ct));
        Assert.True(drilled is { Outcome: "passed" }, drilled.Reason);
        Assert.Equal(chosen.Moment, drilled.Moment);
        Assert.InRange(drilled.Moment - drilled.HeartbeatAt!.Value, TimeSpan.Zero, HeartbeatTable.LongestGap(TimeSpan.FromSeconds(1)));
        Assert.Equal(["fetch", "unpack", "replay", "verify"], drilled.Phases.Select(phase => phase.Name));
        Assert.True(drilled.Seconds > 0 && drilled.NextCommitAt > drilled.Moment, $"{drilled}");

        // Silence that nobody noted is a loss; the same silence, noted by the next heartbeat, is none.
        await rig.StopReceiverAsync();
        await rig.ExecuteAsync("UPDATE drconsole.heartbeat SET beat_at = beat_at - interval '1 minute'; CREATE TABLE later (n int)");
        var silent = TimeProvider.System.GetUtcNow();
        await Task.Delay(TimeSpan.FromSeconds(1), Ct);
        await rig.ExecuteAsync("INSERT INTO later VALUES (1)");
        await rig.ExecuteAsync("ALTER TABLE drconsole.heartbeat RENAME TO away");
        rig.StartReceiver();
        await rig.WaitDurableAsync(await rig.CurrentLsnAsync(), TimeSpan.FromSeconds(20));
        var lost = await AdvanceAsync(rig, (await RequestAsync(rig, silent)).Id);
        Assert.True(lost.State == RunState.Completed, lost.ErrorJson);
        Assert.Contains("what was committed since is missing", (await drills.ListAsync(rig.Source.Name, 1, Ct))[0].Reason, StringComparison.Ordinal);
        Assert.Contains("the table drconsole.heartbeat is missing", (await WaitForHeartbeatAsync(drills, rig, message => message is not null)).Message, StringComparison.Ordinal);

        await rig.ExecuteAsync("ALTER TABLE drconsole.away RENAME TO heartbeat");
        await WaitForHeartbeatAsync(drills, rig, message => message is null);
        Assert.True(await drills.LapseAtAsync(rig.Source.Name, silent, Ct) < silent);
        Assert.DoesNotContain(rig.Registry.List(), record => record.Purpose.StartsWith("scratch", StringComparison.Ordinal));
    }

    private static async Task<HeartbeatRow> WaitForHeartbeatAsync(DrillCatalog drills, WalRig rig, Func<string?, bool> isIt)
    {
        for (var looks = 0; ; looks++)
        {
            if (await drills.HeartbeatAsync(rig.Source.Name, Ct) is { } row && isIt(row.Message))
            {
                return row;
            }

            Assert.True(looks < 200, "the heartbeat did not change");
            await Task.Delay(50, Ct);
        }
    }

    private Task<Run> RequestAsync(WalRig rig, DateTimeOffset? moment) =>
        new RunStore(catalog.Pool).RequestAsync(RunKinds.PointInTimeDrill, rig.Source.Name, null, new PointInTimeDrillRequest(rig.Source.Name, moment), "tester", null, Ct);

    private async Task DieAfterChoosingAsync(RunId id, DrillMoment chosen)
    {
        var hold = (await RunHold.AcquireAsync(catalog.Pool, LeaseTimes.Default, id, Ct))!;
        using var journal = new RunJournal(hold, TimeProvider.System);
        await new RunContext(hold, journal, Ct).StepAsync("choose", _ => Task.FromResult(chosen));
        await catalog.Pool.Command("UPDATE run SET lease_until = NULL WHERE id = $1", id.Value).RunAsync(Ct);
    }

    private async Task<Run> AdvanceAsync(WalRig rig, RunId id)
    {
        var handler = new PointInTimeDrillRun(
            new RecoverableWindows(rig.Tiers, new RestorePointCatalog(catalog.Pool), rig.Estate, TimeProvider.System), rig.Tiers, rig.Estate, new DrillCatalog(catalog.Pool),
            new ValidationOptions { ScratchRoot = rig.StoreOf("scratch") }, rig.Registry, TimeProvider.System);
        await new RunExecution(catalog.Pool, [handler], LeaseTimes.Default, TimeProvider.System, NullLogger<RunExecution>.Instance).AdvanceAsync(id, Ct);
        return (await new RunStore(catalog.Pool).FindAsync(id, Ct))!;
    }
}
