using System.Text;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Tests.Storage;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>Rotations beside backups, openers and one another, at every call to the store: each restore point that was committed restores.</summary>
public sealed class KeyInterleavingTests : IDisposable
{
    private static readonly RepositoryOptions Options = new() { KeyDerivation = new KeyDerivation(8, 1) };

    /// <summary>
    /// Pairs of calls grow with the square. Each call of either rotation is met at every third one of the other, shifted from one to the next,
    /// so that none is left out; all pairs where that is asked for (docs/testing.md).
    /// </summary>
    private static readonly int Stride = Environment.GetEnvironmentVariable("DRCONSOLE_CAMPAIGN_INTERLEAVINGS") == "all" ? 1 : 3;

    private readonly RepositoryKey _key = new("the passphrase"u8);
    private readonly Dictionary<RestorePointId, string> _committed = [];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => _key.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Backup_beside_which_keys_are_rotated_and_others_write_in_the_new_epoch_commits_and_all_restores(int rotations)
    {
        var seed = await SeedAsync();
        for (var at = 1; ; at++)
        {
            var store = seed.Reopen();
            var before = new Dictionary<RestorePointId, string>(_committed);
            await using var beside = new InterleavingStore(store, at, async () =>
            {
                for (var count = 0; count < rotations; count++)
                {
                    await RotateAsync(store);
                    await BackupAsync(store, $"in epoch {count + 1}");
                }
            });

            await BackupAsync(beside, "long");

            await AssertAllRestoreAsync(store, $"call {at}");
            Restart(before);
            if (!beside.HasActed)
            {
                Assert.True(at > 20, $"a backup ended after {at} calls");
                return;
            }
        }
    }

    [Fact]
    public async Task Backup_that_opens_and_commits_in_the_middle_of_a_rotation_restores_after_it()
    {
        var seed = await SeedAsync();
        for (var at = 1; ; at++)
        {
            var store = seed.Reopen();
            var before = new Dictionary<RestorePointId, string>(_committed);
            await using var beside = new InterleavingStore(store, at, () => BackupAsync(store, "in the middle"));

            await RotateAsync(beside);

            await BackupAsync(store, "after");
            await AssertAllRestoreAsync(store, $"call {at}");
            Restart(before);
            if (!beside.HasActed)
            {
                return;
            }
        }
    }

    [Fact]
    public async Task Backup_between_two_rotations_beside_one_another_restores_whichever_of_them_is_taken_back()
    {
        var seed = await SeedAsync();
        var isEnd = false;
        for (var outer = 1; !isEnd; outer++)
        {
            isEnd = true;
            for (var inner = 1 + (outer % Stride); ; inner += Stride)
            {
                var store = seed.Reopen();
                var before = new Dictionary<RestorePointId, string>(_committed);
                await using var second = new InterleavingStore(store, inner, () => BackupAsync(store, "between the two"));
                await using var first = new InterleavingStore(store, outer, () => TryRotateAsync(second));
                await TryRotateAsync(first);
                isEnd &= !first.HasActed;

                await BackupAsync(store, "after both");
                await AssertAllRestoreAsync(store, $"call {outer} and {inner}");
                await RotateAsync(store);
                await AssertAllRestoreAsync(store, $"call {outer} and {inner}, rotated once more");
                Restart(before);
                if (!second.HasActed)
                {
                    break;
                }
            }
        }
    }

    [Fact]
    public async Task Backup_in_the_middle_of_an_interrupted_rotation_restores_after_it_is_finished()
    {
        var seed = await SeedAsync();
        for (var writes = 0; ; writes++)
        {
            var dying = seed.Reopen(writes);
            var before = new Dictionary<RestorePointId, string>(_committed);
            var hasEnded = await TryRotateAsync(dying);
            var store = dying.Reopen();
            await BackupAsync(store, "beside what is left of it");

            await RotateAsync(store);
            await BackupAsync(store, "after");

            await AssertAllRestoreAsync(store, $"{writes} writes");
            Restart(before);
            if (hasEnded)
            {
                return;
            }
        }
    }

    private void Restart(Dictionary<RestorePointId, string> committed)
    {
        _committed.Clear();
        foreach (var (point, content) in committed)
        {
            _committed.Add(point, content);
        }
    }

    private async Task<CrashStore> SeedAsync()
    {
        var seed = new CrashStore();
        await using (await BackupRepository.InitializeAsync(seed, _key, Options, Ct))
        {
        }

        await BackupAsync(seed, "before");
        return seed;
    }

    private async Task RotateAsync(Engine.Storage.IObjectStore store)
    {
        await using var repository = await BackupRepository.OpenAsync(store, _key, Options, Ct);
        await BackupRepository.RotateKeysAsync([repository], [_key], Ct);
    }

    private async Task<bool> TryRotateAsync(Engine.Storage.IObjectStore store)
    {
        try
        {
            await RotateAsync(store);
            return true;
        }
        catch (EngineException fault) when (fault.Code is "rotation-beside-another" or "crashed" or "slot-not-read-back" || fault.Kind == ErrorKind.NotFound)
        {
            // Taken back, or cut off: what is there then must open all the same.
            return false;
        }
    }

    private async Task BackupAsync(Engine.Storage.IObjectStore store, string content)
    {
        await using var repository = await BackupRepository.OpenAsync(store, _key, Options, Ct);
        await using var session = await repository.BeginAsync(new BackupDescription { Source = "s", Kind = "test" }, Ct);
        await session.WriteStreamAsync("text", "text", new MemoryStream(Encoding.UTF8.GetBytes(content)), null, Ct);
        _committed.Add((await session.CommitAsync(null, null, Ct)).Id, content);
    }

    private async Task AssertAllRestoreAsync(CrashStore store, string where)
    {
        await using var repository = await BackupRepository.OpenAsync(store, _key, Options, Ct);
        var list = await repository.ListAsync(Ct);
        Assert.True(list.Damaged.Count == 0 && list.Points.Count == _committed.Count, $"{where}: {list.Points.Count} of {_committed.Count} restore points; {string.Join("; ", list.Damaged)}");
        foreach (var (point, expected) in _committed)
        {
            using var content = new MemoryStream();
            await repository.ReadStreamAsync(await repository.ReadManifestAsync(point, Ct), "text", content, null, Ct);
            Assert.Equal(expected, Encoding.UTF8.GetString(content.ToArray()));
        }

        var damaged = (await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).Damaged;
        Assert.True(damaged.Count == 0, $"{where}: {string.Join("; ", damaged.Select(one => $"{one.Name}: {one.Reason}"))}");
    }
}
