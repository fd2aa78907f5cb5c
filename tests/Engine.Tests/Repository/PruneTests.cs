using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>What goes, what stays, and why.</summary>
public sealed class PruneTests : PruneScene
{
    [Fact]
    public async Task Prune_marks_first_and_deletes_after_the_grace_period()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var (old, kept) = await TwoPointsAsync(repository);
        var before = Store.KeysOf("packs/").Count();
        var first = await repository.PruneAsync(Expire(old), null, Ct);
        Assert.Equal([old.Id], first.Expired.Select(point => point.Id));
        Assert.True(first.Sum(PackAction.Mark).Count > 0);
        Assert.Equal(before, Store.KeysOf("packs/").Count());
        Assert.Empty(Store.KeysOf("sessions/"));

        Time.Advance(Day - TimeSpan.FromMinutes(1));
        var early = await repository.PruneAsync(new PruneOptions(), null, Ct);
        Assert.Equal(0, early.Sum(PackAction.Delete).Count);
        Assert.Equal(first.Sum(PackAction.Mark), early.Sum(PackAction.Wait));

        Time.Advance(TimeSpan.FromMinutes(2));
        var late = await repository.PruneAsync(new PruneOptions(), null, Ct);
        Assert.Equal(first.Sum(PackAction.Mark), late.Sum(PackAction.Delete));
        Assert.Equal(before - late.Sum(PackAction.Delete).Count, Store.KeysOf("packs/").Count());
        Assert.Equal("expired", Assert.Single((await new MarkStore(repository.Parts.Keys, Store).LoadAsync(Ct)).Marks).Kind);

        await using var reopened = await OpenAsync(Store, Options);
        AssertSame(Noise(900_000, 2), await reopened.ReadAsync(kept));
        var check = await reopened.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct);
        Assert.True(check.IsSound);
        Assert.Empty(check.Notes);
        Assert.Empty((await reopened.PruneAsync(new PruneOptions(), null, Ct)).Packs);
    }

    [Fact]
    public async Task Plan_tells_the_same_and_writes_nothing()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        var writes = Store.Writes;
        var keys = Store.Objects.Keys.ToList();
        var plan = await repository.PlanPruneAsync(Expire(old), null, Ct);
        Assert.Equal((writes, true), (Store.Writes, keys.SequenceEqual(Store.Objects.Keys)));
        var run = await repository.PruneAsync(Expire(old), null, Ct);
        Assert.Equal((true, false), (plan.IsDryRun, run.IsDryRun));
        Assert.Equal(plan.Expired, run.Expired);
        Assert.Equal(plan.Packs, run.Packs);
    }

    [Fact]
    public async Task Pack_that_is_needed_again_is_recovered()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        await using var session = await repository.BeginAsync(Describe(), Ct);
        await session.WriteStreamAsync("dump", "test", new MemoryStream(Noise(900_000, 1)), null, Ct);
        await using var other = await OpenAsync(Store, Options);
        var marked = await other.PruneAsync(Expire(old), null, Ct);
        Assert.True(marked.Sum(PackAction.Mark).Count > 0);
        var again = await session.CommitAsync(null, null, Ct);
        Assert.Equal(0, again.StoredBytes);
        await session.DisposeAsync();
        Time.Advance(2 * Day);
        var late = await other.PruneAsync(new PruneOptions(), null, Ct);
        Assert.Equal((0, marked.Sum(PackAction.Mark).Count), (late.Sum(PackAction.Delete).Count, late.Sum(PackAction.Recover).Count));
        AssertSame(Noise(900_000, 1), await other.ReadAsync(again));
        Assert.Equal(0, (await other.BackupAsync(Noise(900_000, 1))).StoredBytes);
    }

    [Fact]
    public async Task Living_writer_holds_packs_back_that_it_may_use_and_no_others()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        await using var other = await OpenAsync(Store, Options);
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
        await using var repository = await InitializeAsync(Store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        await using var killed = await repository.BeginAsync(Describe(), Ct);
        await killed.WriteStreamAsync("dump", "test", new MemoryStream(Noise(900_000, 3)), null, Ct);
        var dead = Store.Reopen();
        await using var other = await OpenAsync(dead, Options);
        var first = await other.PruneAsync(Expire(old) with { Grace = TimeSpan.Zero }, null, Ct);
        Assert.Equal(0, first.Sum(PackAction.Delete).Count);
        Time.Advance(Options.SessionLife + TimeSpan.FromMinutes(1));
        var second = await other.PruneAsync(new PruneOptions { Grace = TimeSpan.Zero }, null, Ct);
        Assert.True(second.Sum(PackAction.Delete).Count > 0);
        Assert.Empty(dead.KeysOf("sessions/"));
    }

    [Fact]
    public async Task Half_empty_packs_are_repacked_and_everything_restores()
    {
        await using var repository = await InitializeAsync(Store, Options);
        byte[] shared = Noise(300_000, 1), gone = Noise(6_000_000, 2);
        var old = await BackUpStreamsAsync(repository, shared, gone);
        var kept = await BackUpStreamsAsync(repository, shared, Noise(400_000, 3));
        var report = await repository.PruneAsync(Expire(old) with { MaxDeletedShare = 1 }, null, Ct);
        Assert.True(report.Sum(PackAction.Repack).Count > 0);
        Time.Advance(2 * Day);
        var swept = await repository.PruneAsync(new PruneOptions(), null, Ct);
        Assert.Equal(report.Sum(PackAction.Repack).Count + report.Sum(PackAction.Mark).Count, swept.Sum(PackAction.Delete).Count);
        await using var reopened = await OpenAsync(Store, Options);
        AssertSame(shared, await reopened.ReadAsync(kept, "0"));
        AssertSame(Noise(400_000, 3), await reopened.ReadAsync(kept, "1"));
        Assert.True((await reopened.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
        Assert.True(Store.KeysOf("packs/").Sum(key => Store.Objects[key].Length) < 1_000_000);
        Assert.Empty((await reopened.PruneAsync(new PruneOptions(), null, Ct)).Packs);
    }

    [Fact]
    public async Task Small_segments_are_merged_and_pruned_packs_are_in_none()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var points = new List<Manifest>();
        for (var i = 0; i < 12; i++)
        {
            points.Add(await repository.BackupAsync(Noise(10_000, i)));
            Time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal(12, Store.KeysOf("index/").Count());
        var report = await repository.PruneAsync(Expire([.. points.Take(4)]) with { Grace = TimeSpan.Zero }, null, Ct);
        Assert.Equal((1, 12), report.Segments);
        Assert.Single(Store.KeysOf("index/"));
        await using var reopened = await OpenAsync(Store, Options);
        await reopened.Parts.Index.RefreshAsync(Ct);
        Assert.All(reopened.Parts.Index.Index.Packs, pack => Assert.True(pack is { IsPresent: true, IsIndexed: true }));
        foreach (var (point, i) in points.Select((point, i) => (point, i)).Skip(4))
        {
            AssertSame(Noise(10_000, i), await reopened.ReadAsync(point));
        }
    }

    [Fact]
    public async Task Validation_that_could_not_run_takes_no_proof_away()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        await ValidateAsync(repository, old, true);
        Time.Advance(TimeSpan.FromHours(1));
        await repository.WriteAttestationAsync(
            Attestations.Validation, old.Id, JsonSerializer.SerializeToElement(new { overallPassed = false, steps = new[] { new { status = "passed" }, new { status = "not_run" } } }), Ct);

        Assert.Contains("last validated", Assert.Single((await repository.PlanPruneAsync(Expire(old), null, Ct)).Protected).Reason, StringComparison.Ordinal);

        Time.Advance(TimeSpan.FromHours(1));
        await repository.WriteAttestationAsync(
            Attestations.Validation, old.Id, JsonSerializer.SerializeToElement(new { overallPassed = false, steps = new[] { new { status = "failed" }, new { status = "not_run" } } }), Ct);
        Assert.Single((await repository.PlanPruneAsync(Expire(old), null, Ct)).Expired);
    }

    [Fact]
    public async Task Hold_that_comes_while_prune_walks_is_heeded()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        Task? held = null;
        // The store is in memory: the hold is there when the report of progress returns.
        var walking = new OnReport(one => held ??= one.Phase == "references" ? repository.HoldAsync(old.Id, Attestations.Hold, "court order", null, Ct) : null);

        var report = await repository.PruneAsync(Expire(old), walking, Ct);

        await Assert.IsAssignableFrom<Task>(held);
        Assert.Empty(report.Expired);
        Assert.Contains("on hold", Assert.Single(report.Protected).Reason, StringComparison.Ordinal);
        Assert.Equal(2, (await repository.ListAsync(Ct)).Points.Count);
    }

    [Fact]
    public async Task Points_go_under_a_claim_which_is_told_what_went_and_keeps_others()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var points = new List<Manifest>();
        for (var i = 0; i < 4; i++)
        {
            points.Add(await repository.BackupAsync(Noise(1000, i)));
            Time.Advance(TimeSpan.FromHours(1));
        }

        var claim = new Claimed(points[0].Id, mayGo: 2);
        Store.DeniesDelete = key => key.EndsWith(points[1].Id.Value, StringComparison.Ordinal);
        var options = Expire([.. points.Take(3)]) with { MaxDeletedShare = 1, Claim = (asked, _) => claim.AskAsync(asked) };
        var report = await repository.PruneAsync(options, null, Ct);

        Assert.Equal(points.Take(3).Select(point => point.Id), claim.Asked);
        Assert.Equal([points[2].Id], claim.Gone);
        Assert.Equal([points[2].Id], report.Expired.Select(point => point.Id));
        Assert.Equal((points[0].Id, "kept by the test"), (Assert.Single(report.Protected).Id, report.Protected[0].Reason));
        Assert.Equal([points[0].Id, points[1].Id, points[3].Id], (await repository.ListAsync(Ct)).Points.Select(point => point.Id));

        // A claim that is lost: nothing more goes, and what went is told.
        Store.DeniesDelete = _ => false;
        var lost = new Claimed(new RestorePointId("none"), mayGo: 1);
        await Assert.ThrowsAsync<InvalidOperationException>(() =>
            repository.PruneAsync(Expire([.. points.Take(2)]) with { MaxDeletedShare = 1, Claim = (asked, _) => lost.AskAsync(asked) }, null, Ct));
        Assert.Equal([points[0].Id], lost.Gone);
        Assert.Equal([points[1].Id, points[3].Id], (await repository.ListAsync(Ct)).Points.Select(point => point.Id));
    }

    [Fact]
    public async Task Protected_points_stay_and_say_why()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var points = new List<Manifest>();
        for (var i = 0; i < 6; i++)
        {
            points.Add(await repository.BackupAsync(Noise(1000, i)));
            Time.Advance(TimeSpan.FromHours(1));
        }

        var alone = await repository.BackupAsync(Noise(1000, 9), "never-validated");
        await ValidateAsync(repository, points[0], true);
        await ValidateAsync(repository, points[1], true);
        await ValidateAsync(repository, points[2], true);
        Time.Advance(TimeSpan.FromHours(1));
        await ValidateAsync(repository, points[2], false);
        await repository.HoldAsync(points[3].Id, Attestations.Hold, "court order", null, Ct);
        await repository.HoldAsync(points[4].Id, Attestations.Use, "drill", Time.GetUtcNow().AddHours(1), Ct);
        var released = await repository.HoldAsync(points[5].Id, Attestations.Hold, "mistake", null, Ct);
        await repository.ReleaseAsync(points[5].Id, released, Ct);
        var future = await FromTheFutureAsync(repository);

        var plan = await repository.PlanPruneAsync(Expire([.. points, alone, future]), null, Ct);
        Assert.Equal(points.Where((_, i) => i is 0 or 2 or 5).Select(point => point.Id), plan.Expired.Select(point => point.Id));
        Assert.Equal(
            ["last validated", "on hold", "in use", "newest of its source", "future"],
            plan.Protected.Select(point => ((string[])["last validated", "on hold", "in use", "newest of its source", "future"]).Single(word => point.Reason.Contains(word, StringComparison.Ordinal))));
        Time.Advance(TimeSpan.FromHours(2));
        Assert.Contains(points[4].Id, (await repository.PlanPruneAsync(Expire([.. points]), null, Ct)).Expired.Select(point => point.Id));
    }

    [Fact]
    public async Task Frozen_source_keeps_all_its_points_in_whatever_process_prunes_until_somebody_ends_it_with_a_reason()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        var other = await repository.BackupAsync(Noise(1000, 3), "another");
        Time.Advance(TimeSpan.FromMinutes(1));
        await repository.BackupAsync(Noise(1000, 4), "another");
        var content = JsonSerializer.SerializeToElement(new { source = old.Source, reason = "corruption is suspected" });
        var freeze = await repository.WriteAttestationAsync(Attestations.Freeze, null, content, Ct);
        Time.Advance(TimeSpan.FromDays(400));
        var later = await repository.BackupAsync(Noise(1000, 5));
        Time.Advance(TimeSpan.FromMinutes(1));
        await repository.BackupAsync(Noise(1000, 6));

        await using var stranger = await OpenAsync(Store, Options);
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
    public async Task Damaged_pack_that_nothing_needs_goes_whatever_the_clock_of_who_found_it()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        await repository.PruneAsync(Expire(old), null, Ct);
        var pack = (await new MarkStore(repository.Parts.Keys, Store).LoadAsync(Ct)).Marks.Single(mark => mark.Kind == PackMark.Unreferenced).Packs[0];
        await using var ahead = await OpenAsync(Store, Cheap with { Time = new FakeTimeProvider(Time.GetUtcNow().AddMinutes(4)) });
        Assert.Equal(1, await ahead.QuarantineAsync([Engine.Repository.Packs.PackBuilder.KeyOf(pack)], "test", Ct));
        Assert.Contains(pack, (await repository.PruneAsync(new PruneOptions(), null, Ct)).Packs.Where(one => one.Action == PackAction.Delete).Select(one => one.Name));
    }

    [Fact]
    public async Task Copy_of_everything_does_not_bring_back_what_a_tier_gave_up()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        var target = new CrashStore(time: Time);
        await using var tier = await BackupRepository.InitializeFromAsync(target, repository, Ct);
        await repository.CopyAsync(tier, null, null, Ct);
        await tier.PruneAsync(Expire(old), null, Ct);
        var report = await repository.CopyAsync(tier, null, null, Ct);
        Assert.Equal((0, 1, 1), (report.RestorePoints, report.AlreadyThere, report.Expired));
        Assert.Equal(1, (await repository.CopyAsync(tier, [old.Id], null, Ct)).RestorePoints);
        AssertSame(Noise(900_000, 1), await tier.ReadAsync(old));
    }

    private sealed class OnReport(Action<TransferProgress> act) : IProgress<TransferProgress>
    {
        public void Report(TransferProgress value) => act(value);
    }

    /// <summary>A claim that keeps one point, and is lost after some deletes.</summary>
    private sealed class Claimed(RestorePointId kept, int mayGo) : IExpiryClaim
    {
        private int _left = mayGo;

        public IReadOnlyList<RestorePointId> Asked { get; private set; } = [];

        public IReadOnlyList<RestorePointId>? Gone { get; private set; }

        public IReadOnlyDictionary<RestorePointId, string> Kept { get; } = new Dictionary<RestorePointId, string> { [kept] = "kept by the test" };

        public Task<IExpiryClaim> AskAsync(IReadOnlyList<RestorePointId> asked)
        {
            Asked = asked;
            return Task.FromResult<IExpiryClaim>(this);
        }

        public Task RequireAsync() => _left-- > 0 ? Task.CompletedTask : throw new InvalidOperationException("the claim is lost");

        public Task EndAsync(IReadOnlyList<RestorePointId> gone, bool isFaulted)
        {
            Gone = [.. gone];
            return Task.CompletedTask;
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
