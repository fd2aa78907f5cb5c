using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

public sealed class PruneTests : IAsyncDisposable
{
    private static readonly TimeSpan Day = TimeSpan.FromHours(24);
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly CrashStore _store;

    public PruneTests() => _store = new CrashStore(time: _time);

    private RepositoryOptions Options => Cheap with { Time = _time };

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    [Fact]
    public async Task Prune_marks_first_and_deletes_after_the_grace_period()
    {
        await using var repository = await InitializeAsync(_store, Options);
        var (old, kept) = await TwoPointsAsync(repository);
        var before = _store.KeysOf("packs/").Count();
        var first = await repository.PruneAsync(Expire(old), null, Ct);
        Assert.Equal([old.Id], first.Expired.Select(point => point.Id));
        Assert.True(first.Sum(PackAction.Mark).Count > 0);
        Assert.Equal(before, _store.KeysOf("packs/").Count());
        Assert.Empty(_store.KeysOf("sessions/"));

        _time.Advance(Day - TimeSpan.FromMinutes(1));
        var early = await repository.PruneAsync(new PruneOptions(), null, Ct);
        Assert.Equal(0, early.Sum(PackAction.Delete).Count);
        Assert.Equal(first.Sum(PackAction.Mark), early.Sum(PackAction.Wait));

        _time.Advance(TimeSpan.FromMinutes(2));
        var late = await repository.PruneAsync(new PruneOptions(), null, Ct);
        Assert.Equal(first.Sum(PackAction.Mark), late.Sum(PackAction.Delete));
        Assert.Equal(before - late.Sum(PackAction.Delete).Count, _store.KeysOf("packs/").Count());
        Assert.Equal("expired", Assert.Single((await new MarkStore(repository.Parts.Keys, _store).LoadAsync(Ct)).Marks).Kind);

        await using var reopened = await OpenAsync(_store, Options);
        AssertSame(Noise(900_000, 2), await reopened.ReadAsync(kept));
        var check = await reopened.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct);
        Assert.True(check.IsSound);
        Assert.Empty(check.Notes);
        Assert.Empty((await reopened.PruneAsync(new PruneOptions(), null, Ct)).Packs);
    }

    [Fact]
    public async Task Plan_tells_the_same_and_writes_nothing()
    {
        await using var repository = await InitializeAsync(_store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        var writes = _store.Writes;
        var keys = _store.Objects.Keys.ToList();
        var plan = await repository.PlanPruneAsync(Expire(old), null, Ct);
        Assert.Equal((writes, true), (_store.Writes, keys.SequenceEqual(_store.Objects.Keys)));
        var run = await repository.PruneAsync(Expire(old), null, Ct);
        Assert.Equal((true, false), (plan.IsDryRun, run.IsDryRun));
        Assert.Equal(plan.Expired, run.Expired);
        Assert.Equal(plan.Packs, run.Packs);
    }

    [Fact]
    public async Task Pack_that_is_needed_again_is_recovered()
    {
        await using var repository = await InitializeAsync(_store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        await using var session = await repository.BeginAsync(Describe(), Ct);
        await session.WriteStreamAsync("dump", "test", new MemoryStream(Noise(900_000, 1)), null, Ct);
        await using var other = await OpenAsync(_store, Options);
        var marked = await other.PruneAsync(Expire(old), null, Ct);
        Assert.True(marked.Sum(PackAction.Mark).Count > 0);
        var again = await session.CommitAsync(null, null, Ct);
        Assert.Equal(0, again.StoredBytes);
        await session.DisposeAsync();
        _time.Advance(2 * Day);
        var late = await other.PruneAsync(new PruneOptions(), null, Ct);
        Assert.Equal((0, marked.Sum(PackAction.Mark).Count), (late.Sum(PackAction.Delete).Count, late.Sum(PackAction.Recover).Count));
        AssertSame(Noise(900_000, 1), await other.ReadAsync(again));
        Assert.Equal(0, (await other.BackupAsync(Noise(900_000, 1))).StoredBytes);
    }

    [Fact]
    public async Task Living_writer_holds_packs_back_that_it_may_use_and_no_others()
    {
        await using var repository = await InitializeAsync(_store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        await using var other = await OpenAsync(_store, Options);
        await using var session = await other.BeginAsync(Describe(), Ct);
        await session.WriteStreamAsync("dump", "test", new MemoryStream(Noise(900_000, 1)), null, Ct);
        await repository.PruneAsync(Expire(old), null, Ct);
        await AdvanceRenewingAsync(session, 2 * Day);
        var held = await repository.PruneAsync(new PruneOptions(), null, Ct);
        Assert.Equal(0, held.Sum(PackAction.Delete).Count);
        Assert.Contains("a backup that began", held.Packs.First(pack => pack.Action == PackAction.Wait).Reason, StringComparison.Ordinal);

        // One that began after the mark does not hold it back.
        await session.DisposeAsync();
        await using var later = await other.BeginAsync(Describe(), Ct);
        var stored = await later.WriteStreamAsync("dump", "test", new MemoryStream(Noise(900_000, 1)), null, Ct);
        Assert.True(stored.StoredBytes > 900_000);
        Assert.True((await repository.PruneAsync(new PruneOptions(), null, Ct)).Sum(PackAction.Delete).Count > 0);
        var manifest = await later.CommitAsync(null, null, Ct);
        AssertSame(Noise(900_000, 1), await repository.ReadAsync(manifest));
    }

    [Fact]
    public async Task Killed_writer_holds_packs_back_until_its_life_is_over()
    {
        await using var repository = await InitializeAsync(_store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        await using var killed = await repository.BeginAsync(Describe(), Ct);
        await killed.WriteStreamAsync("dump", "test", new MemoryStream(Noise(900_000, 3)), null, Ct);
        var dead = _store.Reopen();
        await using var other = await OpenAsync(dead, Options);
        var first = await other.PruneAsync(Expire(old) with { Grace = TimeSpan.Zero }, null, Ct);
        Assert.Equal(0, first.Sum(PackAction.Delete).Count);
        _time.Advance(Options.SessionLife + TimeSpan.FromMinutes(1));
        var second = await other.PruneAsync(new PruneOptions { Grace = TimeSpan.Zero }, null, Ct);
        Assert.True(second.Sum(PackAction.Delete).Count > 0);
        Assert.Empty(dead.KeysOf("sessions/"));
    }

    [Fact]
    public async Task Half_empty_packs_are_repacked_and_everything_restores()
    {
        await using var repository = await InitializeAsync(_store, Options);
        byte[] shared = Noise(300_000, 1), gone = Noise(6_000_000, 2);
        var old = await BackUpStreamsAsync(repository, shared, gone);
        var kept = await BackUpStreamsAsync(repository, shared, Noise(400_000, 3));
        var report = await repository.PruneAsync(Expire(old) with { MaxDeletedShare = 1 }, null, Ct);
        Assert.True(report.Sum(PackAction.Repack).Count > 0);
        _time.Advance(2 * Day);
        var swept = await repository.PruneAsync(new PruneOptions(), null, Ct);
        Assert.Equal(report.Sum(PackAction.Repack).Count + report.Sum(PackAction.Mark).Count, swept.Sum(PackAction.Delete).Count);
        await using var reopened = await OpenAsync(_store, Options);
        AssertSame(shared, await reopened.ReadAsync(kept, "0"));
        AssertSame(Noise(400_000, 3), await reopened.ReadAsync(kept, "1"));
        Assert.True((await reopened.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
        Assert.True(_store.KeysOf("packs/").Sum(key => _store.Objects[key].Length) < 1_000_000);
        Assert.Empty((await reopened.PruneAsync(new PruneOptions(), null, Ct)).Packs);
    }

    [Fact]
    public async Task Small_segments_are_merged_and_pruned_packs_are_in_none()
    {
        await using var repository = await InitializeAsync(_store, Options);
        var points = new List<Manifest>();
        for (var i = 0; i < 12; i++)
        {
            points.Add(await repository.BackupAsync(Noise(10_000, i)));
            _time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal(12, _store.KeysOf("index/").Count());
        var report = await repository.PruneAsync(Expire([.. points.Take(4)]) with { Grace = TimeSpan.Zero }, null, Ct);
        Assert.Equal((1, 12), report.Segments);
        Assert.Single(_store.KeysOf("index/"));
        await using var reopened = await OpenAsync(_store, Options);
        await reopened.Parts.Index.RefreshAsync(Ct);
        Assert.All(reopened.Parts.Index.Index.Packs, pack => Assert.True(pack is { IsPresent: true, IsIndexed: true }));
        foreach (var (point, i) in points.Select((point, i) => (point, i)).Skip(4))
        {
            AssertSame(Noise(10_000, i), await reopened.ReadAsync(point));
        }
    }

    [Fact]
    public async Task Protected_points_stay_and_say_why()
    {
        await using var repository = await InitializeAsync(_store, Options);
        var points = new List<Manifest>();
        for (var i = 0; i < 6; i++)
        {
            points.Add(await repository.BackupAsync(Noise(1000, i)));
            _time.Advance(TimeSpan.FromHours(1));
        }

        var alone = await repository.BackupAsync(Noise(1000, 9), "never-validated");
        await ValidateAsync(repository, points[0], true);
        await ValidateAsync(repository, points[1], true);
        await ValidateAsync(repository, points[2], true);
        _time.Advance(TimeSpan.FromHours(1));
        await ValidateAsync(repository, points[2], false);
        await repository.HoldAsync(points[3].Id, Attestations.Hold, "court order", null, Ct);
        await repository.HoldAsync(points[4].Id, Attestations.Use, "drill", _time.GetUtcNow().AddHours(1), Ct);
        var released = await repository.HoldAsync(points[5].Id, Attestations.Hold, "mistake", null, Ct);
        await repository.ReleaseAsync(points[5].Id, released, Ct);
        var future = await FromTheFutureAsync(repository);

        var plan = await repository.PlanPruneAsync(Expire([.. points, alone, future]), null, Ct);
        Assert.Equal(points.Where((_, i) => i is 0 or 2 or 5).Select(point => point.Id), plan.Expired.Select(point => point.Id));
        Assert.Equal(
            ["last validated", "on hold", "in use", "newest of its source", "future"],
            plan.Protected.Select(point => ((string[])["last validated", "on hold", "in use", "newest of its source", "future"]).Single(word => point.Reason.Contains(word, StringComparison.Ordinal))));
        _time.Advance(TimeSpan.FromHours(2));
        Assert.Contains(points[4].Id, (await repository.PlanPruneAsync(Expire([.. points]), null, Ct)).Expired.Select(point => point.Id));
    }

    [Fact]
    public async Task Frozen_source_keeps_all_its_points_in_whatever_process_prunes_until_somebody_ends_it_with_a_reason()
    {
        await using var repository = await InitializeAsync(_store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        var other = await repository.BackupAsync(Noise(1000, 3), "another");
        _time.Advance(TimeSpan.FromMinutes(1));
        await repository.BackupAsync(Noise(1000, 4), "another");
        var content = JsonSerializer.SerializeToElement(new { source = old.Source, reason = "corruption is suspected" });
        var freeze = await repository.WriteAttestationAsync(Attestations.Freeze, null, content, Ct);
        _time.Advance(TimeSpan.FromDays(400));
        var later = await repository.BackupAsync(Noise(1000, 5));
        _time.Advance(TimeSpan.FromMinutes(1));
        await repository.BackupAsync(Noise(1000, 6));

        await using var stranger = await OpenAsync(_store, Options);
        var report = await stranger.PruneAsync(Expire(old, later, other) with { MaxDeletedShare = 1 }, null, Ct);

        Assert.Equal([other.Id], report.Expired.Select(point => point.Id));
        Assert.Equal([old.Id, later.Id], report.Protected.Select(point => point.Id));
        Assert.All(report.Protected, point => Assert.Contains($"frozen by attestation {freeze}", point.Reason, StringComparison.Ordinal));
        Assert.Equal("reason-missing", (await Assert.ThrowsAsync<EngineException>(() => stranger.EndAsync(freeze, " ", Ct))).Code);
        Assert.Equal("hold-missing", (await Assert.ThrowsAsync<EngineException>(() => stranger.EndAsync(old.Id.Value, "why not", Ct))).Code);
        await stranger.EndAsync(freeze, "it was a false alarm", Ct);
        Assert.Equal("hold-missing", (await Assert.ThrowsAsync<EngineException>(() => stranger.EndAsync(freeze, "once more", Ct))).Code);
        Assert.Equal([old.Id, later.Id], (await stranger.PruneAsync(Expire(old, later) with { MaxDeletedShare = 1 }, null, Ct)).Expired.Select(point => point.Id));
    }

    [Fact]
    public async Task Too_much_to_delete_needs_approval_and_changes_nothing()
    {
        await using var repository = await InitializeAsync(_store, Options);
        var old = await repository.BackupAsync(Noise(900_000, 1));
        _time.Advance(TimeSpan.FromMinutes(1));
        await repository.BackupAsync(Noise(10_000, 2));
        var error = await Assert.ThrowsAsync<EngineException>(() => repository.PruneAsync(Expire(old), null, Ct));
        Assert.Equal(("prune-needs-approval", ErrorKind.Conflict), (error.Code, error.Kind));
        Assert.Equal(2, (await repository.ListAsync(Ct)).Points.Count);
        Assert.Empty(_store.KeysOf("marks/"));
        Assert.Contains((await repository.PlanPruneAsync(Expire(old), null, Ct)).Notes, note => note.Contains("needs the approval", StringComparison.Ordinal));
        Assert.Single((await repository.PruneAsync(Expire(old) with { MaxDeletedShare = 0.999 }, null, Ct)).Expired);
    }

    [Theory]
    [InlineData("manifests/")]
    [InlineData("index/")]
    [InlineData("marks/")]
    public async Task Unreadable_object_stops_prune_before_anything_is_written(string room)
    {
        await using var repository = await InitializeAsync(_store, Options);
        var (old, kept) = await TwoPointsAsync(repository);
        await ValidateAsync(repository, kept, true);
        await repository.PruneAsync(Expire(old), null, Ct);
        _store.Damage(_store.KeysOf(room).First(), bytes => bytes[..^1]);
        await using var other = await OpenAsync(_store, Options);
        var before = _store.Objects.Keys.ToList();
        _time.Advance(2 * Day);
        var error = await Assert.ThrowsAsync<EngineException>(() => other.PruneAsync(new PruneOptions(), null, Ct));
        Assert.Equal(ErrorKind.Damaged, error.Kind);
        Assert.Equal(before, _store.Objects.Keys);
    }

    [Fact]
    public async Task Damaged_pack_that_nothing_needs_goes_whatever_the_clock_of_who_found_it()
    {
        await using var repository = await InitializeAsync(_store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        await repository.PruneAsync(Expire(old), null, Ct);
        var pack = (await new MarkStore(repository.Parts.Keys, _store).LoadAsync(Ct)).Marks.Single(mark => mark.Kind == PackMark.Unreferenced).Packs[0];
        await using var ahead = await OpenAsync(_store, Cheap with { Time = new FakeTimeProvider(_time.GetUtcNow().AddMinutes(4)) });
        Assert.Equal(1, await ahead.QuarantineAsync([Engine.Repository.Packs.PackBuilder.KeyOf(pack)], "test", Ct));
        Assert.Contains(pack, (await repository.PruneAsync(new PruneOptions(), null, Ct)).Packs.Where(one => one.Action == PackAction.Delete).Select(one => one.Name));
    }

    [Fact]
    public async Task Unreadable_attestation_keeps_what_was_there_when_it_was_written_and_nothing_newer()
    {
        await using var repository = await InitializeAsync(_store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        await repository.HoldAsync(old.Id, Attestations.Hold, "court order", null, Ct);
        _time.Advance(3 * Day);
        var newer = await repository.BackupAsync(Noise(1000, 3));
        _time.Advance(TimeSpan.FromHours(1));
        await repository.BackupAsync(Noise(1000, 4));
        var hold = Assert.Single(_store.KeysOf("attestations/"));
        _store.Damage(hold, bytes => bytes[..^1]);

        await using var other = await OpenAsync(_store, Options);
        var report = await other.PruneAsync(Expire(old, newer), null, Ct);
        Assert.Equal([newer.Id], report.Expired.Select(point => point.Id));
        Assert.Equal((old.Id, $"{hold} cannot be read and may be a hold on it"), Assert.Single(report.Protected.Select(point => (point.Id, point.Reason))));
        Assert.StartsWith(hold, Assert.Single(report.Notes), StringComparison.Ordinal);
        AssertSame(Noise(900_000, 1), await other.ReadAsync(old));
    }

    [Fact]
    public async Task Missing_pack_that_a_point_needs_stops_prune()
    {
        await using var repository = await InitializeAsync(_store, Options);
        _ = await TwoPointsAsync(repository);
        _store.Remove(_store.KeysOf("packs/").MaxBy(key => _store.Objects[key].Length)!);
        await using var other = await OpenAsync(_store, Options);
        Assert.Equal("prune-unknown-references", (await Assert.ThrowsAsync<EngineException>(() => other.PruneAsync(new PruneOptions(), null, Ct))).Code);
        Assert.Equal(2, _store.KeysOf("manifests/").Count());
    }

    [Fact]
    public async Task Clock_that_differs_from_the_store_stops_prune()
    {
        await using var repository = await InitializeAsync(_store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        await using var late = await OpenAsync(_store, Cheap with { Time = new FakeTimeProvider(_time.GetUtcNow().AddMinutes(6)) });
        Assert.Equal("store-clock-differs", (await Assert.ThrowsAsync<EngineException>(() => late.PruneAsync(Expire(old), null, Ct))).Code);
        Assert.Equal(2, _store.KeysOf("manifests/").Count());
    }

    [Fact]
    public async Task Refused_deletes_are_reported_and_tried_again()
    {
        await using var repository = await InitializeAsync(_store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        _store.DeniesDelete = key => key.StartsWith("manifests/", StringComparison.Ordinal) || key.StartsWith("packs/", StringComparison.Ordinal);
        var refused = await repository.PruneAsync(Expire(old), null, Ct);
        Assert.Empty(refused.Expired);
        Assert.Equal($"manifests/{old.Id}", Assert.Single(refused.Refused).Name);
        Assert.Empty(refused.Packs);
        AssertSame(Noise(900_000, 1), await repository.ReadAsync(old));

        _store.DeniesDelete = key => key.StartsWith("packs/", StringComparison.Ordinal);
        var marked = await repository.PruneAsync(Expire(old) with { Grace = TimeSpan.Zero }, null, Ct);
        Assert.Single(marked.Expired);
        Assert.All(marked.Refused, one => Assert.StartsWith("packs/", one.Name, StringComparison.Ordinal));
        _store.DeniesDelete = _ => false;
        var done = await repository.PruneAsync(new PruneOptions { Grace = TimeSpan.Zero }, null, Ct);
        Assert.Equal(marked.Refused.Count, done.Sum(PackAction.Delete).Count);
        Assert.True((await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
    }

    [Fact]
    public async Task Copy_of_everything_does_not_bring_back_what_a_tier_gave_up()
    {
        await using var repository = await InitializeAsync(_store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        var target = new CrashStore(time: _time);
        await using var tier = await BackupRepository.InitializeFromAsync(target, repository, Ct);
        await repository.CopyAsync(tier, null, null, Ct);
        await tier.PruneAsync(Expire(old), null, Ct);
        var report = await repository.CopyAsync(tier, null, null, Ct);
        Assert.Equal((0, 1, 1), (report.RestorePoints, report.AlreadyThere, report.Expired));
        Assert.Equal(1, (await repository.CopyAsync(tier, [old.Id], null, Ct)).RestorePoints);
        AssertSame(Noise(900_000, 1), await tier.ReadAsync(old));
    }

    private async Task<(Manifest Old, Manifest Kept)> TwoPointsAsync(BackupRepository repository)
    {
        var old = await repository.BackupAsync(Noise(900_000, 1));
        _time.Advance(TimeSpan.FromHours(1));
        var kept = await repository.BackupAsync(Noise(900_000, 2));
        _time.Advance(TimeSpan.FromHours(1));
        return (old, kept);
    }

    private async Task<Manifest> FromTheFutureAsync(BackupRepository repository)
    {
        var manifest = await repository.BackupAsync(Noise(1000, 77), "future");
        var later = manifest with { Id = new RestorePointId(Guid.NewGuid().ToString("N")), CreatedAt = _time.GetUtcNow().AddDays(3), Source = "future" };
        await repository.Parts.Manifests.WriteAsync(later, Ct);
        return later;
    }

    private async Task AdvanceRenewingAsync(BackupSession session, TimeSpan span)
    {
        for (var passed = TimeSpan.Zero; passed < span; passed += TimeSpan.FromMinutes(30))
        {
            _time.Advance(TimeSpan.FromMinutes(30));
            await session.Writer.RenewAsync(Ct);
        }
    }

    private async Task<Manifest> BackUpStreamsAsync(BackupRepository repository, params byte[][] streams)
    {
        _time.Advance(TimeSpan.FromMinutes(1));
        await using var session = await repository.BeginAsync(Describe(), Ct);
        foreach (var (content, i) in streams.Select((content, i) => (content, i)))
        {
            await session.WriteStreamAsync($"{i}", "test", new MemoryStream(content), null, Ct);
        }

        return await session.CommitAsync(null, null, Ct);
    }

    private static Task ValidateAsync(BackupRepository repository, Manifest point, bool passed) =>
        repository.WriteAttestationAsync(Attestations.Validation, point.Id, JsonSerializer.SerializeToElement(new { overallPassed = passed }), Ct);

    private static PruneOptions Expire(params Manifest[] points) =>
        new() { Expire = [.. points.Select(point => new PointToExpire(point.Id, "no rung keeps it"))], MaxDeletedShare = 0.6 };
}
