using System.Diagnostics;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Stores;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Engine.Tests.Storage;

/// <summary>The contract on a real OpenSSH server.</summary>
public sealed class SftpStoreContractTests(StoreLab lab) : ObjectStoreContract
{
    protected override async Task<IObjectStore> OpenAsync() => StoreUrl.Parse(await lab.NewStoreAsync("sftp", Ct)).Open();
}

/// <summary>What is SFTP's own: host keys, logins, a disk that is full, a connection that breaks.</summary>
public sealed class SftpStoreTests(StoreLab lab)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Objects_are_private_files_and_abandoned_temporary_ones_are_swept()
    {
        var folder = await lab.NewFolderAsync();
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        Directory.CreateDirectory(Path.Combine(folder, "tmp"));
        await File.WriteAllBytesAsync(Path.Combine(folder, "tmp", "abandoned"), new byte[10], Ct);
        time.Advance(TimeSpan.FromDays(2));
        await using var store = StoreUrl.Parse((await lab.GetSshAsync(Ct)).Url(folder)).Open(time);
        await store.PutAsync("packs/ab/c", new byte[3], Ct);
        Assert.Equal(3, new FileInfo(Path.Combine(folder, "packs/ab/c")).Length);
        Assert.Empty(Directory.GetFiles(Path.Combine(folder, "tmp")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.Combine(folder, "packs")));
        var capacity = await ((IStoreCapacity)store).CapacityAsync(Ct);
        Assert.Equal(new DriveInfo(folder).TotalSize, capacity!.Value.TotalBytes);
    }

    [Fact]
    public async Task What_a_file_system_keeps_in_its_root_is_no_object()
    {
        var folder = await lab.NewFolderAsync();
        Directory.CreateDirectory(Path.Combine(folder, "lost+found"));
        await File.WriteAllBytesAsync(Path.Combine(folder, "lost+found", "#12"), new byte[10], Ct);
        await using var store = StoreUrl.Parse((await lab.GetSshAsync(Ct)).Url(folder)).Open();
        await store.PutAsync("packs/ab/c", new byte[3], Ct);
        var found = new List<string>();
        await foreach (var item in store.ListAsync("", Ct))
        {
            found.Add(item.Key);
        }

        Assert.Equal(["packs/ab/c"], found);
    }

    [Fact]
    public async Task Shredding_leaves_nothing_of_a_key_that_a_killed_writer_had_not_named_yet()
    {
        var folder = await lab.NewFolderAsync();
        await using var store = StoreUrl.Parse((await lab.GetSshAsync(Ct)).Url(folder)).Open();
        Assert.Equal(0, await BackupRepository.ShredKeysAsync(store, Ct));
        await using (var repository = await RepositoryFixture.InitializeAsync(store))
        {
        }

        File.Copy(Directory.GetFiles(Path.Combine(folder, "keys")).First(), Path.Combine(folder, "tmp", Guid.NewGuid().ToString("N")));

        Assert.Equal(2, await BackupRepository.ShredKeysAsync(store, Ct));
        Assert.Empty(Directory.GetFiles(folder, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Upload_on_a_line_that_stalls_is_given_up_after_the_time_out_however_large_it_is()
    {
        var port = (await lab.GetSshAsync(Ct)).Port;
        await using var network = new FaultyNetwork(port, new NetworkFaults(1, CutShare: 0, StallShare: 1, SlowShare: 0, MostBytes: 500_000));
        var url = (await lab.NewStoreAsync("sftp", Ct)).Replace($"127.0.0.1:{port}", $"127.0.0.1:{network.Port}", StringComparison.Ordinal);
        await using var store = StoreUrl.Parse($"{url}&timeout=2").Open();

        var fault = await Assert.ThrowsAsync<EngineException>(() => store.PutAsync("packs/large", new byte[30 << 20], Ct).WaitAsync(TimeSpan.FromMinutes(3), Ct));

        Assert.Equal((ErrorKind.Unavailable, true), (fault.Kind, fault.IsTransient));
        Assert.True(network.Stalled > 0);
    }

    [Fact]
    public async Task Host_key_that_is_not_known_is_refused_with_the_fingerprint_to_record()
    {
        var ssh = await lab.GetSshAsync(Ct);
        var folder = await lab.NewFolderAsync();
        var url = $"{ssh.Url(folder).Split("&hostKey", 2)[0]}&knownHosts=/dev/null";
        var fault = await RefusedAsync(url);
        Assert.Equal(("sftp-host-key-unknown", ErrorKind.Denied, false), (fault.Code, fault.Kind, fault.IsTransient));
        Assert.Contains(ssh.Fingerprint, fault.Message, StringComparison.Ordinal);
        Assert.Contains($"hostKey={ssh.Fingerprint}", fault.Hint, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Host_key_from_a_known_hosts_file_is_trusted_and_a_changed_one_is_refused(bool isHashed)
    {
        await using var ssh = await lab.StartSshAsync(new LabSshOptions { Name = $"keys-{isHashed}".ToLowerInvariant() }, Ct);
        var folder = await lab.NewFolderAsync();
        var known = folder + ".known_hosts";
        await File.WriteAllTextAsync(known, "# comment\nother.example ssh-ed25519 AAAA\n" + ssh.KnownHostsLine + "\n", Ct);
        if (isHashed)
        {
            await RunAsync("ssh-keygen", "-q", "-H", "-f", known);
            Assert.DoesNotContain("127.0.0.1", await File.ReadAllTextAsync(known, Ct), StringComparison.Ordinal);
        }

        var url = $"{ssh.Url(folder).Split("&hostKey", 2)[0]}&knownHosts={known}";
        await using (var store = StoreUrl.Parse(url).Open())
        {
            await store.PutAsync("a", new byte[1], Ct);
        }

        await ssh.ChangeHostKeyAsync(Ct);
        var fault = await RefusedAsync(url);
        Assert.Equal(("sftp-host-key-changed", ErrorKind.Denied, false), (fault.Code, fault.Kind, fault.IsTransient));
        Assert.Contains(ssh.Fingerprint, fault.Message, StringComparison.Ordinal);
        Assert.Equal(["a"], Directory.GetFiles(folder).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Host_key_that_is_marked_as_revoked_is_refused()
    {
        var ssh = await lab.GetSshAsync(Ct);
        var folder = await lab.NewFolderAsync();
        var known = folder + ".known_hosts";
        await File.WriteAllTextAsync(known, $"{ssh.KnownHostsLine}\n@revoked * {string.Join(' ', ssh.KnownHostsLine.Split(' ')[1..])}\n", Ct);
        Assert.Equal("sftp-host-key-revoked", (await RefusedAsync($"{ssh.Url(folder).Split("&hostKey", 2)[0]}&knownHosts={known}")).Code);
    }

    [Fact]
    public async Task Changed_host_key_against_a_fingerprint_is_refused()
    {
        await using var ssh = await lab.StartSshAsync(new LabSshOptions { Name = "fingerprint" }, Ct);
        var url = ssh.Url(await lab.NewFolderAsync());
        await ssh.ChangeHostKeyAsync(Ct);
        Assert.Equal("sftp-host-key-changed", (await RefusedAsync(url)).Code);
    }

    [Fact]
    public async Task Password_lets_in_and_a_wrong_one_does_not()
    {
        Assert.SkipUnless(ServerUser.IsRoot, "a server with users of its own needs a mount namespace");
        await using var ssh = await lab.StartSshAsync(new LabSshOptions { Name = "password", TakesPassword = true }, Ct);
        var folder = await lab.NewFolderAsync();
        await RunAsync("install", "-d", "-m", "700", "-o", "65534", folder);
        await using (var store = StoreUrl.Parse(ssh.Url(folder + "/store")).Open())
        {
            await store.PutAsync("a/b", new byte[5], Ct);
            Assert.Equal(5, (await store.StatAsync("a/b", Ct))!.Value.Length);
        }

        var wrong = folder + ".pw";
        await File.WriteAllTextAsync(wrong, "hunter2\n", Ct);
        var fault = await RefusedAsync(ssh.Url(folder).Replace(ssh.PasswordFile, wrong, StringComparison.Ordinal));
        Assert.Equal(("sftp-login-refused", ErrorKind.Denied, false), (fault.Code, fault.Kind, fault.IsTransient));
        Assert.DoesNotContain("hunter2", fault.ToText(), StringComparison.Ordinal);

        // That user may not write into a directory of root's.
        await using var denied = StoreUrl.Parse(ssh.Url("/etc/drconsole-test")).Open();
        Assert.Equal(("store-denied", ErrorKind.Denied), KindOf(await Assert.ThrowsAsync<EngineException>(() => denied.PutAsync("a", new byte[1], Ct))));
    }

    [Fact]
    public async Task Wrong_key_is_refused_and_a_file_that_is_no_key_is_named()
    {
        var ssh = await lab.GetSshAsync(Ct);
        var other = await lab.NewFolderAsync();
        await RunAsync("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other);
        Assert.Equal("sftp-login-refused", (await RefusedAsync(ssh.Url("/tmp/x").Replace(ssh.IdentityFile, other, StringComparison.Ordinal))).Code);
        Assert.Equal("sftp-key-unreadable", (await RefusedAsync(ssh.Url("/tmp/x").Replace(ssh.IdentityFile, other + ".pub", StringComparison.Ordinal))).Code);
        Assert.Equal("sftp-file-unreadable", (await RefusedAsync(ssh.Url("/tmp/x").Replace(ssh.IdentityFile, "/nowhere/key", StringComparison.Ordinal))).Code);
        await RunAsync("ssh-keygen", "-q", "-p", "-N", "a passphrase", "-f", other);
        Assert.Equal("sftp-key-locked", (await RefusedAsync(ssh.Url("/tmp/x").Replace(ssh.IdentityFile, other, StringComparison.Ordinal))).Code);
    }

    [Fact]
    public async Task Read_only_server_is_refused_clearly_and_read_from()
    {
        await using var ssh = await lab.StartSshAsync(new LabSshOptions { Name = "read-only", IsReadOnly = true }, Ct);
        var folder = await lab.NewFolderAsync();
        Directory.CreateDirectory(folder);
        await File.WriteAllBytesAsync(Path.Combine(folder, "a"), new byte[7], Ct);
        await using var store = StoreUrl.Parse(ssh.Url(folder)).Open();
        Assert.Equal(7, (await store.ReadAllAsync("a", Ct)).Length);
        Assert.Equal(("store-denied", ErrorKind.Denied), KindOf(await Assert.ThrowsAsync<EngineException>(() => store.PutAsync("b", new byte[1], Ct))));
        Assert.Equal(("store-denied", ErrorKind.Denied), KindOf(await Assert.ThrowsAsync<EngineException>(() => store.DeleteAsync("a", Ct))));
        Assert.Equal(["a"], Directory.GetFileSystemEntries(folder).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Full_disk_is_told_from_other_failures_and_leaves_nothing_half()
    {
        Assert.SkipUnless(ServerUser.IsRoot, "mounting a small tmpfs needs root");
        var folder = await lab.NewFolderAsync();
        Directory.CreateDirectory(folder);
        await RunAsync("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder);
        try
        {
            await using var store = StoreUrl.Parse((await lab.GetSshAsync(Ct)).Url(folder)).Open();
            await store.PutAsync("a", RepositoryFixture.Noise(1 << 20), Ct);
            var fault = await Assert.ThrowsAsync<EngineException>(() => store.PutAsync("b", RepositoryFixture.Noise(20 << 20), Ct));
            Assert.Equal(("store-full", ErrorKind.OutOfSpace), KindOf(fault));
            Assert.Empty(Directory.GetFiles(Path.Combine(folder, "tmp")));
            Assert.Null(await store.StatAsync("b", Ct));
            await store.PutAsync("c", RepositoryFixture.Noise(4 << 20), Ct);
        }
        finally
        {
            await RunAsync("umount", folder);
        }
    }

    [Fact]
    public async Task Server_that_is_gone_is_a_transient_fault_and_its_return_is_noticed()
    {
        await using var ssh = await lab.StartSshAsync(new LabSshOptions { Name = "restarted" }, Ct);
        await using var store = StoreUrl.Parse(ssh.Url(await lab.NewFolderAsync())).Open();
        await store.PutAsync("a", new byte[1], Ct);
        await ssh.KillWithSessionsAsync(Ct);
        var fault = await Assert.ThrowsAsync<EngineException>(() => store.StatAsync("a", Ct));
        Assert.Equal((ErrorKind.Unavailable, true), (fault.Kind, fault.IsTransient));
        await ssh.StartAsync(Ct);
        Assert.NotNull(await store.StatAsync("a", Ct));
    }

    [Fact]
    public async Task Cancelled_upload_ends_at_once_and_leaves_no_object()
    {
        await using var store = StoreUrl.Parse(await lab.NewStoreAsync("sftp", Ct)).Open();
        using var stop = new CancellationTokenSource();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.PutAsync("a", new byte[1 << 20], stop.Token));
        Assert.Null(await store.StatAsync("a", Ct));
    }

    private static (string Code, ErrorKind Kind) KindOf(EngineException fault) => (fault.Code, fault.Kind);

    private static async Task<EngineException> RefusedAsync(string url)
    {
        await using var store = StoreUrl.Parse(url).Open();
        return await Assert.ThrowsAsync<EngineException>(() => store.PutAsync("a", new byte[1], Ct));
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        await process.WaitForExitAsync(Ct);
        Assert.True(process.ExitCode == 0, $"{program}: {await process.StandardError.ReadToEndAsync(Ct)}");
    }
}
