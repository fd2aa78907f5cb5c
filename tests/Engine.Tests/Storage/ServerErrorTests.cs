using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Storage.Decorators;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>A server that answers 500 for one object for ever has lost that object; one that answers so to everything is away.</summary>
public sealed class ServerErrorTests : IAsyncDisposable
{
    private readonly CrashStore _objects = new();
    private readonly FaultyStore _server;
    private readonly List<RetryNotice> _retries = [];
    private readonly RetryingStore _store;

    public ServerErrorTests()
    {
        _server = new FaultyStore(_objects, new FaultPlan(Seed: 1));
        _store = new RetryingStore(_server, time: new HastyTime(), random: new Random(1), onRetry: notice =>
        {
            lock (_retries)
            {
                _retries.Add(notice);
            }
        });
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Object_is_unreadable_after_all_tries_while_another_is_given_and_at_once_when_asked_again()
    {
        await StoreAsync("a", "b", "c");
        await _store.ReadAllAsync("a", Ct);
        _server.Errs = key => key is "b" or "c" ? "500" : null;

        var fault = await Assert.ThrowsAsync<EngineException>(() => _store.ReadAllAsync("b", Ct));

        Assert.Equal(("object-unreadable", ErrorKind.Damaged, false, "b"), (fault.Code, fault.Kind, fault.IsTransient, fault.Context["object"]));
        Assert.InRange(_retries.Sum(notice => notice.Pause.TotalSeconds), 40, 60);
        _retries.Clear();
        Assert.Equal("object-unreadable", (await Assert.ThrowsAsync<EngineException>(() => _store.ReadAsync("b", 0, new byte[1], Ct))).Code);
        Assert.Empty(_retries);

        // Many of them must not take days.
        Assert.Equal("object-unreadable", (await Assert.ThrowsAsync<EngineException>(() => _store.ReadAllAsync("c", Ct))).Code);
        Assert.InRange(_retries.Sum(notice => notice.Pause.TotalSeconds), 2, 10);
    }

    [Theory]
    [InlineData("all", "500")]
    [InlineData("b", "503")]
    [InlineData("b", null)]
    public async Task Store_that_gives_nothing_is_busy_or_does_not_answer_is_away_and_nothing_is_damaged(string which, string? status)
    {
        await StoreAsync("a", "b");
        await _store.ReadAllAsync("a", Ct);
        _server.Errs = key => which == "all" || which == key ? status ?? "" : null;

        var fault = await Assert.ThrowsAsync<EngineException>(() => _store.ReadAllAsync("b", Ct));

        Assert.Equal((ErrorKind.Unavailable, true, false), (fault.Kind, fault.IsTransient, RepositoryDamage.IsIn(fault)));
    }

    [Fact]
    public async Task Server_that_fails_at_random_has_lost_nothing()
    {
        await StoreAsync([.. Enumerable.Range(0, 60).Select(number => $"{number:00}")]);
        var random = new Random(3);
        _server.Errs = _ => random.NextDouble() < 0.5 ? "500" : null;
        for (var number = 0; number < 60; number++)
        {
            Assert.Equal([(byte)number, 1, 2], await _store.ReadAllAsync($"{number:00}", Ct));
        }
    }

    [Fact]
    public async Task Checks_prunes_copies_and_repairs_go_on_past_the_object_which_is_named_with_what_it_hurts()
    {
        await using var repository = await InitializeAsync(_store);
        var hurt = await repository.BackupAsync(Noise(900_000));
        var first = _objects.KeysOf("packs/").ToHashSet();
        var whole = await repository.BackupAsync(Noise(900_000, 2));
        await using var tier = new CrashStore();
        await using (var open = await OpenAsync(_objects))
        await using (var other = await BackupRepository.InitializeFromAsync(tier, open, Ct))
        {
            await open.CopyAsync(other, null, null, Ct);
        }

        var bad = first.MaxBy(key => _objects.Objects[key].Length)!;
        _server.Errs = key => key == bad ? "500" : null;
        await using var again = await OpenAsync(_store);
        foreach (var level in (CheckLevel[])[CheckLevel.L2, CheckLevel.L3])
        {
            var damage = Assert.Single((await again.CheckAsync(level, CheckSlice.All, null, Ct)).Damaged);
            Assert.Equal((bad, hurt.Id), (damage.Name, Assert.Single(damage.RestorePoints)));
        }

        await using var third = new CrashStore();
        await using var copy = await BackupRepository.InitializeFromAsync(third, again, Ct);
        Assert.Equal(1, (await again.CopyAsync(copy, [whole.Id], null, Ct)).RestorePoints);
        Assert.Equal(BackupRepository.CopySourceDamaged, (await Assert.ThrowsAsync<EngineException>(() => again.CopyAsync(copy, [hurt.Id], null, Ct))).Code);
        // It repacks nothing of what it cannot read, and ends.
        await again.PruneAsync(new() { Expire = [new(whole.Id, "test")], MaxDeletedShare = 1 }, null, Ct);

        await using var sound = await OpenAsync(tier);
        var report = await again.RepairAsync(sound, null, null, Ct);

        Assert.True(report.IsWhole, string.Join(", ", report.Objects));
        AssertSame(Noise(900_000), await again.ReadAsync(hurt));
    }

    public async ValueTask DisposeAsync() => await _store.DisposeAsync();

    private async Task StoreAsync(params string[] keys)
    {
        foreach (var (number, key) in keys.Index())
        {
            await _objects.PutAsync(key, new byte[] { (byte)number, 1, 2 }, Ct);
        }
    }
}
