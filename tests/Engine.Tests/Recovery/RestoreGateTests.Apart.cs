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
