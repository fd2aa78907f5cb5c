using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Tests.Storage;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

public sealed class CrashTests
{
    [Fact]
    public async Task Crash_after_each_write_keeps_every_committed_point_and_shows_no_half_one()
    {
        for (var operations = 0; ; operations++)
        {
            var store = new CrashStore(operations);
            var committed = new List<(RestorePointId Id, byte[] Content)>();
            var attempted = await RunUntilCrashAsync(store, committed);
            await AssertFoundAsync(store.Reopen(), committed);
            if (!store.HasCrashed)
            {
                Assert.Equal(3, attempted);
                Assert.True(operations > 10, "the scenario must have had instants to crash at");
                return;
            }
        }
    }

    [Fact]
    public async Task Crash_in_a_copy_goes_on_where_it_stopped()
    {
        var source = new CrashStore();
        await using var repository = await InitializeAsync(source);
        var first = await repository.BackupAsync(Noise(700_000, 1));
        var second = await repository.BackupAsync(Noise(700_000, 2));
        for (var operations = 0; ; operations++)
        {
            var target = new CrashStore(operations);
            try
            {
                await using var tier = await BackupRepository.InitializeFromAsync(target, repository, Ct);
                await repository.CopyAsync(tier, null, null, Ct);
            }
            catch (EngineException error) when (error.Code == "crashed")
            {
                // What a person does after a crash: the same again.
            }

            var reopened = target.Reopen();
            await using var again = await BackupRepository.ExistsAsync(reopened, Ct)
                ? await OpenAsync(reopened) : await BackupRepository.InitializeFromAsync(reopened, repository, Ct);
            foreach (var shown in (await again.ListAsync(Ct)).Points)
            {
                AssertSame(Noise(700_000, shown.Id == first.Id ? 1 : 2), await again.ReadAsync(shown));
            }

            await repository.CopyAsync(again, null, null, Ct);
            AssertSame(Noise(700_000, 1), await again.ReadAsync(first));
            AssertSame(Noise(700_000, 2), await again.ReadAsync(second));
            if (!target.HasCrashed)
            {
                return;
            }
        }
    }

    [Fact]
    public async Task Writes_become_durable_in_the_order_packs_index_manifest()
    {
        var store = new CrashStore();
        await using var repository = await InitializeAsync(store);
        await repository.BackupAsync(Noise(40_000_000));
        var rooms = store.Order.Select(key => key.Split('/')[0]).Where(room => room is not ("keys" or "sessions")).ToList();
        Assert.Equal(rooms.OrderBy(room => Array.IndexOf(["packs", "index", "manifests"], room)), rooms);
    }

    private static async Task<int> RunUntilCrashAsync(CrashStore store, List<(RestorePointId Id, byte[] Content)> committed)
    {
        var attempted = 0;
        try
        {
            await using var repository = await InitializeAsync(store);
            for (; attempted < 3; attempted++)
            {
                // The second repeats a part of the first, so that points lean on one another's packs.
                byte[] content = [.. Noise(600_000, 1), .. Noise(300_000, attempted)];
                var manifest = await repository.BackupAsync(content);
                committed.Add((manifest.Id, content));
            }
        }
        catch (EngineException error) when (error.Code == "crashed")
        {
            return attempted;
        }

        return attempted;
    }

    private static async Task AssertFoundAsync(CrashStore store, List<(RestorePointId Id, byte[] Content)> committed)
    {
        if (!await BackupRepository.ExistsAsync(store, Ct))
        {
            Assert.Empty(committed);
            return;
        }

        await using var repository = await OpenAsync(store);
        var list = await repository.ListAsync(Ct);
        Assert.Empty(list.Damaged);
        Assert.All(committed, point => Assert.Contains(list.Points, shown => shown.Id == point.Id));
        foreach (var shown in list.Points)
        {
            // One more than the caller knows of may show, if the crash came between the manifest and the answer: it must be whole.
            var content = await repository.ReadAsync(shown);
            Assert.Equal(900_000, content.Length);
        }

        foreach (var (id, content) in committed)
        {
            AssertSame(content, await repository.ReadAsync(await repository.ReadManifestAsync(id, Ct)));
        }
    }
}
