using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Tests.Storage;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>What is noted of restore points goes with them, and comes back with them.</summary>
public sealed class PointNotesTests : PruneScene
{
    [Fact]
    public async Task Notes_of_points_that_are_gone_go_after_the_grace_period_but_for_holds_and_their_ends()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var (old, kept) = await TwoPointsAsync(repository);
        await NoteAsync(repository, old);
        await ValidateAsync(repository, kept, true);
        await repository.PruneAsync(Expire(old), null, Ct);
        Assert.Equal(7, Store.KeysOf("attestations/").Count());

        Time.Advance(Day + TimeSpan.FromHours(1));
        var late = await repository.WriteAttestationAsync(Attestations.Validation, old.Id, JsonSerializer.SerializeToElement(new { overallPassed = true }), Ct);
        await repository.PruneAsync(new PruneOptions(), null, Ct);

        var left = await repository.ListAttestationsAsync(null, Ct);
        Assert.Equal(
            new[] { $"hold {old.Id}", $"release {old.Id}", $"validation {kept.Id}", $"validation {old.Id}" }.Order(StringComparer.Ordinal),
            left.Select(note => $"{note.Kind} {note.RestorePoint}").Order(StringComparer.Ordinal));
        Assert.Contains(left, note => note.Id == late);
        Assert.Empty(Attestations.StillValid(left, Time.GetUtcNow()));
    }

    [Fact]
    public async Task Notes_of_points_that_a_tier_does_not_hold_are_brought_there_only_with_their_points()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var (old, kept) = await TwoPointsAsync(repository);
        await NoteAsync(repository, old);
        await ValidateAsync(repository, kept, true);
        var target = new CrashStore(time: Time);
        await using var tier = await BackupRepository.InitializeFromAsync(target, repository, Ct);
        await repository.CopyAsync(tier, null, null, Ct);
        await tier.PruneAsync(Expire(old), null, Ct);
        Time.Advance(Day + TimeSpan.FromHours(1));
        await tier.PruneAsync(new PruneOptions(), null, Ct);
        Assert.Equal(3, target.KeysOf("attestations/").Count());

        Assert.Equal(0, (await repository.CopyAsync(tier, null, null, Ct)).Attestations);
        Assert.Empty((await tier.RepairAsync(repository, null, null, Ct)).Objects);
        Assert.Equal(3, target.KeysOf("attestations/").Count());

        Assert.Equal(4, (await repository.CopyAsync(tier, [old.Id], null, Ct)).Attestations);
        Assert.Contains(old.Id, Attestations.Proven(await tier.ListAttestationsAsync(null, Ct)));
    }

    [Fact]
    public async Task Load_keeps_of_validations_no_more_than_their_verdict()
    {
        await using var repository = await InitializeAsync(Store, Options);
        var (old, kept) = await TwoPointsAsync(repository);
        await WriteAsync(old, passed: true, "passed");
        await WriteAsync(old, passed: false, "not_run");
        await WriteAsync(kept, passed: true, "passed");
        await WriteAsync(kept, passed: false, "failed");
        await repository.HoldAsync(kept.Id, Attestations.Hold, "a reason", null, Ct);

        var all = (await repository.LoadAttestationsAsync(Ct)).Readable;

        Assert.Equal([old.Id], Attestations.Proven(all));
        Assert.Equal(5, all.Count);
        Assert.All(all.Where(note => note.Kind == Attestations.Validation), note => Assert.DoesNotContain("long", note.Content.GetRawText(), StringComparison.Ordinal));
        Assert.Contains("a reason", Assert.Single(all, note => note.Kind == Attestations.Hold).Content.GetRawText(), StringComparison.Ordinal);

        async Task WriteAsync(Manifest point, bool passed, string status)
        {
            Time.Advance(TimeSpan.FromMinutes(1));
            await repository.WriteAttestationAsync(Attestations.Validation, point.Id,
                JsonSerializer.SerializeToElement(new { overallPassed = passed, steps = new[] { new { status } }, comparison = "long" }), Ct);
        }
    }

    /// <summary>Two validations, a use that ended, and a hold that did.</summary>
    private static async Task NoteAsync(BackupRepository repository, Manifest point)
    {
        await ValidateAsync(repository, point, true);
        await ValidateAsync(repository, point, true);
        await repository.ReleaseAsync(point.Id, await repository.HoldAsync(point.Id, Attestations.Use, "drill", null, Ct), Ct);
        await repository.ReleaseAsync(point.Id, await repository.HoldAsync(point.Id, Attestations.Hold, "audit", null, Ct), Ct);
    }
}
