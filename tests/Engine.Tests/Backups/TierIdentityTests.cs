using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.BackupRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups;

/// <summary>A tier whose store holds another repository of the workspace than the other tiers.</summary>
public sealed class TierIdentityTests(CatalogServer catalog, PostgresLab lab)
{
    [Fact]
    public async Task Tier_with_another_repository_is_refused_before_anything_is_written_and_taken_again_when_it_is_right()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        Directory.Move(rig.Store("warm"), rig.Store("warm") + "-right");
        var strange = Path.Combine(rig.Store("warm"), rig.Source.Workspace);
        using (var key = new RepositoryKey("a passphrase of the test"u8))
        {
            await using var other = await BackupRepository.InitializeAsync(new StoreUrl(strange).Open(), key, cancellationToken: Ct);
        }

        var before = Files(strange);
        var refused = await Assert.ThrowsAsync<EngineException>(() => rig.OpenAsync("warm"));
        Assert.Equal(("store-other-repository", ErrorKind.Conflict), (refused.Code, refused.Kind));
        Assert.StartsWith($"warm holds another repository of workspace {rig.Source.Workspace} (", refused.Message, StringComparison.Ordinal);
        Assert.Contains(") than hot (", refused.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<EngineException>(() => rig.Tiers.OpenOrCreateAsync(rig.Estate.Tiers[1], rig.Source.Workspace, Ct));

        var run = await rig.BackupAsync();
        Assert.Equal(RunState.Completed, run.State);
        Assert.Equal(refused.Message, JsonSerializer.Deserialize<BackupRunResult>(run.ResultJson!, JsonSerializerOptions.Web)!.Behind["warm"]);
        Assert.Equal(before, Files(strange));

        Directory.Delete(rig.Store("warm"), recursive: true);
        Directory.Move(rig.Store("warm") + "-right", rig.Store("warm"));
        await rig.BackupAsync();
        await using var warm = await rig.OpenAsync("warm");
        Assert.Equal(3, (await warm.ListAsync(Ct)).Points.Count);
    }

    [Fact]
    public async Task Tier_that_hangs_keeps_nobody_from_opening_another()
    {
        await using var rig = await CreateAsync(catalog, lab);
        await rig.BackupAsync();
        var slots = Path.Combine(rig.Store("warm"), rig.Source.Workspace, "keys");
        var slot = Directory.GetFiles(slots, "*", SearchOption.AllDirectories).First();
        File.Delete(slot);
        // Whoever opens it waits until somebody writes into it, as on a mount whose server is gone.
        await Executable.Shell.RunAsync("mkfifo", slot);
        using var tiers = new TierRepositories(rig.Estate, TimeProvider.System, catalog.Pool);
        var hanging = Task.Run(() => tiers.OpenOrCreateAsync(rig.Estate.Tiers[1], rig.Source.Workspace, Ct), Ct);
        try
        {
            await Task.Delay(TimeSpan.FromSeconds(1), Ct);
            await using var hot = await Task.Run(() => tiers.OpenOrCreateAsync(rig.Estate.Tiers[0], rig.Source.Workspace, Ct), Ct).WaitAsync(TimeSpan.FromSeconds(30), Ct);
            Assert.Single((await hot.ListAsync(Ct)).Points);
            Assert.False(hanging.IsCompleted);
        }
        finally
        {
            // Lets all go that wait for it; its twin opens the repository.
            while (!hanging.IsCompleted)
            {
                await Executable.Shell.RunAsync("timeout", "1", "sh", "-c", $"exec 3<>'{slot}'; sleep 0.2");
            }

            await ((Task)hanging).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
    }

    [Fact]
    public async Task Processes_that_need_a_workspaces_first_repository_at_the_same_moment_make_one()
    {
        await using var rig = await CreateAsync(catalog, lab);
        var workspace = $"new-{Guid.NewGuid():n}";
        var processes = Enumerable.Range(0, 4).Select(_ => new TierRepositories(rig.Estate, TimeProvider.System, catalog.Pool)).ToList();
        try
        {
            // Half of them begin with the other tier.
            var made = await Task.WhenAll(processes.Select((process, i) => process.OpenOrCreateAsync(rig.Estate.Tiers[i % 2], workspace, Ct)));

            Assert.Single(made.Select(repository => repository.Info.Id).Distinct());
            foreach (var tier in rig.Estate.Tiers)
            {
                Assert.Single(await rig.Tiers.KeySlotsAsync(tier, workspace, Ct));
            }

            foreach (var repository in made)
            {
                await repository.DisposeAsync();
            }
        }
        finally
        {
            processes.ForEach(process => process.Dispose());
        }
    }

    private static List<string> Files(string folder) => [.. Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
}
