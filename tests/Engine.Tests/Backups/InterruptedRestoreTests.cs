using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Backups;

/// <summary>A restore whose process died: it goes on, or, where nobody wants it any more, nothing of it stays.</summary>
public sealed class InterruptedRestoreTests(CatalogServer catalog, PostgresLab lab)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Folder_named_before_the_crash_counts_as_restored()
    {
        await using var rig = await BackupRig.CreateAsync(catalog, lab);
        var (run, plan) = await AskAsync(rig, $"dir:{rig.Store("restored")}");
        await rig.DieInAsync(run.Id, "restore", () => WriteFolderAsync(rig, run, plan));

        var ended = await rig.AdvanceAsync(run.Id);
        Assert.Equal((RunState.Completed, 2), (ended.State, ended.Attempt));
        Assert.Contains("done before the interruption", await LogAsync(rig, run), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Folder_that_holds_something_else_is_not_taken_for_restored()
    {
        await using var rig = await BackupRig.CreateAsync(catalog, lab);
        var target = rig.Store("restored");
        var (run, plan) = await AskAsync(rig, $"dir:{target}");
        await rig.DieInAsync(run.Id, "restore", async () =>
        {
            await WriteFolderAsync(rig, run, plan);
            await using var dump = File.OpenWrite(Path.Combine(target, LogicalBackup.DumpArtifactName));
            dump.WriteByte((byte)'x');
        });

        var ended = await rig.AdvanceAsync(run.Id);
        Assert.Equal(RunState.Failed, ended.State);
        Assert.Contains("directory-not-empty", ended.ErrorJson, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Folder_half_written_is_removed_when_the_run_is_cancelled()
    {
        await using var rig = await BackupRig.CreateAsync(catalog, lab);
        var target = rig.Store("restored");
        var (run, _) = await AskAsync(rig, $"dir:{target}");
        var staging = ArtifactRestore.StagingOf(new DirectoryTarget(target), RestoreRun.OperationOf(run));
        await rig.DieInAsync(run.Id, "restore", () =>
        {
            Directory.CreateDirectory(staging);
            return File.WriteAllTextAsync(Path.Combine(staging, "half"), "of it", Ct);
        });

        await rig.Runs.CancelAsync(run.Id, "anna", Ct);
        Assert.Equal(RunState.Cancelled, (await rig.AdvanceAsync(run.Id)).State);
        Assert.False(Directory.Exists(staging) || Directory.Exists(target));
        Assert.Contains($"removed {staging}", await LogAsync(rig, run), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Database_half_restored_is_dropped_when_the_run_ends_without_it(bool cancelled)
    {
        await using var rig = await BackupRig.CreateAsync(catalog, lab);
        var server = await lab.GetServerAsync(Ct);
        var (run, target) = await AskForDatabaseAsync(rig, server);
        await rig.DieInAsync(run.Id, "restore", () => MakeStagingAsync(target, run, publish: false));

        if (cancelled)
        {
            await rig.Runs.CancelAsync(run.Id, "anna", Ct);
        }
        else
        {
            // The tiers are gone meanwhile: the second attempt fails before it reaches the server.
            Directory.Move(rig.Store("hot"), rig.Store("hot") + "-away");
            Directory.Move(rig.Store("warm"), rig.Store("warm") + "-away");
        }

        Assert.Equal(cancelled ? RunState.Cancelled : RunState.Failed, (await rig.AdvanceAsync(run.Id)).State);
        Assert.Equal(0, await CountAsync(target, StagingName(target, run)));
        Assert.Contains("dropped drconsole_restore_", await LogAsync(rig, run), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Database_that_was_finished_is_kept_and_the_cancelled_run_says_so()
    {
        await using var rig = await BackupRig.CreateAsync(catalog, lab);
        var server = await lab.GetServerAsync(Ct);
        var (run, target) = await AskForDatabaseAsync(rig, server);
        try
        {
            await rig.DieInAsync(run.Id, "restore", () => MakeStagingAsync(target, run, publish: true));
            await rig.Runs.CancelAsync(run.Id, "anna", Ct);
            Assert.Equal(RunState.Cancelled, (await rig.AdvanceAsync(run.Id)).State);
            Assert.Equal(1, await CountAsync(target, target.Database));
            Assert.Contains($"database {target.Database} is there", await LogAsync(rig, run), StringComparison.Ordinal);
        }
        finally
        {
            await server.DropDatabaseAsync(target.Database, CancellationToken.None);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Target_written_over_is_brought_back_when_the_first_attempt_ends_without_the_restore(bool cancelled)
    {
        await using var rig = await BackupRig.CreateAsync(catalog, lab);
        var place = WriteFile(rig);
        var (run, _) = await AskAsync(rig, $"dir:{rig.Store("restored")}");
        var driver = new OverwritingDriver(place, () => cancelled ? rig.Runs.CancelAsync(run.Id, "anna", Ct) : throw new EngineException("disk-full", ErrorKind.OutOfSpace, "no space", "free some"));
        await ExecutionOf(rig, driver).AdvanceAsync(run.Id, Ct);

        var ended = (await rig.Runs.FindAsync(run.Id, Ct))!;
        Assert.Equal((cancelled ? RunState.Cancelled : RunState.Failed, 1), (ended.State, ended.Attempt));
        Assert.Equal("as it was", await File.ReadAllTextAsync(place, Ct));
        Assert.Contains("brought back", await LogAsync(rig, run), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Restore_that_cannot_be_taken_back_ends_so_that_a_person_decides(bool cancelled)
    {
        await using var rig = await BackupRig.CreateAsync(catalog, lab);
        var (run, _) = await AskAsync(rig, $"dir:{rig.Store("restored")}");
        var driver = new OverwritingDriver(WriteFile(rig), () => cancelled ? rig.Runs.CancelAsync(run.Id, "anna", Ct) : throw new EngineException("api-refused", ErrorKind.Unavailable, "the server broke"))
        {
            Left = "two objects stay",
        };
        await ExecutionOf(rig, driver).AdvanceAsync(run.Id, Ct);

        var ended = (await rig.Runs.FindAsync(run.Id, Ct))!;
        Assert.Equal(RunState.NeedsDecision, ended.State);
        Assert.Contains("two objects stay", ended.ErrorJson, StringComparison.Ordinal);
        Assert.Contains(cancelled ? "cancelled" : "the server broke", ended.ErrorJson, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Warnings_of_a_restore_are_in_its_log_but_not_without_end()
    {
        await using var rig = await BackupRig.CreateAsync(catalog, lab);
        var (run, _) = await AskAsync(rig, $"dir:{rig.Store("restored")}");
        var outcome = new RestoreOutcome(1, 1, [.. Enumerable.Range(1, 150).Select(at => $"not restored: object {at} of many")]) { NotRestored = 150, Notes = ["kept aside"] };
        await ExecutionOf(rig, new OverwritingDriver(WriteFile(rig), () => Task.CompletedTask) { Outcome = outcome }).AdvanceAsync(run.Id, Ct);

        var ended = (await rig.Runs.FindAsync(run.Id, Ct))!;
        Assert.Equal(RunState.Completed, ended.State);
        var warned = (await rig.Runs.EventsAsync(run.Id, 0, 400, Ct)).Where(line => line.Level == "warning").Select(line => line.Text).ToList();
        Assert.Equal(101, warned.Count);
        Assert.Contains("not restored: object 1 of many", warned);
        Assert.StartsWith("and 50 warnings more", warned[^1], StringComparison.Ordinal);
        var result = System.Text.Json.JsonSerializer.Deserialize<RestoreRunResult>(ended.ResultJson!, System.Text.Json.JsonSerializerOptions.Web)!;
        Assert.Equal((150, 150, 1), (result.NotRestored, result.Warnings.Count, result.Notes.Count));
    }

    private static string WriteFile(BackupRig rig)
    {
        var place = rig.Store("place");
        File.WriteAllText(place, "as it was");
        return place;
    }

    private RunExecution ExecutionOf(BackupRig rig, IRestoreDriver driver) => new(
        catalog.Pool, [new RestoreRun(rig.Points, rig.Access, new RestoreDrivers([driver]), new TierRequests(rig.Requests, rig.Estate), rig.Gate)],
        new LeaseTimes(TimeSpan.FromSeconds(1.5), TimeSpan.FromSeconds(0.2)), TimeProvider.System, NullLogger<RunExecution>.Instance);

    /// <summary>As restores in place are: it brings back what was there when it is told that nobody goes on, and not before.</summary>
    private sealed class OverwritingDriver(string place, Func<Task> then) : IRestoreDriver
    {
        /// <summary>What it cannot bring back; null for nothing.</summary>
        public string? Left { get; init; }

        /// <summary>What it ends with; null where it does not come to an end.</summary>
        public RestoreOutcome? Outcome { get; init; }

        public string PlanKind => ArtifactRestore.Kind;

        public bool Takes(RestoreTarget target, Manifest manifest) => true;

        public Task<RestorePlan> PlanAsync(BackupRepository repository, Manifest manifest, RestoreTarget target, CancellationToken cancellationToken) => throw new NotSupportedException();

        public async Task<RestoreOutcome> ExecuteAsync(RestoreWork work, CancellationToken cancellationToken)
        {
            File.Move(place, place + ".kept");
            await File.WriteAllTextAsync(place, "half", cancellationToken);
            await then();
            if (Outcome is not null)
            {
                return Outcome;
            }

            await Task.Delay(Timeout.Infinite, cancellationToken);
            throw new NotSupportedException();
        }

        public Task<RestoreOutcome?> FindFinishedAsync(RestoreWork work, CancellationToken cancellationToken) => Task.FromResult<RestoreOutcome?>(null);

        public Task<string?> AbandonAsync(RestorePlan plan, string operation, CancellationToken cancellationToken)
        {
            if (Left is not null)
            {
                throw new NeedsDecisionException("cleanup", Left);
            }

            File.Move(place + ".kept", place, overwrite: true);
            return Task.FromResult<string?>("what was there is brought back");
        }
    }

    private static async Task<(Run Run, RestorePlan Plan)> AskAsync(BackupRig rig, string target)
    {
        var backup = await rig.BackupAsync();
        var plan = await rig.Requests.PlanRestoreAsync(backup.RestorePoint!, target, "/", Ct);
        return (await rig.Requests.RestoreAsync(plan, plan.Hash, new RestoreAsker("tester", true), Ct), plan);
    }

    private static async Task<(Run Run, PostgresTarget Target)> AskForDatabaseAsync(BackupRig rig, LabPostgres server)
    {
        var url = $"postgres://{server.AdminConnection().Username}@{LabPostgres.Host}:{server.Port}/again_{Guid.NewGuid():n}?passwordFile={server.AdminPasswordFile}";
        var (run, plan) = await AskAsync(rig, url);
        return (run, (PostgresTarget)RestoreTarget.Parse(plan.Target, "/"));
    }

    private static async Task WriteFolderAsync(BackupRig rig, Run run, RestorePlan plan)
    {
        await using var repository = await rig.OpenAsync("hot");
        var manifest = await repository.ReadManifestAsync(new(plan.RestorePointId), Ct);
        await new ArtifactRestore(TimeProvider.System).ExecuteAsync(repository, manifest, plan, plan.Hash, RestoreRun.OperationOf(run), null, null, Ct);
    }

    private static async Task MakeStagingAsync(PostgresTarget target, Run run, bool publish)
    {
        await using var connection = await target.Server("postgres").OpenAsync(Ct);
        var staging = new StagingDatabase(connection, target, RestoreRun.OperationOf(run));
        await staging.CreateAsync(new DatabaseLocale("UTF8", "C", "C", "c", null, null), Ct);
        if (publish)
        {
            await staging.PublishAsync("a restore point", null, Ct);
        }
    }

    private static async Task<long> CountAsync(PostgresTarget target, string database)
    {
        await using var connection = await target.Server("postgres").OpenAsync(Ct);
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT count(*) FROM pg_database WHERE datname = $1";
        command.Parameters.Add(new NpgsqlParameter { Value = database });
        return (long)(await command.ExecuteScalarAsync(Ct))!;
    }

    private static string StagingName(PostgresTarget target, Run run) => new StagingDatabase(new NpgsqlConnection(), target, RestoreRun.OperationOf(run)).Name;

    private static async Task<string> LogAsync(BackupRig rig, Run run) =>
        string.Join('\n', (await rig.Runs.EventsAsync(run.Id, 0, 200, Ct)).Select(line => line.Text));
}
