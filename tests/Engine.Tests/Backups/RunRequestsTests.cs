using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Receiving;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Executable;
using Hexabase.DrConsole.Engine.Tests.Recovery;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Backups;

public sealed class RunRequestsTests(CatalogServer catalog, PostgresLab lab)
{
    [Theory]
    [InlineData("key")]
    [InlineData("hook.secret")]
    [InlineData("data/keys/catalog-owner.pw")]
    public async Task PlanRestore_never_reads_the_consoles_own_secrets_for_somebodys_server(string secret)
    {
        await using var rig = await BackupRig.CreateAsync(catalog, lab);
        foreach (var server in new[] { "postgres://postgres@127.0.0.1:1/copy", "redis://127.0.0.1:1" })
        {
            var refused = await Assert.ThrowsAsync<EngineException>(() =>
                rig.Requests.PlanRestoreAsync("0", $"{server}?passwordFile={Uri.EscapeDataString(rig.Store(secret))}", "/", BackupRig.Ct));

            Assert.Equal(("password-file-refused", ErrorKind.Denied), (refused.Code, refused.Kind));
        }
    }

    [Theory]
    [InlineData("a directory that is a link")]
    [InlineData("the kernel's second name")]
    [InlineData("a link to the kernel's second name")]
    [InlineData("a hard link")]
    [InlineData("another secret's hard link")]
    [InlineData("the environment")]
    public async Task PlanRestore_knows_the_consoles_own_secrets_under_every_name(string name)
    {
        await using var rig = await BackupRig.CreateAsync(catalog, lab);
        var made = rig.Store("data/keys/made.key");
        await File.WriteAllTextAsync(made, "a secret of the test\n", BackupRig.Ct);
        Directory.CreateSymbolicLink(rig.Store("keys"), rig.Store("data/keys"));
        Directory.CreateSymbolicLink(rig.Store("second"), "/proc/self/root" + rig.Store("data"));
        await Shell.RunAsync("ln", rig.Store("key"), rig.Store("tier.link"));
        await Shell.RunAsync("ln", made, rig.Store("made.link"));
        File.CreateSymbolicLink(rig.Store("environment"), "/proc/self/environ");
        var file = name switch
        {
            "a directory that is a link" => rig.Store("keys/made.key"),
            "the kernel's second name" => "/proc/self/root" + made,
            "a link to the kernel's second name" => rig.Store("second/keys/made.key"),
            "a hard link" => rig.Store("tier.link"),
            "another secret's hard link" => rig.Store("made.link"),
            _ => rig.Store("environment"),
        };
        foreach (var server in new[] { "postgres://postgres@127.0.0.1:1/copy", "redis://127.0.0.1:1" })
        {
            var refused = await Assert.ThrowsAsync<EngineException>(() =>
                rig.Requests.PlanRestoreAsync("0", $"{server}?passwordFile={Uri.EscapeDataString(file)}", "/", BackupRig.Ct));

            Assert.Equal(("password-file-refused", ErrorKind.Denied), (refused.Code, refused.Kind));
        }
    }

    [Theory]
    [InlineData("source.pw", "postgres://postgres@10.0.0.1:5432/copy", "", true)]
    [InlineData("source.pw", "redis://10.0.0.1:5432", "", true)]
    [InlineData("source.pw", "postgres://postgres@10.0.0.1:5432/copy", RestoreAsker.CommandLine, false)]
    [InlineData("source.pw", "postgres://postgres@db.example:5433/copy", "", true)]
    [InlineData("source.link", "postgres://postgres@10.0.0.1:5432/copy", "", true)]
    [InlineData("source.pw", "postgres://postgres@DB.example:5432/copy", "", false)]
    [InlineData("source.pw", "postgres://postgres@db.example:5432/copy?sslMode=verify-full", "", false)]
    [InlineData("source.pw", "postgres://postgres@db.example:5432/copy?sslMode=disable", "", true)]
    [InlineData("source.pw", "redis://db.example:5432", "", true)]
    [InlineData("redis.pw", "redis://localhost:6380", "", false)]
    [InlineData("redis.pw", "redis://localhost:6380?tls=true", "", false)]
    [InlineData("redis.pw", "redis://localhost:6380?tls=true&caFile=/tmp/ca.pem", "", true)]
    [InlineData("redis.pw", "redis://127.0.0.1:6380", "", true)]
    [InlineData("redis.pw", "redis://[::1]:6380", "", true)]
    [InlineData("secure.pw", "redis://cache.example:6381?tls=true&caFile=/srv/ca.pem", "", false)]
    [InlineData("secure.pw", "redis://cache.example:6381?tls=true", "", true)]
    [InlineData("secure.pw", "redis://cache.example:6381", "", true)]
    [InlineData("secure.pw", "redis://cache.example:6381", RestoreAsker.CommandLine, false)]
    [InlineData("repository-2027.key", "postgres://postgres@10.0.0.1:5432/copy", "", true)]
    [InlineData("repository-2027.key", "postgres://postgres@10.0.0.1:5432/copy", RestoreAsker.CommandLine, false)]
    [InlineData("redis.pw", "postgres://postgres@db.example:5432/copy", "", true)]
    [InlineData("target.pw", "postgres://postgres@10.0.0.1:5432/copy", "", false)]
    [InlineData("keys.pem", "postgres://postgres@10.0.0.1:5432/copy", "", true)]
    [InlineData("keys.pem", "postgres://postgres@10.0.0.1:5432/copy", RestoreAsker.CommandLine, false)]
    [InlineData("../elsewhere.pw", "postgres://postgres@10.0.0.1:5432/copy", "", true)]
    [InlineData("elsewhere.link", "postgres://postgres@10.0.0.1:5432/copy", "", true)]
    [InlineData("../elsewhere.pw", "postgres://postgres@10.0.0.1:5432/copy", RestoreAsker.CommandLine, false)]
    [InlineData("/etc/shadow", "postgres://postgres@10.0.0.1:5432/copy", "", true)]
    public async Task PlanRestore_sends_a_sources_password_to_its_own_server_and_of_a_page_only_what_lies_beside(string file, string target, string asker, bool isRefused)
    {
        await using var rig = await BackupRig.CreateAsync(catalog, lab, (estate, folder) => estate with
        {
            Sources =
            [
                .. estate.Sources.Select(source => source with { Postgres = source.Postgres! with { Host = "db.example", Port = 5432, PasswordFile = folder.Combine("passwords/source.pw") } }),
                new Source($"cache-{Guid.NewGuid():n}", SourceKind.Redis, "critical", "shop") { Redis = new RedisSettings("localhost", 6380, folder.Combine("passwords/redis.pw"), false) },
                new Source($"secure-{Guid.NewGuid():n}", SourceKind.Redis, "critical", "shop") { Redis = new RedisSettings("cache.example", 6381, folder.Combine("passwords/secure.pw"), true) { CaFile = "/srv/ca.pem" } },
            ],
        });
        var passwords = Directory.CreateDirectory(rig.Store("passwords")).FullName;
        foreach (var name in new[] { "source.pw", "redis.pw", "secure.pw", "target.pw", "repository-2027.key", "../elsewhere.pw" })
        {
            await File.WriteAllTextAsync(Path.Combine(passwords, name), $"{name}\n\n", BackupRig.Ct);
        }

        await File.WriteAllTextAsync(Path.Combine(passwords, "keys.pem"), "of a key\nthe first line\n", BackupRig.Ct);
        await Shell.RunAsync("ln", Path.Combine(passwords, "source.pw"), Path.Combine(passwords, "source.link"));
        File.CreateSymbolicLink(Path.Combine(passwords, "elsewhere.link"), rig.Store("elsewhere.pw"));

        // Where nothing is refused, the restore point that nobody made is what is met next.
        var met = await Assert.ThrowsAsync<EngineException>(() =>
            rig.Requests.PlanRestoreAsync("0", $"{target}{(target.Contains('?', StringComparison.Ordinal) ? '&' : '?')}passwordFile={Uri.EscapeDataString(Path.GetFullPath(file, passwords))}", "/", BackupRig.Ct, asker));

        Assert.Equal(isRefused, met.Code == "password-file-refused");
    }

    [Fact]
    public async Task Restore_sends_no_secret_that_took_the_place_of_the_named_file_after_the_request()
    {
        await using var rig = await BackupRig.CreateAsync(catalog, lab);
        var point = (await rig.BackupAsync()).RestorePoint!;
        var named = rig.Store("target.pw");
        await File.WriteAllTextAsync(named, "of the target\n", BackupRig.Ct);
        var beside = await rig.Requests.PlanRestoreAsync(point, $"dir:{rig.Store("restored")}", "/", BackupRig.Ct);
        var plan = beside with { Target = $"postgres://postgres@127.0.0.1:1/copy?passwordFile={Uri.EscapeDataString(named)}" };
        var asked = await rig.Requests.RestoreAsync(plan, plan.Hash, new RestoreAsker(RestoreAsker.CommandLine, MayWriteOver: false), BackupRig.Ct);
        File.Delete(named);
        File.CreateSymbolicLink(named, rig.Store("key"));

        var ended = await rig.AdvanceAsync(asked.Id);

        Assert.Equal(RunState.Failed, ended.State);
        Assert.Contains("password-file-refused", ended.ErrorJson, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_gap_in_the_WAL_asks_for_a_base_backup_also_when_it_is_the_dumps_turn()
    {
        await using var rig = await BackupRig.CreateAsync(catalog, lab, (estate, _) => estate with
        {
            Sources = [.. estate.Sources.Select(source => source with { Postgres = source.Postgres! with { Mode = PostgresMode.Both } })],
        });
        await rig.Sources.ReconcileAsync(BackupRig.Ct);
        await catalog.Pool.Command(
            """
            INSERT INTO restore_point (id, source, kind, class, workspace, created_at, completed_at, bytes, stored_bytes, artifacts, properties)
            VALUES ($1, $2, 'postgres', 'critical', $3, now(), now(), 1, 1, '[]', '{"strategy": "physical"}')
            """, Guid.NewGuid().ToString("N"), rig.Source.Name, rig.Source.Workspace).RunAsync(BackupRig.Ct);

        var turn = await rig.Requests.BackupAsync(rig.Source.Name, "schedule", BackupRig.Ct);
        Assert.Contains("logical", turn.RequestJson, StringComparison.Ordinal);
        await rig.Runs.CancelAsync(turn.Id, "tester", BackupRig.Ct);
        await new BaseBackupRequests(rig.Requests).RequestAsync(rig.Source, "a gap", BackupRig.Ct);

        var asked = Assert.Single(await rig.Runs.ListAsync(rig.Source.Name, RunKinds.Backup, RunState.Queued, 5, BackupRig.Ct));
        Assert.Contains("physical", asked.RequestJson, StringComparison.Ordinal);
        await rig.Runs.CancelAsync(asked.Id, "tester", BackupRig.Ct);
    }

    [Fact]
    public async Task Restore_over_what_lives_is_refused_to_who_may_only_restore_beside_it()
    {
        await using var rig = await BackupRig.CreateAsync(catalog, lab);
        await catalog.PersonAsync("paul", "Approver");
        var point = (await rig.BackupAsync()).RestorePoint!;
        var beside = await rig.Requests.PlanRestoreAsync(point, $"dir:{rig.Store("restored")}", "/", BackupRig.Ct);
        var over = beside with { Difference = "ab" };
        var (operatorOnly, admin) = (new RestoreAsker("operator", MayWriteOver: false), new RestoreAsker("admin", MayWriteOver: true));

        var refused = await Assert.ThrowsAsync<EngineException>(() => rig.Requests.RestoreAsync(over, over.Hash, operatorOnly, BackupRig.Ct));

        Assert.Equal(("role-missing", ErrorKind.Denied), (refused.Code, refused.Kind));
        Assert.Empty(await rig.Runs.ListAsync(rig.Source.Name, RunKinds.Restore, null, 5, BackupRig.Ct));
        var asked = await rig.Requests.RestoreAsync(over, over.Hash, admin, BackupRig.Ct);
        Assert.Equal("admin", asked.RequestedBy);
        await rig.Runs.CancelAsync(asked.Id, "admin", BackupRig.Ct);
        Assert.Equal("operator", (await rig.Requests.RestoreAsync(beside, beside.Hash, operatorOnly, BackupRig.Ct)).RequestedBy);
    }

    [Fact]
    public async Task ProveAgain_takes_the_older_points_by_turns_and_never_the_newest()
    {
        await using var rig = await BackupRig.CreateAsync(catalog, lab);
        var (first, second, _) = (await rig.BackupAsync(), await rig.BackupAsync(), await rig.BackupAsync());
        await CancelValidationsAsync();

        Assert.Equal(first.RestorePoint, await AskedAsync());
        Assert.Empty(await rig.Requests.ProveAgainAsync(rig.Sources, "schedule", BackupRig.Ct));
        await CancelValidationsAsync();
        await RecordAsync(first.RestorePoint!, "1 minute");
        Assert.Equal(second.RestorePoint, await AskedAsync());
        await CancelValidationsAsync();
        await RecordAsync(second.RestorePoint!, "1 minute");
        Assert.Empty(await rig.Requests.ProveAgainAsync(rig.Sources, "schedule", BackupRig.Ct));

        async Task<string?> AskedAsync() => Assert.Single(await rig.Requests.ProveAgainAsync(rig.Sources, "schedule", BackupRig.Ct)).RestorePoint;

        Task RecordAsync(string point, string ago) => catalog.Pool.Command(
            "INSERT INTO validation (restore_point, tier, passed, steps, validated_at) VALUES ($1, 'hot', true, '[]', clock_timestamp() - $2::text::interval)", point, ago).RunAsync(BackupRig.Ct);

        async Task CancelValidationsAsync()
        {
            foreach (var run in await rig.Runs.ListAsync(rig.Source.Name, RunKinds.Validation, RunState.Queued, 50, BackupRig.Ct))
            {
                await rig.Runs.CancelAsync(run.Id, "tester", BackupRig.Ct);
            }
        }
    }
}
