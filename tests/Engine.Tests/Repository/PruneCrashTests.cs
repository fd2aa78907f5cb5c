using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>A process that is killed at each instant of a life of backups, copies and prunes.</summary>
public sealed class PruneCrashTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));

    private RepositoryOptions Options => Cheap with { Time = _time };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Crash_after_each_operation_keeps_every_committed_point_and_the_next_prune_goes_on(bool lastIsDone)
    {
        for (var operations = 0; ; operations++)
        {
            await using var store = new CrashStore(operations, _time) { LastIsDone = lastIsDone };
            var kept = new Dictionary<RestorePointId, byte[]>();
            var expired = new HashSet<RestorePointId>();
            await LiveAsync(store, kept, expired);
            if (store.KeysOf("keys/").Count() < 2)
            {
                continue;
            }

            await using var reopened = store.Reopen();
            await using var repository = await OpenAsync(reopened, Options);
            await AssertWholeAsync(repository, kept, expired, $"after {operations} operations");

            // What is marked, half swept or left behind by the dead one is settled by later prunes.
            for (var again = 0; again < 3; again++)
            {
                _time.Advance(TimeSpan.FromHours(25));
                await repository.PruneAsync(new PruneOptions { MaxDeletedShare = 1 }, null, Ct);
            }

            await AssertWholeAsync(repository, kept, expired, $"pruned again after {operations} operations");

            Assert.Empty((await repository.PruneAsync(new PruneOptions(), null, Ct)).Packs);
            Assert.Empty(reopened.KeysOf("sessions/"));
            if (!store.HasCrashed)
            {
                Assert.True(operations > 60, $"the scenario had only {operations} instants to crash at");
                return;
            }
        }
    }

    /// <summary>Five backups and a copy into another tier, with prunes in between that expire, repack and sweep; each step may be the last.</summary>
    private async Task LiveAsync(CrashStore store, Dictionary<RestorePointId, byte[]> kept, HashSet<RestorePointId> expired)
    {
        try
        {
            await using var repository = await InitializeAsync(store, Options);
            await using var other = await InitializeOtherAsync(repository);
            RestorePointId? oldest = null;
            for (var i = 0; i < 5; i++)
            {
                _time.Advance(TimeSpan.FromHours(2));
                // A part that all have, a part that two neighbours have, a part of its own.
                byte[] content = [.. Noise(200_000, 1), .. Noise(300_000, 10 + (i / 2)), .. Noise(250_000, 20 + i)];
                var point = await repository.BackupAsync(content);
                kept.Add(point.Id, content);
                oldest ??= point.Id;
                if (i is 2 or 4)
                {
                    kept.Remove(oldest.Value, out _);
                    expired.Add(oldest.Value);
                    await repository.PruneAsync(Expire(oldest.Value, TimeSpan.FromHours(24)), null, Ct);
                    oldest = kept.Keys.First();
                    _time.Advance(TimeSpan.FromHours(25));
                    await repository.PruneAsync(new PruneOptions { MaxDeletedShare = 1 }, null, Ct);
                }
            }

            var copied = await other.BackupAsync(Noise(400_000, 99), "elsewhere");
            await other.CopyAsync(repository, [copied.Id], null, Ct);
            kept.Add(copied.Id, Noise(400_000, 99));
            kept.Remove(oldest!.Value);
            expired.Add(oldest.Value);
            await repository.PruneAsync(Expire(oldest.Value, TimeSpan.Zero), null, Ct);
        }
        catch (EngineException error) when (error.Code == "crashed")
        {
            // Killed here.
        }
    }

    private async Task<BackupRepository> InitializeOtherAsync(BackupRepository repository) =>
        await BackupRepository.InitializeFromAsync(new CrashStore(time: _time), repository, Ct);

    private static async Task AssertWholeAsync(BackupRepository repository, Dictionary<RestorePointId, byte[]> kept, HashSet<RestorePointId> expired, string when)
    {
        var list = await repository.ListAsync(Ct);
        Assert.Empty(list.Damaged);
        var check = await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct);
        Assert.True(check.IsSound, $"{when}: {string.Join(", ", check.Damaged)}");
        Assert.All(kept.Keys, id => Assert.True(list.Points.Any(point => point.Id == id), $"{when}: {id} was committed and is gone"));
        foreach (var point in list.Points)
        {
            // One that the dead process was told to give up, or that it committed without living to say so, must still be whole.
            var content = await repository.ReadAsync(point);
            Assert.True(kept.ContainsKey(point.Id) || expired.Contains(point.Id) || content.Length is 750_000 or 400_000, when);
            if (kept.TryGetValue(point.Id, out var expected))
            {
                AssertSame(expected, content);
            }
        }
    }

    private static PruneOptions Expire(RestorePointId id, TimeSpan grace) =>
        new() { Expire = [new PointToExpire(id, "no rung keeps it")], MaxDeletedShare = 1, Grace = grace, MinimumUse = 0.9 };
}
