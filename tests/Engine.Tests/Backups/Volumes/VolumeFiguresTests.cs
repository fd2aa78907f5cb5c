using System.Text.Json;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Volumes;

/// <summary>What the catalog says of a volume is what lies in the directory, and what was done to read it.</summary>
public sealed class VolumeFiguresTests(CatalogServer catalog)
{
    [Fact]
    public async Task Catalog_has_the_files_that_are_there_those_that_were_read_and_how_long_writers_were_held_up()
    {
        await using var rig = new VolumeRig(catalog);
        for (var i = 0; i < 12; i++)
        {
            rig.Write($"dir-{i % 3}/file-{i}", new string('x', 100 + i));
        }

        await rig.BackupAsync();
        rig.Write("dir-1/file-1", "another content");
        rig.Nodes = new ServedNodes(["worker-1"]);
        rig.Settings = rig.Settings with { Node = "worker-1", Hooks = new VolumeHooks(["/bin/true"], ["/bin/true"], Fsfreeze: false, VolumeHooks.DefaultTimeout, VolumeHooks.DefaultFrozenLimit) };
        var backup = await rig.BackupAsync();
        await using var repository = await rig.OpenAsync();
        var manifest = await repository.ReadManifestAsync(backup.BackupId, VolumeRig.Ct);
        await catalog.RecordAsync(manifest, VolumeRig.Ct);

        var standing = Assert.Single(await new StandingCatalog(catalog.Pool, rig.Estate with { Sources = [rig.Source] }, TimeProvider.System).ReadAsync(VolumeRig.Ct));

        var facts = VolumeFacts.TryParse(JsonElement.Parse(standing.Facts.NewestFactsJson!))!;
        var files = Directory.GetFiles(rig.Volume, "*", SearchOption.AllDirectories);
        Assert.Equal((files.Length, files.Sum(file => new FileInfo(file).Length)), (facts.Files, facts.Bytes));
        Assert.Equal(Directory.GetDirectories(rig.Volume).Length + 1, facts.Directories);
        Assert.Equal((1, "another content".Length), (facts.ChangedFiles, facts.ChangedBytes));
        Assert.Equal((0, 0, "worker-1", "command"), (facts.Unreadable, facts.ChangedWhileRead, facts.Node, facts.HeldStill));
        Assert.True(facts.HeldSeconds > 0);
        Assert.Equal((manifest.Bytes, manifest.StoredBytes, manifest.Id.Value), (standing.Facts.NewestBytes, standing.Facts.NewestStoredBytes, standing.Facts.NewestPoint));
        Assert.NotNull(standing.Facts.NewestCompletedAt);
    }
}
