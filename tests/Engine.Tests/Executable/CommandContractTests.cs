using System.Text.Json;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Postgres;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>What scripts rely on: JSON members, exit codes, the same answers with and without a console beside the command.</summary>
public sealed class CommandContractTests(PostgresLab lab, ConsoleSeed seed)
{
    private static readonly string[] Steps = ["file_integrity", "encryption", "compression", "content_structure", "restorability"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Commands_without_a_console_keep_the_contract()
    {
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        var point = await BackupAsync(estate);
        await AssertListedAsync(estate, point, "unproven");
        await AssertProvenAsync(estate, point);
        await AssertListedAsync(estate, point, "proven");
        await RestoreIntoDirectoryAsync(estate, point);
        await RestoreIntoDatabaseAsync(estate, point);
        estate.AssertNothingRuns();
    }

    [Fact]
    public async Task Commands_beside_a_console_keep_the_contract()
    {
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        await using var console = await estate.ServeAsync();
        var point = await BackupAsync(estate);
        var asked = (await estate.RunAsync("validate", point, "--no-wait")).AssertDone();
        Assert.Matches("^R-[0-9]+\n$", asked.Output);
        await AssertProvenAsync(estate, point);
        await RestoreIntoDirectoryAsync(estate, point);
        Assert.Equal(0, (await console.StopAsync()).Code);
        estate.AssertNothingRuns();
    }

    [Fact]
    public async Task Backup_no_wait_without_a_console_waits_for_its_start()
    {
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        var asked = (await estate.RunAsync("backup", ConsoleEstate.Source, "--no-wait", "--json")).AssertDone();
        Assert.Equal((1, "queued"), (asked.Json.GetProperty("runId").GetInt32(), asked.Json.GetProperty("status").GetString()));
        Assert.Contains("waits for the next start of the console", asked.Error, StringComparison.Ordinal);
        Assert.Empty(estate.Manifests());
        estate.AssertNothingRuns();

        await using var console = await estate.ServeAsync();
        await console.WaitForAsync("R-1 has no holder; handing it over");
        while (estate.Manifests().Count == 0)
        {
            await Task.Delay(100, Ct);
        }
    }

    [Fact]
    public async Task Validate_of_a_damaged_pack_ends_with_exit_code_3_and_names_it()
    {
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        var point = await BackupAsync(estate);
        var pack = Directory.EnumerateFiles(Path.Combine(estate.Store("hot"), ConsoleEstate.Workspace, "packs"), "*", SearchOption.AllDirectories).First();
        var bytes = await File.ReadAllBytesAsync(pack, Ct);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(pack, bytes, Ct);

        var damaged = await estate.RunAsync("validate", point, "--tier", "hot", "--json");
        Assert.Equal((3, false), (damaged.Code, damaged.Json.GetProperty("overallPassed").GetBoolean()));
        var steps = damaged.Json.GetProperty("steps").EnumerateArray().ToList();
        Assert.Equal(["failed", "not_run", "not_run", "not_run", "not_run"], steps.Select(step => step.GetProperty("status").GetString()));
        Assert.Contains(Path.GetFileName(pack), steps[0].GetProperty("reason").GetString(), StringComparison.Ordinal);

        // The tier is known to be damaged now, so the next proof reads the other one.
        await AssertProvenAsync(estate, point);
    }

    private static async Task<string> BackupAsync(ConsoleEstate estate)
    {
        var backup = (await estate.RunAsync("backup", ConsoleEstate.Source, "--json")).AssertDone().Json;
        Assert.Equal(["runId", "restorePointId", "status", "bytes", "storedBytes", "seconds"], Names(backup));
        Assert.Equal("completed", backup.GetProperty("status").GetString());
        Assert.True(backup.GetProperty("bytes").GetInt64() > backup.GetProperty("storedBytes").GetInt64());
        var point = backup.GetProperty("restorePointId").GetString()!;
        Assert.Contains(point, estate.Manifests("hot"));
        Assert.Contains(point, estate.Manifests("warm"));
        return point;
    }

    private static async Task AssertListedAsync(ConsoleEstate estate, string point, string proof)
    {
        var listed = Assert.Single((await estate.RunAsync("restore-points", "--json")).AssertDone().Json.EnumerateArray());
        Assert.Equal((point, proof), (listed.GetProperty("id").GetString(), listed.GetProperty("proof").GetString()));
        Assert.Equal(["hot", "warm"], Names(listed.GetProperty("tiers")));
        var source = Assert.Single((await estate.RunAsync("sources", "--json")).AssertDone().Json.EnumerateArray());
        Assert.Equal((ConsoleEstate.Source, "postgres", point), (source.GetProperty("name").GetString(), source.GetProperty("kind").GetString(), source.GetProperty("newestRestorePoint").GetString()));
    }

    private static async Task AssertProvenAsync(ConsoleEstate estate, string point)
    {
        var proof = (await estate.RunAsync("validate", point[..12], "--json")).AssertDone().Json;
        Assert.Equal(["restorePointId", "overallPassed", "steps"], Names(proof));
        Assert.Equal((point, true), (proof.GetProperty("restorePointId").GetString(), proof.GetProperty("overallPassed").GetBoolean()));
        var steps = proof.GetProperty("steps").EnumerateArray().ToList();
        Assert.Equal(Steps, steps.Select(step => step.GetProperty("name").GetString()));
        Assert.All(steps, step => Assert.Equal(["name", "status", "seconds", "reason"], Names(step)));
        Assert.All(steps, step => Assert.Equal("passed", step.GetProperty("status").GetString()));
    }

    private static async Task RestoreIntoDirectoryAsync(ConsoleEstate estate, string point)
    {
        var folder = estate.Combine("restored");
        var restore = (await estate.RunAsync("restore", point, "--to", $"dir:{folder}", "--json")).AssertDone().Json;
        Assert.Equal(["runId", "status", "seconds"], Names(restore));
        Assert.Equal("completed", restore.GetProperty("status").GetString());
        Assert.NotEmpty(Directory.EnumerateFiles(folder));
    }

    private static async Task RestoreIntoDatabaseAsync(ConsoleEstate estate, string point)
    {
        var name = $"restored_{Guid.NewGuid():n}";
        try
        {
            var target = $"postgres://postgres@127.0.0.1:{estate.Lab.Port}/{name}?passwordFile={estate.Lab.AdminPasswordFile}";
            (await estate.RunAsync("restore", point, "--to", target)).AssertDone();
            Assert.Equal(await CountAsync(estate, LabPostgres.Orders), await CountAsync(estate, name));
        }
        finally
        {
            await estate.Lab.DropDatabaseAsync(name, CancellationToken.None);
        }
    }

    private static async Task<object?> CountAsync(ConsoleEstate estate, string database)
    {
        await using var connection = new NpgsqlConnection(estate.Lab.AdminConnection(database).ConnectionString + ";Pooling=false");
        await connection.OpenAsync(Ct);
        await using var count = new NpgsqlCommand("SELECT count(*) FROM customers", connection);
        return await count.ExecuteScalarAsync(Ct);
    }

    private static IEnumerable<string> Names(JsonElement json) => json.EnumerateObject().Select(member => member.Name);
}
