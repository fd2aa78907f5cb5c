using System.Diagnostics;
using System.Reflection;
using System.Text.Json;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Repository.Prune;
using Hexabase.DrConsole.Engine.Storage;

namespace Hexabase.DrConsole.Dashboard.Tests.Commands;

/// <summary>The contract of the command line, kept by the real executable.</summary>
public sealed class RepositoryCommandTests : IDisposable
{
    /// <summary>Where the build has made it: beside the tests it would lack the native libraries of its machine.</summary>
    private static readonly string s_console = Path.GetFullPath(
        typeof(RepositoryCommandTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(one => one.Key == "ConsoleExecutable").Value!);

    private readonly string _folder = Directory.CreateTempSubdirectory("drc-").FullName;

    public RepositoryCommandTests()
    {
        File.WriteAllText(Path.Combine(_folder, "key"), "secret\n");
        Directory.CreateDirectory(Path.Combine(_folder, "src", "dir"));
        File.WriteAllText(Path.Combine(_folder, "src", "dir", "a.txt"), "hello");
    }

    private string Store => $"file://{_folder}/store";

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Init_backup_list_check_restore_copy_and_stats_keep_the_contract()
    {
        Assert.Equal(0, (await RunAsync("init", "--store", Store, "--key-file", "key")).Code);
        var again = await RunAsync("init", "--store", Store, "--key-file", "key");
        Assert.Equal((1, true), (again.Code, again.Error.Contains("holds a repository already", StringComparison.Ordinal)));

        var backup = await RunAsync("backup", "src", "--store", Store, "--key-file", "key", "--source", "mine");
        Assert.Equal(0, backup.Code);
        var id = backup.Output.Trim();
        Assert.Matches("^[0-9a-f]{32}$", id);

        var list = await RunAsync("list", "--store", Store, "--key-file", "key", "--json");
        var point = JsonDocument.Parse(list.Output).RootElement.EnumerateArray().Single();
        Assert.Equal(["id", "source", "kind", "createdAt", "bytes", "storedBytes"], point.EnumerateObject().Select(p => p.Name));
        Assert.Equal((id, "mine", 5L), (point.GetProperty("id").GetString(), point.GetProperty("source").GetString(), point.GetProperty("bytes").GetInt64()));

        Assert.Equal(0, (await RunAsync("check", "--store", Store, "--key-file", "key", "--level", "L3")).Code);
        Assert.Equal(0, (await RunAsync("restore", id[..12], "--to", "out", "--store", Store, "--key-file", "key")).Code);
        Assert.Equal("hello", await File.ReadAllTextAsync(Path.Combine(_folder, "out", "src", "dir", "a.txt"), TestContext.Current.CancellationToken));
        var refused = await RunAsync("restore", id, "--to", "out", "--store", Store, "--key-file", "key");
        Assert.Equal((1, true), (refused.Code, refused.Error.Contains("not empty", StringComparison.Ordinal)));

        Assert.Equal(0, (await RunAsync("init", "--store", Store + "2", "--key-file", "key", "--from", Store)).Code);
        Assert.Equal(0, (await RunAsync("copy", "--from", Store, "--to", Store + "2", "--key-file", "key")).Code);
        var stats = await RunAsync("stats", "--store", Store + "2", "--key-file", "key", "--json");
        Assert.Equal(1, JsonDocument.Parse(stats.Output).RootElement.GetProperty("restorePoints").GetInt32());
    }

    [Fact]
    public async Task Prune_obeys_a_freeze_that_the_console_left_in_the_store_and_release_ends_it_with_a_reason()
    {
        var ct = TestContext.Current.CancellationToken;
        string[] store = ["--store", Store, "--key-file", "key"];
        await RunAsync(["init", .. store]);
        var old = (await RunAsync(["backup", "src", .. store, "--source", "mine"])).Output.Trim();
        await RunAsync(["backup", "src", .. store, "--source", "mine"]);
        string freeze;
        await using (var opened = StoreUrl.Parse(Store).Open())
        using (var key = await RepositoryKey.FromFileAsync(Path.Combine(_folder, "key"), ct))
        await using (var repository = await BackupRepository.OpenAsync(opened, key, null, ct))
        {
            freeze = await repository.WriteAttestationAsync(
                Attestations.Freeze, null, JsonSerializer.SerializeToElement(new { source = "mine", reason = "corruption is suspected" }), ct);
        }

        string[] prune = ["prune", .. store, "--keep-last", "1", "--allow-delete-share", "1", "--json"];
        var kept = JsonDocument.Parse((await RunAsync(prune)).Output).RootElement;
        Assert.Equal(0, kept.GetProperty("expired").GetArrayLength());
        Assert.Contains(freeze, kept.GetProperty("protected").EnumerateArray().Single().GetProperty("reason").GetString(), StringComparison.Ordinal);

        Assert.Equal(2, (await RunAsync(["release", freeze, .. store])).Code);
        var unknown = await RunAsync(["release", "nothing", .. store, "--reason", "a false alarm"]);
        Assert.Equal((1, true), (unknown.Code, unknown.Error.Contains("no hold, use or freeze 'nothing'", StringComparison.Ordinal)));
        Assert.Equal(0, (await RunAsync(["release", freeze, .. store, "--reason", "a false alarm"])).Code);
        var gone = JsonDocument.Parse((await RunAsync(prune)).Output).RootElement;
        Assert.Equal(old, gone.GetProperty("expired").EnumerateArray().Single().GetProperty("id").GetString());
    }

    [Fact]
    public async Task Trees_are_listed_and_restored_in_parts_and_as_a_delta()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "src", "skip.log"), "x", TestContext.Current.CancellationToken);
        await RunAsync("init", "--store", Store, "--key-file", "key");
        Assert.Equal(0, (await RunAsync("backup", "src", "--store", Store, "--key-file", "key", "--exclude", "*.log")).Code);
        var listed = JsonDocument.Parse((await RunAsync("ls", "latest:src/dir", "--store", Store, "--key-file", "key", "--json")).Output).RootElement;
        var entry = listed.EnumerateArray().Single();
        Assert.Equal(("src/dir/a.txt", "file", 5L), (entry.GetProperty("path").GetString(), entry.GetProperty("kind").GetString(), entry.GetProperty("size").GetInt64()));
        var found = JsonDocument.Parse((await RunAsync("ls", "latest", "--find", "A.T", "--store", Store, "--key-file", "key", "--json")).Output).RootElement;
        Assert.Equal("src/dir/a.txt", found.EnumerateArray().Single().GetProperty("path").GetString());
        Assert.Equal(1, (await RunAsync("ls", "latest:src/none", "--store", Store, "--key-file", "key")).Code);

        Assert.Equal(0, (await RunAsync("restore", "latest", "--path", "src/dir/a.txt", "--to", "one", "--store", Store, "--key-file", "key")).Code);
        Assert.Equal("hello", await File.ReadAllTextAsync(Path.Combine(_folder, "one", "a.txt"), TestContext.Current.CancellationToken));

        string[] delta = ["restore", "latest", "--to", ".", "--delta", "--store", Store, "--key-file", "key", "--json"];
        await File.WriteAllTextAsync(Path.Combine(_folder, "src", "dir", "a.txt"), "other text", TestContext.Current.CancellationToken);
        var told = JsonDocument.Parse((await RunAsync([.. delta, "--dry-run"])).Output).RootElement;
        Assert.Equal((1L, "replace"), (told.GetProperty("replaced").GetInt64(), told.GetProperty("changes")[0].GetProperty("kind").GetString()));
        Assert.Equal("other text", await File.ReadAllTextAsync(Path.Combine(_folder, "src", "dir", "a.txt"), TestContext.Current.CancellationToken));
        var done = JsonDocument.Parse((await RunAsync(delta)).Output).RootElement;
        Assert.Equal((1L, 1L), (done.GetProperty("replaced").GetInt64(), done.GetProperty("leftAlone").GetInt64()));
        Assert.Equal("hello", await File.ReadAllTextAsync(Path.Combine(_folder, "src", "dir", "a.txt"), TestContext.Current.CancellationToken));
        Assert.Equal(2, (await RunAsync("restore", "latest", "--to", "x", "--delete", "--store", Store, "--key-file", "key")).Code);
    }

    [Fact]
    public async Task Damage_ends_with_exit_code_3_and_the_names()
    {
        await RunAsync("init", "--store", Store, "--key-file", "key");
        await RunAsync("backup", "src", "--store", Store, "--key-file", "key");
        var pack = Directory.GetFiles(Path.Combine(_folder, "store", "packs"), "*", SearchOption.AllDirectories)[0];
        var bytes = await File.ReadAllBytesAsync(pack, TestContext.Current.CancellationToken);
        bytes[30] ^= 1;
        await File.WriteAllBytesAsync(pack, bytes, TestContext.Current.CancellationToken);
        var check = await RunAsync("check", "--store", Store, "--key-file", "key", "--json");
        Assert.Equal(3, check.Code);
        var damaged = JsonDocument.Parse(check.Output).RootElement.GetProperty("damaged")[0];
        Assert.EndsWith(Path.GetFileName(pack), damaged.GetProperty("name").GetString(), StringComparison.Ordinal);
        Assert.Equal(1, damaged.GetProperty("restorePoints").GetArrayLength());
        var scrub = await RunAsync("scrub", "--store", Store);
        Assert.Equal((3, true), (scrub.Code, scrub.Output.Contains(Path.GetFileName(pack), StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Repair_brings_a_damaged_tier_back_from_another()
    {
        await RunAsync("init", "--store", Store, "--key-file", "key");
        await RunAsync("backup", "src", "--store", Store, "--key-file", "key");
        await RunAsync("init", "--store", Store + "2", "--key-file", "key", "--from", Store);
        await RunAsync("copy", "--from", Store, "--to", Store + "2", "--key-file", "key");
        var pack = Directory.GetFiles(Path.Combine(_folder, "store", "packs"), "*", SearchOption.AllDirectories)[0];
        var bytes = await File.ReadAllBytesAsync(pack, TestContext.Current.CancellationToken);
        bytes[30] ^= 1;
        await File.WriteAllBytesAsync(pack, bytes, TestContext.Current.CancellationToken);
        string[] repair = ["repair", "--store", Store, "--from", Store + "2", "--key-file", "key", "--json"];
        var plan = await RunAsync([.. repair, "--dry-run"]);
        Assert.Equal((3, true), (plan.Code, JsonDocument.Parse(plan.Output).RootElement.GetProperty("objects")[0].GetProperty("isRepaired").GetBoolean()));
        var done = await RunAsync(repair);
        Assert.Equal((0, true), (done.Code, JsonDocument.Parse(done.Output).RootElement.GetProperty("isWhole").GetBoolean()));
        Assert.Equal(0, (await RunAsync("check", "--store", Store, "--key-file", "key", "--level", "L3")).Code);
    }

    [Fact]
    public async Task Prune_expires_by_the_ladder_frees_and_reports()
    {
        await RunAsync("init", "--store", Store, "--key-file", "key");
        for (var i = 0; i < 3; i++)
        {
            await File.WriteAllTextAsync(Path.Combine(_folder, "src", "dir", "a.txt"), $"hello {i}", TestContext.Current.CancellationToken);
            await RunAsync("backup", "src", "--store", Store, "--key-file", "key");
        }

        string[] prune = ["prune", "--store", Store, "--key-file", "key", "--keep-last", "1", "--grace", "00:00:00", "--json"];
        var plan = JsonDocument.Parse((await RunAsync([.. prune, "--dry-run"])).Output).RootElement;
        Assert.Equal((true, 2), (plan.GetProperty("dryRun").GetBoolean(), plan.GetProperty("expired").GetArrayLength()));
        var refused = await RunAsync(prune);
        Assert.Equal((1, true), (refused.Code, refused.Error.Contains("--allow-delete-share", StringComparison.Ordinal)));
        var done = JsonDocument.Parse((await RunAsync([.. prune, "--allow-delete-share", "1"])).Output).RootElement;
        Assert.Equal((1, 2), (done.GetProperty("restorePoints").GetInt32(), done.GetProperty("expired").GetArrayLength()));
        Assert.True(done.GetProperty("packs").GetProperty("delete").GetProperty("packs").GetInt32() > 0);
        Assert.Equal(0, (await RunAsync("check", "--store", Store, "--key-file", "key", "--level", "L3")).Code);
        var nothing = await RunAsync("prune", "--store", Store, "--key-file", "key", "--keep-daily", "0");
        Assert.Equal((2, true), (nothing.Code, nothing.Error.Contains("keep no restore point at all", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(2, "there is no option 'regin'", "list", "--store", "s3://bucket/x?regin=y", "--key-file", "key")]
    [InlineData(2, "file:///absolute/path", "list", "--store", "/plain", "--key-file", "key")]
    [InlineData(2, "--store", "list", "--key-file", "key")]
    [InlineData(1, "key file", "list", "--store", "file:store", "--key-file", "missing")]
    [InlineData(1, "there is no repository", "list", "--store", "file:store", "--key-file", "key")]
    public async Task Bad_input_gets_one_message_and_an_exit_code(int code, string text, params string[] arguments)
    {
        var result = await RunAsync(arguments);
        Assert.Equal((code, true), (result.Code, result.Error.Contains(text, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Wrong_passphrase_is_explained()
    {
        await RunAsync("init", "--store", Store, "--key-file", "key");
        await File.WriteAllTextAsync(Path.Combine(_folder, "other"), "guess", TestContext.Current.CancellationToken);
        var result = await RunAsync("list", "--store", Store, "--key-file", "other");
        Assert.Equal((1, ""), (result.Code, result.Output));
        Assert.Contains("the passphrase does not open the repository", result.Error, StringComparison.Ordinal);
        Assert.Contains("→", result.Error, StringComparison.Ordinal);
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo(s_console, ["repository", .. arguments])
        {
            WorkingDirectory = _folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output, await error);
    }
}
