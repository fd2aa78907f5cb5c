using Amazon.S3.Model;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Storage.Decorators;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>The contract on a real S3 server.</summary>
public sealed class S3StoreContractTests(StoreLab lab) : ObjectStoreContract
{
    protected override async Task<IObjectStore> OpenAsync() => StoreUrl.Parse(await lab.NewStoreAsync("s3", Ct)).Open();
}

/// <summary>What is S3's own: keys, buckets, quotas, rights, object lock, parts.</summary>
public sealed class S3StoreTests(StoreLab lab)
{
    private const string Quotas = "quotas";
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Wrong_keys_and_missing_buckets_are_told_apart_before_anything_is_written()
    {
        var server = await lab.GetS3Async(Ct);
        var file = await lab.NewFolderAsync();
        var good = await File.ReadAllLinesAsync(server.CredentialsFile, Ct);
        var url = server.Url(StoreLab.Bucket, "wrong").Replace(server.CredentialsFile, file, StringComparison.Ordinal);

        await File.WriteAllLinesAsync(file, [good[0], good[1], "aws_secret_access_key = hunter2"], Ct);
        await AssertRefusedAsync(url, "s3-wrong-key", ErrorKind.Denied, "secret key");
        await File.WriteAllLinesAsync(file, [good[0], "aws_access_key_id = nobody", good[2]], Ct);
        await AssertRefusedAsync(url, "s3-wrong-key", ErrorKind.Denied, "access key");
        await File.WriteAllLinesAsync(file, ["[other]"], Ct);
        await AssertRefusedAsync(url, "s3-credentials-missing", ErrorKind.Denied, "no profile 'default'");
        await AssertRefusedAsync(url.Replace(file, "/nowhere/credentials", StringComparison.Ordinal), "s3-credentials-missing", ErrorKind.Denied, "/nowhere/credentials");
        await AssertRefusedAsync(server.Url("nowhere", "x"), "bucket-missing", ErrorKind.NotFound, "'nowhere'");

        using var client = server.CreateClient();
        Assert.Equal(0, (await client.ListObjectsV2Async(new ListObjectsV2Request { BucketName = StoreLab.Bucket, Prefix = "wrong/" }, Ct)).KeyCount);
    }

    [Fact]
    public async Task Server_that_is_away_is_a_transient_fault()
    {
        await using var store = StoreUrl.Parse($"s3://bucket/x?endpoint=http://127.0.0.1:1&credentials={(await lab.GetS3Async(Ct)).CredentialsFile}").Open();
        var fault = await Assert.ThrowsAsync<EngineException>(() => store.StatAsync("a", Ct));
        Assert.Equal(("store-unreachable", ErrorKind.Unavailable, true), (fault.Code, fault.Kind, fault.IsTransient));
    }

    [Fact]
    public async Task Upload_on_a_line_that_stalls_is_given_up_after_the_time_out_however_large_it_is()
    {
        await using var network = new FaultyNetwork((await lab.GetS3Async(Ct)).Port, new NetworkFaults(1, CutShare: 0, StallShare: 1, SlowShare: 0, MostBytes: 500_000));
        await using var store = await ThroughAsync(network, timeout: 2);
        // The old rule, a second for each 64 KiB, would wait for eight minutes here.
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(TimeSpan.FromMinutes(3));

        var fault = await Assert.ThrowsAsync<EngineException>(() => store.PutAsync("packs/large", new byte[30 << 20], patience.Token));

        Assert.Equal((ErrorKind.Unavailable, true), (fault.Kind, fault.IsTransient));
        Assert.True(network.Stalled > 0);
    }

    [Fact]
    public async Task Upload_on_a_slow_line_may_take_longer_than_the_time_out()
    {
        await using var network = new FaultyNetwork((await lab.GetS3Async(Ct)).Port, new NetworkFaults(1, CutShare: 0, StallShare: 0, SlowShare: 1, MostBytes: 1_000));
        await using var store = await ThroughAsync(network, timeout: 2);
        var content = RepositoryFixture.Noise(5_000_000, 1);

        await store.PutAsync("packs/slow", content, Ct);

        Assert.True(network.Slowed > 100);
        Assert.Equal(content.Length, (await store.StatAsync("packs/slow", Ct))!.Value.Length);
    }

    [Fact]
    public async Task Server_that_keeps_silent_is_given_up_after_its_time()
    {
        using var silent = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        silent.Start();
        var port = ((System.Net.IPEndPoint)silent.LocalEndpoint).Port;
        await using var store = StoreUrl.Parse($"s3://bucket/x?endpoint=http://127.0.0.1:{port}&credentials={(await lab.GetS3Async(Ct)).CredentialsFile}&timeout=1").Open();
        var fault = await Assert.ThrowsAsync<EngineException>(() => store.PutAsync("a", new byte[10], Ct));
        Assert.Equal((ErrorKind.Unavailable, true), (fault.Kind, fault.IsTransient));
        Assert.Contains("in time", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Quota_is_a_full_store_and_leaves_nothing_half()
    {
        var server = await lab.GetS3Async(Ct);
        await server.EnsureBucketAsync(Quotas, withObjectLock: false, Ct);
        await server.AdminAsync(["quota", "set", "--quota-scope=bucket", "--uid=lab", $"--bucket={Quotas}", "--max-size=8388608"], Ct);
        await server.AdminAsync(["quota", "enable", "--quota-scope=bucket", "--uid=lab", $"--bucket={Quotas}"], Ct);
        await using var store = StoreUrl.Parse(server.Url(Quotas, "x")).Open();
        await store.PutAsync("a", RepositoryFixture.Noise(1 << 20), Ct);
        foreach (var size in new[] { 12 << 20, 40 << 20 })
        {
            var fault = await Assert.ThrowsAsync<EngineException>(() => store.PutAsync("b", RepositoryFixture.Noise(size), Ct));
            Assert.Equal(("store-full", ErrorKind.OutOfSpace), (fault.Code, fault.Kind));
        }

        Assert.Null(await store.StatAsync("b", Ct));
        using var client = server.CreateClient();
        Assert.Empty((await client.ListMultipartUploadsAsync(new ListMultipartUploadsRequest { BucketName = Quotas }, Ct)).MultipartUploads ?? []);
    }

    [Fact]
    public async Task Key_that_may_only_read_is_refused_clearly()
    {
        var server = await lab.GetS3Async(Ct);
        var prefix = Guid.NewGuid().ToString("N");
        await using (var owner = StoreUrl.Parse(server.Url(StoreLab.Bucket, prefix)).Open())
        {
            await owner.PutAsync("a", new byte[7], Ct);
        }

        var reader = await lab.NewFolderAsync();
        await server.WriteCredentialsAsync(reader, "reader", Ct);
        using var client = server.CreateClient();
        await client.PutBucketPolicyAsync(
            new PutBucketPolicyRequest
            {
                BucketName = StoreLab.Bucket,
                Policy = $$"""
                    {"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/reader"]},
                     "Action":["s3:ListBucket","s3:GetObject"],"Resource":["arn:aws:s3:::{{StoreLab.Bucket}}","arn:aws:s3:::{{StoreLab.Bucket}}/*"]}]}
                    """,
            },
            Ct);
        // As the console opens it: a gateway that answers 5xx under load is asked again, a refusal is not.
        await using var store = new RetryingStore(StoreUrl.Parse(server.Url(StoreLab.Bucket, prefix).Replace(server.CredentialsFile, reader, StringComparison.Ordinal)).Open());
        Assert.Equal(7, (await store.ReadAllAsync("a", Ct)).Length);
        var put = await Assert.ThrowsAsync<EngineException>(() => store.PutAsync("b", new byte[1], Ct));
        Assert.True((put.Code, put.Kind, put.IsTransient) == ("store-denied", ErrorKind.Denied, false), put.ToText());
        var deleted = await Assert.ThrowsAsync<EngineException>(() => store.DeleteAsync("a", Ct));
        Assert.True(deleted.Code == "store-denied", deleted.ToText());
        await using var whole = StoreUrl.Parse(server.Url(StoreLab.Bucket, prefix)).Open();
        Assert.NotNull(await whole.StatAsync("a", Ct));
        Assert.Null(await whole.StatAsync("b", Ct));
    }

    [Fact]
    public async Task Object_lock_holds_small_and_large_objects_against_their_deletion()
    {
        var server = await lab.GetS3Async(Ct);
        var prefix = Guid.NewGuid().ToString("N");
        await using var store = StoreUrl.Parse(server.Url(StoreLab.LockedBucket, prefix) + "&objectLock=governance&objectLockDays=3").Open();
        await store.PutAsync("small", new byte[10], Ct);
        await store.PutAsync("large", new byte[33 << 20], Ct);
        var listed = new List<string>();
        await foreach (var item in store.ListAsync("", Ct))
        {
            listed.Add(item.Key);
        }

        Assert.Equal(["large", "small"], listed);
        using var client = server.CreateClient();
        foreach (var key in new[] { "small", "large" })
        {
            var shown = await client.GetObjectMetadataAsync(StoreLab.LockedBucket, $"{prefix}/{key}", Ct);
            Assert.Equal("GOVERNANCE", shown.ObjectLockMode?.Value);
            Assert.InRange(shown.ObjectLockRetainUntilDate!.Value.ToUniversalTime(), TimeProvider.System.GetUtcNow().UtcDateTime.AddDays(2.9), TimeProvider.System.GetUtcNow().UtcDateTime.AddDays(3.1));
            var version = new DeleteObjectRequest { BucketName = StoreLab.LockedBucket, Key = $"{prefix}/{key}", VersionId = shown.VersionId };
            await Assert.ThrowsAsync<Amazon.S3.AmazonS3Exception>(() => client.DeleteObjectAsync(version, Ct));
        }
    }

    [Fact]
    public async Task Shredded_keys_leave_no_former_version_in_a_bucket_that_keeps_them()
    {
        var server = await lab.GetS3Async(Ct);
        var prefix = Guid.NewGuid().ToString("N");
        // A bucket with object lock keeps versions of everything, also of what is not locked.
        await using var store = new ThrottledStore(new RetryingStore(StoreUrl.Parse(server.Url(StoreLab.LockedBucket, prefix)).Open()), null, null);
        await using (await RepositoryFixture.InitializeAsync(store))
        {
            await store.PutAsync("keys/of-an-earlier-passphrase", new byte[10], Ct);
            await store.DeleteAsync("keys/of-an-earlier-passphrase", Ct);
        }

        var listed = await store.ListAsync("keys/", Ct).CountAsync(Ct);
        Assert.True(await BackupRepository.ShredKeysAsync(store, Ct) > listed);

        using var client = server.CreateClient();
        var left = await client.ListVersionsAsync(new ListVersionsRequest { BucketName = StoreLab.LockedBucket, Prefix = $"{prefix}/" }, Ct);
        Assert.DoesNotContain(left.Versions ?? [], one => one.Key.StartsWith($"{prefix}/keys/", StringComparison.Ordinal) || one.Key.StartsWith($"{prefix}/epochs/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Keys_under_object_lock_are_not_said_to_be_shredded()
    {
        var server = await lab.GetS3Async(Ct);
        await using var store = StoreUrl.Parse(server.Url(StoreLab.LockedBucket, Guid.NewGuid().ToString("N")) + "&objectLock=governance&objectLockDays=3").Open();
        await using (await RepositoryFixture.InitializeAsync(store))
        {
        }

        var fault = await Assert.ThrowsAsync<EngineException>(() => BackupRepository.ShredKeysAsync(store, Ct));

        Assert.Equal(("not-erased", ErrorKind.Denied), (fault.Code, fault.Kind));
        Assert.Contains("which its object lock keeps until", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Object_lock_in_a_bucket_without_it_is_refused_before_anything_is_written()
    {
        var server = await lab.GetS3Async(Ct);
        var url = server.Url(StoreLab.Bucket, "unlocked") + "&objectLock=compliance&objectLockDays=3";
        await AssertRefusedAsync(url, "s3-no-object-lock", ErrorKind.Unsupported, "does not lock objects");
        using var client = server.CreateClient();
        Assert.Equal(0, (await client.ListObjectsV2Async(new ListObjectsV2Request { BucketName = StoreLab.Bucket, Prefix = "unlocked/" }, Ct)).KeyCount);
    }

    [Fact]
    public async Task Storage_class_is_asked_for_large_objects_only()
    {
        var server = await lab.GetS3Async(Ct);
        await using var store = StoreUrl.Parse(server.Url(StoreLab.Bucket, "classes") + "&storageClass=NOT_THERE").Open();
        await store.PutAsync("small", new byte[10], Ct);
        var fault = await Assert.ThrowsAsync<EngineException>(() => store.PutAsync("large", new byte[1 << 20], Ct));
        Assert.Equal(("store-failed", false), (fault.Code, fault.IsTransient));
        Assert.Contains("storageClass", fault.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whole_prefixes_keep_apart_and_the_bucket_itself_may_be_the_store()
    {
        var server = await lab.GetS3Async(Ct);
        await server.EnsureBucketAsync("whole", withObjectLock: false, Ct);
        var root = StoreUrl.Parse($"s3://whole?endpoint={server.Endpoint}&credentials={server.CredentialsFile}");
        await using var store = root.Open();
        await using var below = root.Combine("shop").Open();
        await store.PutAsync("a", new byte[1], Ct);
        await below.PutAsync("b", new byte[2], Ct);
        Assert.Equal(2, (await store.StatAsync("shop/b", Ct))!.Value.Length);
        Assert.Null(await below.StatAsync("a", Ct));
    }

    [Fact]
    public async Task Checksums_of_the_client_are_off_for_servers_that_take_them_for_data()
    {
        // The mode that suits AWS is refused by this server with a fault that names the option; the default works.
        var url = await lab.NewStoreAsync("s3", Ct);
        await using (var store = StoreUrl.Parse(url).Open())
        {
            await store.PutAsync("a", new byte[10], Ct);
        }

        await using var strict = StoreUrl.Parse(url + "&checksum=whenSupported").Open();
        var fault = await Assert.ThrowsAsync<EngineException>(() => strict.PutAsync("b", new byte[10], Ct));
        Assert.Contains("checksum", fault.Hint, StringComparison.Ordinal);
    }

    private static async Task AssertRefusedAsync(string url, string code, ErrorKind kind, string text)
    {
        // Through the decorator that commands use: nothing of this is worth another try.
        await using var store = new RetryingStore(StoreUrl.Parse(url).Open(), onRetry: notice => Assert.Fail(notice.Fault.ToString()));
        Func<Task>[] calls = [() => store.PutAsync("a", new byte[1], Ct), () => store.ReadAllAsync("a", Ct), async () => await store.AnyAsync("", Ct)];
        foreach (var call in calls)
        {
            if (kind == ErrorKind.Unsupported && call != calls[0])
            {
                continue;
            }

            var fault = await Assert.ThrowsAsync<EngineException>(call);
            // A HEAD has no body that could say which of the keys is wrong.
            Assert.True(kind == fault.Kind, $"{fault.Kind} {fault.Code}: {fault.Message}");
            Assert.True(fault.Code == code || (call == calls[1] && fault.Code == "store-denied"), $"{fault.Code}: {fault.Message}");
            Assert.DoesNotContain("hunter2", fault.ToText(), StringComparison.Ordinal);
            if (fault.Code == code)
            {
                Assert.Contains(text, fault.Message, StringComparison.Ordinal);
            }
        }
    }

    private async Task<IObjectStore> ThroughAsync(FaultyNetwork network, int timeout)
    {
        var port = (await lab.GetS3Async(Ct)).Port;
        var url = (await lab.NewStoreAsync("s3", Ct)).Replace($"127.0.0.1:{port}", $"127.0.0.1:{network.Port}", StringComparison.Ordinal);
        return StoreUrl.Parse($"{url}&timeout={timeout}").Open();
    }
}
