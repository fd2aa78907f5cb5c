using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>A store with a clock of its own, and what tests of prune do with repositories in it.</summary>
public abstract class PruneScene : IAsyncDisposable
{
    private protected PruneScene() => Store = new CrashStore(time: Time);

    private protected static TimeSpan Day { get; } = TimeSpan.FromHours(24);

    private protected FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));

    private protected CrashStore Store { get; }

    private protected RepositoryOptions Options => Cheap with { Time = Time };

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return Store.DisposeAsync();
    }

    private protected async Task<(Manifest Old, Manifest Kept)> TwoPointsAsync(BackupRepository repository)
    {
        var old = await repository.BackupAsync(Noise(900_000, 1));
        Time.Advance(TimeSpan.FromHours(1));
        var kept = await repository.BackupAsync(Noise(900_000, 2));
        Time.Advance(TimeSpan.FromHours(1));
        return (old, kept);
    }

    private protected async Task<Manifest> FromTheFutureAsync(BackupRepository repository)
    {
        var manifest = await repository.BackupAsync(Noise(1000, 77), "future");
        var later = manifest with { Id = new RestorePointId(Guid.NewGuid().ToString("N")), CreatedAt = Time.GetUtcNow().AddDays(3), Source = "future" };
        await repository.Parts.Manifests.WriteAsync(later, Ct);
        return later;
    }

    private protected async Task AdvanceRenewingAsync(BackupSession session, TimeSpan span)
    {
        for (var passed = TimeSpan.Zero; passed < span; passed += TimeSpan.FromMinutes(30))
        {
            Time.Advance(TimeSpan.FromMinutes(30));
            await session.Writer.RenewAsync(Ct);
        }
    }

    private protected async Task<Manifest> BackUpStreamsAsync(BackupRepository repository, params byte[][] streams)
    {
        Time.Advance(TimeSpan.FromMinutes(1));
        await using var session = await repository.BeginAsync(Describe(), Ct);
        foreach (var (content, i) in streams.Select((content, i) => (content, i)))
        {
            await session.WriteStreamAsync($"{i}", "test", new MemoryStream(content), null, Ct);
        }

        return await session.CommitAsync(null, null, Ct);
    }

    private protected static Task ValidateAsync(BackupRepository repository, Manifest point, bool passed) =>
        repository.WriteAttestationAsync(Attestations.Validation, point.Id, JsonSerializer.SerializeToElement(new { overallPassed = passed }), Ct);

    private protected static PruneOptions Expire(params Manifest[] points) =>
        new() { Expire = [.. points.Select(point => new PointToExpire(point.Id, "no rung keeps it"))], MaxDeletedShare = 0.6 };
}
