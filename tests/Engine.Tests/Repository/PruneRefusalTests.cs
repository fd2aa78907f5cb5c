using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>What prune cannot know it does not delete.</summary>
public sealed class PruneRefusalTests : PruneScene
{
    [Fact]
    public async Task Too_much_to_delete_needs_approval_and_changes_nothing()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var old = await repository.BackupAsync(Noise(900_000, 1));
        Time.Advance(TimeSpan.FromMinutes(1));
        await repository.BackupAsync(Noise(10_000, 2));
        var error = await Assert.ThrowsAsync<EngineException>(() => repository.PruneAsync(Expire(old), null, Ct));
        Assert.Equal(("prune-needs-approval", ErrorKind.Conflict), (error.Code, error.Kind));
        Assert.Equal(2, (await repository.ListAsync(Ct)).Points.Count);
        Assert.Empty(Store.KeysOf("marks/"));
        Assert.Contains((await repository.PlanPruneAsync(Expire(old), null, Ct)).Notes, note => note.Contains("needs the approval", StringComparison.Ordinal));
        Assert.Single((await repository.PruneAsync(Expire(old) with { MaxDeletedShare = 0.999 }, null, Ct)).Expired);
    }

    [Fact]
    public async Task Listing_that_shows_no_writers_any_more_not_even_the_prune_itself_deletes_nothing()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        await repository.PruneAsync(Expire(old), null, Ct);
        Time.Advance(2 * Day);
        var packs = Store.KeysOf("packs/").ToList();
        await using var hindered = new HinderedStore(Store);
        await using var other = await OpenAsync(hindered, Options);
        var looks = 0;
        // The looks at the beginning see the store as it is, the last one before packs are deleted does not.
        hindered.Lists = prefix => prefix != "sessions/" || ++looks < 4;

        var error = await Assert.ThrowsAsync<EngineException>(() => other.PruneAsync(new PruneOptions { MaxDeletedShare = 1 }, null, Ct));

        Assert.Equal(("store-listing-late", ErrorKind.Unavailable), (error.Code, error.Kind));
        Assert.Equal(packs, Store.KeysOf("packs/"));
        hindered.Lists = _ => true;
        await other.PruneAsync(new PruneOptions { MaxDeletedShare = 1 }, null, Ct);
        Assert.True(Store.KeysOf("packs/").Count() < packs.Count);
    }

    [Theory]
    [InlineData("manifests/")]
    [InlineData("index/")]
    [InlineData("marks/")]
    public async Task Unreadable_object_stops_prune_before_anything_is_written(string room)
    {
        await using var repository = await InitializeAsync(Store, Options);
        var (old, kept) = await TwoPointsAsync(repository);
        await ValidateAsync(repository, kept, true);
        await repository.PruneAsync(Expire(old), null, Ct);
        Store.Damage(Store.KeysOf(room).First(), bytes => bytes[..^1]);
        await using var other = await OpenAsync(Store, Options);
        var before = Store.Objects.Keys.ToList();
        Time.Advance(2 * Day);
        var error = await Assert.ThrowsAsync<EngineException>(() => other.PruneAsync(new PruneOptions(), null, Ct));
        Assert.Equal(ErrorKind.Damaged, error.Kind);
        Assert.Equal(before, Store.Objects.Keys);
    }

    [Fact]
    public async Task Unreadable_attestation_keeps_what_was_there_when_it_was_written_and_nothing_newer()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        await repository.HoldAsync(old.Id, Attestations.Hold, "court order", null, Ct);
        Time.Advance(3 * Day);
        var newer = await repository.BackupAsync(Noise(1000, 3));
        Time.Advance(TimeSpan.FromHours(1));
        await repository.BackupAsync(Noise(1000, 4));
        var hold = Assert.Single(Store.KeysOf("attestations/"));
        Store.Damage(hold, bytes => bytes[..^1]);

        await using var other = await OpenAsync(Store, Options);
        var report = await other.PruneAsync(Expire(old, newer), null, Ct);
        Assert.Equal([newer.Id], report.Expired.Select(point => point.Id));
        Assert.Equal((old.Id, $"{hold} cannot be read and may be a hold on it"), Assert.Single(report.Protected.Select(point => (point.Id, point.Reason))));
        Assert.StartsWith(hold, Assert.Single(report.Notes), StringComparison.Ordinal);
        AssertSame(Noise(900_000, 1), await other.ReadAsync(old));
    }

    [Fact]
    public async Task Missing_pack_that_a_point_needs_stops_prune()
    {
        await using var repository = await InitializeAsync(Store, Options);
        _ = await TwoPointsAsync(repository);
        Store.Remove(Store.KeysOf("packs/").MaxBy(key => Store.Objects[key].Length)!);
        await using var other = await OpenAsync(Store, Options);
        Assert.Equal("prune-unknown-references", (await Assert.ThrowsAsync<EngineException>(() => other.PruneAsync(new PruneOptions(), null, Ct))).Code);
        Assert.Equal(2, Store.KeysOf("manifests/").Count());
    }

    [Fact]
    public async Task Clock_that_differs_from_theStore_stops_prune()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        await using var late = await OpenAsync(Store, Cheap with { Time = new FakeTimeProvider(Time.GetUtcNow().AddMinutes(6)) });
        Assert.Equal("store-clock-differs", (await Assert.ThrowsAsync<EngineException>(() => late.PruneAsync(Expire(old), null, Ct))).Code);
        Assert.Equal(2, Store.KeysOf("manifests/").Count());
    }

    [Fact]
    public async Task Refused_deletes_are_reported_and_tried_again()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var (old, _) = await TwoPointsAsync(repository);
        Store.DeniesDelete = key => key.StartsWith("manifests/", StringComparison.Ordinal) || key.StartsWith("packs/", StringComparison.Ordinal);
        var refused = await repository.PruneAsync(Expire(old), null, Ct);
        Assert.Empty(refused.Expired);
        Assert.Equal($"manifests/{old.Id}", Assert.Single(refused.Refused).Name);
        Assert.Empty(refused.Packs);
        AssertSame(Noise(900_000, 1), await repository.ReadAsync(old));

        Store.DeniesDelete = key => key.StartsWith("packs/", StringComparison.Ordinal);
        var marked = await repository.PruneAsync(Expire(old) with { Grace = TimeSpan.Zero }, null, Ct);
        Assert.Single(marked.Expired);
        Assert.All(marked.Refused, one => Assert.StartsWith("packs/", one.Name, StringComparison.Ordinal));
        Store.DeniesDelete = _ => false;
        var done = await repository.PruneAsync(new PruneOptions { Grace = TimeSpan.Zero }, null, Ct);
        Assert.Equal(marked.Refused.Count, done.Sum(PackAction.Delete).Count);
        Assert.True((await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
    }
}
