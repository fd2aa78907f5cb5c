using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Packs;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Tests.Storage;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

public sealed class RepairTests
{
    [Fact]
    public async Task Every_byte_flipped_in_turn_is_found_by_its_level_and_repaired_from_the_second_tier()
    {
        var (store, tier, content) = await MakeTiersAsync();
        await using var from = await OpenAsync(tier);
        foreach (var (key, bytes) in store.Objects)
        {
            for (var at = 0; at < bytes.Length; at++)
            {
                await using var damaged = store.Reopen();
                var position = at;
                damaged.Damage(key, all => { all[position] ^= 0x40; return all; });
                await AssertRepairedAsync(damaged, from, key, content, $"byte {at} of {key} was flipped");
            }
        }
    }

    [Fact]
    public async Task Every_object_missing_or_cut_in_turn_is_repaired_from_the_second_tier()
    {
        var (store, tier, content) = await MakeTiersAsync();
        await using var from = await OpenAsync(tier);
        foreach (var key in store.Objects.Keys)
        {
            foreach (var length in (int[])[0, 1, store.Objects[key].Length / 2, store.Objects[key].Length - 1])
            {
                await using var cut = store.Reopen();
                cut.Damage(key, bytes => bytes[..length]);
                await AssertRepairedAsync(cut, from, key, content, $"{key} was cut to {length} bytes");
            }

            await using var gone = store.Reopen();
            gone.Remove(key);
            await AssertRepairedAsync(gone, from, null, content, $"{key} was deleted");
        }
    }

    [Fact]
    public async Task Everything_but_the_manifests_lost_is_fetched_again()
    {
        var (store, tier, content) = await MakeTiersAsync();
        await using var from = await OpenAsync(tier);
        foreach (var key in store.KeysOf("packs/").Concat(store.KeysOf("index/")).Concat(store.KeysOf("keys/")).ToList())
        {
            if (key.StartsWith("keys/", StringComparison.Ordinal))
            {
                store.Damage(key, bytes => bytes[..3]);
            }
            else
            {
                store.Remove(key);
            }
        }

        await using var repository = await BackupRepository.OpenLosingKeysAsync(store, from, Key, Cheap, Ct);
        Assert.True((await repository.RepairAsync(from, null, null, Ct)).IsWhole);
        await AssertWholeAsync(repository, content, "after the loss of all packs");
    }

    [Fact]
    public async Task Store_of_another_repository_is_refused_and_never_given_keys()
    {
        var (_, tier, _) = await MakeTiersAsync();
        await using var from = await OpenAsync(tier);
        var other = new CrashStore();
        await using (var repository = await InitializeAsync(other))
        {
            await repository.BackupAsync(Noise(1000));
            Assert.Equal("other-repository", (await Assert.ThrowsAsync<EngineException>(() => repository.RepairAsync(from, null, null, Ct))).Code);
        }

        foreach (var key in other.KeysOf("keys/").ToList())
        {
            other.Damage(key, bytes => bytes[..3]);
        }

        var before = other.Objects.ToDictionary(pair => pair.Key, pair => pair.Value);
        Assert.Equal("other-repository", (await Assert.ThrowsAsync<EngineException>(() => BackupRepository.OpenLosingKeysAsync(other, from, Key, Cheap, Ct))).Code);
        Assert.Equal(before, other.Objects);
    }

    [Fact]
    public async Task Without_another_tier_what_is_left_is_saved_and_the_rest_is_named()
    {
        var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        var hurt = await repository.BackupAsync(Noise(2_000_000, 1), "hurt");
        var pack = store.KeysOf("packs/").MaxBy(key => store.Objects[key].Length)!;
        await repository.BackupAsync(Noise(1000, 2), "fine");
        store.Damage(pack, bytes => { bytes[1000] ^= 1; return bytes; });
        store.Remove(store.KeysOf("index/").First());
        await using var reopened = await OpenAsync(store);
        var plan = await reopened.RepairAsync(null, new RepairOptions { IsDryRun = true }, null, Ct);
        Assert.False(Assert.Single(plan.Objects).IsRepaired);
        Assert.Empty(store.KeysOf("marks/"));
        var report = await reopened.RepairAsync(null, null, null, Ct);
        var one = Assert.Single(report.Objects, found => !found.IsRepaired);
        Assert.Equal((pack, hurt.Id), (one.Name, Assert.Single(one.RestorePoints)));
        Assert.Single((await reopened.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).Damaged);
    }

    [Fact]
    public async Task Backup_after_damage_was_found_stores_anew_and_heals_the_older_points()
    {
        var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        var first = await repository.BackupAsync(Noise(2_000_000));
        var pack = store.KeysOf("packs/").MaxBy(key => store.Objects[key].Length)!;
        store.Damage(pack, bytes => { bytes[1000] ^= 1; return bytes; });
        Assert.Equal(0, (await repository.BackupAsync(Noise(2_000_000))).StoredBytes);
        var report = await repository.CheckAsync(CheckLevel.L2, CheckSlice.All, null, Ct);
        Assert.Equal(2, Assert.Single(report.Damaged).RestorePoints.Count);
        Assert.Equal(1, await repository.QuarantineAsync(report.Damaged.Select(damage => damage.Name), "found by a check", Ct));
        Assert.Equal(0, await repository.QuarantineAsync(report.Damaged.Select(damage => damage.Name), "found by a check", Ct));
        Assert.True((await repository.BackupAsync(Noise(2_000_000))).StoredBytes > 2_000_000);
        AssertSame(Noise(2_000_000), await repository.ReadAsync(first));
        Assert.True((await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
        await repository.PruneAsync(new PruneOptions { MaxDeletedShare = 1 }, null, Ct);
        Assert.DoesNotContain(pack, store.Objects.Keys);
    }

    [Fact]
    public async Task Backup_that_reads_damage_leans_on_that_pack_no_more()
    {
        var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        using var folder = new TemporaryFolder();
        folder.Write("tree/a", Noise(300_000, 1));
        var first = await BackUpTreeAsync(repository, folder, null);
        var metadata = store.KeysOf("packs/").MinBy(key => store.Objects[key].Length)!;
        store.Damage(metadata, bytes => { bytes[60] ^= 1; return bytes; });
        await using var other = await OpenAsync(store);
        RestorePointId id = default;
        for (var attempt = 0; id == default; attempt++)
        {
            try
            {
                id = (await BackUpTreeAsync(other, folder, first.Id)).Id;
            }
            catch (EngineException error) when (error.Code == "pack-vanished" && attempt == 0)
            {
                // It leaned on the pack before it read the damage in it; that is marked by now.
            }
        }

        Assert.Contains(metadata[^64..], (await new MarkStore(other.Parts.Keys, store).LoadAsync(Ct)).Marks.SelectMany(mark => mark.Packs));
        await other.RestoreTreeAsync(await other.ReadManifestAsync(id, Ct), "tree", folder.Combine("out"), null, cancellationToken: Ct);
        AssertSame(Noise(300_000, 1), await File.ReadAllBytesAsync(folder.Combine("out", "a"), Ct));
    }

    [Fact]
    public async Task Expired_point_is_not_taken_for_lost()
    {
        var (store, tier, content) = await MakeTiersAsync();
        await using var from = await OpenAsync(tier);
        await using var repository = await OpenAsync(store);
        var going = content.Keys.Last();
        await repository.PruneAsync(new PruneOptions { Expire = [new PointToExpire(going, "no rung keeps it")], MaxDeletedShare = 1 }, null, Ct);
        Assert.Empty((await repository.RepairAsync(from, null, null, Ct)).Objects);
        Assert.DoesNotContain(going, (await repository.ListAsync(Ct)).Points.Select(point => point.Id));
    }

    [Fact]
    public async Task Pack_that_was_marked_by_mistake_is_released()
    {
        var (store, _, _) = await MakeTiersAsync();
        await using var repository = await OpenAsync(store);
        await repository.QuarantineAsync(store.KeysOf("packs/").ToList(), "a bad cable", Ct);
        var check = await repository.CheckAsync(CheckLevel.L2, CheckSlice.All, null, Ct);
        Assert.True(check.IsSound);
        Assert.NotEmpty(check.Notes);
        Assert.True((await repository.RepairAsync(null, null, null, Ct)).IsWhole);
        Assert.DoesNotContain((await new MarkStore(repository.Parts.Keys, store).LoadAsync(Ct)).Marks, mark => mark.Kind == PackMark.Damaged);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Mark_of_a_pack_whose_chunk_was_wrong_before_it_was_named_is_not_taken_back(bool hasHelp)
    {
        var (store, tier, content) = await MakeTiersAsync();
        var pack = store.KeysOf("packs/").MaxBy(key => store.Objects[key].Length)!;
        var bytes = store.Objects[pack].ToArray();
        bytes[40] ^= 0x40;
        var wrong = PackBuilder.KeyOf(PackBuilder.NameOf(bytes));
        store.Remove(pack);
        store.Insert(wrong, bytes);
        store.KeysOf("index/").ToList().ForEach(store.Remove);
        await using var repository = await OpenAsync(store);
        Assert.DoesNotContain((await repository.CheckAsync(CheckLevel.L2, CheckSlice.All, null, Ct)).Damaged, damage => damage.Name == wrong);
        await repository.QuarantineAsync([wrong], "found by opening it", Ct);

        await using var from = await OpenAsync(tier);
        var report = await repository.RepairAsync(hasHelp ? from : null, null, null, Ct);

        Assert.Equal(hasHelp, report.IsWhole);
        Assert.Contains((await new MarkStore(repository.Parts.Keys, store).LoadAsync(Ct)).Marks, mark => mark.Kind == PackMark.Damaged && mark.Packs.Contains(wrong[^64..]));
        if (hasHelp)
        {
            await repository.PruneAsync(new PruneOptions { MaxDeletedShare = 1 }, null, Ct);
            Assert.DoesNotContain(wrong, store.Objects.Keys);
            await AssertWholeAsync(repository, content, "after the prune");
        }
    }

    [Fact]
    public async Task Crash_after_each_operation_of_a_repair_loses_nothing_and_the_next_goes_on()
    {
        var (whole, tier, content) = await MakeTiersAsync();
        await using var from = await OpenAsync(tier);
        whole.Damage(whole.KeysOf("packs/").First(), bytes => { bytes[40] ^= 1; return bytes; });
        whole.Remove(whole.KeysOf("packs/").Last());
        whole.Damage(whole.KeysOf("index/").First(), bytes => bytes[..^1]);
        whole.Damage(whole.KeysOf("manifests/").First(), bytes => bytes[..^1]);
        foreach (var lastIsDone in (bool[])[false, true])
        {
            for (var operations = 0; ; operations++)
            {
                await using var store = whole.Reopen(operations, lastIsDone);
                await using (var repository = await OpenAsync(store))
                {
                    try
                    {
                        await repository.RepairAsync(from, null, null, Ct);
                    }
                    catch (EngineException error) when (error.Code == "crashed")
                    {
                        // Killed here.
                    }
                }

                await using var reopened = store.Reopen();
                await using var again = await OpenAsync(reopened);
                Assert.True((await again.RepairAsync(from, null, null, Ct)).IsWhole, $"after {operations} operations");
                await AssertWholeAsync(again, content, $"after {operations} operations");
                if (!store.HasCrashed)
                {
                    Assert.True(operations > 7, $"only {operations} instants to crash at");
                    break;
                }
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Manifest_that_cannot_be_proven_is_taken_back_only_where_its_chunks_are_not_all_here(bool areChunksLost)
    {
        var (store, tier, content) = await MakeTiersAsync();
        await using var from = await OpenAsync(tier);
        await using var repository = await OpenAsync(store);
        var manifest = ManifestOf(content.Keys.First());
        store.Remove(manifest);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        store.Stored = key =>
        {
            // Between the manifest and the last look whether all is there.
            if (key == manifest && areChunksLost)
            {
                store.KeysOf("packs/").ToList().ForEach(store.Remove);
            }
            else if (key == manifest)
            {
                stop.Cancel();
            }
        };

        await Assert.ThrowsAnyAsync<Exception>(() => repository.RepairAsync(from, null, null, stop.Token));

        // Somebody else may have brought the same one at the same time, proven it, and told the catalog.
        Assert.Equal(!areChunksLost, store.Objects.ContainsKey(manifest));
    }

    [Fact]
    public async Task Lost_restore_point_that_is_known_is_fetched_with_its_chunks_and_others_are_left_to_copies()
    {
        var (store, tier, content) = await MakeTiersAsync();
        await using var from = await OpenAsync(tier);
        await using var repository = await OpenAsync(store);
        var (known, unknown) = (content.Keys.First(), content.Keys.Last());
        foreach (var key in store.KeysOf("packs/").Concat(store.KeysOf("index/")).Concat(store.KeysOf("manifests/")).ToList())
        {
            store.Remove(key);
        }

        var plan = await repository.RepairAsync(from, new RepairOptions { Known = [known], IsDryRun = true }, null, Ct);
        Assert.Equal((ManifestOf(known), true), Assert.Single(plan.Objects.Select(one => (one.Name, one.IsRepaired))));
        var report = await repository.RepairAsync(from, new RepairOptions { Known = [known] }, null, Ct);
        Assert.True(report.IsWhole);
        AssertSame(content[known], await repository.ReadAsync(Assert.Single((await repository.ListAsync(Ct)).Points)));

        var lost = await repository.RepairAsync(null, new RepairOptions { Known = [known, unknown] }, null, Ct);
        Assert.Equal((ManifestOf(unknown), false), Assert.Single(lost.Objects.Select(one => (one.Name, one.IsRepaired))));
    }

    private static string ManifestOf(RestorePointId point) => Engine.Repository.Manifests.ManifestStore.KeyOf(point);

    private static async Task AssertRepairedAsync(CrashStore damaged, BackupRepository from, string? key, Dictionary<RestorePointId, byte[]> content, string what)
    {
        await using var repository = await OpenAsync(damaged);
        if (key is not null)
        {
            // Packs are told by their bytes, all else by the cheapest level.
            var level = key.StartsWith("packs/", StringComparison.Ordinal) ? CheckLevel.L2 : CheckLevel.L1;
            var found = (await repository.CheckAsync(level, CheckSlice.All, null, Ct)).Damaged;
            Assert.True(found.Any(damage => damage.Name == key), $"{what}: {level} found {string.Join(", ", found)}");
        }

        var report = await repository.RepairAsync(from, null, null, Ct);
        Assert.True(report.IsWhole, $"{what}: {string.Join(", ", report.Objects)}");
        await AssertWholeAsync(repository, content, what);
    }

    private static async Task AssertWholeAsync(BackupRepository repository, Dictionary<RestorePointId, byte[]> content, string what)
    {
        var check = await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct);
        Assert.True(check.IsSound, $"{what}: {string.Join(", ", check.Damaged)}");
        var list = await repository.ListAsync(Ct);
        Assert.True(content.Keys.ToHashSet().SetEquals(list.Points.Select(point => point.Id)), what);
        foreach (var point in list.Points)
        {
            AssertSame(content[point.Id], await repository.ReadAsync(point));
        }
    }

    /// <summary>Two small tiers with each kind of object: two restore points, an attestation, a mark.</summary>
    private static async Task<(CrashStore Store, CrashStore Tier, Dictionary<RestorePointId, byte[]> Content)> MakeTiersAsync()
    {
        var (store, tier) = (new CrashStore(), new CrashStore());
        var content = new Dictionary<RestorePointId, byte[]>();
        await using var repository = await InitializeAsync(store);
        await using var other = await BackupRepository.InitializeFromAsync(tier, repository, Ct);
        foreach (var text in (string[])["a tiny dump", "another one"])
        {
            var bytes = System.Text.Encoding.ASCII.GetBytes(text);
            var point = await repository.BackupAsync(bytes);
            content.Add(point.Id, bytes);
        }

        await repository.WriteAttestationAsync("validation", content.Keys.First(), JsonSerializer.SerializeToElement(new { overallPassed = true }), Ct);
        await repository.CopyAsync(other, null, null, Ct);
        var nobody = new RestorePointId(Guid.NewGuid().ToString("N"));
        await new MarkStore(repository.Parts.Keys, store).WriteAsync(PackMark.New(PackMark.Expired, TimeProvider.System.GetUtcNow(), TimeSpan.Zero, [], [nobody]), Ct);
        return (store, tier, content);
    }

    private static async Task<Manifest> BackUpTreeAsync(BackupRepository repository, TemporaryFolder folder, RestorePointId? parent)
    {
        await using var session = await repository.BeginAsync(Describe() with { Parent = parent }, Ct);
        await session.WriteTreeAsync("tree", [folder.Combine("tree")], new TreeOptions { ParentArtifact = "tree" }, null, Ct);
        return await session.CommitAsync(null, null, Ct);
    }
}
