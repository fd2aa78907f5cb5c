using System.Text;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Tests.Backups.Postgres;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Engine.Validation;
using static Hexabase.DrConsole.Engine.Tests.Backups.Postgres.DriverFixture;

namespace Hexabase.DrConsole.Engine.Tests.Validation;

public sealed class RestorePointValidationTests(PostgresLab lab)
{
    [Fact]
    public async Task Run_sound_restore_point_passes_all_five_steps_and_is_attested()
    {
        await using var driver = await CreateReadingAsync(lab);
        var backup = await driver.CaptureAsync();

        var result = await ValidateAsync(driver, backup.BackupId);

        Assert.True(result.OverallPassed, Describe(result));
        Assert.Equal(ValidationSteps.All, result.Steps.Select(step => step.Name));
        Assert.All(result.Steps, step => Assert.Equal((ValidationStepStatus.Passed, true), (step.Status, step.Seconds > 0)));
        Assert.True(result.MeasuredRestoreSeconds > 0);
        Assert.True(result.MeasuredRestoreSeconds < result.Steps[4].Seconds);
        Assert.True(result.ComparedObjects > 60);
        Assert.True(result.Comparison!.AllEqual);
        var kept = Assert.Single(await ValidationResult.ListAsync(driver.Repository, backup.BackupId, Ct));
        Assert.Equal(result.ToJson().GetRawText(), kept.ToJson().GetRawText());
        AssertNothingIsLeft(driver);
    }

    [Fact]
    public async Task ToJson_has_the_shape_that_scripts_read()
    {
        await using var driver = await CreateReadingAsync(lab);
        await using var session = await driver.Repository.BeginAsync(new() { Source = "files", Kind = "files" }, Ct);
        await session.WriteStreamAsync("a", "test", new MemoryStream([1, 2, 3]), null, Ct);
        var manifest = await session.CommitAsync(null, null, Ct);

        var json = (await ValidateAsync(driver, manifest.Id)).ToJson();

        Assert.Equal(manifest.Id.Value, json.GetProperty("restorePointId").GetString());
        Assert.False(json.GetProperty("overallPassed").GetBoolean());
        var steps = json.GetProperty("steps").EnumerateArray().ToList();
        Assert.Equal(
            ["file_integrity passed", "encryption passed", "compression passed", "content_structure not_run", "restorability not_run"],
            steps.Select(step => $"{step.GetProperty("name").GetString()} {step.GetProperty("status").GetString()}"));
        Assert.StartsWith("not provable here", steps[3].GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal("because step 4 (content_structure) could not be run", steps[4].GetProperty("reason").GetString());
    }

    [Fact]
    public async Task Run_one_changed_byte_in_a_pack_fails_step_one_and_names_the_pack()
    {
        await using var driver = await CreateReadingAsync(lab);
        var backup = await driver.CaptureAsync();
        var pack = PackFile(driver);
        await LogicalRestoreFaultTests.FlipAsync(pack);

        var result = await ValidateAsync(driver, backup.BackupId);

        AssertFailedAt(result, 0);
        Assert.Contains(result.Steps[0].Damaged, name => name.Contains(Path.GetFileName(pack), StringComparison.Ordinal));
        Assert.Contains(Path.GetFileName(pack), result.Steps[0].Reason, StringComparison.Ordinal);
        Assert.False(Assert.Single(await ValidationResult.ListAsync(driver.Repository, backup.BackupId, Ct)).OverallPassed);
    }

    [Fact]
    public async Task Run_missing_pack_fails_step_one_and_names_it()
    {
        await using var driver = await CreateReadingAsync(lab);
        var backup = await driver.CaptureAsync();
        var pack = PackFile(driver);
        File.Delete(pack);

        var result = await ValidateAsync(driver, backup.BackupId);

        AssertFailedAt(result, 0);
        Assert.Contains(Path.GetFileName(pack)[..12], result.Steps[0].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_cut_manifest_fails_step_one_and_names_it()
    {
        await using var driver = await CreateReadingAsync(lab);
        var backup = await driver.CaptureAsync();
        var file = new Uri(backup.StoragePaths[0]).LocalPath;
        await File.WriteAllBytesAsync(file, (await File.ReadAllBytesAsync(file, Ct))[..100], Ct);

        var result = await ValidateAsync(driver, backup.BackupId);

        AssertFailedAt(result, 0);
        Assert.Contains(backup.BackupId.Value, result.Steps[0].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_bytes_that_are_no_dump_fail_step_four()
    {
        await using var driver = await CreateReadingAsync(lab);
        var backup = await driver.CaptureAsync();
        var forged = await ForgeAsync(driver, backup.BackupId, (name, bytes) =>
            name == LogicalBackup.DumpArtifactName ? Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("this is no dump ", 5000))) : bytes);

        var result = await ValidateAsync(driver, forged);

        AssertFailedAt(result, 3);
        Assert.Contains("no readable dump", result.Steps[3].Reason, StringComparison.Ordinal);
        AssertNothingIsLeft(driver);
    }

    [Fact]
    public async Task Run_dump_without_a_table_of_the_facts_fails_step_four_and_names_it()
    {
        await using var driver = await CreateReadingAsync(lab);
        var backup = await driver.CaptureAsync();
        var forged = await ForgeFactsAsync(driver, backup.BackupId, facts => facts with
        {
            Tables = [.. facts.Tables, facts.Tables[0] with { Schema = "public", Name = "vanished" }],
        });

        var result = await ValidateAsync(driver, forged);

        AssertFailedAt(result, 3);
        Assert.Contains("table public.vanished", result.Steps[3].Damaged);
    }

    [Fact]
    public async Task Run_cut_dump_fails_step_five_with_what_pg_restore_says()
    {
        await using var driver = await CreateReadingAsync(lab);
        var backup = await driver.CaptureAsync();
        var forged = await ForgeAsync(driver, backup.BackupId, (name, bytes) => name == LogicalBackup.DumpArtifactName ? bytes[..(bytes.Length / 2)] : bytes);

        var result = await ValidateAsync(driver, forged);

        AssertFailedAt(result, 4);
        Assert.Contains("pg_restore", result.Steps[4].Reason, StringComparison.Ordinal);
        AssertNothingIsLeft(driver);
    }

    [Fact]
    public async Task Run_content_that_differs_from_the_facts_fails_step_five_and_names_the_table()
    {
        await using var driver = await CreateReadingAsync(lab);
        var backup = await driver.CaptureAsync();
        var forged = await ForgeFactsAsync(driver, backup.BackupId, facts => facts with
        {
            Tables = [.. facts.Tables.Select(table => table.Name == "customers" ? table with { Digest = table.Digest + "1" } : table)],
        });

        var result = await ValidateAsync(driver, forged);

        AssertFailedAt(result, 4);
        Assert.Equal(["table public.customers"], result.Steps[4].Damaged);
        Assert.Equal("public.customers", result.Comparison!.Results[0].Name);
        Assert.NotNull(result.MeasuredRestoreSeconds);
        AssertNothingIsLeft(driver);
    }

    [Fact]
    public async Task Run_where_the_scratch_server_could_read_keys_proves_nothing()
    {
        await using var driver = await CreateReadingAsync(lab);
        var backup = await driver.CaptureAsync();

        // A "secret" that everybody on the machine can read.
        var result = await ValidateAsync(driver, backup.BackupId, ["/etc/passwd"]);

        Assert.False(result.OverallPassed);
        var step = result.Steps[4];
        Assert.True(step is { Status: ValidationStepStatus.NotRun, NotProvable: true }, Describe(result));
        Assert.StartsWith("not provable here", step.Reason, StringComparison.Ordinal);
        Assert.Contains("/etc/passwd", step.Reason, StringComparison.Ordinal);
        AssertNothingIsLeft(driver);
    }

    [Fact]
    public async Task Run_extension_that_is_not_installed_here_proves_nothing()
    {
        await using var driver = await CreateReadingAsync(lab);
        var backup = await driver.CaptureAsync();
        var forged = await ForgeFactsAsync(driver, backup.BackupId, facts => facts with { Extensions = [.. facts.Extensions, new ExtensionFacts("far_away", "1")] });

        var result = await ValidateAsync(driver, forged);

        Assert.True(result.Steps[4].NotProvable, Describe(result));
        Assert.Contains("far_away", result.Steps[4].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_cancelled_attests_nothing_and_removes_the_scratch_server()
    {
        await using var driver = await CreateReadingAsync(lab);
        var backup = await driver.CaptureAsync();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Validation(driver, []).RunAsync(
            driver.Repository, backup.BackupId, null,
            (phase, text) =>
            {
                if (text.StartsWith("restored in", StringComparison.Ordinal))
                {
                    stop.Cancel();
                }
            }, stop.Token));

        Assert.Empty(await ValidationResult.ListAsync(driver.Repository, backup.BackupId, Ct));
        AssertNothingIsLeft(driver);
    }

    [Fact]
    public async Task Run_unknown_restore_point_is_an_error_and_no_result()
    {
        await using var driver = await CreateReadingAsync(lab);
        var fault = await Assert.ThrowsAsync<EngineException>(() => ValidateAsync(driver, new RestorePointId(Guid.NewGuid().ToString("N"))));
        Assert.Equal(ErrorKind.NotFound, fault.Kind);
    }

    private static RestorePointValidation Validation(DriverFixture driver, IReadOnlyList<string> protectedPaths) => new(
        new ValidationOptions { ScratchRoot = driver.Folder.Combine("scratch"), ProtectedPaths = protectedPaths }, driver.Registry, TimeProvider.System);

    private static Task<ValidationResult> ValidateAsync(DriverFixture driver, RestorePointId id, IReadOnlyList<string>? protectedPaths = null) =>
        Validation(driver, protectedPaths ?? [driver.StoreFolder]).RunAsync(driver.Repository, id, null, driver.Note, Ct);

    private static string PackFile(DriverFixture driver) =>
        Directory.EnumerateFiles(Path.Combine(driver.StoreFolder, "packs"), "*", SearchOption.AllDirectories).MaxBy(file => new FileInfo(file).Length)!;

    private static void AssertFailedAt(ValidationResult result, int step)
    {
        Assert.False(result.OverallPassed);
        Assert.Equal(5, result.Steps.Count);
        Assert.All(result.Steps.Take(step), one => Assert.Equal(ValidationStepStatus.Passed, one.Status));
        Assert.True(result.Steps[step].Status == ValidationStepStatus.Failed, Describe(result));
        Assert.All(result.Steps.Skip(step + 1), one =>
        {
            Assert.Equal(ValidationStepStatus.NotRun, one.Status);
            Assert.Equal($"because step {step + 1} ({result.Steps[step].Name}) failed", one.Reason);
        });
    }

    private static void AssertNothingIsLeft(DriverFixture driver)
    {
        Assert.Empty(driver.Registry.List());
        var scratch = driver.Folder.Combine("scratch");
        Assert.True(!Directory.Exists(scratch) || !Directory.EnumerateFileSystemEntries(scratch).Any(), "a scratch folder is left");
    }

    private static string Describe(ValidationResult result) => string.Join('\n', result.Steps.Select(step => $"{step.Name} {step.Status}: {step.Reason}"));

    private static Task<RestorePointId> ForgeFactsAsync(DriverFixture driver, RestorePointId id, Func<ContentFacts, ContentFacts> change) =>
        ForgeAsync(driver, id, (name, bytes) => name == ContentFacts.ArtifactName ? change(ContentFacts.Parse(bytes)).ToJson() : bytes);

    /// <summary>A restore point with valid packs, tags and frames, whose artifacts were changed before they were stored.</summary>
    private static async Task<RestorePointId> ForgeAsync(DriverFixture driver, RestorePointId id, Func<string, byte[], byte[]> change)
    {
        var manifest = await driver.Repository.ReadManifestAsync(id, Ct);
        await using var session = await driver.Repository.BeginAsync(
            new BackupDescription { Source = manifest.Source, Kind = manifest.Kind, Strategy = manifest.Strategy }, Ct);
        foreach (var artifact in manifest.Artifacts)
        {
            using var bytes = new MemoryStream();
            await driver.Repository.ReadStreamAsync(manifest, artifact.Name, bytes, null, Ct);
            await session.WriteStreamAsync(artifact.Name, artifact.Kind, new MemoryStream(change(artifact.Name, bytes.ToArray())), null, Ct);
        }

        return (await session.CommitAsync(manifest.Facts, manifest.Properties, Ct)).Id;
    }
}
