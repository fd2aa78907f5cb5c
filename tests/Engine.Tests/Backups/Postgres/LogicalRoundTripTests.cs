using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Backups.Postgres.DriverFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres;

public sealed class LogicalRoundTripTests(PostgresLab lab)
{
    [Fact]
    public async Task Restore_of_the_awkward_database_has_equal_content_structure_owners_and_settings()
    {
        await using var driver = await CreateAsync(lab);
        var original = driver.Database.Name;
        await driver.ExecuteAsync($"ALTER DATABASE {original} SET timezone = 'Europe/Zurich'; ALTER DATABASE {original} SET search_path = public, \"$user\"; "
            + $"ALTER ROLE app_reader IN DATABASE {original} SET statement_timeout = '30s'; GRANT CONNECT, TEMPORARY ON DATABASE {original} TO app_reader");
        var result = await driver.CaptureAsync(driver.AdminSource);
        var name = driver.NewName();

        var restored = await driver.RestoreAsync(result.BackupId, driver.Target(name));

        var comparison = await driver.CompareAsync(result.BackupId, name);
        Assert.True(comparison.AllEqual, string.Join('\n', comparison.Faults.Select(fault => fault.ToText())));
        Assert.Contains(comparison.Results, item => item is { Kind: "table", Name: "public.curiosities" });
        Assert.NotNull(restored.Duration);
        Assert.Equal("Europe/Zurich", await driver.ScalarAsync("SHOW timezone", name));
        foreach (var query in new[]
        {
            "SELECT (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(datacl) a) FROM pg_database WHERE datname = '{0}'",
            "SELECT string_agg(setconfig::text, ',' ORDER BY setrole) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE datname = '{0}'",
            "SELECT pg_get_userbyid(datdba)::text || datcollate FROM pg_database WHERE datname = '{0}'",
        })
        {
            Assert.Equal(await driver.ScalarAsync(query.Replace("{0}", original, StringComparison.Ordinal)), await driver.ScalarAsync(query.Replace("{0}", name, StringComparison.Ordinal)));
        }
    }

    [Fact]
    public async Task Capture_result_carries_what_the_page_shows()
    {
        await using var driver = await CreateReadingAsync(lab);
        var before = TimeProvider.System.GetUtcNow();
        var progress = new List<TransferProgress>();

        var result = await new LogicalBackup(driver.Registry, TimeProvider.System).CaptureAsync(
            new PostgresBackupRequest
            {
                Description = new() { Source = "orders", Kind = "postgres" },
                Source = driver.Source,
                PreviousSnapshotAt = before.AddMinutes(-5),
            }, driver.Repository, new Collector(progress), driver.Note, Ct);

        var manifest = await driver.Repository.ReadManifestAsync(result.BackupId, Ct);
        Assert.Equal(["globals.sql", "database.dump", "facts.json"], manifest.Artifacts.Select(artifact => artifact.Name));
        Assert.Equal(("logical", driver.Database.Name, "committed"), (result.Type, result.Database, result.Status));
        Assert.True(result is { TableCount: > 30, RowCount: > 5000, StoredBytes: > 0, RtoExpected: null });
        Assert.True(result.OriginalBytes > result.StoredBytes);
        Assert.InRange(result.RpoAchieved!.Value, TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(10));
        Assert.True(File.Exists(new Uri(Assert.Single(result.StoragePaths)).LocalPath));
        Assert.Contains("AES-256-GCM", result.Encryption, StringComparison.Ordinal);
        Assert.True(result.RolePasswordsIncluded);
        Assert.Empty(result.Warnings);
        Assert.Equal(result.RowCount, FactsSummary.TryParse(manifest.Facts)?.Rows);
        Assert.Contains(progress, one => one is { Phase: "dump", BytesDone: > 0, IsEstimate: true });
        Assert.Empty(driver.Registry.List());
    }

    [Fact]
    public async Task Capture_of_chosen_tables_restores_their_rows_and_everybodys_structure()
    {
        await using var driver = await CreateReadingAsync(lab);
        var result = await driver.CaptureAsync(driver.Source with { Tables = ["orders", "public.\"Ordré 表\""] });
        var name = driver.NewName();

        var restored = await driver.RestoreAsync(result.BackupId, driver.Target(name));

        var comparison = await driver.CompareAsync(result.BackupId, name);
        Assert.True(comparison.AllEqual, string.Join('\n', comparison.Faults.Select(fault => fault.ToText())));
        Assert.Contains(comparison.Results, item => item is { Outcome: FactOutcome.Noted, Kind: "foreign key", Name: "public.orders.orders_customer_id_fkey" });
        Assert.Contains(restored.Warnings, note => note.Contains("orders_customer_id_fkey", StringComparison.Ordinal));
        Assert.Equal(2000L, await driver.ScalarAsync("SELECT count(*) FROM orders", name));
        Assert.Equal(0L, await driver.ScalarAsync("SELECT count(*) FROM customers", name));
        Assert.Equal(0L, await driver.ScalarAsync("SELECT count(*) FROM pg_largeobject_metadata", name));
    }

    private static readonly (string Change, string Name)[] s_changes =
    [
        ("UPDATE customers SET marketing_consent = NOT marketing_consent WHERE id = 7", "public.customers"),
        ("DELETE FROM page_views WHERE ctid IN (SELECT ctid FROM page_views WHERE path = '/product/1' AND seen_on = '2026-01-01' LIMIT 2)", "public.page_views"),
        ("UPDATE curiosities SET exact = 0.1 WHERE exact = 0.1000", "public.curiosities"),
        ("UPDATE curiosities SET document = '{\"space\":\"kept\"}' WHERE id = 3", "public.curiosities"),
        ("UPDATE page_views SET path = '/product/1' WHERE ctid = (SELECT ctid FROM page_views WHERE path = '/product/2' LIMIT 1)", "public.page_views"),
        ("SELECT lo_put((SELECT min(oid) FROM pg_largeobject_metadata), 5, '\\x00')", "all"),
        ("SELECT nextval('never_asked')", "public.never_asked"),
        ("DROP INDEX events_by_time", "public.events_by_time"),
        ("ALTER TABLE events ADD COLUMN extra integer", "public.events"),
        ("ALTER TABLE customer_notes DISABLE ROW LEVEL SECURITY", "public.customer_notes forced"),
        ("REVOKE SELECT ON reviews FROM app_reader", "public.reviews SELECT to app_reader"),
        ("ALTER TYPE order_status RENAME VALUE 'cart' TO 'basket'", "public.order_status 'cart' 'placed' 'paid' 'packed' 'shipped' 'delivered' 'returned'"),
    ];

    [Fact]
    public async Task Compare_finds_and_names_each_changed_thing()
    {
        await using var driver = await CreateAsync(lab);
        await using var connection = await driver.AdminSource.OpenAsync(Ct);
        var before = await ContentFactsReader.ReadDatabaseAsync(connection, null, null, Ct);
        Assert.True(FactsComparison.Compare(before, before).AllEqual);
        foreach (var (change, name) in s_changes)
        {
            await driver.ExecuteAsync(change);
            var after = await ContentFactsReader.ReadDatabaseAsync(connection, null, null, Ct);
            Assert.True(FactsComparison.Compare(before, after).Faults.Any(fault => fault.Name == name), change);
            before = after;
        }
    }

    [Fact]
    public async Task Capture_under_writes_has_dump_and_facts_of_one_instant()
    {
        await using var driver = await CreateAsync(lab);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var writing = WriteAsync();
        var result = await driver.CaptureAsync();
        await stop.CancelAsync();
        var written = await writing;
        var name = driver.NewName();

        await driver.RestoreAsync(result.BackupId, driver.Target(name));

        var comparison = await driver.CompareAsync(result.BackupId, name);
        Assert.True(comparison.AllEqual, string.Join('\n', comparison.Faults.Select(fault => fault.ToText())));
        Assert.True(written > 0);

        async Task<int> WriteAsync()
        {
            var count = 0;
            while (!stop.IsCancellationRequested)
            {
                await driver.ExecuteAsync("INSERT INTO heartbeat DEFAULT VALUES; UPDATE customers SET full_name = full_name || '!' WHERE id = 1 + (random() * 200)::int");
                count++;
            }

            return count;
        }
    }

    [Fact]
    public async Task Second_capture_of_unchanged_data_stores_almost_nothing()
    {
        await using var driver = await CreateAsync(lab);
        await driver.ExecuteAsync("CREATE TABLE noise AS SELECT (SELECT string_agg(gen_random_uuid()::text, '') FROM generate_series(1, 100) j WHERE i > 0) AS n FROM generate_series(1, 6000) i");
        var first = await driver.CaptureAsync();
        var second = await driver.CaptureAsync();
        Assert.True(second.StoredBytes < first.StoredBytes / 2, $"{second.StoredBytes} of {first.StoredBytes} bytes were stored again");
    }

    [Fact]
    public async Task Capture_by_a_role_that_cannot_read_passwords_keeps_the_roles_and_says_so()
    {
        await using var driver = await CreateAsync(lab);
        var role = "plain_" + driver.Database.Name;
        var file = driver.Folder.Combine("plain.pw");
        await File.WriteAllTextAsync(file, "plain", Ct);
        await driver.ExecuteAsync($"CREATE ROLE {role} LOGIN BYPASSRLS PASSWORD 'plain'; GRANT USAGE ON SCHEMA public, billing TO {role}; "
            + $"GRANT SELECT ON ALL TABLES IN SCHEMA public, billing TO {role}; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public, billing TO {role}");
        try
        {
            var result = await driver.CaptureAsync(driver.Source with { Username = role, PasswordFile = file, Tables = ["events"] });

            Assert.False(result.RolePasswordsIncluded);
            Assert.Contains(result.Warnings, warning => warning.Contains("without their passwords", StringComparison.Ordinal));
            var manifest = await driver.Repository.ReadManifestAsync(result.BackupId, Ct);
            using var globals = new MemoryStream();
            await driver.Repository.ReadStreamAsync(manifest, GlobalsScript.ArtifactName, globals, null, Ct);
            var roles = GlobalsScript.Parse(System.Text.Encoding.UTF8.GetString(globals.ToArray())).Roles;
            Assert.Contains("shop_owner", roles.Keys);
            Assert.All(roles.Values, one => Assert.Null(one.PasswordVerifier));
        }
        finally
        {
            await driver.ExecuteAsync($"DROP OWNED BY {role}; DROP ROLE {role}");
        }
    }

    [Fact]
    public async Task Restore_into_a_directory_gives_files_that_the_ordinary_tools_read()
    {
        await using var driver = await CreateReadingAsync(lab);
        var result = await driver.CaptureAsync();
        var manifest = await driver.Repository.ReadManifestAsync(result.BackupId, Ct);
        var target = new DirectoryTarget(driver.Folder.Combine("artifacts"));
        var plan = ArtifactRestore.Plan(manifest, target);

        await new ArtifactRestore(TimeProvider.System).ExecuteAsync(driver.Repository, manifest, plan, plan.Hash, "R-1", null, null, Ct);

        var listing = await ToolProcess.RunAsync(
            new ToolCommand(driver.Database.Server.Binaries.PathOf("pg_restore"), ["--list", Path.Combine(target.Path, "database.dump")]), driver.Registry, Ct);
        Assert.Equal(0, listing.ExitCode);
        Assert.Contains("TABLE DATA public curiosities", listing.Output, StringComparison.Ordinal);
        Assert.Equal(result.RowCount, ContentFacts.Parse(await File.ReadAllBytesAsync(Path.Combine(target.Path, "facts.json"), Ct)).Rows);
        Assert.Equal("directory-not-empty", Assert.Throws<EngineException>(() => ArtifactRestore.Plan(manifest, target)).Code);
    }

    private sealed class Collector(List<TransferProgress> seen) : IProgress<TransferProgress>
    {
        public void Report(TransferProgress value)
        {
            lock (seen)
            {
                seen.Add(value);
            }
        }
    }
}
