using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.BackupRig;

namespace Hexabase.DrConsole.Engine.Tests.Backups;

/// <summary>A process that is killed while it takes back what a failed backup has left.</summary>
[Collection("repairs of tiers")]
public sealed class AbandonedBackupTests(CatalogServer catalog, PostgresLab lab)
{
    [Theory]
    [InlineData()]
    [InlineData("hot")]
    [InlineData("hot", "warm")]
    public async Task Killed_while_it_withdraws_the_next_attempt_leaves_nothing_torn_behind_and_nothing_else_goes(params string[] done)
    {
        await using var rig = await CreateAsync(catalog, lab, (estate, folder) =>
        {
            File.Copy(estate.Sources[0].Postgres!.PasswordFile!, folder.Combine("password"));
            return estate with { Sources = [.. estate.Sources.Select(source => source with { Postgres = source.Postgres! with { PasswordFile = folder.Combine("password") } })] };
        });
        var kept = (await rig.BackupAsync()).RestorePoint!;
        var run = await rig.Requests.BackupAsync(rig.Source.Name, "tester", Ct);
        await rig.DieInAsync(run.Id, "capture", async () =>
        {
            foreach (var tier in rig.Estate.Tiers)
            {
                await TearAsync(rig, tier.Name, run, isWithdrawn: done.Contains(tier.Name));
            }
        });
        // What made the first attempt fail makes this one fail, too.
        await File.WriteAllTextAsync(rig.Source.Postgres!.PasswordFile!, "another\n", Ct);

        var ended = await rig.AdvanceAsync(run.Id);

        Assert.Equal((RunState.Failed, 2), (ended.State, ended.Attempt));
        foreach (var tier in rig.Estate.Tiers)
        {
            await using var repository = await rig.OpenAsync(tier.Name);
            Assert.Equal([kept], (await repository.ListAsync(Ct)).Points.Select(point => point.Id.Value));
            Assert.True((await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
        }

        Assert.Equal([kept], (await rig.Points.ListAsync(rig.Source.Name, 10, Ct)).Select(point => point.Id));
    }

    /// <summary>A restore point of the run whose own pack is gone, or all that is left of one that was taken back.</summary>
    private static async Task TearAsync(BackupRig rig, string tier, Run run, bool isWithdrawn)
    {
        var packs = Path.Combine(rig.Store(tier), rig.Source.Workspace, "packs");
        var before = Directory.GetFiles(packs, "*", SearchOption.AllDirectories).ToHashSet();
        await using var repository = await rig.OpenAsync(tier);
        await using (var session = await repository.BeginAsync(new BackupDescription
        {
            Source = rig.Source.Name,
            Kind = "postgres",
            Workspace = rig.Source.Workspace,
            // Older than the one that is kept: the newest would be kept as damaged, since it may be all that is left.
            CreatedAt = TimeProvider.System.GetUtcNow().AddHours(-1),
        }, Ct))
        {
            await session.WriteStreamAsync("rows", "rows", new MemoryStream(Guid.NewGuid().ToByteArray()), null, Ct);
            var torn = await session.CommitAsync(null, new Dictionary<string, string>
            {
                [BackupRun.RunProperty] = run.Id.ToString(),
                [BackupRun.RequestedAtProperty] = run.CreatedAt.UtcDateTime.ToString("O", System.Globalization.CultureInfo.InvariantCulture),
            }, Ct);
            if (isWithdrawn)
            {
                await repository.Parts.Store.DeleteAsync(BackupRepository.NameOf(torn.Id), Ct);
                return;
            }
        }

        Directory.GetFiles(packs, "*", SearchOption.AllDirectories).Where(pack => !before.Contains(pack)).ToList().ForEach(File.Delete);
    }
}
