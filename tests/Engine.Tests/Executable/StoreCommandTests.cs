using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Stores;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>The commands as processes on S3 and SFTP: the contract, and every bad input refused before anything is written.</summary>
public sealed class StoreCommandTests(StoreLab lab) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("drc-").FullName;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string Key => Path.Combine(_folder, "key");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("s3")]
    [InlineData("sftp")]
    public async Task Init_backup_list_check_copy_and_restore_keep_the_contract(string kind)
    {
        var tree = await WriteTreeAsync();
        var store = await lab.NewStoreAsync(kind, Ct);
        var second = await lab.NewStoreAsync(kind == "s3" ? "sftp" : "s3", Ct);
        (await RunAsync("init", "--store", store)).AssertDone();
        var id = (await RunAsync("backup", tree, "--store", store, "--source", "mine")).AssertDone().Output.Trim();
        var point = Assert.Single((await RunAsync("list", "--store", store, "--json")).AssertDone().Json.EnumerateArray());
        Assert.Equal((id, "mine"), (point.GetProperty("id").GetString(), point.GetProperty("source").GetString()));
        (await RunAsync("check", "--store", store, "--level", "L3")).AssertDone();
        Assert.Equal(0, (await ConsoleProcess.RunAsync(["repository", "scrub", "--store", store])).Code);

        (await RunAsync("init", "--store", second, "--from", store)).AssertDone();
        (await RunAsync("copy", "--from", store, "--to", second)).AssertDone();
        var target = Path.Combine(_folder, "out");
        (await RunAsync("restore", id, "--to", target, "--store", second)).AssertDone();
        Assert.Equal("hello", await File.ReadAllTextAsync(Path.Combine(target, "tree", "dir", "a.txt"), Ct));
        (await RunAsync("init", "--store", store)).AssertRefused("holds a repository already");

        if (kind == "sftp")
        {
            // What follows is the repository's own refusal, the same on any store.
            return;
        }

        var other = await lab.NewStoreAsync(kind, Ct);
        (await RunAsync("init", "--store", other)).AssertDone();
        (await RunAsync("copy", "--from", store, "--to", other)).AssertRefused("is no tier of the repository");
        Assert.Empty((await RunAsync("list", "--store", other, "--json")).AssertDone().Json.EnumerateArray());
    }

    [Theory]
    [InlineData("wrong-key", "does not accept the secret key")]
    [InlineData("missing-bucket", "there is no bucket 'nowhere'")]
    [InlineData("unknown-host-key", "is not known; it shows SHA256:")]
    [InlineData("changed-host-key", "shows another host key")]
    [InlineData("read-only-site", "refuses access")]
    [InlineData("wrong-login", "does not let user")]
    public async Task Bad_store_is_refused_with_what_to_do(string what, string text)
    {
        await WriteTreeAsync();
        await using var bad = await BadStore.MakeAsync(lab, what, _folder);
        (await RunAsync("init", "--store", bad.Url)).AssertRefused(text);
        await bad.AssertUntouchedAsync();
    }

    [Fact]
    public async Task Missing_credentials_name_the_variables()
    {
        await WriteTreeAsync();
        var server = await lab.GetS3Async(Ct);
        var url = $"s3://{StoreLab.Bucket}/x?endpoint={server.Endpoint}";
        var without = new Dictionary<string, string> { ["AWS_ACCESS_KEY_ID"] = "", ["AWS_SHARED_CREDENTIALS_FILE"] = "/nowhere/credentials", ["HOME"] = _folder };
        (await ConsoleProcess.RunAsync(["repository", "list", "--store", url, "--key-file", Key], without)).AssertRefused("no credentials", "AWS_ACCESS_KEY_ID");

        var lines = await File.ReadAllLinesAsync(server.CredentialsFile, Ct);
        var with = new Dictionary<string, string> { ["AWS_ACCESS_KEY_ID"] = lines[1].Split(" = ")[1], ["AWS_SECRET_ACCESS_KEY"] = lines[2].Split(" = ")[1] };
        (await ConsoleProcess.RunAsync(["repository", "init", "--store", url + "&region=us-east-1&pathStyle=true", "--key-file", Key], with)).AssertDone();
    }

    private async Task<string> WriteTreeAsync()
    {
        await File.WriteAllTextAsync(Key, "secret\n", Ct);
        var tree = Path.Combine(_folder, "tree");
        Directory.CreateDirectory(Path.Combine(tree, "dir"));
        await File.WriteAllTextAsync(Path.Combine(tree, "dir", "a.txt"), "hello", Ct);
        return tree;
    }

    private Task<CommandResult> RunAsync(params string[] arguments) => ConsoleProcess.RunAsync(["repository", .. arguments, "--key-file", Key]);
}

/// <summary>A store that must be refused, and what must be as before afterwards.</summary>
internal sealed class BadStore(string url, LabSsh? server, Func<Task> assertUntouched) : IAsyncDisposable
{
    public string Url { get; } = url;

    public Task AssertUntouchedAsync() => assertUntouched();

    public ValueTask DisposeAsync() => server?.DisposeAsync() ?? ValueTask.CompletedTask;

    public static async Task<BadStore> MakeAsync(StoreLab lab, string what, string folder)
    {
        var ct = TestContext.Current.CancellationToken;
        if (what is "wrong-key" or "missing-bucket")
        {
            return await MakeS3Async(lab, what, folder, ct);
        }

        var site = await lab.StartSshAsync(new LabSshOptions { Name = $"bad-{Guid.NewGuid():N}", IsReadOnly = what == "read-only-site" }, ct);
        var target = await lab.NewFolderAsync();
        Directory.CreateDirectory(target);
        var url = site.Url(target);
        switch (what)
        {
            case "changed-host-key":
                await site.ChangeHostKeyAsync(ct);
                break;
            case "unknown-host-key":
                url = url.Split("&hostKey", 2)[0] + "&knownHosts=/dev/null";
                break;
            case "wrong-login":
                url = url.Replace($"{site.User}@", "nobody-here@", StringComparison.Ordinal);
                break;
        }

        return new BadStore(url, site, () =>
        {
            Assert.Empty(Directory.GetFileSystemEntries(target));
            return Task.CompletedTask;
        });
    }

    private static async Task<BadStore> MakeS3Async(StoreLab lab, string what, string folder, CancellationToken ct)
    {
        var s3 = await lab.GetS3Async(ct);
        if (what == "missing-bucket")
        {
            return new BadStore(s3.Url("nowhere", "x"), null, async () =>
            {
                using var client = s3.CreateClient();
                Assert.DoesNotContain((await client.ListBucketsAsync(ct)).Buckets, bucket => bucket.BucketName == "nowhere");
            });
        }

        var wrong = Path.Combine(folder, "wrong.credentials");
        var lines = await File.ReadAllLinesAsync(s3.CredentialsFile, ct);
        await File.WriteAllLinesAsync(wrong, [lines[0], lines[1], "aws_secret_access_key = guess"], ct);
        var prefix = Guid.NewGuid().ToString("N");
        return new BadStore(s3.Url(StoreLab.Bucket, prefix).Replace(s3.CredentialsFile, wrong, StringComparison.Ordinal), null, async () =>
        {
            using var client = s3.CreateClient();
            Assert.Equal(0, (await client.ListObjectsV2Async(new Amazon.S3.Model.ListObjectsV2Request { BucketName = StoreLab.Bucket, Prefix = prefix }, ct)).KeyCount);
        });
    }
}
