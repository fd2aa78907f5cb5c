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
    public async Task Shredding_leaves_nothing_of_a_key_that_a_killed_writer_had_not_named_yet()
    {
        await using var store = new FileSystemStore(_folder.Combine("store"));
        await using (var repository = await RepositoryFixture.InitializeAsync(store))
        {
        }

        var slot = Directory.GetFiles(_folder.Combine("store", "keys")).First();
        File.Copy(slot, _folder.Combine("store", "tmp", Guid.NewGuid().ToString("N")));

        Assert.Equal(2, await BackupRepository.ShredKeysAsync(store, Ct));
        Assert.Empty(Directory.GetFiles(_folder.Combine("store"), "*", SearchOption.AllDirectories));
        await using var none = new FileSystemStore(_folder.Combine("none"));
        Assert.Equal(0, await BackupRepository.ShredKeysAsync(none, Ct));
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
    public async Task Read_only_file_system_is_refused_clearly()
    {
        var mount = _folder.Combine("read-only");
        Directory.CreateDirectory(mount);
        Assert.SkipUnless(Environment.UserName == "root" && Run("mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", mount), "mounting needs root");
        try
        {
            await using var store = new FileSystemStore(mount);
            var fault = await Assert.ThrowsAsync<EngineException>(() => store.PutAsync("a", new byte[1], Ct));
            Assert.Equal(("store-denied", ErrorKind.Denied), (fault.Code, fault.Kind));
        }
        finally
        {
            Run("umount", mount);
        }
    }

    [Fact]
    public async Task Bytes_that_the_disk_does_not_give_are_damage_to_their_object()
    {
        // The memory of this process where nothing is mapped: the kernel says EIO of it, as of a bad sector.
        await using var store = new FileSystemStore("/proc/self");

        var fault = await Assert.ThrowsAsync<EngineException>(() => store.ReadAsync("mem", 0, new byte[16], Ct));

        Assert.Equal(("object-unreadable", ErrorKind.Damaged, false), (fault.Code, fault.Kind, fault.IsTransient));
        Assert.Equal("mem", fault.Context["object"]);
        Assert.True(RepositoryDamage.IsIn(fault));
    }

    [Fact]
    public async Task Disk_that_gives_nothing_is_away_and_its_objects_are_not_damaged()
    {
        Directory.CreateDirectory(_folder.Combine("store"));
        File.CreateSymbolicLink(_folder.Combine("store", "mem"), "/proc/self/mem");
        await using var store = new FileSystemStore(_folder.Combine("store"));

        Assert.Equal(("store-failed", ErrorKind.Unavailable), await FaultAsync(() => store.ReadAsync("mem", 0, new byte[16], Ct)));
        Assert.Equal(("store-failed", ErrorKind.Unavailable), await FaultAsync(ReadStreamAsync));

        await store.PutAsync("other", new byte[3], Ct);
        Assert.Equal(("object-unreadable", ErrorKind.Damaged), await FaultAsync(() => store.ReadAsync("mem", 0, new byte[16], Ct)));
        Assert.Equal(("object-unreadable", ErrorKind.Damaged), await FaultAsync(ReadStreamAsync));

        async Task ReadStreamAsync()
        {
            await using var stream = await store.OpenReadAsync("mem", Ct);
            _ = await stream.ReadAsync(new byte[16], Ct);
        }

        static async Task<(string Code, ErrorKind Kind)> FaultAsync(Func<Task> read)
        {
            var fault = await Assert.ThrowsAsync<EngineException>(read);
            return (fault.Code, fault.Kind);
        }
    }

    [Theory]
    [InlineData("ext3", false)]
    [InlineData("xfs", false)]
    [InlineData("zfs", false)]
    [InlineData("overlayfs", false)]
    [InlineData("nfs", true)]
    [InlineData("fuse", true)]
    [InlineData("fuse.sshfs", true)]
    public void File_system_of_a_network_or_a_program_is_no_disk_of_this_machine(string type, bool isRemote) => Assert.Equal(isRemote, LocalDisk.IsRemoteType(type));

    [Fact]
    public async Task Listing_says_that_it_goes_on()
    {
        await using var store = new FileSystemStore(_folder.Combine("store"));
        await store.PutAsync("packs/ab/c", new byte[3], Ct);
        await store.PutAsync("packs/cd/e", new byte[3], Ct);
        var entries = 0;
        store.OnEntry = () => entries++;

        Assert.True(await store.AnyAsync("packs/", Ct));

        Assert.Equal(2, entries);
    }

    [Fact]
    public async Task Folder_that_cannot_be_looked_into_is_neither_empty_nor_are_its_objects_gone()
    {
        // A link to itself: a look at it fails with another errno than that of what is not there.
        Directory.CreateDirectory(_folder.Combine("store"));
        File.CreateSymbolicLink(_folder.Combine("store", "sessions"), "sessions");
        await using var store = new FileSystemStore(_folder.Combine("store"));

        Assert.Equal(ErrorKind.Unavailable, (await Assert.ThrowsAsync<EngineException>(() => store.AnyAsync("sessions/", Ct))).Kind);
        Assert.Equal(ErrorKind.Unavailable, (await Assert.ThrowsAsync<EngineException>(() => store.StatAsync("sessions/a", Ct))).Kind);
        Assert.Equal(ErrorKind.Unavailable, (await Assert.ThrowsAsync<EngineException>(() => store.DeleteAsync("sessions/a", Ct))).Kind);

        Assert.False(await store.AnyAsync("marks/", Ct));
        Assert.Null(await store.StatAsync("marks/a", Ct));
        await store.DeleteAsync("marks/a", Ct);
    }

    [Fact]
    public async Task Store_at_the_root_of_a_file_system_does_not_look_into_what_that_keeps_for_itself()
    {
        await using var store = new FileSystemStore(_folder.Combine("store"));
        await store.PutAsync("packs/ab/c", new byte[3], Ct);
        _folder.Write("store/lost+found/#12", new byte[10]);
        File.SetUnixFileMode(_folder.Combine("store", "lost+found"), UnixFileMode.None);

        var found = new List<string>();
        await foreach (var item in store.ListAsync("", Ct))
        {
            found.Add(item.Key);
        }

        Assert.Equal(["packs/ab/c"], found);
        File.SetUnixFileMode(_folder.Combine("store", "lost+found"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    protected override Task<IObjectStore> OpenAsync() => Task.FromResult<IObjectStore>(new FileSystemStore(_folder.Combine(Guid.NewGuid().ToString("N"), "store")));

    private static bool Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
