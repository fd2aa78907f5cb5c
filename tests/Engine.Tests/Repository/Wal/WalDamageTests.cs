using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;
using static Hexabase.DrConsole.Engine.Tests.Repository.Wal.WalFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository.Wal;

/// <summary>WAL that is there and known to be damaged: it is offered to nobody, until it is written anew or read whole again.</summary>
public sealed class WalDamageTests : IAsyncDisposable
{
    private static readonly HashSet<string> s_none = [];
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly CrashStore _store;
    private readonly CrashStore _second;

    public WalDamageTests() => (_store, _second) = (new CrashStore(time: _time), new CrashStore(time: _time));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public async Task Damaged_segment_is_a_hole_wherever_it_lies_and_is_fetched_by_nobody(int segment)
    {
        await using var repository = await InitializeAsync(_store, Cheap with { Time = _time });
        var archive = await LiveAsync(repository);
        Damage(_store, segment);
        Assert.Empty((await archive.CoverageAsync(Ct)).HolesOf(1));

        await NoteAsync(repository);

        var coverage = await archive.CoverageAsync(Ct);
        Assert.Equal(new WalHole(1, At(segment), At(segment + 1)) { IsDamaged = true }, Assert.Single(coverage.HolesOf(1)));
        Assert.DoesNotContain(coverage.Timelines[0].Spans, span => span.StartLsn <= At(segment) && At(segment) < span.EndLsn);
        using var folder = new TemporaryFolder();
        Assert.Equal("wal-missing", (await Assert.ThrowsAsync<EngineException>(() => archive.FetchAsync(1, At(1), At(5), folder.Path, null, Ct))).Code);
    }

    [Fact]
    public async Task Copy_from_another_tier_writes_damaged_WAL_anew_and_the_note_ends_with_that()
    {
        await using var here = await InitializeAsync(_store, Cheap with { Time = _time });
        var archive = await LiveAsync(here);
        await using var there = await BackupRepository.InitializeFromAsync(_second, here, Ct);
        await here.CopyWalAsync(there, null, null, Ct);
        Damage(_store, 2);
        await NoteAsync(here);
        Assert.NotEmpty((await archive.CoverageAsync(Ct)).HolesOf(1));
        _time.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal(1, (await there.CopyWalAsync(here, null, null, Ct)).Objects);

        Assert.Empty((await archive.CoverageAsync(Ct)).HolesOf(1));
        var check = await here.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct);
        Assert.True(check.IsSound, string.Join("; ", check.Damaged));
        // Of what was noted nothing is left, so the copy of the note to nobody is not needed either.
        await here.NoteDamagedWalAsync([], new HashSet<string> { KeyOf(_store, 2) }, Ct);
        Assert.DoesNotContain(_store.Objects.Keys, key => key.EndsWith(".damage", StringComparison.Ordinal));
        Assert.DoesNotContain(_second.Objects.Keys, key => key.EndsWith(".damage", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Repair_writes_known_damage_anew_at_any_level_and_a_deep_check_takes_back_what_it_reads_whole()
    {
        await using var here = await InitializeAsync(_store, Cheap with { Time = _time });
        var archive = await LiveAsync(here);
        await using var there = await BackupRepository.InitializeFromAsync(_second, here, Ct);
        await here.CopyWalAsync(there, null, null, Ct);
        var key = KeyOf(_store, 3);
        var before = _store.Objects[key];
        Damage(_store, 3);
        await NoteAsync(here);
        // The disk gives the right bytes again. A shallow check cannot tell.
        _store.Damage(key, _ => before);
        Assert.Equal(key, Assert.Single((await here.CheckAsync(CheckLevel.L2, CheckSlice.All, null, Ct)).Damaged).Name);
        var deep = await here.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct);
        Assert.True(deep.IsSound);
        Assert.Equal(key, Assert.Single(deep.SoundWal));
        await here.NoteDamagedWalAsync([], deep.SoundWal, Ct);
        Assert.Empty((await archive.CoverageAsync(Ct)).HolesOf(1));

        Damage(_store, 3);
        await NoteAsync(here);
        _time.Advance(TimeSpan.FromMinutes(1));
        var repair = await here.RepairAsync(there, null, null, Ct);
        Assert.True(repair.IsWhole, string.Join("; ", repair.Objects));
        Assert.Empty((await archive.CoverageAsync(Ct)).HolesOf(1));
        Assert.True((await here.CheckAsync(CheckLevel.L2, CheckSlice.All, null, Ct)).IsSound);
    }

    [Fact]
    public async Task Damaged_whole_segment_whose_pieces_are_left_is_no_hole()
    {
        await using var repository = await InitializeAsync(_store, Cheap with { Time = _time });
        var archive = await repository.OpenDescribedAsync();
        await archive.StoreAsync(1);
        await archive.StorePieceAsync(2, 0, SegmentBytes / 2);
        await archive.StorePieceAsync(2, SegmentBytes / 2, SegmentBytes);
        var pieces = _store.KeysOf("wal/").Where(key => WalName.TryParse(key) is { Segment: 2, IsWal: true }).Select(key => (Key: key, Bytes: _store.Objects[key])).ToList();
        await archive.StoreAsync(2);
        Assert.Equal(2, pieces.Count);
        pieces.ForEach(piece => _store.Insert(piece.Key, piece.Bytes));
        Damage(_store, 2);

        await NoteAsync(repository);

        Assert.Empty((await archive.CoverageAsync(Ct)).HolesOf(1));
    }

    [Fact]
    public async Task Writer_that_may_not_delete_leaves_the_older_notes_and_the_newest_counts()
    {
        await using var repository = await InitializeAsync(_store, Cheap with { Time = _time });
        var archive = await LiveAsync(repository);
        _store.DeniesDelete = _ => true;
        Damage(_store, 2);
        await NoteAsync(repository);
        await repository.NoteDamagedWalAsync([Found(3)], s_none, Ct);
        Assert.Equal([(At(1), At(2)), (At(4), At(5))], await archive.SpansAsync());

        await repository.NoteDamagedWalAsync([], new HashSet<string> { KeyOf(_store, 2), KeyOf(_store, 3) }, Ct);

        Assert.Empty((await archive.CoverageAsync(Ct)).HolesOf(1));
        Assert.Equal(3, _store.Objects.Keys.Count(key => key.EndsWith(".damage", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task What_was_written_anew_while_a_check_ran_is_not_condemned_by_what_the_check_read_before()
    {
        await using var here = await InitializeAsync(_store, Cheap with { Time = _time });
        var archive = await LiveAsync(here);
        var key = KeyOf(_store, 2);
        var whole = _store.Objects[key];
        Damage(_store, 2);
        var check = await here.CheckAsync(CheckLevel.L2, CheckSlice.All, null, Ct);
        Assert.Equal(key, Assert.Single(check.Damaged).Name);

        // A receiver, a copy or a repair was faster than the check's note.
        _time.Advance(TimeSpan.FromSeconds(1));
        await _store.PutAsync(key, whole, Ct);
        Assert.Empty(await here.NoteDamagedWalAsync(check.Damaged, check.SoundWal, Ct));
        Assert.Empty((await archive.CoverageAsync(Ct)).HolesOf(1));

        // A restore that failed looks again, and notes what is still so.
        Assert.False(await here.NoteUnreadableWalAsync(key, Ct));
        Damage(_store, 2);
        Assert.True(await here.NoteUnreadableWalAsync(key, Ct));
        Assert.True(Assert.Single((await archive.CoverageAsync(Ct)).HolesOf(1)).IsDamaged);
    }

    [Fact]
    public async Task Hole_that_one_listing_shows_and_the_next_does_not_is_none()
    {
        await using var here = await InitializeAsync(_store, Cheap with { Time = _time });
        var archive = await LiveAsync(here);
        var (key, whole) = (KeyOf(_store, 2), _store.Objects[KeyOf(_store, 2)]);
        _store.Remove(key);
        _store.Listed = () =>
        {
            _store.Insert(key, whole);
            return Task.CompletedTask;
        };
        Assert.Empty(await archive.HolesAsync(1, Ct));

        _store.Remove(key);
        Assert.Single(await archive.HolesAsync(1, Ct));
        _store.Listed = () => throw new EngineException("store-unavailable", ErrorKind.Unavailable, "the store does not answer");
        await Assert.ThrowsAsync<EngineException>(() => archive.HolesAsync(1, Ct));
    }

    [Fact]
    public async Task Notes_that_two_checks_write_at_the_same_time_hold_both()
    {
        await using var here = await InitializeAsync(_store, Cheap with { Time = _time });
        var archive = await LiveAsync(here);
        await here.NoteDamagedWalAsync([Found(4)], s_none, Ct);
        var before = Notes();
        await here.NoteDamagedWalAsync([Found(2)], s_none, Ct);
        var one = Notes();

        // As if the other had listed and read its notes before the first wrote.
        _store.Insert(before.Single().Key, before.Single().Value);
        _store.Remove(one.Single().Key);
        await here.NoteDamagedWalAsync([Found(3)], s_none, Ct);
        _store.Insert(one.Single().Key, one.Single().Value);

        Assert.Equal(2, Notes().Count);
        Assert.Equal([(At(1), At(2))], await archive.SpansAsync());
        // The next to write brings them together.
        await here.NoteDamagedWalAsync([], new HashSet<string> { KeyOf(_store, 2) }, Ct);
        Assert.Single(Notes());
        Assert.Equal([(At(1), At(3))], await archive.SpansAsync());
    }

    [Fact]
    public async Task Note_that_another_process_replaces_while_it_is_read_holds_all_the_time()
    {
        await using var here = await InitializeAsync(_store, Cheap with { Time = _time });
        var archive = await LiveAsync(here);
        await here.NoteDamagedWalAsync([Found(2)], s_none, Ct);
        _store.Listed = () => here.NoteDamagedWalAsync([Found(3)], s_none, Ct);

        Assert.Equal([(At(1), At(2)), (At(4), At(5))], await archive.SpansAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Killed_at_any_write_of_a_note_what_was_known_to_be_damaged_stays_so_and_the_next_check_ends_it(bool lastIsDone)
    {
        // Two processes have noted at the same time, so that both notes are to be replaced.
        await using (var here = await InitializeAsync(_store, Cheap with { Time = _time }))
        {
            await LiveAsync(here);
            _store.Listed = () => here.NoteDamagedWalAsync([Found(3)], s_none, Ct);
            await here.NoteDamagedWalAsync([Found(2)], s_none, Ct);
        }

        Assert.Equal(2, Notes().Count);
        var isThrough = false;
        for (var operations = 0; !isThrough; operations++)
        {
            await using var store = _store.Reopen(operations, lastIsDone);
            await using var killed = await OpenAsync(store);
            try
            {
                await killed.NoteDamagedWalAsync([Found(4)], new HashSet<string> { KeyOf(_store, 2) }, Ct);
                isThrough = !store.HasCrashed;
            }
            catch (EngineException crash) when (crash.Code == "crashed")
            {
                Assert.True(store.HasCrashed);
            }

            await using var after = store.Reopen();
            await using var next = await OpenAsync(after);
            var archive = await next.OpenWalAsync("orders", Cluster, Ct);
            Assert.DoesNotContain(await archive.SpansAsync(), span => span.Start <= At(3) && At(3) < span.End);
            await next.NoteDamagedWalAsync([Found(4)], new HashSet<string> { KeyOf(_store, 2) }, Ct);
            Assert.Equal([(At(1), At(3))], await archive.SpansAsync());
            Assert.Single(after.Objects.Keys, key => key.EndsWith(".damage", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Note_that_the_disk_does_not_give_is_neither_passed_over_nor_replaced_until_a_repair_has_read_all()
    {
        await using var store = new HinderedStore(_store);
        await using var here = await InitializeAsync(store, Cheap with { Time = _time });
        var archive = await LiveAsync(here);
        Damage(_store, 2);
        await NoteAsync(here);
        var note = Notes().Keys.Single();
        store.Reading = key => key == note ? new IOException("Input/output error", 5) : null;

        Assert.Equal((WalDamageNotes.Unknown, ErrorKind.Unavailable), await FaultAsync());
        // Another check, of a share, finds something else: what the note speaks of it has not read.
        await here.NoteDamagedWalAsync([Found(3)], s_none, Ct);
        Assert.Contains(note, Notes().Keys);
        Assert.Equal(WalDamageNotes.Unknown, (await FaultAsync()).Code);
        Assert.Contains(note, (await here.CheckAsync(CheckLevel.L1, CheckSlice.All, null, Ct)).Damaged.Select(damage => damage.Name));
        Assert.False((await here.RepairAsync(null, new RepairOptions { Level = CheckLevel.L1 }, null, Ct)).IsWhole);
        Assert.Contains(note, Notes().Keys);

        await here.RepairAsync(null, null, null, Ct);

        Assert.DoesNotContain(note, Notes().Keys);
        Assert.Equal([(At(1), At(2)), (At(4), At(5))], await archive.SpansAsync());

        async Task<(string Code, ErrorKind Kind)> FaultAsync()
        {
            var fault = await Assert.ThrowsAsync<EngineException>(() => archive.CoverageAsync(Ct));
            return (fault.Code, fault.Kind);
        }
    }

    [Fact]
    public async Task Note_is_a_list_as_builds_before_know_it_and_those_of_all_forms_are_read()
    {
        await using var here = await InitializeAsync(_store, Cheap with { Time = _time });
        var archive = await LiveAsync(here);
        _store.DeniesDelete = _ => true;
        await here.NoteDamagedWalAsync([Found(2)], s_none, Ct);
        await here.NoteDamagedWalAsync([Found(3)], s_none, Ct);
        var wal = new WalStore(here.Parts);
        var newest = WalName.TryParse(Notes().Keys.Max(StringComparer.Ordinal)!)!.Value;

        var entries = JsonElement.Parse(await wal.ReadAsync(newest, Ct)).EnumerateArray().ToList();

        Assert.Equal([KeyOf(_store, 2), KeyOf(_store, 3), ""], entries.Select(entry => entry.GetProperty("key").GetString()));
        Assert.All(entries, entry => entry.GetProperty("storedAt").GetDateTimeOffset());

        // As builds wrote it in between; and one that is none.
        await PutAsync(2, $$"""{"damaged": [{"key": "{{KeyOf(_store, 4)}}", "storedAt": "2027-01-01T00:00:00+00:00"}], "replaces": []}""");
        await PutAsync(3, "[1]");
        Assert.Equal([(At(1), At(2))], await archive.SpansAsync());

        Task PutAsync(int later, string text)
        {
            var name = WalName.OfDamage(newest.Stream, newest.Segment + ((ulong)later << 40));
            return wal.PutAsync(name, Engine.Repository.Format.Envelope.Seal(here.Parts.Keys, name.Type, name.Id, System.Text.Encoding.UTF8.GetBytes(text)), Ct);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _second.DisposeAsync();
    }

    private static async Task<WalArchive> LiveAsync(BackupRepository repository)
    {
        var archive = await repository.OpenDescribedAsync();
        for (var segment = 1; segment <= 4; segment++)
        {
            await archive.StoreAsync(segment);
        }

        return archive;
    }

    private CheckDamage Found(int segment) => new(KeyOf(_store, segment), "is cut", []) { StoredAt = _time.GetUtcNow() };

    private Dictionary<string, byte[]> Notes() => _store.Objects.Where(one => one.Key.EndsWith(".damage", StringComparison.Ordinal)).ToDictionary(one => one.Key, one => one.Value);

    private static string KeyOf(CrashStore store, int segment) => store.KeysOf("wal/").Single(key => WalName.TryParse(key) is { Type: Engine.Repository.Format.ObjectType.WalSegment } name && name.Segment == (ulong)segment);

    private static void Damage(CrashStore store, int segment) => store.Damage(KeyOf(store, segment), bytes =>
    {
        bytes[bytes.Length / 2] ^= 1;
        return bytes;
    });

    /// <summary>As a verification run does with what its check found.</summary>
    private static async Task NoteAsync(BackupRepository repository)
    {
        var check = await repository.CheckAsync(CheckLevel.L2, CheckSlice.All, null, Ct);
        Assert.NotEmpty(check.Damaged);
        Assert.Single(await repository.NoteDamagedWalAsync(check.Damaged, check.SoundWal, Ct));
    }
}
