using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Crypto;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Tests.Storage;
using Microsoft.Extensions.Time.Testing;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Repository;

/// <summary>Damage to what is no pack and no manifest: the secrets of older epochs, and notes that no tier can read any more.</summary>
public sealed class LostObjectTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly CrashStore _store;
    private readonly CrashStore _other;

    public LostObjectTests()
    {
        _store = new CrashStore(time: _time);
        _other = new CrashStore(time: _time);
    }

    private RepositoryOptions Options => Cheap with { Time = _time };

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _other.DisposeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Copy_of_the_older_epochs_secrets_that_is_damaged_or_lost_is_written_anew_from_its_twin(bool isLost)
    {
        var old = await MakeRotatedTiersAsync();
        var copy = _store.KeysOf("epochs/").First();
        if (isLost)
        {
            _store.Remove(copy);
        }
        else
        {
            _store.Damage(copy, Cut);
        }

        await using var repository = await OpenAsync(_store, Options);
        var found = Assert.Single((await repository.CheckAsync(CheckLevel.L1, CheckSlice.All, null, Ct)).Damaged);
        Assert.StartsWith("epochs/", found.Name, StringComparison.Ordinal);
        var report = await repository.RepairAsync(null, null, null, Ct);
        Assert.True(report.IsWhole);
        Assert.Equal((found.Name, true), Assert.Single(report.Objects.Select(one => (one.Name, one.IsRepaired))));
        await AssertReadsAsync(old);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    public async Task Copy_of_the_older_epochs_secrets_that_is_lost_is_missed_though_an_interrupted_rotation_left_others(uint later)
    {
        await MakeRotatedTiersAsync();
        await using var repository = await OpenAsync(_store, Options);
        var keys = repository.Parts.Keys;
        var secrets = keys.Secrets.ToDictionary(pair => pair.Key, pair => (byte[])[.. pair.Value]);
        secrets[keys.Epoch + later] = Noise(32, 9);
        using var taken = new KeyRing(keys.RepositoryId, keys.Master.ToArray(), secrets);
        var copy = _store.KeysOf("epochs/").First();
        await EpochStore.WriteAsync(_store, taken, Ct);
        Assert.Empty((await repository.CheckAsync(CheckLevel.L1, CheckSlice.All, null, Ct)).Damaged);

        _store.Remove(copy);

        Assert.Equal(EpochStore.Missing, Assert.Single((await repository.CheckAsync(CheckLevel.L1, CheckSlice.All, null, Ct)).Damaged).Name);
        Assert.True((await repository.RepairAsync(null, null, null, Ct)).IsWhole);
        Assert.Empty((await repository.CheckAsync(CheckLevel.L1, CheckSlice.All, null, Ct)).Damaged);
    }

    [Fact]
    public async Task Repository_that_was_rotated_since_it_was_opened_misses_no_copy()
    {
        await MakeRotatedTiersAsync();
        await using var before = await OpenAsync(_store, Options);
        await using (var hot = await OpenAsync(_store, Options))
        {
            await BackupRepository.RotateKeysAsync([hot], [Key], Ct);
        }

        Assert.DoesNotContain((await before.CheckAsync(CheckLevel.L1, CheckSlice.All, null, Ct)).Damaged, one => one.Name == EpochStore.Missing);
    }

    [Fact]
    public async Task Secrets_of_older_epochs_that_are_damaged_in_all_copies_come_from_another_tier()
    {
        var old = await MakeRotatedTiersAsync();
        foreach (var copy in _store.KeysOf("epochs/").ToList())
        {
            _store.Damage(copy, Cut);
        }

        Assert.Equal("epochs-damaged", (await Assert.ThrowsAsync<EngineException>(() => OpenAsync(_store, Options))).Code);
        await using var from = await OpenAsync(_other, Options);
        await using (var repository = await BackupRepository.OpenLosingKeysAsync(_store, from, Key, Options, Ct))
        {
            Assert.True((await repository.RepairAsync(from, null, null, Ct)).IsWhole);
        }

        await AssertReadsAsync(old);
    }

    [Fact]
    public async Task Attestation_that_no_tier_can_read_is_given_up_by_a_person_with_a_reason_and_by_nobody_else()
    {
        await using var repository = await InitializeAsync(_store, Options);
        var old = await repository.BackupAsync(Noise(1000, 1));
        _time.Advance(TimeSpan.FromHours(1));
        await repository.BackupAsync(Noise(1000, 2));
        var lost = await repository.HoldAsync(old.Id, Attestations.Hold, "audit", null, Ct);
        var fine = await repository.HoldAsync(old.Id, Attestations.Use, "drill", _time.GetUtcNow().AddHours(1), Ct);
        await using var tier = await BackupRepository.InitializeFromAsync(_other, repository, Ct);
        await repository.CopyAsync(tier, null, null, Ct);
        _store.Damage("attestations/" + lost, Cut);

        var refused = await Assert.ThrowsAsync<EngineException>(() => DropAsync(repository, tier, null, lost, fine, "12"));
        Assert.Equal(("attestation-not-dropped", ErrorKind.Input), (refused.Code, refused.Kind));
        foreach (var text in (string[])[$"{lost} is whole in", $"{fine} can be read", "there is no attestation '12'", "no reason"])
        {
            Assert.Contains(text, refused.Message, StringComparison.Ordinal);
        }

        _other.Damage("attestations/" + lost, Cut);
        Assert.False((await repository.RepairAsync(tier, null, null, Ct)).IsWhole);
        _time.Advance(TimeSpan.FromDays(2));
        Assert.Empty((await repository.PruneAsync(Expire(old), null, Ct)).Expired);

        var report = await DropAsync(repository, tier, "anna: the audit is over", lost);
        Assert.True(report.IsWhole);
        Assert.Contains("given up by a person", Assert.Single(report.Objects).Remedy, StringComparison.Ordinal);
        var note = Assert.Single(await repository.ListAttestationsAsync(Attestations.Dropped, Ct));
        Assert.Equal((lost, "anna: the audit is over"), (note.Content.GetProperty("attestation").GetString(), note.Content.GetProperty("reason").GetString()));
        Assert.Equal(old.Id, Assert.Single((await repository.PruneAsync(Expire(old), null, Ct)).Expired).Id);
    }

    [Fact]
    public async Task Note_that_is_known_elsewhere_is_written_anew_where_it_cannot_be_read()
    {
        await using var repository = await InitializeAsync(_store, Options);
        var point = await repository.BackupAsync(Noise(1000, 1));
        var (id, content) = (Guid.CreateVersion7(), JsonSerializer.SerializeToElement(new { reason = "audit" }));
        Assert.True(await repository.EnsureAttestationAsync(id, Attestations.Hold, point.Id, content, Ct));
        Assert.False(await repository.EnsureAttestationAsync(id, Attestations.Hold, point.Id, content, Ct));
        _store.Damage($"attestations/{id:N}", Cut);
        Assert.True(await repository.EnsureAttestationAsync(id, Attestations.Hold, point.Id, content, Ct));
        Assert.Equal(point.Id, Assert.Single(await repository.ListAttestationsAsync(Attestations.Hold, Ct)).RestorePoint);
    }

    private static Task<RepairReport> DropAsync(BackupRepository repository, BackupRepository from, string? reason, params string[] ids) =>
        repository.RepairAsync(from, new RepairOptions { DropAttestations = ids, DropReason = reason }, null, Ct);

    private static PruneOptions Expire(Manifest point) => new() { Expire = [new PointToExpire(point.Id, "test")], MaxDeletedShare = 0.9 };

    private static byte[] Cut(byte[] bytes) => bytes[..^1];

    /// <summary>Two tiers that were rotated twice; a point of epoch 1, whose secret only the objects that are damaged here hold.</summary>
    private async Task<Manifest> MakeRotatedTiersAsync()
    {
        await using var first = await InitializeAsync(_store, Options);
        await using var second = await BackupRepository.InitializeFromAsync(_other, first, Ct);
        await BackupRepository.RotateKeysAsync([first, second], [Key], Ct);
        await using var hot = await OpenAsync(_store, Options);
        await using var warm = await OpenAsync(_other, Options);
        var point = await hot.BackupAsync(Noise(1000, 1));
        await hot.CopyAsync(warm, null, null, Ct);
        await BackupRepository.RotateKeysAsync([hot, warm], [Key], Ct);
        Assert.Equal((2, 2), (_store.KeysOf("epochs/").Count(), _other.KeysOf("epochs/").Count()));
        return point;
    }

    private async Task AssertReadsAsync(Manifest point)
    {
        await using var repository = await OpenAsync(_store, Options);
        Assert.Equal(2u, repository.Epoch);
        AssertSame(Noise(1000, 1), await repository.ReadAsync(point));
        Assert.True((await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
    }
}
