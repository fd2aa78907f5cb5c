using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Executable;
using Hexabase.DrConsole.Engine.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using static Hexabase.DrConsole.Engine.Tests.Backups.BackupRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups;

/// <summary>What a backup run committed in a tier without coming to tell the catalog of it.</summary>
[Collection("repairs of tiers")]
public sealed class LeftPointsTests(CatalogServer catalog, PostgresLab lab)
{
    [Fact]
    public async Task Point_that_fell_short_of_its_tiers_answer_is_put_on_record_beside_the_one_in_the_next_tier()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var run = await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct);
        RestorePointId? lost = null;
        await AdvanceAsync(rig, run.Id, async (_, capture) =>
        {
            var result = await capture();
            if (lost is null)
            {
                lost = result.BackupId;
                throw new EngineException("store-failed", ErrorKind.Unavailable, "the answer got lost");
            }

            return result;
        });

        var ended = (await rig.Runs.FindAsync(run.Id, Ct))!;
        Assert.Equal((RunState.Completed, 1), (ended.State, ended.Attempt));
        Assert.NotEqual(lost!.Value.Value, ended.RestorePoint);
        Assert.Equal(new[] { lost.Value.Value, ended.RestorePoint! }.Order(), (await rig.Points.ListAsync(rig.Source.Name, 10, Ct)).Select(point => point.Id).Order());
        Assert.Equal("stored", (await rig.TierStatesAsync(lost.Value.Value))["hot"]);
    }

    [Fact]
    public async Task Point_in_a_tier_that_was_away_when_its_run_ended_is_settled_by_the_next_backup()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var run = await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct);
        RestorePointId? left = null;
        await AdvanceAsync(rig, run.Id, async (_, capture) =>
        {
            left = (await capture()).BackupId;
            Directory.Move(rig.Store("hot"), rig.Store("hot") + "-away");
            rig.TakeDown("hot");
            throw new EngineException("source-away", ErrorKind.Unavailable, "the source is gone");
        });
        Assert.Empty(await rig.Points.ListAsync(rig.Source.Name, 10, Ct));
        rig.BringBack("hot");
        Directory.Move(rig.Store("hot") + "-away", rig.Store("hot"));

        var next = await rig.BackupAsync();

        Assert.Equal(RunState.Completed, next.State);
        Assert.Equal(new[] { left!.Value.Value, next.RestorePoint! }.Order(), (await rig.Points.ListAsync(rig.Source.Name, 10, Ct)).Select(point => point.Id).Order());
        Assert.Equal("stored", (await rig.TierStatesAsync(left.Value.Value))["hot"]);
    }

    [Theory]
    [InlineData(PackLoss.Marked)]
    [InlineData(PackLoss.Gone)]
    public async Task Point_of_a_failed_run_that_is_not_safe_and_may_be_all_that_is_left_is_kept_and_counts_as_damaged(PackLoss loss)
    {
        await using var rig = await CreateAsync(catalog, lab);
        var run = await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct);
        RestorePointId? left = null;
        await AdvanceAsync(rig, run.Id, async (_, capture) =>
        {
            left = (await capture()).BackupId;
            await LoseAsync(rig, loss);
            throw new EngineException("source-away", ErrorKind.Unavailable, "the source is gone");
        });

        Assert.Equal(RunState.Failed, (await rig.Runs.FindAsync(run.Id, Ct))!.State);
        await using var hot = await rig.OpenAsync("hot");
        Assert.Equal(left, Assert.Single((await hot.ListAsync(Ct)).Points).Id);
        Assert.Equal("damaged", (await rig.TierStatesAsync(left!.Value.Value))["hot"]);
        Assert.Contains(await rig.Runs.EventsAsync(run.Id, 0, 100, Ct), line => line.Phase == "repair");
    }

    [Fact]
    public async Task Failed_run_that_began_no_manifest_asks_no_tier()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        var run = await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct);
        await AdvanceAsync(rig, run.Id, async (_, _) =>
        {
            await Task.CompletedTask;
            Directory.Move(rig.Store("warm"), rig.Store("warm") + "-away");
            rig.TakeDown("warm");
            throw new EngineException("source-away", ErrorKind.Unavailable, "the source is gone");
        });

        Assert.Equal(RunState.Failed, (await rig.Runs.FindAsync(run.Id, Ct))!.State);
        Assert.DoesNotContain(await rig.Runs.EventsAsync(run.Id, 0, 100, Ct), line => line.Text.Contains("warm", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Tier_that_hangs_holds_the_end_of_a_run_up_for_a_while_only()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var run = await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct);
        string? manifest = null;
        try
        {
            await AdvanceAsync(rig, run.Id, async (_, capture) =>
            {
                manifest = Path.Combine(rig.Store("hot"), rig.Source.Workspace, "manifests", (await capture()).BackupId.Value);
                File.Delete(manifest);
                // Opening it blocks until somebody writes, as a dead mount does.
                await Shell.RunAsync("mkfifo", manifest);
                throw new EngineException("source-away", ErrorKind.Unavailable, "the source is gone");
            });

            Assert.Equal(RunState.Failed, (await rig.Runs.FindAsync(run.Id, Ct))!.State);
            Assert.Contains(await rig.Runs.EventsAsync(run.Id, 0, 100, Ct), line => line.Text.Contains("hot did not answer within", StringComparison.Ordinal));
        }
        finally
        {
            if (manifest is not null)
            {
                // Both ways, which does not wait for a reader.
                await File.Open(manifest, FileMode.Open, FileAccess.ReadWrite).DisposeAsync();
            }
        }
    }

    [Fact]
    public async Task Backup_that_was_taken_away_while_it_captured_writes_no_manifest()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        var run = await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct);
        await AdvanceAsync(rig, run.Id, async (_, capture) =>
        {
            await EndBackupsAsync(rig);
            return await capture();
        });

        Assert.Equal(RunState.Cancelled, (await rig.Runs.FindAsync(run.Id, Ct))!.State);
        await using var hot = await rig.OpenAsync("hot");
        Assert.Single((await hot.ListAsync(Ct)).Points);
    }

    [Fact]
    public async Task Backup_that_was_taken_away_after_its_manifest_was_begun_is_settled_by_who_takes_it_up()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var run = await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct);
        RestorePointId? left = null;
        await AdvanceAsync(rig, run.Id, async (_, capture) =>
        {
            var result = await capture();
            left = result.BackupId;
            await EndBackupsAsync(rig);
            return result;
        });
        Assert.Equal(RunState.Queued, (await rig.Runs.FindAsync(run.Id, Ct))!.State);
        Assert.Empty(await rig.Points.ListAsync(rig.Source.Name, 10, Ct));

        Assert.Equal(RunState.Cancelled, (await rig.AdvanceAsync(run.Id)).State);

        Assert.Equal(left, Assert.Single(await rig.Points.ListAsync(rig.Source.Name, 10, Ct)).PointId);
    }

    [Fact]
    public async Task Points_of_all_attempts_are_found_by_what_each_said_before()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var run = await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct);
        RestorePointId? first = null;
        await rig.DieInAsync(run.Id, "capture", () => Task.CompletedTask);
        await AdvanceAsync(rig, run.Id, async (_, capture) =>
        {
            first = (await capture()).BackupId;
            await LoseAsync(rig, PackLoss.Gone);
            throw new OperationCanceledException("killed here");
        }, isKilled: true);
        await AdvanceAsync(rig, run.Id, (_, _) => throw new OperationCanceledException("killed before it captures"), isKilled: true);
        var intent = (await rig.Runs.StepsAsync(run.Id, Ct)).Single(step => step.Name == "capture").IntentJson!;
        Assert.Contains(first!.Value.Value, intent, StringComparison.Ordinal);
    }

    public enum PackLoss
    {
        Marked,
        Gone,
    }

    private static async Task LoseAsync(BackupRig rig, PackLoss loss)
    {
        var pack = Directory.GetFiles(Path.Combine(rig.Store("hot"), rig.Source.Workspace, "packs"), "*", SearchOption.AllDirectories).MaxBy(file => new FileInfo(file).Length)!;
        if (loss == PackLoss.Gone)
        {
            File.Delete(pack);
            return;
        }

        await using var hot = await rig.OpenAsync("hot");
        await hot.QuarantineAsync([$"packs/{Path.GetFileName(pack)[..2]}/{Path.GetFileName(pack)}"], "found damaged by a check", Ct);
    }

    /// <summary>As a restore does that is about to write over the source, and waits for nobody.</summary>
    private async Task EndBackupsAsync(BackupRig rig)
    {
        RunId asker;
        await using (var connection = await catalog.Pool.OpenConnectionAsync(Ct))
        await using (var transaction = await connection.BeginTransactionAsync(Ct))
        {
            asker = (await RunStore.InsertAsync(transaction, RunKinds.Restore, $"elsewhere-{Guid.NewGuid():n}", null, new { }, "tester", null, Ct)).Id;
            await transaction.CommitAsync(Ct);
        }

        var hold = (await RunHold.AcquireAsync(catalog.Pool, LeaseTimes.Default, asker, Ct))!;
        using var held = hold;
        using var journal = new RunJournal(hold, TimeProvider.System);
        await SourceClaims.EndBackupsAsync(new RunContext(hold, journal, Ct), [rig.Source.Name], TimeSpan.Zero, TimeProvider.System);
    }

    /// <summary>Advances the run with a driver around the source's own.</summary>
    private async Task AdvanceAsync(BackupRig rig, RunId run, Func<CaptureRequest, Func<Task<BackupResult>>, Task<BackupResult>> around, bool isKilled = false)
    {
        var requests = new TierRequests(rig.Requests, rig.Estate);
        var backup = new BackupRun(
            rig.Tiers, new TierReplication(rig.Tiers, rig.Access, rig.Points, requests, rig.Estate), new SourceDrivers([new Around(rig.Drivers.Of(rig.Source), around)]),
            rig.Estate, rig.Sources, rig.Requests, TimeProvider.System)
        {
            PatienceAtEnd = TimeSpan.FromSeconds(2),
        };
        if (!isKilled)
        {
            await new RunExecution(catalog.Pool, [backup], LeaseTimes.Default, TimeProvider.System, NullLogger<RunExecution>.Instance).AdvanceAsync(run, Ct);
            return;
        }

        var hold = (await RunHold.AcquireAsync(catalog.Pool, LeaseTimes.Default, run, Ct))!;
        using var held = hold;
        using var journal = new RunJournal(hold, TimeProvider.System);
        await Assert.ThrowsAsync<OperationCanceledException>(() => backup.ExecuteAsync(new RunContext(hold, journal, Ct)));
        await catalog.Pool.Command("UPDATE run SET lease_until = NULL WHERE id = $1", run.Value).RunAsync(Ct);
    }

    private sealed class Around(ISourceDriver inner, Func<CaptureRequest, Func<Task<BackupResult>>, Task<BackupResult>> around) : ISourceDriver
    {
        public SourceKind Kind => inner.Kind;

        public Task<string> NextStrategyAsync(Source source, CancellationToken cancellationToken) => inner.NextStrategyAsync(source, cancellationToken);

        public Task<BackupResult> CaptureAsync(
            CaptureRequest request, BackupRepository repository, IProgress<TransferProgress>? progress, Action<string, string>? log, CancellationToken cancellationToken) =>
            around(request, () => inner.CaptureAsync(request, repository, progress, log, cancellationToken));

        public Task<BackupResult> DescribeAsync(CaptureRequest request, BackupRepository repository, Manifest committed, CancellationToken cancellationToken) =>
            inner.DescribeAsync(request, repository, committed, cancellationToken);
    }
}
