using System.Diagnostics;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Engine.Validation;
using Hexabase.DrConsole.Lab;
using Hexabase.DrConsole.Lab.Postgres;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres;

/// <summary>Measurements, run only when asked for by name: they assert nothing about time.</summary>
public sealed class LogicalBackupTiming
{
    [Fact(Explicit = true)]
    public async Task Capture_and_validation_of_the_demo_database_beside_pg_dump()
    {
        var ct = TestContext.Current.CancellationToken;
        var output = TestContext.Current.TestOutputHelper!;
        await using var folder = new ServerFolder();
        await using var server = new LabPostgres(new LabFolder(folder.Combine("lab")), new LabPostgresOptions { Size = LabSize.Demo, IsDurable = false, IsScratch = true });
        await server.StartAsync(ct);
        await using var store = new FileSystemStore(Directory.CreateDirectory(folder.Combine("tier")).FullName);
        await using var repository = await RepositoryFixture.InitializeAsync(store);
        var source = new PostgresSource
        {
            Host = LabPostgres.Host,
            Port = server.Port,
            Database = LabPostgres.Orders,
            Username = LabPostgres.BackupRole,
            PasswordFile = server.BackupPasswordFile,
        };

        using var passwords = PasswordFile.Create(folder.Registry, source.Host, source.Port, source.Username, (await source.ReadPasswordAsync(ct))!);
        var dump = folder.Combine("dump");
        var began = Stopwatch.GetTimestamp();
        await ToolProcess.RunAsync(
            new ToolCommand(server.Binaries.PathOf("pg_dump"), ["-Fc", "-Z9", "-h", source.Host, "-p", $"{source.Port}", "-U", source.Username, "-f", dump, source.Database])
            {
                Environment = new Dictionary<string, string> { ["PGPASSFILE"] = passwords.Path },
            }, folder.Registry, ct);
        output.WriteLine($"pg_dump -Fc -Z9: {Stopwatch.GetElapsedTime(began).TotalSeconds:0.0} s, {new FileInfo(dump).Length / 1048576} MiB");

        var backup = new LogicalBackup(folder.Registry, TimeProvider.System);
        var request = new PostgresBackupRequest { Description = new() { Source = "orders", Kind = "postgres" }, Source = source };
        PostgresBackupResult? result = null;
        foreach (var name in new[] { "first", "second" })
        {
            began = Stopwatch.GetTimestamp();
            result = await backup.CaptureAsync(request, repository, null, null, ct);
            output.WriteLine($"{name} capture with facts: {Stopwatch.GetElapsedTime(began).TotalSeconds:0.0} s, {result.OriginalBytes / 1048576} MiB, stored {result.StoredBytes / 1048576.0:0.0} MiB, "
                + $"{result.RowCount} rows, peak working set {Process.GetCurrentProcess().PeakWorkingSet64 / 1048576} MiB");
        }

        var validation = await new RestorePointValidation(new ValidationOptions { ScratchRoot = folder.Combine("scratch") }, folder.Registry, TimeProvider.System)
            .RunAsync(repository, result!.BackupId, null, null, ct);
        foreach (var step in validation.Steps)
        {
            output.WriteLine($"{step.Name} {step.Status}: {step.Seconds:0.0} s, {step.Reason}");
        }

        output.WriteLine($"measured restore: {validation.MeasuredRestoreSeconds:0.0} s");
        Assert.True(validation.OverallPassed);
    }
}
