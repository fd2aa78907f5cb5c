using System.Diagnostics;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

public sealed class FileSystemStoreTests : ObjectStoreContract, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("")]
    [InlineData("/a")]
    [InlineData("a/")]
    [InlineData("../a")]
    [InlineData("a/../b")]
    [InlineData("a//b")]
    [InlineData("A")]
    [InlineData("tmp/a")]
    public async Task Key_that_is_none_is_refused(string key)
    {
        await using var store = Open();
        await Assert.ThrowsAsync<ArgumentException>(() => store.PutAsync(key, new byte[1], Ct));
    }

    [Fact]
    public async Task Objects_are_private_and_abandoned_temporary_files_are_swept()
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        _folder.Write("store/tmp/abandoned", new byte[10]);
        time.Advance(TimeSpan.FromDays(2));
        await using var store = new FileSystemStore(_folder.Combine("store"), time);
        await store.PutAsync("a/b", new byte[1], Ct);
        Assert.Empty(Directory.GetFiles(_folder.Combine("store", "tmp")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder.Combine("store", "a", "b")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder.Combine("store", "a")));
    }

    [Fact]
    public async Task Full_disk_makes_no_restore_point_and_the_next_backup_works_when_there_is_space()
    {
        var mount = _folder.Combine("small");
        Directory.CreateDirectory(mount);
        Assert.SkipUnless(Environment.UserName == "root" && Run("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", mount), "mounting a small tmpfs needs root");
        try
        {
            await using var store = new FileSystemStore(Path.Combine(mount, "store"));
            await using var repository = await RepositoryFixture.InitializeAsync(store);
            var first = await repository.BackupAsync(RepositoryFixture.Noise(1_000_000));
            var error = await Assert.ThrowsAsync<EngineException>(() => repository.BackupAsync(RepositoryFixture.Noise(30_000_000, 2)));
            Assert.Equal(("store-full", ErrorKind.OutOfSpace), (error.Code, error.Kind));
            Assert.Empty(Directory.GetFiles(Path.Combine(mount, "store", "tmp")));
            Assert.Equal(first.Id, Assert.Single((await repository.ListAsync(Ct)).Points).Id);
            RepositoryFixture.AssertSame(RepositoryFixture.Noise(1_000_000), await repository.ReadAsync(first));

            Assert.True(Run("mount", "-o", "remount,size=80m", mount));
            var second = await repository.BackupAsync(RepositoryFixture.Noise(30_000_000, 2));
            RepositoryFixture.AssertSame(RepositoryFixture.Noise(30_000_000, 2), await repository.ReadAsync(second));
            Assert.True((await repository.CheckAsync(CheckLevel.L3, CheckSlice.All, null, Ct)).IsSound);
        }
        finally
        {
            Run("umount", mount);
        }
    }

    [Fact]
    public void StoreUrl_reads_directories()
    {
        Assert.Equal("/var/backups/hot", StoreUrl.Parse("file:///var/backups/hot/").Path);
        Assert.Equal("/var/with space", StoreUrl.Parse("file:///var/with%20space").Path);
        Assert.Equal("file:///var/with%20space", new StoreUrl("/var/with space").ToString());
        Assert.Equal("/etc/app/data/hot", StoreUrl.Parse("file:data/hot", "/etc/app").Path);
        Assert.Equal("/a/shop", StoreUrl.Parse("file:///a").Combine("shop").Path);
    }

    [Theory]
    [InlineData("s3://bucket/prefix", "s3://")]
    [InlineData("sftp://user@host/path", "sftp://")]
    public void StoreUrl_of_a_later_version_is_refused_by_name(string url, string name)
    {
        var error = Assert.Throws<EngineException>(() => StoreUrl.Parse(url));
        Assert.Equal(ErrorKind.Unsupported, error.Kind);
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
        Assert.Contains("not supported yet: part of a later version", error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Hint);
    }

    [Theory]
    [InlineData("/plain/path")]
    [InlineData("file://host/path")]
    [InlineData("http://x")]
    [InlineData("file:")]
    public void StoreUrl_that_is_none_is_refused(string url) => Assert.Equal(ErrorKind.Input, Assert.Throws<EngineException>(() => StoreUrl.Parse(url)).Kind);

    protected override IObjectStore Open() => new FileSystemStore(_folder.Combine(Guid.NewGuid().ToString("N"), "store"));

    private static bool Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
