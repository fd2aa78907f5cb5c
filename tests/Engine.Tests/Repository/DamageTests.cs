using System.Security.Cryptography;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Tests.Storage;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

public sealed class DamageTests
{
    [Fact]
    public async Task Check_every_byte_flipped_in_turn_is_found_and_named()
    {
        var store = await MakeTinyAsync();
        foreach (var (key, content) in store.Objects)
        {
            for (var at = 0; at < content.Length; at++)
            {
                var damaged = store.Reopen();
                var position = at;
                damaged.Damage(key, bytes => { bytes[position] ^= 0x40; return bytes; });
                await using var repository = await OpenAsync(damaged);
                var report = await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct);
                Assert.True(report.Damaged.Any(d => d.Name == key), $"byte {at} of {key} was flipped, found: {string.Join(", ", report.Damaged)}");
            }
        }
    }

    [Fact]
    public async Task Check_every_object_missing_or_cut_in_turn_is_found()
    {
        var store = await MakeTinyAsync();
        foreach (var key in store.Objects.Keys)
        {
            var cut = store.Reopen();
            cut.Damage(key, bytes => bytes[..(bytes.Length / 2)]);
            await using (var repository = await OpenAsync(cut))
            {
                Assert.Contains((await repository.CheckAsync(CheckLevel.L1, CheckSlice.All, null, Ct)).Damaged, d => d.Name == key);
            }

            if (key.StartsWith("keys/", StringComparison.Ordinal) || key.StartsWith("packs/", StringComparison.Ordinal))
            {
                var gone = store.Reopen();
                gone.Remove(key);
                await using var repository = await OpenAsync(gone);
                Assert.Contains((await repository.CheckAsync(CheckLevel.L1, CheckSlice.All, null, Ct)).Damaged, d => d.Name == key);
            }
        }
    }

    [Fact]
    public async Task Scrub_without_key_finds_a_flipped_byte_in_every_object()
    {
        var store = await MakeTinyAsync();
        Assert.True((await BackupRepository.ScrubAsync(store, CheckSlice.All, cancellationToken: Ct)).IsSound);
        foreach (var key in store.Objects.Keys)
        {
            var damaged = store.Reopen();
            damaged.Damage(key, bytes => { bytes[bytes.Length / 3] ^= 1; return bytes; });
            Assert.Equal(key, Assert.Single((await BackupRepository.ScrubAsync(damaged, CheckSlice.All, cancellationToken: Ct)).Damaged).Name);
        }
    }

    [Fact]
    public async Task Check_damaged_pack_names_only_the_restore_points_that_lean_on_it()
    {
        var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        var first = await repository.BackupAsync(Noise(2_000_000, 1));
        var pack = store.Objects.Keys.Single(key => key.StartsWith("packs/", StringComparison.Ordinal) && store.Objects[key].Length > 1_000_000);
        var second = await repository.BackupAsync(Noise(2_000_000, 1), "copy");
        var third = await repository.BackupAsync(Noise(2_000_000, 3));
        store.Damage(pack, bytes => { bytes[1000] ^= 1; return bytes; });
        var report = await repository.CheckAsync(CheckLevel.L2, CheckSlice.All, null, Ct);
        var damage = Assert.Single(report.Damaged);
        Assert.Equal(pack, damage.Name);
        Assert.Equal([first.Id, second.Id], damage.RestorePoints);
        Assert.DoesNotContain(third.Id, damage.RestorePoints);
        Assert.False((await repository.VerifyPacksAsync(first, null, Ct)).IsSound);
        Assert.True((await repository.VerifyPacksAsync(third, null, Ct)).IsSound);
    }

    [Fact]
    public async Task Check_slices_together_read_every_pack_once()
    {
        var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        for (var i = 0; i < 6; i++)
        {
            await repository.BackupAsync(Noise(1000, i));
        }

        var whole = await repository.CheckAsync(CheckLevel.L2, CheckSlice.All, null, Ct);
        var parts = 0;
        for (var n = 1; n <= 3; n++)
        {
            parts += (await repository.CheckAsync(CheckLevel.L2, CheckSlice.Parse($"{n}/3"), null, Ct)).PacksRead;
        }

        Assert.Equal(whole.PacksRead, parts);
        Assert.Equal(ErrorKind.Input, Assert.Throws<EngineException>(() => CheckSlice.Parse("4/3")).Kind);
    }

    [Fact]
    public async Task VerifyChunks_tells_the_three_layers_apart()
    {
        using var keys = new KeyRing(Guid.NewGuid(), RandomNumberGenerator.GetBytes(32));
        var plain = new byte[10_000];
        var id = keys.IdentityOf(plain);
        using (var sound = BlobCodec.Seal(keys, Engine.Repository.Format.ObjectType.Stream, id, plain))
        {
            Assert.Equal(BlobFault.None, BlobCodec.TryOpen(keys, Engine.Repository.Format.ObjectType.Stream, id, sound.Writable, out var opened));
            Assert.Equal(plain, opened.Memory.ToArray());
            opened.Dispose();
        }

        using (var otherContent = BlobCodec.Seal(keys, Engine.Repository.Format.ObjectType.Stream, id, Noise(10_000)))
        {
            Assert.Equal(BlobFault.Identity, BlobCodec.TryOpen(keys, Engine.Repository.Format.ObjectType.Stream, id, otherContent.Writable, out _));
        }

        using (var otherType = BlobCodec.Seal(keys, Engine.Repository.Format.ObjectType.FileTree, id, plain))
        {
            Assert.Equal(BlobFault.Encryption, BlobCodec.TryOpen(keys, Engine.Repository.Format.ObjectType.Stream, id, otherType.Writable, out _));
        }

        var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        var manifest = await repository.BackupAsync(Noise(5_000_000));
        Assert.True((await repository.VerifyChunksAsync(manifest, ChunkLayer.Content, null, Ct)).IsSound);
        var pack = store.Objects.Where(o => o.Key.StartsWith("packs/", StringComparison.Ordinal)).MaxBy(o => o.Value.Length).Key;
        store.Damage(pack, bytes => { bytes[5000] ^= 1; return bytes; });
        var report = await repository.VerifyChunksAsync(manifest, ChunkLayer.Encryption, null, Ct);
        Assert.Equal((1, 0, 0, 0), (report.EncryptionFaults, report.CompressionFaults, report.IdentityFaults, report.Missing));
        Assert.Equal(pack.Split('/')[^1], Assert.Single(report.Damaged).Pack);
        store.Remove(pack);
        Assert.NotEmpty((await repository.VerifyChunksAsync(manifest, ChunkLayer.Content, null, Ct)).Unreachable);
        Assert.Contains((await repository.VerifyPacksAsync(manifest, null, Ct)).Damaged, d => d.Name == pack);
    }

    [Fact]
    public async Task Lost_or_damaged_index_is_rebuilt_from_the_packs()
    {
        // Longer than the longest chunk: so there is a list of chunks, and with it a second pack, wherever this key happens to cut.
        var content = Noise(9_000_000);
        var store = new CrashStore();
        Manifest manifest;
        await using (var repository = await InitializeAsync(store))
        {
            manifest = await repository.BackupAsync(content);
        }

        var segment = store.Objects.Keys.Single(key => key.StartsWith("index/", StringComparison.Ordinal));
        store.Remove(segment);
        await using var reopened = await OpenAsync(store);
        AssertSame(content, await reopened.ReadAsync(manifest));
        Assert.Equal(2, await reopened.RebuildIndexAsync(Ct));
        Assert.Equal(0, await reopened.RebuildIndexAsync(Ct));
        Assert.True((await reopened.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
        Assert.Equal(0, (await reopened.BackupAsync(content)).StoredBytes);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task HoldsAllOf_with_any_one_pack_missing_is_false_also_where_nothing_lists_its_chunks(bool isIndexLost)
    {
        var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        // Longer than the longest chunk, so that there is a list of chunks in a pack of its own.
        var manifest = await repository.BackupAsync(Noise(9_000_000));
        Assert.True(await repository.HoldsAllOfAsync(manifest, Ct));
        Assert.Equal(2, store.KeysOf("packs/").Count());
        foreach (var key in isIndexLost ? store.KeysOf("index/").ToList() : [])
        {
            store.Remove(key);
        }

        foreach (var pack in store.KeysOf("packs/"))
        {
            await using var gone = store.Reopen();
            gone.Remove(pack);
            await using var reopened = await OpenAsync(gone);
            Assert.False(await reopened.HoldsAllOfAsync(manifest, Ct), pack);
        }
    }

    [Fact]
    public async Task List_cut_manifest_is_named_and_the_others_still_show()
    {
        var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        var first = await repository.BackupAsync(Noise(10, 1));
        var second = await repository.BackupAsync(Noise(10, 2));
        store.Damage($"manifests/{first.Id}", bytes => bytes[..100]);
        var list = await repository.ListAsync(Ct);
        Assert.Equal(second.Id, Assert.Single(list.Points).Id);
        Assert.Contains(first.Id.Value, Assert.Single(list.Damaged), StringComparison.Ordinal);
        Assert.Equal(ErrorKind.Damaged, (await Assert.ThrowsAsync<EngineException>(() => repository.ReadManifestAsync(first.Id, Ct))).Kind);
    }

    [Fact]
    public async Task Read_missing_pack_is_named()
    {
        var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        var manifest = await repository.BackupAsync(Noise(1000));
        var pack = store.Objects.Keys.First(key => key.StartsWith("packs/", StringComparison.Ordinal));
        store.Remove(pack);
        var error = await Assert.ThrowsAsync<EngineException>(() => repository.ReadAsync(manifest));
        Assert.Equal((ErrorKind.Damaged, pack.Split('/')[^1]), (error.Kind, error.Context["pack"]));
    }

    private static async Task<CrashStore> MakeTinyAsync()
    {
        var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        var manifest = await repository.BackupAsync("a tiny dump"u8.ToArray());
        await repository.WriteAttestationAsync("validation", manifest.Id, JsonSerializer.SerializeToElement(true), Ct);
        return store;
    }
}
