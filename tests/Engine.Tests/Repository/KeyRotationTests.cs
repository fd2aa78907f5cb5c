using System.Text;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Manifests;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Storage;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>Key slots, encryption epochs and the end of a workspace's keys.</summary>
public sealed partial class KeyRotationTests : IDisposable
{
    private static readonly RepositoryOptions Options = new() { KeyDerivation = new KeyDerivation(64, 1) };
    private readonly TemporaryFolder _folder = new();
    private readonly RepositoryKey _key = new("the first passphrase"u8);
    private readonly RepositoryKey _other = new("another passphrase"u8);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _key.Dispose();
        _other.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Rotate_old_and_new_restore_points_read_with_the_same_passphrase_in_every_tier()
    {
        await using var hot = Store("hot");
        await using var warm = Store("warm");
        RestorePointId before, after;
        await using (var first = await BackupRepository.InitializeAsync(hot, _key, Options, Ct))
        await using (var second = await BackupRepository.InitializeFromAsync(warm, first, Ct))
        {
            before = await BackupAsync(first, "before");
            Assert.Equal(1u, await BackupRepository.RotateKeysAsync([first, second], [_key], Ct));
        }

        await using (var first = await BackupRepository.OpenAsync(hot, _key, Options, Ct))
        await using (var second = await BackupRepository.OpenAsync(warm, _key, Options, Ct))
        {
            after = await BackupAsync(first, "after");
            Assert.Equal((1u, 1u), (first.Epoch, second.Epoch));
            Assert.Equal(2u, await BackupRepository.RotateKeysAsync([first, second], [_key], Ct));
        }

        Assert.Single(await BackupRepository.ListKeySlotsAsync(hot, Ct));
        foreach (var store in new[] { hot, warm })
        {
            await using var last = await BackupRepository.OpenAsync(store, _key, Options, Ct);
            Assert.Equal(2u, last.Epoch);
            if (store == warm)
            {
                await using var first = await BackupRepository.OpenAsync(hot, _key, Options, Ct);
                await first.CopyAsync(last, null, null, Ct);
            }

            Assert.Equal("before", await ReadAsync(last, before));
            Assert.Equal("after", await ReadAsync(last, after));
            Assert.Empty((await last.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).Damaged);
        }
    }

    [Fact]
    public async Task Rotate_chunks_of_the_old_epoch_are_not_stored_again()
    {
        await using var store = Store("hot");
        await using (var repository = await BackupRepository.InitializeAsync(store, _key, Options, Ct))
        {
            await BackupAsync(repository, new string('x', 300_000));
            await BackupRepository.RotateKeysAsync([repository], [_key], Ct);
        }

        await using var opened = await BackupRepository.OpenAsync(store, _key, Options, Ct);
        var again = await opened.ReadManifestAsync(await BackupAsync(opened, new string('x', 300_000)), Ct);
        Assert.Equal(0, again.StoredBytes);
    }

    [Fact]
    public async Task Rotate_a_master_key_alone_opens_nothing_of_the_new_epoch()
    {
        await using var store = Store("hot");
        await using var repository = await BackupRepository.InitializeAsync(store, _key, Options, Ct);
        await BackupRepository.RotateKeysAsync([repository], [_key], Ct);
        await using var newer = await BackupRepository.OpenAsync(store, _key, Options, Ct);
        var point = await BackupAsync(newer, "secret since the leak");

        // As a thief of the master would: without a passphrase there is no way to the new epoch.
        using var stolen = new RepositoryParts(store, new KeyRing(repository.Info.Id, repository.Parts.Keys.Master.ToArray()), Options);
        Assert.Equal("epoch-unknown", (await Assert.ThrowsAsync<EngineException>(() => stolen.Manifests.ReadAsync(ManifestStore.KeyOf(point), Ct))).Code);

        // Whoever opened it by the passphrase before goes on.
        Assert.Equal("secret since the leak", await ReadAsync(repository, point));
        Assert.Equal(1u, repository.Epoch);
    }

    [Fact]
    public async Task Rotate_with_a_slot_that_no_passphrase_opens_is_refused_and_changes_nothing()
    {
        await using var store = Store("hot");
        await using var repository = await BackupRepository.InitializeAsync(store, _key, Options, Ct);
        await repository.AddKeySlotAsync(_other, Ct);
        var before = Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories).Order().ToList();

        Assert.Equal("slot-not-openable", (await Assert.ThrowsAsync<EngineException>(() => BackupRepository.RotateKeysAsync([repository], [_key], Ct))).Code);
        Assert.Equal(before, Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories).Order());

        await BackupRepository.RotateKeysAsync([repository], [_key, _other], Ct);
        await using var opened = await BackupRepository.OpenAsync(store, _other, Options, Ct);
        Assert.Equal(1u, opened.Epoch);
    }

    [Fact]
    public async Task Slots_a_passphrase_is_changed_by_adding_the_new_one_and_removing_the_old()
    {
        await using var store = Store("hot");
        RestorePointId point;
        await using (var repository = await BackupRepository.InitializeAsync(store, _key, Options, Ct))
        {
            point = await BackupAsync(repository, "content");
            var old = Assert.Single(await BackupRepository.ListKeySlotsAsync(store, Ct)).Id;
            Assert.Equal("last-slot", (await Assert.ThrowsAsync<EngineException>(() => BackupRepository.RemoveKeySlotAsync(store, old, Ct))).Code);
            await repository.AddKeySlotAsync(_other, Ct);
            Assert.Equal("slot-exists", (await Assert.ThrowsAsync<EngineException>(() => repository.AddKeySlotAsync(_other, Ct))).Code);
            await BackupRepository.RemoveKeySlotAsync(store, old, Ct);
        }

        Assert.Equal("wrong-passphrase", (await Assert.ThrowsAsync<EngineException>(() => BackupRepository.OpenAsync(store, _key, Options, Ct))).Code);
        await using var opened = await BackupRepository.OpenAsync(store, _other, Options, Ct);
        Assert.Equal("content", await ReadAsync(opened, point));
    }

    [Fact]
    public async Task Rotate_tiers_that_were_rotated_apart_is_refused_and_each_opens_on()
    {
        var (hot, warm) = (new CrashStore(), new CrashStore());
        await using (var first = await BackupRepository.InitializeAsync(hot, _key, Options, Ct))
        await using (var second = await BackupRepository.InitializeFromAsync(warm, first, Ct))
        {
            await BackupRepository.RotateKeysAsync([first], [_key], Ct);
            await BackupRepository.RotateKeysAsync([second], [_key], Ct);
        }

        await using var one = await BackupRepository.OpenAsync(hot, _key, Options, Ct);
        await using var other = await BackupRepository.OpenAsync(warm, _key, Options, Ct);
        var (inOne, inOther) = (await BackupAsync(one, "of hot"), await BackupAsync(other, "of warm"));
        Assert.Equal("epochs-diverged", (await Assert.ThrowsAsync<EngineException>(() => BackupRepository.RotateKeysAsync([one, other], [_key], Ct))).Code);
        Assert.Equal(("of hot", "of warm"), (await ReadAsync(one, inOne), await ReadAsync(other, inOther)));

        // The newer keys of one of them do not take the other's only ones away.
        await BackupRepository.RotateKeysAsync([one], [_key], Ct);
        await using var newer = await BackupRepository.OpenAsync(hot, _key, Options, Ct);
        Assert.Equal("epochs-diverged", (await Assert.ThrowsAsync<EngineException>(() => newer.CopyAsync(other, null, null, Ct))).Code);
        await using var still = await BackupRepository.OpenAsync(warm, _key, Options, Ct);
        Assert.Equal("of warm", await ReadAsync(still, inOther));
    }

    [Fact]
    public async Task Rotations_beside_one_another_leave_keys_that_open_everything()
    {
        await using var store = Store("hot");
        RestorePointId point;
        await using (var repository = await BackupRepository.InitializeAsync(store, _key, Options, Ct))
        {
            point = await BackupAsync(repository, "before");
        }

        for (var round = 0; round < 20; round++)
        {
            await Task.WhenAll(RotateAsync(), RotateAsync());
            await using var opened = await BackupRepository.OpenAsync(store, _key, Options, Ct);
            Assert.Equal("before", await ReadAsync(opened, point));
        }

        async Task RotateAsync()
        {
            try
            {
                await using var repository = await BackupRepository.OpenAsync(store, _key, Options, Ct);
                await BackupRepository.RotateKeysAsync([repository], [_key], Ct);
            }
            catch (EngineException fault) when (fault.Code == "rotation-beside-another" || fault.Kind is ErrorKind.NotFound)
            {
                // The other's, and this one's too where both saw each other: the keys are as they were.
            }
        }
    }

    [Fact]
    public async Task Copy_gives_a_tier_that_was_away_during_the_rotation_its_keys()
    {
        await using var hot = Store("hot");
        await using var warm = Store("warm");
        await using (var first = await BackupRepository.InitializeAsync(hot, _key, Options, Ct))
        await using (await BackupRepository.InitializeFromAsync(warm, first, Ct))
        {
            await BackupRepository.RotateKeysAsync([first], [_key], Ct);
        }

        RestorePointId point;
        await using (var first = await BackupRepository.OpenAsync(hot, _key, Options, Ct))
        await using (var second = await BackupRepository.OpenAsync(warm, _key, Options, Ct))
        {
            point = await BackupAsync(first, "new");
            await first.CopyAsync(second, null, null, Ct);
        }

        await using var copy = await BackupRepository.OpenAsync(warm, _key, Options, Ct);
        Assert.Equal("new", await ReadAsync(copy, point));
    }

    [Fact]
    public async Task Copy_leaves_a_tier_the_slot_of_a_passphrase_that_only_that_tier_knows()
    {
        var (hot, warm) = (new CrashStore(), new CrashStore());
        RestorePointId point;
        await using (var first = await BackupRepository.InitializeAsync(hot, _key, Options, Ct))
        await using (var second = await BackupRepository.InitializeFromAsync(warm, first, Ct))
        {
            point = await BackupAsync(second, "before");
            await second.AddKeySlotAsync(_other, Ct);
            await BackupRepository.RotateKeysAsync([first], [_key], Ct);
        }

        await using (var first = await BackupRepository.OpenAsync(hot, _key, Options, Ct))
        await using (var second = await BackupRepository.OpenAsync(warm, _other, Options, Ct))
        {
            await first.CopyAsync(second, null, null, Ct);
        }

        await using var byIts = await BackupRepository.OpenAsync(warm, _other, Options, Ct);
        await using var byAll = await BackupRepository.OpenAsync(warm, _key, Options, Ct);
        Assert.Equal(("before", "before", 1u), (await ReadAsync(byIts, point), await ReadAsync(byAll, point), byAll.Epoch));
    }

    [Fact]
    public async Task Shred_nothing_can_be_opened_afterwards()
    {
        await using var store = Store("hot");
        await using (var repository = await BackupRepository.InitializeAsync(store, _key, Options, Ct))
        {
            await BackupAsync(repository, "forget me");
            await BackupRepository.RotateKeysAsync([repository], [_key], Ct);
        }

        Assert.True(await BackupRepository.ShredKeysAsync(store, Ct) >= 4);
        Assert.Equal(ErrorKind.Damaged, (await Assert.ThrowsAsync<EngineException>(() => BackupRepository.OpenAsync(store, _key, Options, Ct))).Kind);
        Assert.Equal(0, await BackupRepository.ShredKeysAsync(store, Ct));
    }

    private FileSystemStore Store(string name) => new(Path.Combine(_folder.Path, name));

    private static async Task<RestorePointId> BackupAsync(BackupRepository repository, string content)
    {
        await using var session = await repository.BeginAsync(new BackupDescription { Source = "s", Kind = "test" }, Ct);
        await session.WriteStreamAsync("text", "text", new MemoryStream(Encoding.UTF8.GetBytes(content)), null, Ct);
        return (await session.CommitAsync(null, null, Ct)).Id;
    }

    private static async Task<string> ReadAsync(BackupRepository repository, RestorePointId point)
    {
        using var content = new MemoryStream();
        await repository.ReadStreamAsync(await repository.ReadManifestAsync(point, Ct), "text", content, null, Ct);
        return Encoding.UTF8.GetString(content.ToArray());
    }
}
