using System.Text.Json;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Kubernetes;
using Npgsql;

namespace Hexabase.DrConsole.Engine.Tests.Executable;

/// <summary>A completed restore of objects is taken back by the command line, and the console that does it is killed half-way.</summary>
[Collection("vcluster")]
public sealed class ObjectUndoCrashTests(KubernetesLab kubernetes, PostgresLab lab, ConsoleSeed seed)
{
    private const string Tenant = "tenant";

    /// <summary>So many objects are taken back before the kill: all ingresses, which go first, are among them.</summary>
    private const int BeforeTheKill = 10;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static string[] Made => [.. Enumerable.Range(0, PopulationSize.Small.Namespaces).Select(at => $"undone-{at}")];

    [Fact]
    public async Task Undo_that_is_killed_half_way_ends_in_the_same_state_and_does_nothing_twice()
    {
        var host = await kubernetes.GetAsync(Ct);
        using var api = KubernetesLab.Api(host.Clusters[0]);
        await using var estate = await ConsoleEstate.CreateAsync(lab, seed);
        var configuration = await estate.ConfigureSourceAsync(new { Name = Tenant, Kind = "vcluster", Class = "standard", VCluster = new { host.Clusters[0].Namespace, host.Clusters[0].Name, host.Host.Kubeconfig } });
        try
        {
            var restored = await RestoreAsync(configuration, host);
            (await ConsoleProcess.RunAsync(configuration, "restore", "undo", "R-999999")).AssertRefused("there is no run R-999999");
            var unconfirmed = await ConsoleProcess.RunAsync(configuration, "restore", "undo", restored);
            Assert.Equal((2, ""), (unconfirmed.Code, unconfirmed.Output));
            Assert.Contains($"note: takes {restored} back", unconfirmed.Error, StringComparison.Ordinal);
            Assert.Equal(2, (await ConsoleProcess.RunAsync(configuration, "restore", "undo", restored, "--confirm", new string('0', 64))).Code);

            long undo;
            await using (var first = await ConsoleProcess.ServeAsync(configuration))
            {
                await using var catalog = estate.OpenCatalog();
                var all = await NotedAsync(catalog, restored);
                undo = (await ConsoleProcess.RunAsync(configuration, "restore", "undo", restored, "--no-wait", "--json", "--confirm", unconfirmed.AssertAsksForHash())).AssertDone().Json.GetProperty("runId").GetInt64();
                await Eventually.UntilAsync(async () => await NotedAsync(catalog, restored) <= all - BeforeTheKill, () => "the way back to begin", Ct);
                await first.KillAsync();
            }

            // What was taken back and somebody has made again since is theirs.
            Assert.Null(await api.FindAsync($"{In(Made[0])}/app-0", Ct));
            var theirs = await PutIngressAsync(api, Made[0]);
            await using (var second = await ConsoleProcess.ServeAsync(configuration))
            {
                await using var catalog = estate.OpenCatalog();
                Run run = null!;
                await Eventually.UntilAsync(async () => !(run = (await new RunStore(catalog).FindAsync(new RunId(undo), Ct))!).IsOpen, () => "the end of the way back", Ct);
                Assert.True(run is { State: RunState.Completed, Attempt: 2 }, $"{run.State} {run.Attempt} {run.ErrorJson}");
                var result = JsonElement.Parse(run.ResultJson!);
                Assert.Equal(1, result.GetProperty("notRestored").GetInt32());
                Assert.Contains($"Namespace {Made[0]}: it holds what the restore did not make", result.GetProperty("warnings")[0].GetString(), StringComparison.Ordinal);
                Assert.Equal(theirs, (await api.FindAsync($"{In(Made[0])}/app-0", Ct))!["metadata"]!["uid"]!.GetValue<string>());
                Assert.Null(await api.FindAsync($"/api/v1/namespaces/{Made[0]}/configmaps/app-0", Ct));
                await AssertGoneAsync(api, Made[1..]);

                // With theirs out of the way the rest of it goes too, and then nothing of it is left.
                Assert.True((await api.DeleteAsync($"{In(Made[0])}/app-0", null, Ct)).IsSuccess);
                var rest = await ConsoleProcess.RunAsync(configuration, "restore", "undo", restored);
                Assert.Contains($"note: deleted: Namespace {Made[0]}", rest.Error, StringComparison.Ordinal);
                (await ConsoleProcess.RunAsync(configuration, "restore", "undo", restored, "--confirm", rest.AssertAsksForHash())).AssertDone();
                await AssertGoneAsync(api, Made);
                (await ConsoleProcess.RunAsync(configuration, "restore", "undo", restored)).AssertRefused($"{restored} cannot be taken back: nothing of it is left");
                Assert.Equal(0, (await second.StopAsync()).Code);
            }
        }
        finally
        {
            foreach (var ns in Made)
            {
                await NamespaceRemoval.RemoveAsync(api, ns, CancellationToken.None);
            }
        }
    }

    /// <summary>All namespaces of the cluster under other names.</summary>
    private static async Task<string> RestoreAsync(string configuration, LabKubernetes host)
    {
        var point = (await ConsoleProcess.RunAsync(configuration, "backup", Tenant, "--json")).AssertDone().Json.GetProperty("restorePointId").GetString()!;
        var cluster = host.Clusters[0];
        var names = Made.Select((_, at) => ClusterPopulation.NamespaceOf(at)).ToList();
        var target = $"vcluster:{cluster.Namespace}/{cluster.Name}?kubeconfig={host.Host.Kubeconfig}&namespaces={string.Join(',', names)}&map={string.Join(',', names.Zip(Made, (from, to) => $"{from}:{to}"))}";
        return new RunId((await ConsoleProcess.RunAsync(configuration, "restore", point, "--to", target, "--json")).AssertDone().Json.GetProperty("runId").GetInt64()).ToString();
    }

    private static async Task<string> PutIngressAsync(KubeApi api, string ns)
    {
        var model = (await api.FindAsync($"{In(ClusterPopulation.NamespaceOf(0))}/app-0", Ct))!;
        var body = new JsonObject { ["apiVersion"] = "networking.k8s.io/v1", ["kind"] = "Ingress", ["metadata"] = new JsonObject { ["name"] = "app-0" }, ["spec"] = model["spec"]!.DeepClone() };
        var answer = await api.CreateAsync(In(ns), body, isDryRun: false, Ct);
        Assert.True(answer.IsSuccess, answer.Message);
        return answer.Body!["metadata"]!["uid"]!.GetValue<string>();
    }

    private static async Task AssertGoneAsync(KubeApi api, IEnumerable<string> namespaces)
    {
        foreach (var ns in namespaces)
        {
            Assert.Null(await api.FindAsync($"/api/v1/namespaces/{ns}", Ct));
        }
    }

    /// <summary>How many effects of a restore are on record, to be taken back.</summary>
    private static async Task<long> NotedAsync(NpgsqlDataSource catalog, string run) => (long)(await catalog.Command(
        "SELECT count(*) FROM object_restore WHERE operation LIKE $1 AND position >= 0", $"{run} %").FirstAsync(row => (object)row.GetInt64(0), Ct))!;

    private static string In(string ns) => $"/apis/networking.k8s.io/v1/namespaces/{ns}/ingresses";
}
