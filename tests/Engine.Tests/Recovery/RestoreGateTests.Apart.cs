using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>What a restore over a volume's files is kept apart from.</summary>
public sealed partial class RestoreGateTests
{
    [Fact]
    public async Task Two_restores_over_the_same_source_do_not_both_write()
    {
        await using var rig = await FilledAsync();
        var (plan, first) = await AskAsync(rig);
        var (_, second) = await AskAsync(rig);
        await rig.ApproveAsync(first, "paul");
        await rig.ApproveAsync(second, "paul");
        // It went through its gate, and is about to write.
        Assert.Null(await PassAsync(rig, first, plan));

        var refused = await rig.AdvanceAsync(second);

        Assert.Equal(RunState.Failed, refused.State);
        Assert.Contains("restore-at-work", refused.ErrorJson, StringComparison.Ordinal);
        Assert.Contains(first.ToString(), refused.ErrorJson, StringComparison.Ordinal);
        Assert.Equal("newer", Read(rig));
        await rig.ExpireLeaseAsync(first);
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync(first)).State);
    }

    [Fact]
    public async Task Restore_ends_the_open_backup_of_its_source_and_none_begins_beside_it()
    {
        await using var rig = await FilledAsync();
        var (plan, run) = await AskAsync(rig);
        var open = await rig.Requests.BackupAsync(rig.Source.Name, "schedule", Ct);
        await rig.ApproveAsync(run, "paul");
        Assert.Null(await PassAsync(rig, run, plan));
        Assert.Equal(RunState.Cancelled, (await rig.AdvanceAsync(open.Id)).State);

        var beside = await rig.AdvanceAsync((await rig.Requests.BackupAsync(rig.Source.Name, "schedule", Ct)).Id);

        Assert.Equal(RunState.Failed, beside.State);
        Assert.Contains("source-recovering", beside.ErrorJson, StringComparison.Ordinal);
        await rig.ExpireLeaseAsync(run);
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync(run)).State);
        Assert.Equal("engine", (await rig.Runs.FindAsync(open.Id, Ct))!.CancelRequestedBy);
    }

    /// <summary>A place that is not the source's, holds something, and is to be written over.</summary>
    private static async Task<(string Place, RestorePointRow Point, RestorePlan Plan)> PlanElsewhereAsync(InPlaceRig rig)
    {
        var other = $"{rig.Source.Volume!.Path!}-elsewhere";
        Directory.CreateDirectory(other);
        await File.WriteAllTextAsync(Path.Combine(other, "letter"), "of somebody else", Ct);
        var point = Assert.Single(await rig.Points.ListAsync(rig.Source.Name, 5, Ct));
        return (other, point, await rig.Requests.PlanRestoreAsync(point.Id, $"dir:{other}?inPlace=true", "/", Ct));
    }

    [Fact]
    public async Task Restore_over_another_place_leaves_the_source_and_its_backups_alone()
    {
        await using var rig = await FilledAsync();
        var (other, point, plan) = await PlanElsewhereAsync(rig);
        Assert.True(plan.WritesOver);
        var run = (await rig.Requests.RestoreAsync(plan, plan.Hash, new RestoreAsker("olga", true), Ct)).Id;
        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(run)).State);
        var open = await rig.Requests.BackupAsync(rig.Source.Name, "schedule", Ct);
        await rig.ApproveAsync(run, "paul");
        Assert.Null(await PassAsync(rig, run, plan));

        // It is at work: the open backup goes on, another begins, and the source's own restore is not refused.
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync(open.Id)).State);
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync((await rig.Requests.BackupAsync(rig.Source.Name, "schedule", Ct)).Id)).State);
        var own = await rig.Requests.PlanRestoreAsync(point.Id, $"dir:{rig.Source.Volume!.Path!}?inPlace=true", "/", Ct);
        var beside = (await rig.Requests.RestoreAsync(own, own.Hash, new RestoreAsker("olga", true), Ct)).Id;
        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(beside)).State);
        await rig.ApproveAsync(beside, "paul");
        Assert.True((await rig.AdvanceAsync(beside)).State == RunState.Completed, await rig.LogAsync(beside));
        // Another one over the same place is, whatever source it is of, and however it names that place.
        var another = await rig.Requests.PlanRestoreAsync(point.Id, $"dir:{other}?inPlace=true&delete=true", "/", Ct);
        foreach (var same in (RestorePlan[])[plan, another])
        {
            var second = (await rig.Requests.RestoreAsync(same, same.Hash, new RestoreAsker("olga", true), Ct)).Id;
            Assert.Equal(RunState.Failed, (await rig.AdvanceAsync(second)).State);
            Assert.Contains("restore-at-work", (await rig.Runs.FindAsync(second, Ct))!.ErrorJson, StringComparison.Ordinal);
        }


        await rig.ExpireLeaseAsync(run);
        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync(run)).State);
        Assert.Equal("as it was", await File.ReadAllTextAsync(Path.Combine(other, "letter"), Ct));
    }

    [Fact]
    public async Task Place_that_became_the_source_s_own_while_the_restore_waited_is_not_written_over()
    {
        await using var rig = await FilledAsync();
        var (other, point, plan) = await PlanElsewhereAsync(rig);
        var run = (await rig.Requests.RestoreAsync(plan, plan.Hash, new RestoreAsker("olga", true), Ct)).Id;
        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(run)).State);
        await rig.ApproveAsync(run, "paul");
        Directory.Delete(rig.Source.Volume!.Path!, recursive: true);
        Directory.CreateSymbolicLink(rig.Source.Volume.Path!, other);

        var ended = await rig.AdvanceAsync(run);

        Assert.Equal(RunState.Failed, ended.State);
        Assert.Contains("restore-place-changed", ended.ErrorJson, StringComparison.Ordinal);
        Assert.Equal("of somebody else", Read(rig));
        // Planned again it claims the source.
        plan = await rig.Requests.PlanRestoreAsync(point.Id, $"dir:{other}?inPlace=true", "/", Ct);
        run = (await rig.Requests.RestoreAsync(plan, plan.Hash, new RestoreAsker("olga", true), Ct)).Id;
        Assert.False(RestoreRequest.Of((await rig.Runs.FindAsync(run, Ct))!).IsElsewhere);
    }

    [Fact]
    public async Task Way_back_whose_former_files_somebody_removed_does_not_say_that_nothing_had_been_changed()
    {
        await using var rig = await FilledAsync();
        await rig.Library.SaveBuiltInAsync(Ct);
        var plan = await rig.Recoveries.PlanAsync("volume-storage-failure", new PlanRequest(rig.Source.Name, "STORAGE_FAILURE"), Ct);
        rig.Wrap = inner => inner.Name == RestoreInPlace.ActionName
            ? new HookedAction(inner, beforeVerify: () =>
            {
                foreach (var undo in Directory.GetDirectories(Path.GetDirectoryName(rig.Source.Volume!.Path!)!, "*drconsole*", SearchOption.AllDirectories))
                {
                    Directory.Delete(undo, recursive: true);
                }

                throw new EngineException("test-fault", ErrorKind.Unavailable, "the test made it fail");
            })
            : inner;

        var ended = await rig.RecoverAsync(plan with { Steps = [.. plan.Steps.Select(step => step with { Retries = 0 })] });

        Assert.Equal(RecoveryOutcome.RollbackFailed, (await rig.Catalog.FindAsync(ended.Id, Ct))!.Outcome);
        Assert.Contains("is not where the restore had put it aside", await rig.LogAsync(ended.Id), StringComparison.Ordinal);
        Assert.Equal("as it was", Read(rig));
    }
}
