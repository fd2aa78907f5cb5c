using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>What a writer tells prune, and what it does about prune's marks.</summary>
public sealed class SessionTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly CrashStore _store;

    public SessionTests() => _store = new CrashStore(time: _time);

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    private RepositoryOptions Options => Cheap with { Time = _time };

    [Fact]
    public async Task Backup_announces_itself_before_it_writes_and_takes_that_back_at_the_end()
    {
        await using var repository = await InitializeAsync(_store, Options);
        await repository.BackupAsync(Noise(1000));
        Assert.StartsWith("sessions/", _store.Order.First(key => !key.StartsWith("keys/", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Empty(_store.KeysOf("sessions/"));
    }

    [Fact]
    public async Task Backup_that_may_not_delete_says_that_it_has_ended()
    {
        await using var repository = await InitializeAsync(_store, Options);
        _store.DeniesDelete = _ => true;
        await repository.BackupAsync(Noise(1000));
        var sessions = await repository.Parts.Sessions.ListAsync(Ct);
        Assert.True(sessions.MaxBy(session => session.Record!.Sequence)!.Record!.HasEnded);
        Assert.Single(sessions.Select(session => session.Record!.Session).Distinct());
    }

    [Fact]
    public async Task Renewal_whose_index_could_not_be_written_leaves_its_packs_to_the_next()
    {
        await using var store = new HinderedStore(_store);
        await using var repository = await InitializeAsync(store, Options);
        await using var session = await repository.BeginAsync(Describe(), Ct);
        await session.WriteStreamAsync("dump", "test", new MemoryStream(Noise(40_000_000)), null, Ct);
        store.Storing = key => key.StartsWith("index/", StringComparison.Ordinal) ? new EngineException("store-failed", ErrorKind.Unavailable, "no connection") : null;
        EngineException? fault = null;
        while (fault is null)
        {
            // Until a full pack is there, a renewal has nothing to index.
            fault = await Record.ExceptionAsync(() => session.Writer.RenewAsync(Ct)) as EngineException;
        }

        store.Storing = _ => null;
        await session.Writer.RenewAsync(Ct);
        Assert.Single(_store.KeysOf("index/"));
        await session.CommitAsync(null, null, Ct);
        await using var reopened = await OpenAsync(_store, Options);
        Assert.Empty((await reopened.CheckAsync(CheckLevel.L1, CheckSlice.All, null, Ct)).Notes);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Commit_whose_manifest_is_stored_without_an_answer_leaves_none(bool isAnsweredLate)
    {
        await using var store = new HinderedStore(_store);
        await using var repository = await InitializeAsync(store, Options);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        store.Stored = key =>
        {
            if (!key.StartsWith("manifests/", StringComparison.Ordinal))
            {
                return null;
            }

            stop.Cancel();
            return isAnsweredLate ? new OperationCanceledException(stop.Token) : new EngineException("store-failed", ErrorKind.Unavailable, "the answer got lost");
        };
        await using var session = await repository.BeginAsync(Describe(), Ct);
        await session.WriteStreamAsync("dump", "test", new MemoryStream(Noise(1000)), null, Ct);

        await Assert.ThrowsAnyAsync<Exception>(() => session.CommitAsync(null, null, stop.Token));

        Assert.Contains(_store.Order, key => key.StartsWith("manifests/", StringComparison.Ordinal));
        Assert.Empty(_store.KeysOf("manifests/"));
    }

    [Fact]
    public async Task Commit_that_somebody_looks_after_takes_nothing_back_since_another_may_count_on_it()
    {
        await using var store = new HinderedStore(_store);
        await using var repository = await InitializeAsync(store, Options);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        store.Stored = key =>
        {
            if (key.StartsWith("manifests/", StringComparison.Ordinal))
            {
                stop.Cancel();
            }

            return null;
        };
        RestorePointId? told = null;
        await using var session = await repository.BeginAsync(Describe() with { BeforeManifest = (point, _) => Task.FromResult(told = point) }, Ct);
        await session.WriteStreamAsync("dump", "test", new MemoryStream(Noise(1000)), null, Ct);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => session.CommitAsync(null, null, stop.Token));

        Assert.Equal((session.Id, $"manifests/{session.Id}"), (told!.Value, Assert.Single(_store.KeysOf("manifests/"))));
    }

    [Fact]
    public async Task Commit_whose_writer_may_not_go_on_writes_no_manifest()
    {
        await using var repository = await InitializeAsync(_store, Options);
        await using var session = await repository.BeginAsync(Describe() with { BeforeManifest = (_, _) => throw new InvalidOperationException("another has taken it over") }, Ct);
        await session.WriteStreamAsync("dump", "test", new MemoryStream(Noise(1000)), null, Ct);

        await Assert.ThrowsAsync<InvalidOperationException>(() => session.CommitAsync(null, null, Ct));

        Assert.DoesNotContain(_store.Order, key => key.StartsWith("manifests/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Session_renews_itself_while_the_backup_runs_and_indexes_what_is_stored()
    {
        await using var repository = await InitializeAsync(_store, Options);
        await using var session = await repository.BeginAsync(Describe(), Ct);
        await session.WriteStreamAsync("dump", "test", new MemoryStream(Noise(40_000_000)), null, Ct);
        var first = Assert.Single(_store.KeysOf("sessions/"));
        while (!_store.KeysOf("index/").Any() || _store.KeysOf("sessions/").Contains(first))
        {
            _time.Advance(TimeSpan.FromMinutes(5));
            await Task.Delay(10, Ct);
        }

        await session.CommitAsync(null, null, Ct);
        await using var reopened = await OpenAsync(_store, Options);
        AssertSame(Noise(40_000_000), await reopened.ReadAsync(await reopened.ReadManifestAsync(session.Id, Ct)));
        Assert.True((await reopened.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
    }

    [Theory]
    [InlineData(PackMark.Unreferenced)]
    [InlineData(PackMark.Damaged)]
    public async Task Marked_packs_are_not_leaned_on_but_still_read(string kind)
    {
        await using var repository = await InitializeAsync(_store, Options);
        var first = await repository.BackupAsync(Noise(1_000_000));
        Assert.Equal(0, (await repository.BackupAsync(Noise(1_000_000))).StoredBytes);
        await MarkAsync(repository, kind, Packs());
        var anew = await repository.BackupAsync(Noise(1_000_000));
        Assert.True(anew.StoredBytes > 1_000_000);
        AssertSame(Noise(1_000_000), await repository.ReadAsync(first));
        Assert.Equal(0, (await repository.BackupAsync(Noise(1_000_000))).StoredBytes);
    }

    [Theory]
    [InlineData(PackMark.Unreferenced)]
    [InlineData(PackMark.Damaged)]
    public async Task HoldsAllOf_a_point_that_leans_on_a_marked_pack_is_false(string kind)
    {
        await using var repository = await InitializeAsync(_store, Options);
        var point = await repository.BackupAsync(Noise(1_000_000));
        Assert.True(await repository.HoldsAllOfAsync(point, Ct));
        await MarkAsync(repository, kind, Packs());
        Assert.False(await repository.HoldsAllOfAsync(point, Ct));
        // Nor is it taken back for that: all of it is there.
        Assert.False(await repository.WithdrawUnprovenAsync(point, Ct));
        Assert.Equal(point.Id, Assert.Single((await repository.ListAsync(Ct)).Points).Id);
    }

    [Fact]
    public async Task Unreadable_mark_makes_backups_lean_on_nothing_and_is_named_by_a_check()
    {
        await using var repository = await InitializeAsync(_store, Options);
        await repository.BackupAsync(Noise(1_000_000));
        var mark = await MarkAsync(repository, PackMark.Unreferenced, []);
        _store.Damage(MarkStore.KeyOf(mark), bytes => bytes[..^1]);
        await using var other = await OpenAsync(_store, Options);
        Assert.True((await other.BackupAsync(Noise(1_000_000))).StoredBytes > 1_000_000);
        Assert.Equal(MarkStore.KeyOf(mark), Assert.Single((await other.CheckAsync(CheckLevel.L1, CheckSlice.All, null, Ct)).Damaged).Name);
    }

    [Fact]
    public async Task Session_names_the_marks_whose_packs_it_does_not_use()
    {
        await using var repository = await InitializeAsync(_store, Options);
        await repository.BackupAsync(Noise(1_000_000, 1));
        var before = Packs();
        await repository.BackupAsync(Noise(1_000_000, 2));
        await using var session = await repository.BeginAsync(Describe(), Ct);
        await session.WriteStreamAsync("dump", "test", new MemoryStream(Noise(1_000_000, 1)), null, Ct);
        await MarkAsync(repository, PackMark.Unreferenced, before);
        var unused = await MarkAsync(repository, PackMark.Unreferenced, [.. Packs().Except(before)]);
        await session.Writer.RenewAsync(Ct);
        var record = (await repository.Parts.Sessions.ListAsync(Ct)).MaxBy(found => found.Record!.Sequence)!.Record!;
        Assert.Equal(2, record.Sequence);
        Assert.Equal([unused.Mark], record.Marks);
    }

    [Fact]
    public async Task Commit_with_a_pack_that_was_marked_meanwhile_counts_while_the_session_lives()
    {
        await using var repository = await InitializeAsync(_store, Options);
        await repository.BackupAsync(Noise(1_000_000));
        await using var session = await BeginAndLeanAsync(repository);
        _time.Advance(TimeSpan.FromMinutes(10));
        await MarkAsync(repository, PackMark.Unreferenced, Packs());
        await session.CommitAsync(null, null, Ct);
        Assert.False(session.Writer.HasLapsed);
    }

    [Fact]
    public async Task Commit_after_the_session_lapsed_refuses_marked_packs_and_takes_unmarked_ones()
    {
        await using var repository = await InitializeAsync(_store, Options with { SessionLife = TimeSpan.FromDays(1) });
        await repository.BackupAsync(Noise(1_000_000));
        await using (var unmarked = await BeginAndLeanAsync(repository))
        {
            SilenceThenAdvance(TimeSpan.FromDays(2));
            await unmarked.CommitAsync(null, null, Ct);
            Assert.True(unmarked.Writer.HasLapsed);
        }

        await using var session = await BeginAndLeanAsync(repository);
        await MarkAsync(repository, PackMark.Unreferenced, Packs());
        SilenceThenAdvance(TimeSpan.FromDays(2));
        var manifests = _store.KeysOf("manifests/").Count();
        var error = await Assert.ThrowsAsync<EngineException>(() => session.CommitAsync(null, null, Ct));
        Assert.Equal(("pack-vanished", true), (error.Code, error.IsTransient));
        Assert.Equal(manifests, _store.KeysOf("manifests/").Count());
    }

    [Fact]
    public async Task Commit_refuses_a_pack_that_was_found_damaged_meanwhile()
    {
        await using var repository = await InitializeAsync(_store, Options);
        await repository.BackupAsync(Noise(1_000_000));
        await using var session = await BeginAndLeanAsync(repository);
        await MarkAsync(repository, PackMark.Damaged, Packs());
        Assert.Equal("pack-vanished", (await Assert.ThrowsAsync<EngineException>(() => session.CommitAsync(null, null, Ct))).Code);
        Assert.Single(_store.KeysOf("manifests/"));
    }

    [Fact]
    public async Task Commit_whose_pack_vanishes_while_the_manifest_is_written_leaves_no_manifest()
    {
        await using var repository = await InitializeAsync(_store, Options);
        await repository.BackupAsync(Noise(1_000_000));
        await using var session = await BeginAndLeanAsync(repository);
        var pack = Packs()[0];
        _store.Stored = key =>
        {
            if (key == $"manifests/{session.Id}")
            {
                _store.Remove($"packs/{pack[..2]}/{pack}");
            }
        };
        Assert.Equal("pack-vanished", (await Assert.ThrowsAsync<EngineException>(() => session.CommitAsync(null, null, Ct))).Code);
        Assert.DoesNotContain($"manifests/{session.Id}", _store.Objects.Keys);
    }

    [Fact]
    public async Task Copy_whose_pack_vanishes_while_manifests_are_written_leaves_no_manifest()
    {
        await using var repository = await InitializeAsync(_store, Options);
        await repository.BackupAsync(Noise(1_000_000));
        var target = new CrashStore(time: _time);
        await using var tier = await BackupRepository.InitializeFromAsync(target, repository, Ct);
        target.Stored = key =>
        {
            if (key.StartsWith("manifests/", StringComparison.Ordinal))
            {
                target.Remove(target.KeysOf("packs/").First());
            }
        };
        Assert.Equal("pack-vanished", (await Assert.ThrowsAsync<EngineException>(() => repository.CopyAsync(tier, null, null, Ct))).Code);
        Assert.Empty(target.KeysOf("manifests/"));
        Assert.Empty(target.KeysOf("sessions/"));
    }

    [Fact]
    public async Task Repair_takes_back_the_manifest_that_it_fetched_where_a_pack_of_it_is_being_pruned_and_the_next_one_stores_anew()
    {
        await using var repository = await InitializeAsync(_store, Options);
        var lost = await repository.BackupAsync(Noise(1_000_000));
        var pruned = Packs();
        await using var other = new CrashStore(time: _time);
        await using var tier = await BackupRepository.InitializeFromAsync(other, repository, Ct);
        await repository.CopyAsync(tier, null, null, Ct);
        _store.Remove($"manifests/{lost.Id}");
        var mark = MarkStore.KeyOf(await MarkAsync(repository, PackMark.Unreferenced, pruned));
        var marked = _store.Objects[mark];
        _store.Remove(mark);
        _store.Stored = key =>
        {
            if (key == $"manifests/{lost.Id}")
            {
                // Prune took the repair for dead, and marked what no manifest named yet.
                _store.Insert(mark, marked);
                SilenceThenAdvance(TimeSpan.FromHours(2));
            }
        };

        Assert.Equal("pack-vanished", (await Assert.ThrowsAsync<EngineException>(() => repository.RepairAsync(tier, null, null, Ct))).Code);
        Assert.Empty(_store.KeysOf("manifests/"));

        Assert.True((await repository.RepairAsync(tier, null, null, Ct)).IsWhole);
        pruned.ForEach(pack => _store.Remove($"packs/{pack[..2]}/{pack}"));
        await using var reopened = await OpenAsync(_store, Options);
        AssertSame(Noise(1_000_000), await reopened.ReadAsync(await reopened.ReadManifestAsync(lost.Id, Ct)));
    }

    private List<string> Packs() => [.. _store.KeysOf("packs/").Select(key => key.Split('/')[^1])];

    /// <summary>The store refuses the renewals of the time that passes, as a server that is cut off does.</summary>
    private void SilenceThenAdvance(TimeSpan span)
    {
        var step = TimeSpan.FromMinutes(30);
        _store.Stored = key => _ = key.StartsWith("sessions/", StringComparison.Ordinal) ? throw new EngineException("cut-off", ErrorKind.Unavailable, "cut off") : key;
        for (var passed = TimeSpan.Zero; passed < span; passed += step)
        {
            _time.Advance(step);
        }

        _store.Stored = null;
    }

    private static async Task<BackupSession> BeginAndLeanAsync(BackupRepository repository)
    {
        var session = await repository.BeginAsync(Describe(), Ct);
        var artifact = await session.WriteStreamAsync("dump", "test", new MemoryStream(Noise(1_000_000)), null, Ct);
        Assert.Equal(0, artifact.StoredBytes);
        return session;
    }

    private async Task<PackMark> MarkAsync(BackupRepository repository, string kind, IReadOnlyList<string> packs)
    {
        var mark = PackMark.New(kind, _time.GetUtcNow(), TimeSpan.FromDays(1), packs);
        await new MarkStore(repository.Parts.Keys, _store).WriteAsync(mark, Ct);
        return mark;
    }
}
