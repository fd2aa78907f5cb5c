using System.Globalization;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Executable;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.BackupRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups;

[Collection("repairs of tiers")]
public sealed class BackupRunTests(CatalogServer catalog, PostgresLab lab)
{
    [Fact]
    public async Task Backup_into_both_tiers_is_recorded_and_asks_for_its_validation()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var run = await rig.BackupAsync();

        Assert.Equal(RunState.Completed, run.State);
        Assert.Equal(new Dictionary<string, string> { ["hot"] = "stored", ["warm"] = "stored" }, await rig.TierStatesAsync(run.RestorePoint!));
        Assert.False(Result(run).IsDegraded);
        var validation = Assert.Single(await rig.Runs.ListAsync(rig.Source.Name, RunKinds.Validation, null, 10, Ct));
        Assert.Equal((run.Id, run.RestorePoint, "engine"), (validation.Parent, validation.RestorePoint, validation.RequestedBy));
        Assert.Equal([run.Id, validation.Id], rig.HandedOver);
    }

    [Theory]
    [InlineData("warm", "hot")]
    [InlineData("hot", "warm")]
    public async Task Backup_with_a_tier_down_is_degraded_and_the_next_one_catches_up(string down, string up)
    {
        await using var rig = await CreateAsync(catalog, lab);
        rig.TakeDown(down);
        var first = await rig.BackupAsync();

        Assert.Equal(RunState.Completed, first.State);
        Assert.True(Result(first).IsDegraded);
        Assert.Contains(rig.Store(down), Result(first).Behind[down], StringComparison.Ordinal);
        Assert.Equal(new Dictionary<string, string> { [up] = "stored", [down] = "behind" }, await rig.TierStatesAsync(first.RestorePoint!));

        rig.BringBack(down);
        var second = await rig.BackupAsync();
        Assert.False(Result(second).IsDegraded);
        await using var tier = await rig.OpenAsync(down);
        var held = (await tier.ListAsync(Ct)).Points.Select(point => point.Id.Value).ToList();
        Assert.Equal(new[] { first.RestorePoint!, second.RestorePoint! }.Order(), held.Order());
        Assert.Equal("stored", (await rig.TierStatesAsync(first.RestorePoint!))[down]);
    }

    [Fact]
    public async Task Backup_whose_first_tier_fills_up_goes_into_the_next()
    {
        await using var rig = await CreateAsync(catalog, lab);
        Assert.SkipUnless(Environment.UserName == "root", "mounting a small file system needs root");
        Directory.CreateDirectory(rig.Store("hot"));
        await Shell.RunAsync("mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", rig.Store("hot"));
        try
        {
            var run = await rig.BackupAsync();
            Assert.Equal(RunState.Completed, run.State);
            Assert.True(Result(run).IsDegraded);
            Assert.Contains("no space is left", Result(run).Behind["hot"], StringComparison.Ordinal);
            Assert.Equal(new Dictionary<string, string> { ["warm"] = "stored", ["hot"] = "behind" }, await rig.TierStatesAsync(run.RestorePoint!));
            await using var hot = await rig.OpenAsync("hot");
            Assert.Empty((await hot.ListAsync(Ct)).Points);
        }
        finally
        {
            await Shell.RunAsync("umount", rig.Store("hot"));
        }
    }

    [Fact]
    public async Task Backup_with_every_tier_down_fails_and_says_which()
    {
        await using var rig = await CreateAsync(catalog, lab);
        rig.TakeDown("hot");
        rig.TakeDown("warm");
        var run = await rig.BackupAsync();

        Assert.Equal((RunState.Failed, null), (run.State, run.RestorePoint));
        Assert.Contains(rig.Store("warm"), run.ErrorJson, StringComparison.Ordinal);
        Assert.Contains(await rig.Runs.EventsAsync(run.Id, 0, 100, Ct), line => line.Text.Contains(rig.Store("hot"), StringComparison.Ordinal));
        Assert.Empty(await rig.Points.ListAsync(rig.Source.Name, 10, Ct));
    }

    [Fact]
    public async Task Backup_killed_between_manifest_and_catalog_takes_its_restore_point_over()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var run = await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct);
        PostgresBackupResult? committed = null;
        await rig.DieInAsync(run.Id, "capture", async () => committed = await CaptureAsync(rig, run.Id.ToString(), run.CreatedAt));

        var ended = await rig.AdvanceAsync(run.Id);
        Assert.Equal((RunState.Completed, 2, committed!.BackupId.Value), (ended.State, ended.Attempt, ended.RestorePoint));
        Assert.Equal(committed.RowCount, Result(ended).Backup.Contents.Single(content => content.Name == "rows").Count);
        await using var hot = await rig.OpenAsync("hot");
        Assert.Single((await hot.ListAsync(Ct)).Points);
    }

    [Fact]
    public async Task Backup_killed_does_not_take_over_a_point_of_the_same_run_number_of_another_catalog()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var run = await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct);
        PostgresBackupResult? foreign = null;
        await rig.DieInAsync(run.Id, "capture", async () => foreign = await CaptureAsync(rig, run.Id.ToString(), run.CreatedAt.AddDays(-1)));

        var ended = await rig.AdvanceAsync(run.Id);
        Assert.Equal(RunState.Completed, ended.State);
        Assert.NotEqual(foreign!.BackupId.Value, ended.RestorePoint);
    }

    [Fact]
    public async Task Backup_killed_does_not_take_over_a_point_that_lacks_a_pack()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var run = await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct);
        PostgresBackupResult? torn = null;
        await rig.DieInAsync(run.Id, "capture", async () =>
        {
            torn = await CaptureAsync(rig, run.Id.ToString(), run.CreatedAt);
            var packs = Directory.GetFiles(Path.Combine(rig.Store("hot"), rig.Source.Workspace, "packs"), "*", SearchOption.AllDirectories);
            File.Delete(packs.MaxBy(pack => new FileInfo(pack).Length)!);
        });

        var ended = await rig.AdvanceAsync(run.Id);

        Assert.Equal((RunState.Completed, 2), (ended.State, ended.Attempt));
        Assert.NotEqual(torn!.BackupId.Value, ended.RestorePoint);
        Assert.Contains(await rig.Runs.EventsAsync(run.Id, 0, 100, Ct), line => line.Level == "warning" && line.Text.Contains($"{torn.BackupId.Short} of an interrupted attempt", StringComparison.Ordinal));
        await using var hot = await rig.OpenAsync("hot");
        Assert.True((await hot.VerifyPacksAsync(await hot.ReadManifestAsync(new(ended.RestorePoint!), Ct), null, Ct)).IsSound);
        // Nor does it show when the tier is read anew.
        Assert.Equal([ended.RestorePoint!], (await hot.ListAsync(Ct)).Points.Select(point => point.Id.Value));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Backup_cancelled_between_manifest_and_catalog_puts_what_it_left_on_record(bool isWhole)
    {
        await using var rig = await CreateAsync(catalog, lab);
        var run = await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct);
        PostgresBackupResult? committed = null;
        await rig.DieInAsync(run.Id, "capture", async () =>
        {
            committed = await CaptureAsync(rig, run.Id.ToString(), run.CreatedAt);
            var packs = Directory.GetFiles(Path.Combine(rig.Store("hot"), rig.Source.Workspace, "packs"), "*", SearchOption.AllDirectories);
            if (!isWhole)
            {
                File.Delete(packs.MaxBy(pack => new FileInfo(pack).Length)!);
            }
        });
        await rig.Runs.CancelAsync(run.Id, "tester", Ct);

        Assert.Equal(RunState.Cancelled, (await rig.AdvanceAsync(run.Id)).State);

        await using var hot = await rig.OpenAsync("hot");
        Assert.Equal(committed!.BackupId, Assert.Single((await hot.ListAsync(Ct)).Points).Id);
        Assert.Equal(committed.BackupId, Assert.Single(await rig.Points.ListAsync(rig.Source.Name, 10, Ct)).PointId);
        Assert.Equal(isWhole ? "stored" : "damaged", (await rig.TierStatesAsync(committed.BackupId.Value))["hot"]);
    }

    [Fact]
    public async Task Backup_killed_goes_on_although_another_tier_holds_what_is_not_its_own()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        Directory.Delete(rig.Store("warm"), recursive: true);
        using (var key = new RepositoryKey("a passphrase of the test"u8))
        {
            await using var strange = await BackupRepository.InitializeAsync(
                new StoreUrl(Path.Combine(rig.Store("warm"), rig.Source.Workspace)).Open(), key, cancellationToken: Ct);
        }

        var run = await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct);
        await rig.DieInAsync(run.Id, "capture", () => Task.CompletedTask);

        var ended = await rig.AdvanceAsync(run.Id);

        Assert.Equal((RunState.Completed, 2), (ended.State, ended.Attempt));
        Assert.Equal("stored", (await rig.TierStatesAsync(ended.RestorePoint!))["hot"]);
    }

    [Fact]
    public async Task Backup_killed_twice_takes_back_what_is_torn_and_takes_over_the_one_that_is_whole()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var run = await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct);
        PostgresBackupResult? whole = null;
        await rig.DieInAsync(run.Id, "capture", async () =>
        {
            whole = await CaptureAsync(rig, run.Id.ToString(), run.CreatedAt);
            var packs = Path.Combine(rig.Store("hot"), rig.Source.Workspace, "packs");
            var before = Directory.GetFiles(packs, "*", SearchOption.AllDirectories).ToHashSet();
            await using (var hot = await rig.OpenAsync("hot"))
            await using (var session = await hot.BeginAsync(new BackupDescription { Source = rig.Source.Name, Kind = "postgres", Workspace = rig.Source.Workspace }, Ct))
            {
                await session.WriteStreamAsync("rows", "rows", new MemoryStream(Guid.NewGuid().ToByteArray()), null, Ct);
                await session.CommitAsync(null, (await hot.ReadManifestAsync(whole.BackupId, Ct)).Properties, Ct);
            }

            Directory.GetFiles(packs, "*", SearchOption.AllDirectories).Where(pack => !before.Contains(pack)).ToList().ForEach(File.Delete);
        });

        var ended = await rig.AdvanceAsync(run.Id);

        Assert.Equal((RunState.Completed, whole!.BackupId.Value), (ended.State, ended.RestorePoint));
        await using var after = await rig.OpenAsync("hot");
        Assert.Equal([whole.BackupId], (await after.ListAsync(Ct)).Points.Select(point => point.Id));
    }

    [Fact]
    public async Task Backup_killed_goes_on_although_a_tier_is_down_meanwhile()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var run = await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct);
        await rig.DieInAsync(run.Id, "capture", () => Task.CompletedTask);
        rig.TakeDown("warm");

        Assert.Equal(RunState.Completed, (await rig.AdvanceAsync(run.Id)).State);
    }

    [Fact]
    public async Task Access_passes_over_a_tier_that_is_damaged_or_away()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var run = await rig.BackupAsync();
        var point = await rig.Points.ResolveAsync(run.RestorePoint!, Ct);
        Assert.Equal("hot", await OpenedAsync(null));

        Directory.Move(rig.Store("hot"), rig.Store("hot") + "-away");
        Assert.Equal("warm", await OpenedAsync(null));
        var fault = await Assert.ThrowsAsync<EngineException>(() => OpenedAsync("hot"));
        Assert.Equal("restore-point-unreachable", fault.Code);
        Assert.Contains("hot: ", fault.Message, StringComparison.Ordinal);

        async Task<string> OpenedAsync(string? only)
        {
            var (tier, repository) = await rig.Access.OpenAsync(point, only, Ct);
            await repository.DisposeAsync();
            return tier.Name;
        }
    }

    [Fact]
    public async Task Restore_executes_the_plan_that_was_confirmed_and_no_other()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var backup = await rig.BackupAsync();
        var target = rig.Store("restored");
        var plan = await rig.Requests.PlanRestoreAsync(backup.RestorePoint!, $"dir:{target}", "/", Ct);
        await Assert.ThrowsAsync<EngineException>(() => rig.Requests.RestoreAsync(plan, plan.Hash.Replace(plan.Hash[0], plan.Hash[0] == 'a' ? 'b' : 'a'), new RestoreAsker("tester", true), Ct));

        var asked = await rig.Requests.RestoreAsync(plan, plan.Hash, new RestoreAsker("tester", true), Ct);
        await rig.DieInAsync(asked.Id, "restore", () => Task.CompletedTask);
        var ended = await rig.AdvanceAsync(asked.Id);
        Assert.Equal((RunState.Completed, 2), (ended.State, ended.Attempt));
        Assert.Contains(LogicalBackup.DumpArtifactName, Directory.EnumerateFiles(target).Select(path => Path.GetFileName(path)!));
        Assert.Empty(Directory.EnumerateDirectories(Path.GetDirectoryName(target)!, "restored.drconsole-*"));
    }

    /// <summary>A capture as the run itself makes it, into the first tier.</summary>
    private static async Task<PostgresBackupResult> CaptureAsync(BackupRig rig, string run, DateTimeOffset requestedAt)
    {
        await using var repository = await rig.Tiers.OpenOrCreateAsync(rig.Estate.Tiers[0], rig.Source.Workspace, Ct);
        var settings = rig.Source.Postgres!;
        return await rig.Logical.CaptureAsync(new PostgresBackupRequest
        {
            Description = new BackupDescription { Source = rig.Source.Name, Kind = LogicalBackup.Kind, Workspace = rig.Source.Workspace },
            Source = new PostgresSource { Host = settings.Host, Port = settings.Port, Database = settings.Database, Username = settings.Username, PasswordFile = settings.PasswordFile, Tables = settings.Tables },
            Properties = new Dictionary<string, string>
            {
                [BackupRun.RunProperty] = run,
                [BackupRun.RequestedAtProperty] = requestedAt.UtcDateTime.ToString("O", CultureInfo.InvariantCulture),
            },
        }, repository, null, null, Ct);
    }

    private static BackupRunResult Result(Run run) => JsonSerializer.Deserialize<BackupRunResult>(run.ResultJson!, JsonSerializerOptions.Web)!;
}
