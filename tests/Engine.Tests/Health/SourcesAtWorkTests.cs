using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Support;

namespace Hexabase.DrConsole.Engine.Tests.Health;

public sealed class SourcesAtWorkTests(CatalogServer catalog)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Databases_of_a_server_that_a_recovery_of_another_one_stops_are_not_down_while_that_runs()
    {
        var name = $"server-{Guid.NewGuid():n}";
        Source Database(string source, string host, int port) => new(source, SourceKind.Postgres, "standard", "shop") { Postgres = new PostgresSettings(host, port, "app", "app", null, PostgresMode.Logical, []) };
        var estate = new ProtectedEstate("test", "/", ProtectionClass.Defaults, [],
            [Database(name, "db.shop", 5432), Database($"{name}-beside", "DB.shop", 5432), Database($"{name}-elsewhere", "db.shop", 5433)], []);
        await catalog.Pool.Command(
            """
            WITH asked AS (INSERT INTO run (kind, source, request, request_hash, state, requested_by) VALUES ('recovery', $1, '{}', '', 'running', 'tester') RETURNING id),
              recovering AS (INSERT INTO recovery (run_id, plan, plan_version, plan_hash, source, disaster, is_drill) SELECT id, 'one', 1, '', $1, 'UNKNOWN', false FROM asked)
            INSERT INTO recovery_step (run_id, position, name, action, started_at) SELECT id, 1, 'stop', 'stop_database_service', clock_timestamp() FROM asked
            """, name).RunAsync(Ct);

        Assert.Equal([name, $"{name}-beside"], (await new SourcesAtWork(catalog.Pool, estate).ReadAsync(Ct)).Where(source => source.StartsWith(name, StringComparison.Ordinal)).Order());
        await catalog.Pool.Command("UPDATE run SET state = 'completed', ended_at = clock_timestamp() WHERE source = $1", name).RunAsync(Ct);
    }

    [Fact]
    public async Task A_virtual_cluster_whose_store_is_put_back_outside_of_a_plan_is_not_down_while_that_runs()
    {
        var name = $"vcluster-{Guid.NewGuid():n}";
        var cluster = new VClusterSettings(name, "/etc/host.conf", false) { Name = "tenant", DataDirectory = "/srv/tenant" };
        var estate = new ProtectedEstate("test", "/", ProtectionClass.Defaults, [], [new Source(name, SourceKind.VCluster, "standard", "shop") { VCluster = cluster }], []);
        var sources = new SourcesAtWork(catalog.Pool, estate);
        var target = RestoreTarget.Parse($"vcluster:{name}/tenant?kubeconfig=/etc/host.conf&store=/srv/tenant", "/").ToText();
        var run = (await catalog.Pool.Command(
            """
            WITH asked AS (INSERT INTO run (kind, source, request, request_hash, state, requested_by)
                VALUES ('restore', $1, jsonb_build_object('plan', jsonb_build_object('target', $2)), '', 'running', 'tester') RETURNING id),
              gate AS (INSERT INTO approval_gate (run_id, subject_hash, risk, needed, requester, state, approve_until, execute_within)
                SELECT id, '', 'destructive', 1, 'tester', 'open', clock_timestamp(), interval '1 h' FROM asked)
            SELECT id FROM asked
            """, name, target).FirstAsync(row => Tuple.Create(row.GetInt64(0)), Ct))!.Item1;
        Assert.DoesNotContain(name, await sources.ReadAsync(Ct));

        await catalog.Pool.Command("UPDATE approval_gate SET state = 'used' WHERE run_id = $1", run).RunAsync(Ct);
        Assert.Contains(name, await sources.ReadAsync(Ct));

        await catalog.Pool.Command("UPDATE run SET state = 'completed', ended_at = clock_timestamp() WHERE id = $1", run).RunAsync(Ct);
        Assert.DoesNotContain(name, await sources.ReadAsync(Ct));
    }
}
