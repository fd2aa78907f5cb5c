using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

public sealed class CheckBudgetTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly CrashStore _store;

    public CheckBudgetTests() => _store = new CrashStore(time: _time);

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    [Theory]
    [InlineData(CheckLevel.L2)]
    [InlineData(CheckLevel.L3)]
    public async Task Checks_with_a_budget_read_the_longest_unread_first_until_all_are_read(CheckLevel level)
    {
        await using var repository = await MakeAsync(5);
        // No time at all: one pack a call, so that every call gets further.
        var options = new CheckOptions { Level = level, Budget = TimeSpan.Zero };
        DateTimeOffset? oldest = null;
        for (var call = 1; call <= 10; call++)
        {
            _time.Advance(TimeSpan.FromDays(1));
            var report = await repository.CheckAsync(options, null, Ct);
            Assert.Equal((1, 4, true), (report.PacksRead, report.PacksLeft, report.IsSound));
            Assert.Equal(call < 5, report.OldestRead is null);
            Assert.True(call <= 5 || report.OldestRead > oldest, "the one that waited longest was not read");
            oldest = report.OldestRead;
            Assert.Single(_store.KeysOf("checks/"));
        }

        Assert.Equal((5, 0), await CountAsync(repository, options with { Budget = TimeSpan.FromHours(1) }));
        // The levels are remembered by themselves: opening all chunks counts as reading the bytes, not the other way round.
        var deeper = await repository.CheckAsync(new CheckOptions { Level = CheckLevel.L3, Budget = TimeSpan.Zero }, null, Ct);
        Assert.Equal(level == CheckLevel.L2, deeper.OldestRead is null);
    }

    [Fact]
    public async Task Damaged_pack_is_found_again_first_and_a_lost_memory_only_costs_time()
    {
        await using var repository = await MakeAsync(5);
        var pack = _store.KeysOf("packs/").Last();
        _store.Damage(pack, bytes => { bytes[100] ^= 1; return bytes; });
        var all = new CheckOptions { Budget = TimeSpan.FromHours(1) };
        Assert.Single((await repository.CheckAsync(all, null, Ct)).Damaged);
        var one = await repository.CheckAsync(all with { Budget = TimeSpan.Zero }, null, Ct);
        Assert.Equal((1, pack), (one.PacksRead, Assert.Single(one.Damaged).Name));
        _store.Damage(_store.KeysOf("checks/").Single(), bytes => bytes[..^1]);
        var named = await repository.CheckAsync(new CheckOptions { Level = CheckLevel.L1 }, null, Ct);
        Assert.StartsWith("checks/", Assert.Single(named.Damaged).Name, StringComparison.Ordinal);
        Assert.Equal(5, (await repository.CheckAsync(all, null, Ct)).PacksRead);
        Assert.Single(_store.KeysOf("checks/"));
    }

    [Fact]
    public async Task Slices_of_several_days_are_said_to_cover_all_packs_since_the_oldest_of_them()
    {
        await using var repository = await MakeAsync(12);
        const int Slices = 4;
        var read = 0;
        // The names of packs decide which slice they are in: the first may have none.
        DateTimeOffset? oldest = null;
        for (var slice = 1; slice <= Slices; slice++)
        {
            _time.Advance(TimeSpan.FromDays(1));
            var report = await repository.CheckAsync(new CheckOptions { Level = CheckLevel.L3, Slice = new CheckSlice(slice, Slices), Budget = TimeSpan.MaxValue }, null, Ct);
            read += report.PacksRead;
            oldest ??= read > 0 ? _time.GetUtcNow() : null;
            Assert.Equal(new ReadCoverage(12, read, oldest), report.Coverage);
        }

        Assert.Equal(12, read);
        // Bytes that were opened were read; what is new was not.
        await repository.BackupAsync(Noise(1000, 99));
        var deep = await repository.CheckAsync(new CheckOptions { Level = CheckLevel.L2, Budget = TimeSpan.Zero }, null, Ct);
        Assert.Equal(new ReadCoverage(13, 13, oldest), deep.Coverage);
        Assert.Null((await repository.CheckAsync(CheckLevel.L2, CheckSlice.All, null, Ct)).Coverage);
    }

    [Fact]
    public async Task Checks_by_turns_leave_nothing_unread_for_longer_than_their_days_though_some_are_missed()
    {
        await using var repository = await MakeAsync(28);
        var options = new CheckOptions { Level = CheckLevel.L3, TurnDays = 28 };
        var read = 0;
        for (var day = 1; day <= 28; day++)
        {
            _time.Advance(TimeSpan.FromDays(1));
            if (day is <= 7 or > 20)
            {
                var turn = await repository.CheckAsync(options, null, Ct);
                Assert.InRange(turn.PacksRead, 1, 2);
                read += turn.PacksRead;
            }
        }

        Assert.InRange(read, 15, 27);
        _time.Advance(TimeSpan.FromDays(1));
        var due = await repository.CheckAsync(options, null, Ct);

        Assert.Equal((28 - read, 28), (due.PacksRead, due.Coverage!.Read));
        Assert.True(due.Coverage.Oldest >= _time.GetUtcNow().AddDays(-28));
    }

    [Fact]
    public async Task Prune_merges_what_checks_leave_that_may_not_delete()
    {
        await using var repository = await MakeAsync(3);
        _store.DeniesDelete = _ => true;
        for (var call = 0; call < 3; call++)
        {
            await repository.CheckAsync(new CheckOptions { Budget = TimeSpan.Zero }, null, Ct);
        }

        Assert.Equal(3, _store.KeysOf("checks/").Count());
        _store.DeniesDelete = _ => false;
        await repository.PruneAsync(new PruneOptions(), null, Ct);
        Assert.Single(_store.KeysOf("checks/"));
        Assert.Equal((1, 2), await CountAsync(repository, new CheckOptions { Budget = TimeSpan.Zero }));
        Assert.NotNull((await repository.CheckAsync(new CheckOptions { Budget = TimeSpan.Zero }, null, Ct)).OldestRead);
    }

    private static async Task<(int Read, int Left)> CountAsync(BackupRepository repository, CheckOptions options)
    {
        var report = await repository.CheckAsync(options, null, Ct);
        return (report.PacksRead, report.PacksLeft);
    }

    private async Task<BackupRepository> MakeAsync(int packs)
    {
        var repository = await InitializeAsync(_store, Cheap with { Time = _time });
        for (var i = 0; i < packs; i++)
        {
            await repository.BackupAsync(Noise(1000, i));
        }

        Assert.Equal(packs, _store.KeysOf("packs/").Count());
        return repository;
    }
}
