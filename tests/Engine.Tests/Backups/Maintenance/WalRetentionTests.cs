using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Strategies.Retention;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Repository.Wal;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;
using static Hexabase.DrConsole.Engine.Tests.Repository.Wal.WalFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Maintenance;

/// <summary>A window of seven days over a stream of one segment a day.</summary>
public sealed class WalRetentionTests : IAsyncDisposable
{
    private const int Days = 7;
    private static readonly DateTimeOffset s_first = new(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);
    private readonly FakeTimeProvider _time = new(s_first);
    private readonly CrashStore _store;
    private readonly Dictionary<RestorePointId, RetainedPoint> _known = [];
    private readonly HashSet<(string Source, string System)> _awaited = [];

    public WalRetentionTests() => _store = new CrashStore(time: _time);

    [Fact]
    public async Task Base_that_failed_or_is_damaged_here_is_no_reason_to_give_up_the_WAL_of_a_good_one()
    {
        await using var repository = await InitializeAsync(_store, Cheap with { Time = _time });
        var archive = await repository.OpenDescribedAsync();
        var proven = await LiveAsync(repository, archive, 1, 2);
        var rotten = await LiveAsync(repository, archive, 3, 4);
        var failed = await LiveAsync(repository, archive, 5, 6);
        await LiveAsync(repository, archive, 7, 14);
        Know(proven, proven: true);
        Know(rotten, proven: true, isDamaged: true);
        Know(failed, hasFailed: true);

        var report = await ExpireAsync(repository);

        Assert.Empty(report.Kept);
        Assert.Equal([(At(1), At(15))], await archive.SpansAsync());

        Know(failed, proven: true);
        Assert.Equal(4, Assert.Single((await ExpireAsync(repository)).GivenUp).Expiry.Objects);
        Assert.Equal([(At(5), At(15))], await archive.SpansAsync());
    }

    [Fact]
    public async Task WAL_behind_a_base_that_an_open_run_names_stays_until_the_run_has_ended()
    {
        await using var repository = await InitializeAsync(_store, Cheap with { Time = _time });
        var archive = await repository.OpenDescribedAsync();
        await LiveAsync(repository, archive, 1, 1);
        var awaited = await LiveAsync(repository, archive, 2, 4);
        Know(await LiveAsync(repository, archive, 5, 14), proven: true);
        Know(awaited, proven: true);
        _known[awaited.Id] = _known[awaited.Id] with { IsInUse = true, UsedBy = ["R-5"] };

        var said = Assert.Single((await ExpireAsync(repository)).Kept);
        Assert.Equal((KeptWalCause.ForRun, "R-5", new Lsn(At(2)).ToString()), (said.Cause, said.Detail, said.FromLsn));
        Assert.Equal([(At(2), At(15))], await archive.SpansAsync());
        Assert.Empty((await ExpireAsync(repository)).GivenUp);

        // It has ended, or never began within its approval; the point itself may still be needed.

        _known[awaited.Id] = _known[awaited.Id] with { IsInUse = true, UsedBy = [] };
        await ExpireAsync(repository);
        Assert.Equal([(At(5), At(15))], await archive.SpansAsync());
    }

    [Fact]
    public async Task Where_no_old_base_is_of_use_the_WAL_stays_and_that_is_said()
    {
        await using var repository = await InitializeAsync(_store, Cheap with { Time = _time });
        var archive = await repository.OpenDescribedAsync();
        Know(await LiveAsync(repository, archive, 1, 2), hasFailed: true);
        await LiveAsync(repository, archive, 3, 14);
        Know(await BaseAsync(repository, 1, 14), proven: true);

        var second = await ExpireAsync(repository, s_first.AddDays(8));

        Assert.Equal(new KeptWal("orders", KeptWalCause.NoUsableBase, 0), Assert.Single(second.Kept));
        Assert.Empty(second.GivenUp);
        Assert.Equal([(At(1), At(15))], await archive.SpansAsync());
    }

    [Fact]
    public async Task Unreadable_restore_point_keeps_all_WAL_and_is_said()
    {
        await using var repository = await InitializeAsync(_store, Cheap with { Time = _time });
        var archive = await repository.OpenDescribedAsync();
        await LiveAsync(repository, archive, 1, 14);
        await BaseAsync(repository, 1, 3);
        var other = await repository.BackupAsync(Noise(1000));
        _store.Damage(_store.KeysOf("manifests/").Single(key => key.Contains(other.Id.Value, StringComparison.Ordinal)), bytes => bytes[..20]);

        var report = await ExpireAsync(repository);

        Assert.Empty(report.GivenUp);
        Assert.Equal(new KeptWal(null, KeptWalCause.UnreadablePoints, 1), Assert.Single(report.Kept));
    }

    [Fact]
    public async Task Timeline_whose_history_cannot_be_read_keeps_all_WAL_and_is_said()
    {
        await using var repository = await InitializeAsync(_store, Cheap with { Time = _time });
        var archive = await repository.OpenDescribedAsync();
        Know(await LiveAsync(repository, archive, 1, 2), proven: true);
        await archive.StoreHistoryAsync(2, History((1, At(3))), Ct);
        for (var segment = 3; segment <= 12; segment++)
        {
            _time.Advance(TimeSpan.FromDays(1));
            await archive.StoreAsync(segment, timeline: 2);
        }

        Know(await BaseAsync(repository, 2, 12), proven: true);
        _store.Damage(_store.KeysOf("wal/").Single(key => key.Contains("history", StringComparison.Ordinal)), bytes => bytes[..20]);

        var report = await ExpireAsync(repository);

        Assert.Empty(report.GivenUp);
        Assert.Equal(KeptWalCause.Refused, Assert.Single(report.Kept).Cause);
        Assert.Equal([(At(1), At(3))], await archive.SpansAsync());
    }

    [Fact]
    public async Task Cluster_of_which_no_base_is_left_is_given_up_once_all_of_its_WAL_is_older_than_the_window()
    {
        await using var repository = await InitializeAsync(_store, Cheap with { Time = _time });
        var replaced = await repository.OpenDescribedAsync(cluster: Cluster + 1);
        await replaced.StoreAsync(1);
        await replaced.StorePieceAsync(2, 0, 4000);

        Assert.Empty((await ExpireAsync(repository, s_first.AddDays(Days - 1))).GivenUp);
        _awaited.Add(("orders", (Cluster + 1).ToString(CultureInfo.InvariantCulture)));
        Assert.Empty((await ExpireAsync(repository, s_first.AddDays(Days + 1))).GivenUp);
        _awaited.Clear();
        Assert.Equal(2, Assert.Single((await ExpireAsync(repository, s_first.AddDays(Days + 1))).GivenUp).Expiry.Objects);
        Assert.Empty(await replaced.SpansAsync());

        // Should that machine come back, what it writes then counts.
        await replaced.StoreAsync(3);
        Assert.Equal([(At(3), At(4))], await replaced.SpansAsync());
    }

    [Fact]
    public async Task Timeline_beside_the_windows_line_goes_with_its_time_whatever_base_is_left_there_and_its_own_line_stays()
    {
        await using var repository = await InitializeAsync(_store, Cheap with { Time = _time });
        var archive = await repository.OpenDescribedAsync();
        await LiveAsync(repository, archive, 1, 2);
        await archive.StoreHistoryAsync(2, History((1, At(3))), Ct);
        await archive.StoreAsync(3, timeline: 2);
        await archive.StoreAsync(4, timeline: 2);
        await BaseAsync(repository, 2, 3);
        await archive.StoreHistoryAsync(3, History((1, At(3))), Ct);
        for (var segment = 3; segment <= 12; segment++)
        {
            _time.Advance(TimeSpan.FromDays(1));
            await archive.StoreAsync(segment, timeline: 3, seed: 7);
            if (segment == 4)
            {
                Know(await BaseAsync(repository, 3, 4), proven: true);
            }
        }

        await ExpireAsync(repository, s_first.AddDays(8));
        Assert.Equal([(At(3), At(5))], await archive.SpansAsync(2));

        await ExpireAsync(repository);
        Assert.Empty(await archive.SpansAsync(2));
        Assert.Equal([(At(4), At(13))], await archive.SpansAsync(3));
    }

    [Fact]
    public async Task Base_that_leads_to_a_new_timeline_stays_before_that_has_one_of_its_own()
    {
        await using var repository = await InitializeAsync(_store, Cheap with { Time = _time });
        var archive = await repository.OpenDescribedAsync();
        var before = await LiveAsync(repository, archive, 1, 2);
        var left = await LiveAsync(repository, archive, 3, 5);
        await archive.StoreHistoryAsync(2, History((1, At(3))), Ct);
        for (var segment = 3; segment <= 14; segment++)
        {
            await archive.StoreAsync(segment, timeline: 2, seed: 7);
            _time.Advance(TimeSpan.FromDays(1));
        }

        Know(before, proven: true);
        Know(left, proven: true);
        // Of the restore points alone nothing says that there is another timeline, which goes on from before the newer one.
        RetainedPoint Placed(Manifest point, int segment) => _known[point.Id] with
        {
            ConsistentAt = point.CreatedAt, Place = new TimelinePlace(At(segment), At(segment, 100), [new TimelinePart(1, 0, ulong.MaxValue)]),
        };
        Assert.Equal([left.Id.Value], WindowAnchor.KeptOf([Placed(before, 1), Placed(left, 3)], _time.GetUtcNow().AddDays(-Days)).Select(point => point.Id));

        Assert.Equal([before.Id.Value], await AnchorsAsync());

        // Where the history cannot be read nobody can tell.
        _store.Damage(_store.KeysOf("wal/").Single(key => key.Contains("history", StringComparison.Ordinal)), bytes => bytes[..20]);
        Assert.Equal(new[] { before.Id.Value, left.Id.Value }.Order(), (await AnchorsAsync()).Order());

        async Task<IReadOnlySet<string>> AnchorsAsync() =>
            WalRetention.AnchorsOf((await StoredLines.ReadAsync(repository, Ct)).Lines, "hot", _ => Days, id => _known.GetValueOrDefault(id), _time.GetUtcNow());
    }

    public async ValueTask DisposeAsync() => await _store.DisposeAsync();

    private Task<WalRetentionReport> ExpireAsync(BackupRepository repository, DateTimeOffset? now = null) =>
        new WalRetention(repository, "hot", _ => Days, id => _known.GetValueOrDefault(id), _awaited).ExpireAsync(now ?? _time.GetUtcNow(), Ct);

    private void Know(Manifest point, bool proven = false, bool hasFailed = false, bool isDamaged = false) =>
        _known[point.Id] = new RetainedPoint(point.Id.Value, point.CreatedAt, proven) { HasFailed = hasFailed, Tiers = ["hot"], DamagedIn = isDamaged ? ["hot"] : [] };

    /// <summary>A base backup at the beginning, and a segment each day.</summary>
    private async Task<Manifest> LiveAsync(BackupRepository repository, WalArchive archive, int from, int to)
    {
        var point = await BaseAsync(repository, 1, from);
        for (var segment = from; segment <= to; segment++)
        {
            await archive.StoreAsync(segment);
            _time.Advance(TimeSpan.FromDays(1));
        }

        return point;
    }

    private static async Task<Manifest> BaseAsync(BackupRepository repository, int timeline, int segment)
    {
        await using var session = await repository.BeginAsync(Describe() with { Strategy = PhysicalBackup.Strategy }, Ct);
        await session.WriteStreamAsync("base", "test", new MemoryStream(Noise(500, segment)), null, Ct);
        return await session.CommitAsync(null, new Dictionary<string, string>
        {
            [PhysicalBackup.SystemProperty] = Cluster.ToString(CultureInfo.InvariantCulture),
            [PhysicalBackup.TimelineProperty] = timeline.ToString(CultureInfo.InvariantCulture),
            [PhysicalBackup.StartProperty] = new Lsn(At(segment)).ToString(),
            [PhysicalBackup.StopProperty] = new Lsn(At(segment, 100)).ToString(),
        }, Ct);
    }
}
