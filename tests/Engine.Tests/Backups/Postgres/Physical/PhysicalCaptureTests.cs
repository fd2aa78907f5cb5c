using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Validation;
using Hexabase.DrConsole.Lab.Postgres;
using static Hexabase.DrConsole.Engine.Tests.Backups.Postgres.Physical.OwnCluster;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres.Physical;

public sealed class PhysicalCaptureTests(OwnCluster cluster) : IClassFixture<OwnCluster>
{
    [Fact]
    public async Task Next_backup_stores_what_changed_and_is_proven_like_the_first()
    {
        await cluster.ExecuteAsync("CREATE TABLE wide AS SELECT g AS n, md5(g::text) || md5((g * 7)::text) AS t FROM generate_series(1, 60000) g", "CHECKPOINT");
        var first = await cluster.CaptureAsync();
        await cluster.ExecuteAsync("UPDATE wide SET t = 'changed' WHERE n BETWEEN 1000 AND 1100", "CHECKPOINT");

        var second = await cluster.CaptureAsync();

        Assert.True(second.StoredBytes * 12 < second.OriginalBytes, $"{second.StoredBytes} of {second.OriginalBytes} bytes were stored anew");
        var manifest = await cluster.Repository.ReadManifestAsync(second.BackupId, Ct);
        Assert.Equal(first.BackupId, manifest.Parent);
        Assert.Contains(manifest.Artifacts, artifact => artifact.Name == BackupManifestFile.Name);
        var validation = await cluster.ValidateAsync(second.BackupId);
        Assert.True(validation.OverallPassed, Text(validation));
    }

    [Fact]
    public async Task Facts_of_parts_that_did_not_change_are_not_read_again_and_all_that_changed_by_any_way_is()
    {
        await cluster.ExecuteAsync(
            "CREATE TABLE large AS SELECT g AS n, repeat(md5(g::text), 30) AS t FROM generate_series(1, 80000) g", "CREATE TABLE calm AS SELECT g AS n FROM generate_series(1, 500) g",
            "CREATE TABLE grows (n int)", "CREATE TABLE emptied AS SELECT g AS n FROM generate_series(1, 500) g", "CREATE TABLE typed AS SELECT g AS n, g % 7 AS m FROM generate_series(1, 500) g",
            "CREATE TABLE late AS SELECT g AS n FROM generate_series(1, 500) g", "CREATE TABLE shaped AS SELECT 'one'::varchar(10) AS t, 1.50::numeric AS v",
            "CREATE TABLE cut AS SELECT g AS n FROM generate_series(1, 500) g", "CREATE TABLE shortened AS SELECT g AS n FROM generate_series(1, 20000) g",
            // Without it the first reading would write to each page that its rows are committed.
            "VACUUM", "CHECKPOINT");
        var (first, read, known) = await CaptureCountedAsync();
        Assert.True(read > 0, $"{read} parts were read, {known} known");
        await cluster.ExecuteAsync(
            // None of these changes a page of the table's old file, or the file is another one.
            "ALTER TABLE grows ADD COLUMN added int DEFAULT 5", "TRUNCATE emptied", "ALTER TABLE typed ALTER m TYPE bigint",
            "UPDATE large SET t = 'changed' WHERE n = 79000", "INSERT INTO grows VALUES (1), (2)",
            // The same files without their ends.
            "DELETE FROM cut", "VACUUM cut", "DELETE FROM shortened WHERE ctid >= '(40,0)'", "VACUUM shortened");
        Assert.Equal((0, 40 * 8192), (await cluster.ScalarAsync<long>("SELECT pg_relation_size('cut')"), await cluster.ScalarAsync<long>("SELECT pg_relation_size('shortened')")));

        var (second, readNow, knownNow) = await CaptureCountedAsync(
            // After the files are stored and before the mark: only the WAL knows of it.
            () => cluster.Execute("UPDATE late SET n = n + 1 WHERE n = 7"));

        // Of the large one the first part is as it was.
        Assert.True(knownNow > 0 && readNow < read, $"{readNow} parts were read, {knownNow} known");
        Assert.Contains((await cluster.Repository.ReadManifestAsync(second.BackupId, Ct)).Artifacts, artifact => artifact.Name == RangedFacts.ArtifactName);
        var validation = await cluster.ValidateAsync(second.BackupId);
        Assert.True(validation.OverallPassed, Text(validation));
        Assert.All(new[] { "large", "calm", "grows", "emptied", "typed", "late", "shaped", "cut", "shortened" }, name => Assert.Contains(
            validation.Comparison!.Results, item => item is { Kind: "table", Outcome: FactOutcome.Equal } && item.Name == $"public.{name}"));
        var whole = await cluster.ScalarAsync<string>("SELECT count(*) || ' ' || sum(hash_record_extended(a.*, 0)::numeric) FROM large AS a");
        var facts = (await LogicalBackup.ReadFactsAsync(cluster.Repository, await cluster.Repository.ReadManifestAsync(second.BackupId, Ct), Ct)).Tables.Single(table => table.Name == "large");
        Assert.Equal(whole, $"{facts.Rows} {facts.Digest}");
        await cluster.ExecuteAsync("DROP TABLE large, calm, grows, emptied, typed, late, shaped, cut, shortened");

        async Task<(PostgresBackupResult Result, int Read, int Known)> CaptureCountedAsync(Action? beforeMark = null)
        {
            var counted = (Read: 0, Known: 0);
            var result = await cluster.CaptureAsync(log: (phase, text) =>
            {
                if (phase == "facts" && text.Contains("marking", StringComparison.Ordinal) && beforeMark is not null)
                {
                    beforeMark();
                }

                if (phase == "facts" && text.Contains("parts of tables", StringComparison.Ordinal))
                {
                    var words = text.Split(' ');
                    counted = (int.Parse(words[0], System.Globalization.CultureInfo.InvariantCulture), int.Parse(words[6], System.Globalization.CultureInfo.InvariantCulture));
                }
            });
            return (result, counted.Read, counted.Known);
        }
    }

    [Fact]
    public async Task Scattered_changes_store_pages_and_are_proven()
    {
        await cluster.ExecuteAsync("CREATE TABLE scattered AS SELECT g AS n, md5(g::text) || md5((g * 7)::text) AS t FROM generate_series(1, 120000) g", "VACUUM scattered", "CHECKPOINT");
        await cluster.CaptureAsync();
        // A place on every tenth page.
        await cluster.ExecuteAsync("UPDATE scattered SET t = 'x' WHERE n % 800 = 0", "CHECKPOINT");

        var second = await cluster.CaptureAsync();
        await cluster.ExecuteAsync("UPDATE scattered SET t = 'y' WHERE n % 900 = 0", "CHECKPOINT");
        var third = await cluster.CaptureAsync();

        var size = await cluster.ScalarAsync<long>("SELECT pg_relation_size('scattered')");
        Assert.True(second.StoredBytes * 3 < size, $"{second.StoredBytes} of {size} bytes were stored anew");
        var validation = await cluster.ValidateAsync(third.BackupId);
        Assert.True(validation.OverallPassed, Text(validation));
        await cluster.ExecuteAsync("DROP TABLE scattered");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Tablespace_is_captured_and_restored_into_a_place_of_its_own(bool fromDirectory)
    {
        var location = cluster.Folder.Combine($"space{fromDirectory}");
        LocalFolder.CreatePrivate(location, ServerUser.ForPostgres());
        await cluster.ExecuteAsync($"CREATE TABLESPACE space{fromDirectory} LOCATION '{location}'", $"CREATE TABLE far{fromDirectory} TABLESPACE space{fromDirectory} AS SELECT g FROM generate_series(1, 5000) g");

        var result = await cluster.CaptureAsync(fromDirectory ? null : cluster.Source with { DataDirectory = null });

        var validation = await cluster.ValidateAsync(result.BackupId);
        Assert.True(validation.OverallPassed, Text(validation));
        Assert.Contains(validation.Comparison!.Results, item => item is { Kind: "table", Outcome: FactOutcome.Equal } && string.Equals(item.Name, $"public.far{fromDirectory}", StringComparison.OrdinalIgnoreCase));
        Assert.Empty(Directory.Exists(cluster.Folder.Combine("staging")) ? Directory.EnumerateFileSystemEntries(cluster.Folder.Combine("staging")) : []);
    }

    [Fact]
    public async Task Restore_that_died_between_its_two_renames_is_done_again_and_touches_nobody_elses_tablespaces()
    {
        var location = cluster.Folder.Combine("moved");
        LocalFolder.CreatePrivate(location, ServerUser.ForPostgres());
        await cluster.ExecuteAsync($"CREATE TABLESPACE moved LOCATION '{location}'", "CREATE TABLE moved TABLESPACE moved AS SELECT g FROM generate_series(1, 100) g");
        var point = await cluster.CaptureAsync();
        var manifest = await cluster.Repository.ReadManifestAsync(point.BackupId, Ct);
        var restore = new PhysicalRestore(cluster.Registry, TimeProvider.System);
        var target = new PgDataTarget(cluster.Folder.Combine("renamed"));
        var plan = await restore.PlanAsync(cluster.Repository, manifest, target, Ct);
        Task<PhysicalRestoreResult> ExecuteAsync() => restore.ExecuteAsync(cluster.Repository, manifest, plan, plan.Hash, "R-1 of now", null, null, Ct);
        void Leave(string operation)
        {
            Directory.CreateDirectory(target.Path + ".tablespaces");
            File.WriteAllText(Path.Combine(target.Path + ".tablespaces", "drconsole-restore.json"), $"{{\"operation\":\"{operation}\"}}");
        }

        Leave("R-2 of now");
        Assert.Equal("directory-not-empty", (await Assert.ThrowsAsync<EngineException>(ExecuteAsync)).Code);
        Leave("R-1 of now");
        await ExecuteAsync();

        Assert.True(PhysicalRestore.IsFinished(plan, "R-1 of now"));
        // Other tests of the class have tablespaces too.
        var links = new DirectoryInfo(Path.Combine(target.Path, "pg_tblspc")).EnumerateFileSystemInfos().ToList();
        Assert.NotEmpty(links);
        Assert.All(links, link => Assert.StartsWith(target.Path + ".tablespaces/", link.LinkTarget, StringComparison.Ordinal));
        Assert.All(links, link => Assert.True(Directory.Exists(link.LinkTarget)));
        Assert.Empty(cluster.Registry.List());
    }

    [Fact]
    public async Task Damaged_page_of_the_source_is_named_and_the_restore_point_does_not_pass()
    {
        await cluster.ExecuteAsync("CREATE TABLE rotten AS SELECT g AS n, repeat('x', 500) AS t FROM generate_series(1, 500) g", "CHECKPOINT");
        var path = Path.Combine(cluster.Server.DataFolder, await cluster.ScalarAsync<string>("SELECT pg_relation_filepath('rotten')"));
        byte[] whole;
        await using (var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            whole = new byte[100];
            file.Position = (3 * 8192) + 4000;
            file.ReadExactly(whole);
            file.Position = (3 * 8192) + 4000;
            file.Write([.. whole.Select(one => (byte)(one ^ 0x55))]);
        }

        var result = await cluster.CaptureAsync(cluster.Source with { DataDirectory = cluster.Server.DataFolder });
        await using (var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.Position = (3 * 8192) + 4000;
            file.Write(whole);
        }

        await cluster.ExecuteAsync("DROP TABLE rotten");
        Assert.Contains(result.Warnings, warning => warning.Contains("block 3 of base/", StringComparison.Ordinal));
        var validation = await cluster.ValidateAsync(result.BackupId);
        Assert.False(validation.OverallPassed);
        Assert.Equal(ValidationStepStatus.Failed, validation.Steps[^1].Status);
    }

    [Fact]
    public async Task Backup_role_without_power_over_tables_compares_those_that_held_still()
    {
        var result = await cluster.CaptureAsync(cluster.Source with { Username = LabPostgres.BackupRole, PasswordFile = cluster.Server.BackupPasswordFile });

        Assert.Empty(result.Warnings);
        var validation = await cluster.ValidateAsync(result.BackupId);
        Assert.True(validation.OverallPassed, Text(validation));
    }

    [Fact]
    public async Task Interrupted_capture_leaves_no_restore_point_no_slot_and_no_backup_mode()
    {
        var before = (await cluster.Repository.ListAsync(Ct)).Points.Count;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cluster.CaptureAsync(cancellation: stop.Token, log: (phase, _) =>
        {
            if (phase == "copy")
            {
                stop.Cancel();
            }
        }));

        Assert.Equal(before, (await cluster.Repository.ListAsync(Ct)).Points.Count);
        Assert.Equal(0L, await cluster.ScalarAsync<long>("SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'drconsole_base%'"));
        Assert.Equal("0", await cluster.ScalarAsync<string>("SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'drconsole' AND pid <> pg_backend_pid()"));
        Assert.Empty(cluster.Registry.List());
    }

    [Fact]
    public async Task Directory_of_another_cluster_is_refused()
    {
        var other = cluster.Folder.Combine("other");
        Directory.CreateDirectory(Path.Combine(other, "global"));
        await File.WriteAllBytesAsync(Path.Combine(other, ClusterFiles.Control), new byte[8192], Ct);

        var fault = await Assert.ThrowsAsync<EngineException>(() => cluster.CaptureAsync(cluster.Source with { DataDirectory = other }));

        Assert.Equal("data-directory-other", fault.Code);
        Assert.Contains(cluster.Server.DataFolder, fault.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Role_without_replication_is_told_what_to_do()
    {
        await cluster.ExecuteAsync("DROP ROLE IF EXISTS plain", "CREATE ROLE plain LOGIN PASSWORD 'plain' IN ROLE pg_read_all_data, pg_read_all_settings");
        var password = cluster.Folder.Combine("plain.pw");
        await File.WriteAllTextAsync(password, "plain\n", Ct);

        var fault = await Assert.ThrowsAsync<EngineException>(() => cluster.CaptureAsync(cluster.Source with { Username = "plain", PasswordFile = password }));

        Assert.Equal("replication-denied", fault.Code);
        Assert.Contains("ALTER ROLE plain REPLICATION", fault.Hint, StringComparison.Ordinal);
    }
}
