using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Storage;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>Rotations that are killed, and those who finish them.</summary>
public sealed partial class KeyRotationTests
{
    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public async Task Rotate_killed_at_any_write_still_opens_everything_and_is_finished_by_the_next(bool inTheFirst, bool lastIsDone)
    {
        var (seed, seedToo) = (new CrashStore(), new CrashStore());
        RestorePointId point;
        await using (var first = await BackupRepository.InitializeAsync(seed, _key, Options, Ct))
        await using (var second = await BackupRepository.InitializeFromAsync(seedToo, first, Ct))
        {
            point = await BackupAsync(first, "before");
            await first.CopyAsync(second, null, null, Ct);
        }

        for (var writes = 0; ; writes++)
        {
            var hot = seed.Reopen(inTheFirst ? writes : int.MaxValue, lastIsDone);
            var warm = seedToo.Reopen(inTheFirst ? int.MaxValue : writes, lastIsDone);
            if (!await DiesAsync(hot, warm))
            {
                Assert.True(writes > 4, $"the rotation ended after {writes} writes");
                return;
            }

            await RotateAgainAsync(hot.Reopen(), warm.Reopen(), point);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Rotate_killed_between_two_passphrases_leaves_both_whichever_finishes_it(bool byTheOther)
    {
        var (seed, seedToo) = (new CrashStore(), new CrashStore());
        RestorePointId point;
        await using (var first = await BackupRepository.InitializeAsync(seed, _key, Options, Ct))
        {
            await first.AddKeySlotAsync(_other, Ct);
            await using var second = await BackupRepository.InitializeFromAsync(seedToo, first, Ct);
            point = await BackupAsync(first, "before");
            await first.CopyAsync(second, null, null, Ct);
        }

        for (var writes = 0; ; writes++)
        {
            var (hot, warm) = (seed.Reopen(writes, true), seedToo.Reopen());
            if (!await DiesAsync(hot, warm, _other))
            {
                Assert.True(writes > 6, $"the rotation ended after {writes} writes");
                return;
            }

            (hot, warm) = (hot.Reopen(), warm.Reopen());
            await using (var first = await BackupRepository.OpenAsync(hot, byTheOther ? _other : _key, Options, Ct))
            await using (var second = await BackupRepository.OpenAsync(warm, byTheOther ? _other : _key, Options, Ct))
            {
                await BackupRepository.RotateKeysAsync([first, second], [_key, _other], Ct);
            }

            foreach (var (store, key) in new[] { (hot, _key), (hot, _other), (warm, _key), (warm, _other) })
            {
                await using var opened = await BackupRepository.OpenAsync(store, key, Options, Ct);
                Assert.InRange(opened.Epoch, 1u, 2u);
                Assert.Equal("before", await ReadAsync(opened, point));
            }

            Assert.Equal(2, (await BackupRepository.ListKeySlotsAsync(warm, Ct)).Count);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Finish_killed_at_any_write_and_repeated_completes_every_step_and_begins_no_other_epoch(bool lastIsDone)
    {
        var (seed, seedToo) = (new CrashStore(), new CrashStore());
        RestorePointId point;
        await using (var first = await BackupRepository.InitializeAsync(seed, _key, Options, Ct))
        {
            await first.AddKeySlotAsync(_other, Ct);
            await using var second = await BackupRepository.InitializeFromAsync(seedToo, first, Ct);
            await BackupRepository.RotateKeysAsync([first, second], [_key, _other], Ct);
            point = await BackupAsync(first, "before");
            await first.CopyAsync(second, null, null, Ct);
        }

        for (var writes = 0; ; writes++)
        {
            var (hot, warm) = (seed.Reopen(writes, lastIsDone), seedToo.Reopen());
            if (!await DiesAsync(hot, warm, _other))
            {
                Assert.True(writes > 8, $"the rotation ended after {writes} writes");
                return;
            }

            (hot, warm) = (hot.Reopen(), warm.Reopen());
            for (var again = 0; ; again++)
            {
                var (dying, beside) = (hot.Reopen(again, lastIsDone), warm.Reopen());
                var isKilled = await FinishAsync(dying, beside) == KilledEpoch;
                await AssertFinishedAsync(dying.Reopen(), beside.Reopen(), point);
                if (!isKilled)
                {
                    break;
                }
            }
        }
    }

    private const uint KilledEpoch = uint.MaxValue;

    private async Task<uint?> FinishAsync(CrashStore hot, CrashStore warm)
    {
        try
        {
            await using var first = await BackupRepository.OpenAsync(hot, _key, Options, Ct);
            await using var second = await BackupRepository.OpenAsync(warm, _key, Options, Ct);
            return await BackupRepository.FinishRotationAsync([first, second], [_key, _other], 1, Ct);
        }
        catch (EngineException crash) when (crash.Code == "crashed")
        {
            return KilledEpoch;
        }
    }

    private async Task AssertFinishedAsync(CrashStore hot, CrashStore warm, RestorePointId point)
    {
        var epoch = await FinishAsync(hot, warm) ?? 1;
        Assert.InRange(epoch, 1u, 2u);
        foreach (var store in new[] { hot, warm })
        {
            Assert.Equal(4, store.KeysOf("keys/").Count());
            foreach (var key in new[] { _key, _other })
            {
                await using var opened = await BackupRepository.OpenAsync(store, key, Options, Ct);
                Assert.Equal(epoch, opened.Epoch);
                Assert.Equal("before", await ReadAsync(opened, point));
                // What a rotation left that got no further than its first object is older than nothing: it does not count.
                Assert.Empty((await opened.CheckAsync(CheckLevel.L1, CheckSlice.All, null, Ct)).Damaged);
                foreach (var name in store.KeysOf("epochs/"))
                {
                    Assert.True(await EpochStore.EpochOfAsync(store, name, Ct) >= epoch);
                }
            }
        }
    }

    private async Task<bool> DiesAsync(CrashStore hot, CrashStore warm, RepositoryKey? beside = null)
    {
        await using var first = await BackupRepository.OpenAsync(hot, _key, Options, Ct);
        await using var second = await BackupRepository.OpenAsync(warm, _key, Options, Ct);
        try
        {
            await BackupRepository.RotateKeysAsync([first, second], beside is null ? [_key] : [_key, beside], Ct);
            return false;
        }
        catch (EngineException crash) when (crash.Code == "crashed")
        {
            return true;
        }
    }

    private async Task RotateAgainAsync(CrashStore hot, CrashStore warm, RestorePointId point)
    {
        await using (var first = await BackupRepository.OpenAsync(hot, _key, Options, Ct))
        await using (var second = await BackupRepository.OpenAsync(warm, _key, Options, Ct))
        {
            Assert.Equal(("before", "before"), (await ReadAsync(first, point), await ReadAsync(second, point)));
            await BackupRepository.RotateKeysAsync([first, second], [_key], Ct);
        }

        await using var newer = await BackupRepository.OpenAsync(hot, _key, Options, Ct);
        await using var other = await BackupRepository.OpenAsync(warm, _key, Options, Ct);
        Assert.Equal(newer.Epoch, other.Epoch);
        Assert.InRange(newer.Epoch, 1u, 2u);
        Assert.Single(await BackupRepository.ListKeySlotsAsync(hot, Ct));
        Assert.Single(await BackupRepository.ListKeySlotsAsync(warm, Ct));
        var after = await BackupAsync(newer, "after");
        await newer.CopyAsync(other, null, null, Ct);
        Assert.Equal(("before", "after"), (await ReadAsync(other, point), await ReadAsync(other, after)));
    }
}
