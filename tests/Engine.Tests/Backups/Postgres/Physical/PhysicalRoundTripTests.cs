using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Engine.Validation;
using static Hexabase.DrConsole.Engine.Tests.Backups.Postgres.DriverFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres.Physical;

public sealed class PhysicalRoundTripTests(PostgresLab lab)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Backup_of_the_awkward_cluster_is_proven_by_a_restore_that_ran(bool fromDirectory)
    {
        await using var driver = await CreateAsync(lab);

        var result = await CaptureAsync(driver, fromDirectory);

        Assert.Equal("physical", result.Type);
        Assert.Empty(result.Warnings);
        var validation = await ValidateAsync(driver, result.BackupId);
        Assert.True(validation.OverallPassed, string.Join('\n', validation.Steps.Select(step => $"{step.Name} {step.Status}: {step.Reason}")) + '\n' + string.Join('\n', driver.Log));
        Assert.Contains("pg_amcheck found nothing", validation.Steps[^1].Reason, StringComparison.Ordinal);
        Assert.Contains("page checksums are right", validation.Steps[^1].Reason, StringComparison.Ordinal);
        Assert.Contains(validation.Comparison!.Results, item => item is { Kind: "table", Name: "public.curiosities", Outcome: FactOutcome.Equal });
        Assert.Equal(0L, await driver.ScalarAsync("SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'drconsole_base%'"));
        Assert.Empty(driver.Registry.List());
    }

    internal static Task<PostgresBackupResult> CaptureAsync(DriverFixture driver, bool fromDirectory) =>
        new PhysicalBackup(driver.Registry, TimeProvider.System, driver.Folder.Combine("staging")).CaptureAsync(
            new PostgresBackupRequest
            {
                Description = new BackupDescription { Source = "orders", Kind = "postgres", Workspace = "shop" },
                Source = driver.AdminSource with { DataDirectory = fromDirectory ? driver.Database.Server.DataFolder : null },
            },
            driver.Repository, null, driver.Note, Ct);

    internal static Task<ValidationResult> ValidateAsync(DriverFixture driver, RestorePointId id) =>
        new RestorePointValidation(new ValidationOptions { ScratchRoot = driver.Folder.Combine("scratch") }, driver.Registry, TimeProvider.System)
            .RunAsync(driver.Repository, id, null, driver.Note, Ct);
}
