using System.Net;
using System.Net.Sockets;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Postgres;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>An estate with one restore point, for tests that must not change anything.</summary>
public sealed class ProtectedConsole(PostgresLab lab, ConsoleSeed seed) : IAsyncLifetime
{
    internal ConsoleEstate Estate { get; private set; } = null!;

    internal string Point { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Estate = await ConsoleEstate.CreateAsync(lab, seed);
        Point = (await Estate.RunAsync("backup", ConsoleEstate.Source, "--json")).AssertDone().Json.GetProperty("restorePointId").GetString()!;
    }

    public async ValueTask DisposeAsync()
    {
        if (Estate is not null)
        {
            await Estate.DisposeAsync();
        }
    }
}

/// <summary>
/// Bad input through the console's commands: one message that says what to do, exit code 1, nothing lost, no restore point,
/// nothing left running.
/// </summary>
public sealed class BadInputTests(ProtectedConsole console) : IClassFixture<ProtectedConsole>
{
    private ConsoleEstate Estate => console.Estate;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Backup_with_another_passphrase_is_refused()
    {
        var other = Estate.Combine("other.key");
        await File.WriteAllTextAsync(other, "a guess", Ct);
        var result = await RefuseAsync(new EstateChanges { KeyFile = other }, "backup", ConsoleEstate.Source);
        result.AssertRefused("the passphrase does not open the repository");
        Assert.DoesNotContain("a guess", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backup_without_the_key_file_is_refused_before_anything_starts()
    {
        var result = await RefuseAsync(new EstateChanges { KeyFile = "/nowhere/key" }, "backup", ConsoleEstate.Source);
        result.AssertRefused("DrConsole:Tiers:0:KeyFile: there is no file /nowhere/key", "DrConsole:Tiers:1:KeyFile");
    }

    [Fact]
    public async Task Backup_of_an_unreachable_server_fails()
    {
        var port = FreePort.Choose();
        (await RefuseAsync(new EstateChanges { Port = port }, "backup", ConsoleEstate.Source)).AssertRefused($"127.0.0.1:{port}");
    }

    [Fact]
    public async Task Backup_with_a_wrong_password_fails_without_showing_it()
    {
        var file = Estate.Combine("wrong.pw");
        await File.WriteAllTextAsync(file, "hunter2\n", Ct);
        var result = await RefuseAsync(new EstateChanges { PasswordFile = file }, "backup", ConsoleEstate.Source, "--json");
        result.AssertRefused("password");
        Assert.DoesNotContain("hunter2", result.Error + result.Output, StringComparison.Ordinal);
        Assert.Equal("failed", result.Json.GetProperty("status").GetString());
    }

    [Fact]
    public async Task Backup_of_a_missing_table_names_it() =>
        (await RefuseAsync(new EstateChanges { Tables = ["orders", "ordres"] }, "backup", ConsoleEstate.Source)).AssertRefused("no table ordres");

    [Fact]
    public async Task Backup_of_a_missing_database_names_it() =>
        (await RefuseAsync(new EstateChanges { Database = "ordres" }, "backup", ConsoleEstate.Source)).AssertRefused("ordres");

    [Fact]
    public async Task Backup_without_pg_dump_says_what_to_install()
    {
        Assert.SkipUnless(ServerUser.IsRoot, "hiding installed programs needs a mount namespace");
        // The same programs but for pg_dump, laid over the installed ones for this process alone.
        var installed = PostgresBinaries.Find().Folder;
        var without = Directory.CreateDirectory(Estate.Combine("without-pg_dump")).FullName;
        await Shell.RunAsync("cp", "-a", installed + "/.", without);
        File.Delete(Path.Combine(without, "pg_dump"));
        var path = Directory.CreateDirectory(Estate.Combine("path")).FullName;
        foreach (var program in new[] { "setsid", "setpriv", "test" })
        {
            File.CreateSymbolicLink(Path.Combine(path, program), $"/usr/bin/{program}");
        }

        var result = await ConsoleProcess.RunAsync(
            ["backup", ConsoleEstate.Source, "--config", Estate.Configuration],
            new Dictionary<string, string> { ["PATH"] = path, [PostgresBinaries.FolderVariable] = "/nowhere/bin" },
            "/usr/bin/unshare", "--mount", "/bin/sh", "-c", $"/bin/mount --bind '{without}' '{installed}' && exec \"$@\"", "sh");
        result.AssertRefused("pg_dump", "install");
        AssertNothingChanged();
    }

    [Fact]
    public async Task Backup_with_every_tier_full_fails_and_leaves_no_restore_point()
    {
        Assert.SkipUnless(ServerUser.IsRoot, "mounting a small file system needs root");
        var mount = Directory.CreateDirectory(Estate.Combine("full")).FullName;
        await Shell.RunAsync("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", mount);
        try
        {
            var (hot, warm) = (Path.Combine(mount, "hot"), Path.Combine(mount, "warm"));
            await Shell.RunAsync("cp", "-a", Estate.Store("hot"), hot);
            await Shell.RunAsync("cp", "-a", Estate.Store("warm"), warm);
            await Shell.RunAsync("sh", "-c", $"dd if=/dev/zero of='{mount}/ballast' bs=4k 2>/dev/null; true");
            (await RefuseAsync(new EstateChanges { HotStore = hot, WarmStore = warm }, "backup", ConsoleEstate.Source)).AssertRefused("no space is left", mount);
            foreach (var store in (string[])[hot, warm])
            {
                Assert.Equal(Estate.Manifests(), Directory.EnumerateFiles(Path.Combine(store, ConsoleEstate.Workspace, "manifests")).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal));
            }
        }
        finally
        {
            await Shell.RunAsync("umount", mount);
        }
    }

    [Fact]
    public async Task Restore_into_a_database_that_exists_is_refused()
    {
        var target = $"postgres://postgres@127.0.0.1:{Estate.Lab.Port}/{LabPostgres.Orders}?passwordFile={Estate.Lab.AdminPasswordFile}";
        (await RefuseAsync(new EstateChanges(), "restore", console.Point, "--to", target)).AssertRefused(LabPostgres.Orders, "exists");
    }

    [Fact]
    public async Task Restore_into_a_folder_that_is_not_empty_is_refused()
    {
        var folder = Directory.CreateDirectory(Estate.Combine("occupied")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "mine"), "mine", Ct);
        (await RefuseAsync(new EstateChanges(), "restore", console.Point, "--to", $"dir:{folder}")).AssertRefused("not empty");
        Assert.Equal("mine", await File.ReadAllTextAsync(Path.Combine(folder, "mine"), Ct));
    }

    [Theory]
    [InlineData("there is no source named 'nope'", "backup", "nope")]
    [InlineData("there is no restore point 'abc'", "validate", "abc")]
    [InlineData("there is no restore point 'xyz'", "restore", "xyz", "--to", "dir:/nowhere/x")]
    [InlineData("is none of postgres, pgdata, vcluster, redis, redisdata, dir", "restore", "abc", "--to", "ftp://x")]
    public async Task Unknown_names_are_said(string text, params string[] arguments) =>
        (await RefuseAsync(new EstateChanges(), arguments)).AssertRefused(text);

    [Theory]
    [InlineData("backup")]
    [InlineData("restore", "abc")]
    [InlineData("serve", "--port", "1")]
    [InlineData("nothing")]
    public async Task Wrong_usage_ends_with_exit_code_2(params string[] arguments) => Assert.Equal(2, (await ConsoleProcess.RunAsync(arguments)).Code);

    [Fact]
    public async Task Configuration_with_three_mistakes_names_all_and_creates_nothing()
    {
        var file = Estate.Combine("three.json");
        await File.WriteAllTextAsync(file, """
            { "DrConsole": { "DataDirectory": "never-made", "Surces": [],
              "Tiers": [ { "Name": "hot", "Store": "ftp://host/x", "KeyFile": "no.key" } ] } }
            """, Ct);
        foreach (var command in new[] { "serve", "sources" })
        {
            var result = await ConsoleProcess.RunAsync([command, "--config", file]);
            result.AssertRefused("3 mistakes", "DrConsole:Surces: unknown key", "DrConsole:Tiers:0:KeyFile: there is no file", "DrConsole:Tiers:0:Store: stores of type ftp: are not known");
        }

        Assert.False(Directory.Exists(Estate.Combine("never-made")));
    }

    [Fact]
    public async Task Configuration_file_that_is_missing_or_broken_is_named()
    {
        (await ConsoleProcess.RunAsync(["sources", "--config", "/nowhere/c.json"])).AssertRefused("/nowhere/c.json");
        var file = Estate.Combine("broken.json");
        await File.WriteAllTextAsync(file, "{ \"DrConsole\": {\n  \"Tiers\": [ ,\n", Ct);
        (await ConsoleProcess.RunAsync(["serve", "--config", file])).AssertRefused(file, "LineNumber: 1");
    }

    [Fact]
    public async Task Serve_on_a_port_in_use_says_so_and_starts_nothing()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var url = $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";
        (await ConsoleProcess.RunAsync(["serve", "--config", Estate.Configuration, "--urls", url])).AssertRefused(url, "--urls");
        (await ConsoleProcess.RunAsync(["serve", "--config", Estate.Configuration, "--urls", "nonsense"])).AssertRefused("'nonsense'", "--urls");
        AssertNothingChanged();
    }

    /// <summary>Runs a command that must not change anything: no restore point more or less, no process left.</summary>
    private async Task<CommandResult> RefuseAsync(EstateChanges changes, params string[] arguments)
    {
        var result = await ConsoleProcess.RunAsync([.. arguments, "--config", await Estate.ConfigureAsync(changes)]);
        AssertNothingChanged();
        return result;
    }

    private void AssertNothingChanged()
    {
        Assert.Equal([console.Point], Estate.Manifests());
        Estate.AssertNothingRuns();
    }
}
