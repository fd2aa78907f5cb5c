using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>A restore of one source over the place of another claims both.</summary>
public sealed partial class RestoreGateTests
{
    private static Source Neighbour(ServerFolder folder) =>
        new($"beside-{Guid.NewGuid():n}", SourceKind.Volume, "standard", "shop") { Volume = new VolumeSettings(folder.Combine("beside")) };

    /// <summary>A rig of two volumes, the second of which holds something, backed up; and a restore of the first over it, as far as its gate.</summary>
    private async Task<(InPlaceRig Rig, Source Other, RestorePlan Plan, RunId Run)> AskOverOtherAsync()
    {
        var rig = await FilledAsync(beside: Neighbour);
        var other = rig.Estate.Sources[1];
        Directory.CreateDirectory(other.Volume!.Path!);
        await File.WriteAllTextAsync(Path.Combine(other.Volume.Path!, "letter"), "of somebody else", Ct);
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync((await rig.Requests.BackupAsync(other.Name, "tester", Ct)).Id)).State);
        var point = Assert.Single(await rig.Points.ListAsync(rig.Source.Name, 5, Ct));
        var plan = await rig.Requests.PlanRestoreAsync(point.Id, $"dir:{other.Volume.Path}?inPlace=true", "/", Ct);
        var run = (await rig.Requests.RestoreAsync(plan, plan.Hash, new RestoreAsker("olga", true), Ct)).Id;
        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(run)).State);
        return (rig, other, plan, run);
    }

    [Fact]
    public async Task Restore_over_the_place_of_another_source_keeps_that_one_s_backups_restores_and_recoveries_away()
    {
        var (rig, other, plan, run) = await AskOverOtherAsync();
        await using var _ = rig;
        // Who approves reads what else lives there.
        Assert.Contains($"where {other.Name} lives", await rig.LogAsync(run), StringComparison.Ordinal);
        var point = Assert.Single(await rig.Points.ListAsync(other.Name, 5, Ct));
        var open = await rig.Requests.BackupAsync(other.Name, "schedule", Ct);
        await File.WriteAllTextAsync(Path.Combine(other.Volume!.Path!, "list"), "not in its restore point", Ct);
        var ownPlan = await rig.Requests.PlanRestoreAsync(point.Id, $"dir:{other.Volume.Path}?inPlace=true&delete=true", "/", Ct);
        File.Delete(Path.Combine(other.Volume.Path!, "list"));
        await rig.ApproveAsync(run, "paul");
        Assert.Null(await PassAsync(rig, run, plan));

        // The other source's open backup is ended, and nothing of it begins; each refusal names who is there.
        Assert.Equal(RunState.Cancelled, (await rig.AdvanceAsync(open.Id)).State);
        var backup = await rig.AdvanceAsync((await rig.Requests.BackupAsync(other.Name, "schedule", Ct)).Id);
        Assert.Equal(RunState.Failed, backup.State);
        Assert.Contains("source-recovering", backup.ErrorJson, StringComparison.Ordinal);
        Assert.Contains(run.ToString(), backup.ErrorJson, StringComparison.Ordinal);
        var own = await rig.AdvanceAsync((await rig.Requests.RestoreAsync(ownPlan, ownPlan.Hash, new RestoreAsker("olga", true), Ct)).Id);
        Assert.Equal(RunState.Failed, own.State);
        Assert.Contains("restore-at-work", own.ErrorJson, StringComparison.Ordinal);
        await rig.Library.SaveBuiltInAsync(Ct);
        var recovery = await rig.Recoveries.PlanAsync("volume-storage-failure", new PlanRequest(other.Name, "STORAGE_FAILURE"), Ct);
        var refused = await Assert.ThrowsAsync<EngineException>(() => rig.Recoveries.RequestAsync(recovery, recovery.Hash, "olga", Ct));
        Assert.Equal(("restore-at-work", $"{run} writes over {other.Name} at this moment"), (refused.Code, refused.Message));
        // The source that the files come from is changed by nobody.
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync((await rig.Requests.BackupAsync(rig.Source.Name, "schedule", Ct)).Id)).State);

        await rig.ExpireLeaseAsync(run);
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync(run)).State);
        Assert.Equal("as it was", await File.ReadAllTextAsync(Path.Combine(other.Volume.Path!, "letter"), Ct));
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync((await rig.Requests.BackupAsync(other.Name, "schedule", Ct)).Id)).State);
    }

    [Fact]
    public async Task Restore_does_not_write_over_the_place_of_a_source_that_is_recovered()
    {
        var (rig, other, _, run) = await AskOverOtherAsync();
        await using var _ = rig;
        await rig.Library.SaveBuiltInAsync(Ct);
        var recovery = await rig.AskAsync(await rig.Recoveries.PlanAsync("volume-storage-failure", new PlanRequest(other.Name, "STORAGE_FAILURE"), Ct));
        await rig.ApproveAsync(recovery.Id, "paul");
        await rig.ApproveAsync(run, "paul");
        RunState? beside = null;
        rig.Wrap = inner => inner.Name == Engine.Recovery.Actions.RestoreInPlace.ActionName
            ? new HookedAction(inner, beforeVerify: async () => beside = (await rig.AdvanceAsync(run)).State)
            : inner;

        await rig.AdvanceAsync(recovery.Id);

        Assert.Equal(RunState.Failed, beside);
        var error = (await rig.Runs.FindAsync(run, Ct))!.ErrorJson;
        Assert.Contains("recovery-at-work", error, StringComparison.Ordinal);
        Assert.Contains($"{recovery.Id} recovers {other.Name}", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Place_that_another_source_moved_into_while_the_restore_waited_is_not_written_over()
    {
        await using var rig = await FilledAsync(beside: Neighbour);
        var other = rig.Estate.Sources[1];
        var (place, _, plan) = await PlanElsewhereAsync(rig);
        var run = (await rig.Requests.RestoreAsync(plan, plan.Hash, new RestoreAsker("olga", true), Ct)).Id;
        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(run)).State);
        await rig.ApproveAsync(run, "paul");
        Directory.CreateSymbolicLink(other.Volume!.Path!, place);

        var ended = await rig.AdvanceAsync(run);

        Assert.Equal(RunState.Failed, ended.State);
        Assert.Contains("restore-place-changed", ended.ErrorJson, StringComparison.Ordinal);
        Assert.Contains(other.Name, ended.ErrorJson, StringComparison.Ordinal);
        Assert.Equal("of somebody else", await File.ReadAllTextAsync(Path.Combine(place, "letter"), Ct));
    }
}
