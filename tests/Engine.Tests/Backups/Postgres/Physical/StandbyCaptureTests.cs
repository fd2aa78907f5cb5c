using System.Diagnostics;
using Hexabase.DrConsole.Engine.Backups.Postgres;
using Hexabase.DrConsole.Engine.Backups.Postgres.Physical;
using Hexabase.DrConsole.Engine.Repository.Wal;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Validation;
using Hexabase.DrConsole.Lab.Postgres;
using Npgsql;
using static Hexabase.DrConsole.Engine.Tests.Backups.Postgres.Physical.OwnCluster;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Postgres.Physical;

/// <summary>Backups that are taken from a standby which replays what its primary writes.</summary>
public sealed class StandbyCaptureTests(DurableCluster primary) : IClassFixture<DurableCluster>
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Backup_of_a_standby_under_load_is_proven_with_its_content_by_either_route()
    {
        await primary.ExecuteAsync("CREATE TABLE moving AS SELECT g AS n, md5(g::text) AS t FROM generate_series(1, 20000) g", "CREATE UNLOGGED TABLE fleeting AS SELECT 1 AS n");
        var password = (await File.ReadAllTextAsync(primary.Server.AdminPasswordFile, Ct)).Trim();
        await using var standby = await StartStandbyAsync(password, "standby", "moving");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var writing = WriteAsync(stop.Token);
        foreach (var directory in new[] { standby.DataFolder, null })
        {
            var result = await primary.CaptureAsync(primary.Source with { Port = standby.Port, DataDirectory = directory });

            Assert.Empty(result.Warnings);
            Assert.Equal("not paused", await StandbyScalarAsync(standby, password, "SELECT pg_get_wal_replay_pause_state()"));
            var manifest = await primary.Repository.ReadManifestAsync(result.BackupId, Ct);
            var facts = await ClusterFacts.ReadAsync(primary.Repository, manifest, Ct);
            Assert.True(facts is { FromStandby: true, IsContentAtEnd: true, RestorePointName: null });
            var validation = await primary.ValidateAsync(result.BackupId);
            Assert.True(validation.OverallPassed, Text(validation));
            Assert.Contains(validation.Comparison!.Results, item => item is { Kind: "table", Name: "public.moving", Outcome: FactOutcome.Equal });
        }

        await stop.CancelAsync();
        await writing;

        // Who may not pause the replay gets a backup, and is told that its content cannot be compared, and what to grant.
        var role = await primary.CaptureAsync(primary.Source with
        {
            Port = standby.Port, DataDirectory = standby.DataFolder, Username = LabPostgres.BackupRole, PasswordFile = primary.Server.BackupPasswordFile,
        });
        Assert.Contains(role.Warnings, warning => warning.Contains("GRANT EXECUTE ON FUNCTION pg_wal_replay_pause()", StringComparison.Ordinal));
        var proof = await primary.ValidateAsync(role.BackupId);
        Assert.False(proof.OverallPassed);
        Assert.True(proof.Steps[^1].NotProvable, Text(proof));
        Assert.DoesNotContain(primary.Registry.List(), record => record.Name.Contains("basebackup", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Replay_goes_on_where_the_backup_is_cancelled_while_it_pauses_it()
    {
        await primary.ExecuteAsync("CREATE TABLE held AS SELECT g AS n FROM generate_series(1, 20000) g");
        var password = (await File.ReadAllTextAsync(primary.Server.AdminPasswordFile, Ct)).Trim();
        await using var standby = await StartStandbyAsync(password, "held", "held");
        await using var reader = new NpgsqlConnection(SettingsOf(standby, password));
        await reader.OpenAsync(Ct);
        await using (var hold = new NpgsqlCommand("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM held", reader))
        {
            await hold.ExecuteNonQueryAsync(Ct);
        }

        // Replay waits for the reader's lock, so that it cannot come to a pause.
        await primary.ExecuteAsync("TRUNCATE held");
        while (await StandbyScalarAsync(standby, password, "SELECT (SELECT count(*) FROM pg_locks WHERE NOT granted)::text") == "0")
        {
            await Task.Delay(20, Ct);
        }

        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var facts = new FactsOnStandby(primary.Source with { Port = standby.Port }).ReadAsync(new(0), _ => throw new InvalidOperationException("the mark was told"), cancel.Token);
        while (await StandbyScalarAsync(standby, password, "SELECT pg_get_wal_replay_pause_state()") != "pause requested")
        {
            await Task.Delay(20, Ct);
        }

        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => facts);

        Assert.Equal("not paused", await StandbyScalarAsync(standby, password, "SELECT pg_get_wal_replay_pause_state()"));
    }

    [Fact]
    public async Task Source_with_a_standby_is_captured_there_and_from_the_server_itself_with_a_warning_where_it_is_behind_or_away()
    {
        await primary.ExecuteAsync("CREATE TABLE beside AS SELECT g AS n FROM generate_series(1, 20000) g");
        var password = (await File.ReadAllTextAsync(primary.Server.AdminPasswordFile, Ct)).Trim();
        PostgresSource With(PostgresCluster standby, string? directory) =>
            primary.Source with { Standby = primary.Source with { Port = standby.Port, DataDirectory = directory, CatchUp = TimeSpan.FromSeconds(20) } };
        await using (var standby = await StartStandbyAsync(password, "beside", "beside"))
        {
            foreach (var directory in new[] { standby.DataFolder, null })
            {
                // What was committed right before is in it, however far the standby had come.
                await primary.ExecuteAsync("INSERT INTO beside SELECT max(n) + 1 FROM beside");
                var result = await primary.CaptureAsync(With(standby, directory));

                Assert.Empty(result.Warnings);
                var facts = await FactsAsync(result);
                Assert.True(facts is { FromStandby: true, IsContentAtEnd: true });
                Assert.Equal(directory is null ? "stream" : "files", facts.Route);
                var validation = await primary.ValidateAsync(result.BackupId);
                Assert.True(validation.OverallPassed, Text(validation));
                Assert.Contains(validation.Comparison!.Results, item => item is { Kind: "table", Name: "public.beside", Outcome: FactOutcome.Equal });
                var content = await LogicalBackup.ReadFactsAsync(primary.Repository, await primary.Repository.ReadManifestAsync(result.BackupId, Ct), Ct);
                Assert.Equal(await primary.ScalarAsync<long>("SELECT count(*) FROM beside"), content.Tables.Single(table => table.FullName == "public.beside").Rows);
            }

            // As the standby's agent would read it, where both machines have their data at the same path.
            foreach (var source in new[] { primary.Source with { DataDirectory = standby.DataFolder }, primary.Source with { Port = standby.Port } })
            {
                var other = await Assert.ThrowsAsync<EngineException>(() => primary.CaptureAsync(source));
                Assert.Equal("data-directory-other", other.Code);
                Assert.Contains("of the same cluster", other.Message, StringComparison.Ordinal);
            }

            await EndGapAsync(With(standby, null), standby, password);
            await StandbyExecuteAsync(standby, password, "SELECT pg_wal_replay_pause()");
            await primary.ExecuteAsync("INSERT INTO beside SELECT max(n) + 1 FROM beside");
            var late = With(standby, null);
            var behind = await primary.CaptureAsync(late with { Standby = late.Standby! with { CatchUp = TimeSpan.FromSeconds(1) } });
            Assert.Contains("too far behind", Assert.Single(behind.Warnings), StringComparison.Ordinal);
            Assert.False((await FactsAsync(behind)).FromStandby);
            await StandbyExecuteAsync(standby, password, "SELECT pg_wal_replay_resume()");

            await StandbyExecuteAsync(standby, password, "SELECT pg_promote(true, 60)");
            Assert.Contains("promoted", Assert.Single((await primary.CaptureAsync(With(standby, null))).Warnings), StringComparison.Ordinal);

            await standby.StopAsync(Ct);
            var away = await primary.CaptureAsync(With(standby, null));
            Assert.Contains("not from its standby", Assert.Single(away.Warnings), StringComparison.Ordinal);
            Assert.True((await primary.ValidateAsync(away.BackupId)).OverallPassed);
        }
    }

    /// <summary>A backup that is to end a gap: read at the standby once that begins behind it, else at the server.</summary>
    private async Task EndGapAsync(PostgresSource source, PostgresCluster standby, string password)
    {
        await primary.ExecuteAsync("INSERT INTO beside SELECT max(n) + 1 FROM beside");
        var system = await primary.ScalarAsync<string>("SELECT system_identifier::text FROM pg_control_system()");
        var end = Lsn.Parse(await primary.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text"));
        Assert.True(Lsn.Parse(await StandbyScalarAsync(standby, password, "SELECT redo_lsn::text FROM pg_control_checkpoint()")).Value < end.Value);

        var waited = await primary.CaptureAsync(source, gaps: [new WalGapEnd(system, end)]);
        Assert.Empty(waited.Warnings);
        Assert.True((await FactsAsync(waited)).FromStandby);
        Assert.True(Lsn.Parse((await FactsAsync(waited)).StartLsn).Value >= end.Value);

        // A gap of another cluster has nothing to do with it, and one that no restart point gets behind is ended at the server itself.
        Assert.Empty((await primary.CaptureAsync(source, gaps: [new WalGapEnd("1", new Lsn(ulong.MaxValue))])).Warnings);
        var never = source with { Standby = source.Standby! with { CatchUp = TimeSpan.FromSeconds(1) } };
        var own = await primary.CaptureAsync(never, gaps: [new WalGapEnd(system, new Lsn(end.Value + (1UL << 40)))]);
        Assert.Contains("where WAL that is stored nowhere ends: it would not end that gap", Assert.Single(own.Warnings), StringComparison.Ordinal);
        Assert.False((await FactsAsync(own)).FromStandby);
    }

    private async Task<ClusterFacts> FactsAsync(PostgresBackupResult result) =>
        await ClusterFacts.ReadAsync(primary.Repository, await primary.Repository.ReadManifestAsync(result.BackupId, Ct), Ct);

    private static async Task StandbyExecuteAsync(PostgresCluster standby, string password, string text)
    {
        await using var connection = new NpgsqlConnection(SettingsOf(standby, password));
        await connection.OpenAsync(Ct);
        await using var command = new NpgsqlCommand(text, connection);
        await command.ExecuteNonQueryAsync(Ct);
    }

    private async Task WriteAsync(CancellationToken ct)
    {
        for (var i = 0; !ct.IsCancellationRequested; i++)
        {
            await primary.ExecuteAsync($"UPDATE moving SET t = md5('{i}' || t) WHERE n % 100 = {i % 100}");
            await Task.Delay(50, Ct);
        }
    }

    private async Task<PostgresCluster> StartStandbyAsync(string password, string name, string table)
    {
        var folder = primary.Folder.Combine(name);
        var start = new ProcessStartInfo(
            PostgresBinaries.Find(null).PathOf("pg_basebackup"), ["-h", LabPostgres.Host, "-p", $"{primary.Server.Port}", "-U", "postgres", "-D", folder, "-R", "-X", "stream", "-c", "fast", "--no-sync"])
        {
            RedirectStandardError = true,
        };
        start.Environment["PGPASSWORD"] = password;
        using (var copy = Process.Start(start)!)
        {
            var error = await copy.StandardError.ReadToEndAsync(Ct);
            await copy.WaitForExitAsync(Ct);
            Assert.True(copy.ExitCode == 0, error);
        }

        // The files are the server user's; its password for the primary stands in postgresql.auto.conf.
        using (var give = Process.Start("chown", ["-R", $"--reference={primary.Server.DataFolder}", folder]))
        {
            await give.WaitForExitAsync(Ct);
        }

        var cluster = new PostgresCluster(
            primary.Folder.ClusterOptions(name) with { Password = password, Settings = new Dictionary<string, string> { ["fsync"] = "off", ["hot_standby_feedback"] = "on" }, IsScratch = true },
            primary.Registry);
        await cluster.StartAsync(Ct);
        var began = Stopwatch.GetTimestamp();
        while (await StandbyScalarAsync(cluster, password, $"SELECT count(*)::text FROM {table}") != "20000")
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < Limit, "the standby does not follow");
            await Task.Delay(50, Ct);
        }

        return cluster;
    }

    private static string SettingsOf(PostgresCluster standby, string password) => new NpgsqlConnectionStringBuilder
    {
        Host = LabPostgres.Host, Port = standby.Port, Username = "postgres", Password = password, Database = LabPostgres.Orders, Pooling = false,
    }.ConnectionString;

    private static async Task<string> StandbyScalarAsync(PostgresCluster standby, string password, string text)
    {
        await using var connection = new NpgsqlConnection(SettingsOf(standby, password));
        await connection.OpenAsync(Ct);
        await using var command = new NpgsqlCommand(text, connection);
        return (string)(await command.ExecuteScalarAsync(Ct))!;
    }
}
