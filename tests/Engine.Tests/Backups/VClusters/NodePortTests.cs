using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>Node ports that a server chose, which no document holds.</summary>
[Collection("vcluster")]
public sealed class NodePortTests(KubernetesLab kubernetes) : IAsyncDisposable
{
    private const string Own = "case-ports";
    private readonly ClusterClient _cluster = new(kubernetes);

    [Fact]
    public async Task Equal_service_whose_port_is_kept_is_equal_and_one_with_another_port_is_not()
    {
        await FillAsync(CaseCluster.Chosen);
        const string Options = $"namespaces={Own}&names=chosen&kinds=Service&nodePorts=keep&existing=change";
        var plan = await _cluster.PlanAsync(Options, Ct);
        Assert.Equal((ObjectAction.Leave, "is there and equal"), (Assert.Single(plan.Objects).Action, plan.Objects[0].Reason));

        await _cluster.DeleteAsync(CaseCluster.Of(Own, "services", "chosen"), Ct);
        var port = _cluster.Index.Single(one => one is { Kind: "Service", Namespace: Own }).AssignedPorts!["80/TCP"];
        var other = port == 30000 ? 30001 : 30000;
        await _cluster.CreateAsync($"/api/v1/namespaces/{Own}/services", $$"""{"apiVersion":"v1","kind":"Service","metadata":{"name":"chosen"},"spec":{"type":"NodePort","selector":{"app":"web"},"ports":[{"port":80,"nodePort":{{other}}}]} }""", Ct);
        Assert.Equal("spec.ports[0].nodePort", Assert.Single(Assert.Single((await _cluster.PlanAsync(Options, Ct)).Objects).Differences).Path);
    }

    [Fact]
    public async Task Service_that_a_change_took_the_port_from_has_it_again_when_the_change_is_taken_back()
    {
        const string Service = """{"apiVersion":"v1","kind":"Service","metadata":{"name":"inner"},"spec":{"selector":{"app":"web"},"ports":[{"port":80}]}}""";
        await FillAsync(Service);
        var path = CaseCluster.Of(Own, "services", "inner");
        await _cluster.PatchAsync(path, """{"spec":{"type":"NodePort"}}""", Ct);
        var port = PortOf(await _cluster.Api.GetAsync(path, Ct));
        Assert.NotNull(port);
        var plan = await _cluster.PlanAsync($"namespaces={Own}&kinds=Service&existing=change", Ct);
        // As a process finds it that goes on with what another one began.
        await RestoreRecord.WriteAsync(_cluster.Repository, _cluster.Captured.Manifest, "R-1", plan, Ct);
        var journal = new MemoryJournal();
        Assert.Equal(1, (await new ObjectRestore(_cluster.Api, journal, TimeProvider.System).ExecuteAsync(plan, plan.Hash, null, Ct)).Changed);
        Assert.Null(PortOf(await _cluster.Api.GetAsync(path, Ct)));

        var record = await RestoreRecord.FindAsync(_cluster.Repository, _cluster.Captured.Manifest, "R-1", new RestoreSelection(), Ct);
        Assert.Empty((await new ObjectRestore(_cluster.Api, journal, TimeProvider.System).UndoAsync(record!, Ct)).Left);

        Assert.Equal(port, PortOf(await _cluster.Api.GetAsync(path, Ct)));

        static int? PortOf(JsonObject service) => service["spec"]!["ports"]![0]!["nodePort"]?.GetValue<int>();
    }

    public async ValueTask DisposeAsync()
    {
        await _cluster.DeleteAsync($"/api/v1/namespaces/{Own}", CancellationToken.None);
        await _cluster.DisposeAsync();
    }

    private async Task FillAsync(string service)
    {
        await _cluster.OpenAsync(Ct);
        await _cluster.CreateAsync("/api/v1/namespaces", $$"""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"{{Own}}"} }""", Ct);
        await _cluster.CreateAsync($"/api/v1/namespaces/{Own}/services", service, Ct);
        await _cluster.CaptureAsync(Ct);
    }
}
