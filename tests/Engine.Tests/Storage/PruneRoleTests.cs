using System.Globalization;
using Amazon.S3.Model;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Repository.Wal;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Stores;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;
using static Hexabase.DrConsole.Engine.Tests.Repository.Wal.WalFixture;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>Prune and repair on real servers, on which the everyday credentials may not delete and those of the prune role may.</summary>
public sealed class PruneRoleTests(StoreLab lab)
{
    private const string Workspace = "shop";
    private const string Bucket = "roles";

    [Theory]
    [InlineData("s3")]
    [InlineData("sftp")]
    public async Task Everyday_credentials_cannot_delete_a_restore_point_and_those_of_the_prune_role_can(string kind)
    {
        await using var site = await SiteAsync(kind);
        using var tiers = new TierRepositories(Estate(await KeyFileAsync(), site.Store, site.PruneStore), TimeProvider.System);
        var tier = tiers.Tiers[0];
        Manifest old, kept;
        await using (var writer = await tiers.OpenOrCreateAsync(tier, Workspace, Ct))
        {
            old = await writer.BackupAsync(Noise(3_000_000, 1));
            kept = await writer.BackupAsync(Noise(3_000_000, 2));
            Assert.True((await writer.CheckAsync(new CheckOptions { Budget = TimeSpan.MaxValue }, null, Ct)).IsSound);
            var refused = await writer.PruneAsync(Expire(old), null, Ct);
            Assert.Empty(refused.Expired);
            Assert.Contains(refused.Refused, one => one.Name == $"manifests/{old.Id}");
            AssertSame(Noise(3_000_000, 1), await writer.ReadAsync(old));
        }

        await using (var pruner = await tiers.OpenForPruneAsync(tier, Workspace, Ct))
        {
            var pruned = await pruner.PruneAsync(Expire(old), null, Ct);
            Assert.Equal((old.Id, 0), (Assert.Single(pruned.Expired).Id, pruned.Refused.Count));
            Assert.True(pruned.Sum(PackAction.Delete).Bytes > 2_900_000);
        }

        await using var after = await tiers.OpenAsync(tier, Workspace, Ct);
        Assert.Equal(kept.Id, Assert.Single((await after.ListAsync(Ct)).Points).Id);
        AssertSame(Noise(3_000_000, 2), await after.ReadAsync(kept));
        Assert.True((await after.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
        await using var store = tiers.StoreOf(tier, Workspace);
        // What the everyday role could not clear away is gone too.
        Assert.Empty(await store.ListAsync("sessions/", Ct).ToListAsync(Ct));
    }

    [Theory]
    [InlineData("s3")]
    [InlineData("sftp")]
    public async Task WAL_goes_on_where_its_writer_may_not_delete_and_the_prune_role_clears_its_pieces_away(string kind)
    {
        await using var site = await SiteAsync(kind);
        using var tiers = new TierRepositories(Estate(await KeyFileAsync(), site.Store, site.PruneStore), TimeProvider.System);
        var tier = tiers.Tiers[0];
        await using (var writer = await tiers.OpenOrCreateAsync(tier, Workspace, Ct))
        {
            var archive = await writer.OpenDescribedAsync();
            for (var end = 1000; end <= 4000; end += 1000)
            {
                await archive.StorePieceAsync(7, 0, end);
            }

            await archive.StoreAsync(7);
            await archive.StorePieceAsync(8, 0, 1000);
            Assert.Equal([(At(7), At(8, 1000))], await archive.SpansAsync());
        }

        await using (var pruner = await tiers.OpenForPruneAsync(tier, Workspace, Ct))
        {
            Assert.Equal(4, (await pruner.ClearWalLeftoversAsync(Ct)).Objects);
            Assert.Equal(0, (await pruner.ClearWalLeftoversAsync(Ct)).Objects);
        }

        await using var after = await tiers.OpenAsync(tier, Workspace, Ct);
        Assert.Equal([(At(7), At(8, 1000))], await (await after.OpenDescribedAsync()).SpansAsync());
    }

    [Fact]
    public async Task Broken_upload_that_the_everyday_role_may_not_sweep_is_left_to_the_prune_role()
    {
        await using var site = await SiteAsync("sftp");
        var left = Path.Combine(StoreUrl.Parse(site.Store).Path, "tmp", "broken");
        Directory.CreateDirectory(Path.GetDirectoryName(left)!);
        await File.WriteAllTextAsync(left, "half", Ct);
        File.SetLastWriteTimeUtc(left, TimeProvider.System.GetUtcNow().UtcDateTime.AddDays(-2));
        await using (var writer = StoreUrl.Parse(site.Store).Open())
        {
            await writer.PutAsync("a", new byte[10], Ct);
            Assert.True(File.Exists(left));
            Assert.Equal(ErrorKind.Denied, (await Assert.ThrowsAsync<EngineException>(() => writer.DeleteAsync("a", Ct))).Kind);
        }

        await using var pruner = StoreUrl.Parse(site.PruneStore).Open();
        await pruner.PutAsync("b", new byte[10], Ct);
        Assert.False(File.Exists(left));
    }

    [Theory]
    [InlineData("s3")]
    [InlineData("sftp")]
    public async Task Damage_on_a_remote_store_is_repaired_from_another_and_pruned_away(string kind)
    {
        await using var store = StoreUrl.Parse(await lab.NewStoreAsync(kind, Ct)).Open();
        await using var other = StoreUrl.Parse(await lab.NewStoreAsync("file", Ct)).Open();
        await using var repository = await InitializeAsync(store);
        await using var tier = await BackupRepository.InitializeFromAsync(other, repository, Ct);
        var point = await repository.BackupAsync(Noise(3_000_000, 1));
        await repository.CopyAsync(tier, null, null, Ct);
        var packs = await store.ListAsync("packs/", Ct).ToListAsync(Ct);
        var damaged = packs.MaxBy(pack => pack.Length).Key;
        var bytes = await store.ReadAllAsync(damaged, Ct);
        bytes[bytes.Length / 2] ^= 1;
        await store.PutAsync(damaged, bytes, Ct);

        Assert.Equal(damaged, Assert.Single((await repository.CheckAsync(CheckLevel.L2, CheckSlice.All, null, Ct)).Damaged).Name);
        var repair = await repository.RepairAsync(tier, null, null, Ct);
        Assert.True(repair.IsWhole && repair.Fetched > 0);
        AssertSame(Noise(3_000_000, 1), await repository.ReadAsync(point));
        await repository.PruneAsync(new PruneOptions { Grace = TimeSpan.Zero, MaxDeletedShare = 1 }, null, Ct);
        Assert.Null(await store.StatAsync(damaged, Ct));
        await using var reopened = await OpenAsync(store);
        AssertSame(Noise(3_000_000, 1), await reopened.ReadAsync(point));
        Assert.True((await reopened.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
    }

    private static PruneOptions Expire(Manifest point) =>
        new() { Expire = [new PointToExpire(point.Id, "test")], MaxDeletedShare = 1, Grace = TimeSpan.Zero };

    private static ProtectedEstate Estate(string key, string store, string pruneStore) => new(
        "test", "/nowhere", ProtectionClass.Defaults, [new StorageTier("cold", store, key, null) { PruneStore = pruneStore }], [], []);

    private async Task<string> KeyFileAsync()
    {
        var file = await lab.NewFolderAsync();
        await File.WriteAllTextAsync(file, "a passphrase of the test\n", Ct);
        return file;
    }

    private async Task<Site> SiteAsync(string kind)
    {
        if (kind == "sftp")
        {
            var server = await lab.StartSshAsync(new LabSshOptions { Name = "ssh-roles", HasWriter = true }, Ct);
            var url = server.Url(await lab.NewFolderAsync());
            return new Site(url.Replace(server.IdentityFile, server.WriterIdentityFile, StringComparison.Ordinal), url, server);
        }

        var s3 = await lab.GetS3Async(Ct);
        await s3.EnsureBucketAsync(Bucket, withObjectLock: false, Ct);
        var writer = await lab.NewFolderAsync();
        await s3.WriteCredentialsAsync(writer, "writer", Ct);
        using var client = s3.CreateClient();
        await client.PutBucketPolicyAsync(
            new PutBucketPolicyRequest
            {
                BucketName = Bucket,
                Policy = $$"""
                    {"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/writer"]},
                     "Action":["s3:ListBucket","s3:GetObject","s3:PutObject"],"Resource":["arn:aws:s3:::{{Bucket}}","arn:aws:s3:::{{Bucket}}/*"]},
                     {"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/lab"]},"Action":["s3:*"],"Resource":["arn:aws:s3:::{{Bucket}}","arn:aws:s3:::{{Bucket}}/*"]}]}
                    """,
            },
            Ct);
        var prune = s3.Url(Bucket, string.Create(CultureInfo.InvariantCulture, $"{Guid.NewGuid():N}"));
        return new Site(prune.Replace(s3.CredentialsFile, writer, StringComparison.Ordinal), prune, null);
    }

    private sealed record Site(string Store, string PruneStore, IAsyncDisposable? Server) : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => Server?.DisposeAsync() ?? ValueTask.CompletedTask;
    }
}
