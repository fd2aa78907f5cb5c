using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>A stopped cluster that is restored over its data directory outside of a plan, in both forms.</summary>
public sealed class ClusterInPlaceTests(RecoveryRig rig) : IClassFixture<RecoveryRig>, IAsyncLifetime
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await rig.PersonAsync("paul", "Approver");

    public async ValueTask DisposeAsync()
    {
        rig.OnRestoreStep = null;
        await rig.SetRightAsync();
    }

    [Theory]
    [InlineData("delta")]
    [InlineData("aside")]
    public async Task It_is_done_once_another_person_has_approved_exactly_that_and_no_server_has_worked_there_since(string form)
    {
        Assert.Equal("server-running", (await Assert.ThrowsAsync<EngineException>(() => PlanAsync(form))).Code);
        await rig.ExecuteAsync("DELETE FROM parcel WHERE id <= 1000");
        await rig.StopAsync();
        var seen = await PlanAsync(form);
        Assert.True(seen.WritesOver);
        await rig.StartAsync();
        await rig.StopAsync();

        var drifted = await RestoreAsync(seen);

        Assert.Contains("target-drifted", drifted.ErrorJson, StringComparison.Ordinal);
        Assert.Empty(rig.Beside());
        var plan = await PlanAsync(form);
        var ended = await RestoreAsync(plan);
        Assert.True(ended.State == RunState.Completed, ended.ErrorJson);
        Assert.Contains("\"phases\"", ended.ResultJson, StringComparison.Ordinal);
        Assert.Contains(".aside-R-", Assert.Single(rig.Beside(), name => !name.Contains(".tablespaces-", StringComparison.Ordinal)), StringComparison.Ordinal);
        await rig.StartAsync();
        Assert.True(await rig.IsWholeAsync());
    }

    [Theory]
    [InlineData("delta")]
    [InlineData("aside")]
    public async Task What_fails_in_the_middle_leaves_the_directory_as_it_was(string form)
    {
        await rig.ExecuteAsync("DELETE FROM parcel WHERE id <= 1000");
        await rig.StopAsync();
        var before = rig.Digest();
        var steps = 0;
        rig.OnRestoreStep = step => steps = ++steps == 2 ? throw new EngineException("test-fault", ErrorKind.Unavailable, $"it ended before {step}") : steps;

        var ended = await RestoreAsync(await PlanAsync(form));

        Assert.Contains("test-fault", ended.ErrorJson, StringComparison.Ordinal);
        Assert.Equal(before, rig.Digest());
        await rig.StartAsync();
        Assert.Equal(1000L, await rig.ExecuteAsync("SELECT count(*) FROM parcel"));
        await rig.ExecuteAsync("INSERT INTO parcel SELECT i, 'parcel ' || i || repeat(' of the shop', 20) FROM generate_series(1, 1000) i");
    }

    private async Task<RestorePlan> PlanAsync(string form) =>
        await rig.Requests.PlanRestoreAsync((await rig.Points.ListAsync(rig.Source.Name, 1, Ct))[0].Id, $"pgdata:{rig.Server.DataFolder}?inPlace={form}", "/", Ct);

    private async Task<Run> RestoreAsync(RestorePlan plan)
    {
        var run = await rig.Requests.RestoreAsync(plan, plan.Hash, new RestoreAsker("olga", true), Ct);
        Assert.Equal(RunState.Waiting, (await rig.AdvanceAsync(run.Id)).State);
        await rig.ApproveAsync(run.Id, "paul");
        return await rig.AdvanceAsync(run.Id);
    }
}
