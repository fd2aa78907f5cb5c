using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Tests.Storage;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>One object that the disk, or the server, does not give, while all else in the store can be read.</summary>
public sealed class BadSectorTests
{
    private const int InputOutput = 5;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Chunk_is_read_from_its_second_place_where_the_first_is_not_to_be_had(bool isOfTheDisk)
    {
        await using var objects = new CrashStore();
        await using var store = new HinderedStore(objects);
        await using var repository = await InitializeAsync(store);
        var point = await repository.BackupAsync(Noise(900_000));
        var first = objects.KeysOf("packs/").ToHashSet();
        await repository.QuarantineAsync(first, "a bad cable", Ct);
        await repository.BackupAsync(Noise(900_000));
        await using var reopened = await OpenAsync(store);
        // The newer packs come first, since nobody called them damaged.
        store.Reading = key => key.StartsWith("packs/", StringComparison.Ordinal) && !first.Contains(key) ? Fault(isOfTheDisk) : null;

        AssertSame(Noise(900_000), await reopened.ReadAsync(point));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Chunk_that_is_nowhere_else_is_named_by_what_keeps_it(bool isOfTheDisk)
    {
        await using var store = new HinderedStore(new CrashStore());
        await using var repository = await InitializeAsync(store);
        var point = await repository.BackupAsync(Noise(900_000));
        store.Reading = key => key.StartsWith("packs/", StringComparison.Ordinal) ? Fault(isOfTheDisk) : null;

        var fault = await Assert.ThrowsAsync<EngineException>(() => repository.ReadAsync(point));

        // Only what the disk has lost is damage, for which a restore turns to another tier.
        Assert.Equal((isOfTheDisk ? ErrorKind.Damaged : ErrorKind.Unavailable, isOfTheDisk), (fault.Kind, RepositoryDamage.IsIn(fault)));
    }

    [Fact]
    public async Task Repair_fetches_what_its_own_disk_does_not_give_from_the_other_tier()
    {
        await using var objects = new CrashStore();
        await using var store = new HinderedStore(objects);
        await using var repository = await InitializeAsync(store);
        await using var tier = new CrashStore();
        await using var other = await BackupRepository.InitializeFromAsync(tier, repository, Ct);
        var point = await repository.BackupAsync(Noise(900_000));
        await repository.CopyAsync(other, null, null, Ct);
        var bad = objects.KeysOf("packs/").MaxBy(key => objects.Objects[key].Length)!;
        store.Reading = key => key == bad ? Fault(isOfTheDisk: true) : null;

        foreach (var level in (CheckLevel[])[CheckLevel.L2, CheckLevel.L3])
        {
            Assert.Equal([bad], (await repository.CheckAsync(level, CheckSlice.All, null, Ct)).Damaged.Select(damage => damage.Name));
        }

        var report = await repository.RepairAsync(other, null, null, Ct);

        Assert.True(report.IsWhole, string.Join(", ", report.Objects));
        Assert.True(report.Fetched > 0);
        AssertSame(Noise(900_000), await repository.ReadAsync(point));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Backup_whose_parents_tree_is_not_to_be_had_reads_all_files_anew(bool isOfTheDisk)
    {
        await using var objects = new CrashStore();
        await using var store = new HinderedStore(objects);
        await using var repository = await InitializeAsync(store);
        using var folder = new TemporaryFolder();
        folder.Write("tree/a", Noise(300_000, 1));
        var first = await BackUpTreeAsync(repository, folder, null);
        var metadata = objects.KeysOf("packs/").MinBy(key => objects.Objects[key].Length)!;
        store.Reading = key => key == metadata ? Fault(isOfTheDisk) : null;
        await using var reopened = await OpenAsync(store);
        Manifest? point = null;
        for (var attempt = 0; point is null; attempt++)
        {
            try
            {
                point = await BackUpTreeAsync(reopened, folder, first.Id);
            }
            catch (EngineException error) when (error.Code == "pack-vanished" && attempt == 0 && isOfTheDisk)
            {
                // It leaned on the pack before it read in it; that is marked by now, so that the next one leans on it no more.
            }
        }

        Assert.Contains(point.Artifacts[0].Warnings, line => line.Contains("parent's tree", StringComparison.Ordinal));
        if (isOfTheDisk)
        {
            Assert.Contains(metadata[^64..], (await new MarkStore(reopened.Parts.Keys, store).LoadAsync(Ct)).Marks.SelectMany(mark => mark.Packs));
            await reopened.RestoreTreeAsync(point, "tree", folder.Combine("out"), null, cancellationToken: Ct);
            AssertSame(Noise(300_000, 1), await File.ReadAllBytesAsync(folder.Combine("out", "a"), Ct));
        }
    }

    [Fact]
    public async Task Pack_that_a_mount_does_not_give_which_lost_its_server_is_not_damaged()
    {
        const int stale = 116;
        await using var store = new HinderedStore(new CrashStore());
        await using var repository = await InitializeAsync(store);
        await repository.BackupAsync(Noise(900_000));
        store.Reading = key => key.StartsWith("packs/", StringComparison.Ordinal) ? new IOException("Stale file handle", stale) : null;

        var fault = await Assert.ThrowsAsync<EngineException>(() => BackupRepository.ScrubAsync(store, CheckSlice.All, cancellationToken: Ct));

        Assert.Equal(ErrorKind.Unavailable, fault.Kind);
    }

    private static Exception Fault(bool isOfTheDisk) => isOfTheDisk
        ? new IOException("Input/output error", InputOutput)
        : new EngineException("store-failed", ErrorKind.Unavailable, "500 Internal Server Error");

    private static async Task<Manifest> BackUpTreeAsync(BackupRepository repository, TemporaryFolder folder, RestorePointId? parent)
    {
        await using var session = await repository.BeginAsync(Describe() with { Parent = parent }, Ct);
        await session.WriteTreeAsync("tree", [folder.Combine("tree")], new TreeOptions { ParentArtifact = "tree" }, null, Ct);
        return await session.CommitAsync(null, null, Ct);
    }
}
