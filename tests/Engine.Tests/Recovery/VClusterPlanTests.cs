using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Kubernetes;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>A tenant's cluster that lost a namespace is recovered by its plan with every identity, or is as it was before.</summary>
[Collection("vcluster")]
public sealed class VClusterPlanTests(CatalogServer catalog, KubernetesLab kubernetes)
{
    private const string Plan = "vcluster-failure";
    private const string Disaster = "PARTIAL_VCLUSTER_FAILURE";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_deleted_namespace_is_back_with_its_identities_and_a_recovery_that_fails_leaves_it_deleted()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        await using var rig = new InPlaceRig(
            catalog, (name, _) => new Source(name, SourceKind.VCluster, "standard", "shop") { VCluster = KubernetesLab.Settings(lab, cluster) }, lab.Registry);
        await MakeNamespaceAsync(cluster);
        var before = await IdentitiesAsync(cluster);
        await rig.BackUpAsync();

        // Looking whether one can be made reads no living cluster; the plan that a person asks for does.
        var sketch = await rig.Recoveries.PlanAsync(Plan, new PlanRequest(rig.Source.Name, Disaster, IsSketch: true), Ct);
        Assert.Contains("the living cluster is not compared for a sketch", sketch.Target.InPlace!.Plan.Notes);
        Assert.DoesNotContain(sketch.Target.InPlace.Plan.Notes, note => note.StartsWith("living cluster: ", StringComparison.Ordinal));

        // A drill restores it into an empty cluster, which is gone afterwards.
        Run drilled;
        using (await DrillTurn.TakeAsync(Ct))
        {
            drilled = await rig.AdvanceAsync((await rig.Drills.RequestAsync(Plan, rig.Source.Name, "olga", Ct)).Id);
        }

        Assert.True(drilled.State == RunState.Completed, $"{drilled.ErrorJson}\n{await rig.LogAsync(drilled.Id)}");
        Assert.True((await rig.DrillCatalog.FindAsync(drilled.Id, Ct)) is { Passed: true, Cleanup.IsProven: true });
        Assert.Contains("equal field by field", Assert.Single(await rig.Catalog.StepsAsync(drilled.Id, Ct)).Verification, StringComparison.Ordinal);
        Assert.Equal(before, await IdentitiesAsync(cluster));
        var incident = await rig.ConfirmIncidentAsync(Disaster, TimeProvider.System.GetUtcNow());
        await DeleteNamespaceAsync(cluster);
        await rig.Proposals.ProposeAsync(Ct);
        var proposal = Assert.Single(await rig.Proposals.ListAsync(incident, Ct));
        Assert.Equal((Plan, null), (proposal.Plan, proposal.Refusal));

        // One that is not verified is taken back: the cluster is what it was, deletion and all.
        rig.Wrap = inner => inner.Name == RestoreInPlace.ActionName ? new FailingAction(inner, Fault.Verify) : inner;
        var failed = await rig.RecoverAsync(await PlanAsync(rig, incident));
        Assert.True((RunState.Failed, RecoveryOutcome.VerificationFailed) == (failed.State, (await rig.Catalog.FindAsync(failed.Id, Ct))!.Outcome), await rig.LogAsync(failed.Id));
        Assert.All(await IdentitiesAsync(cluster), Assert.Null);

        rig.Wrap = action => action;
        await ReadyAsync(cluster);
        var plan = await PlanAsync(rig, incident);
        Assert.Contains(plan.Steps[0].Does, line => line.Contains("with the identity that they had", StringComparison.Ordinal));
        var ended = await rig.RecoverAsync(plan);

        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.LogAsync(ended.Id)}");
        Assert.Equal(before, await IdentitiesAsync(cluster));
        var step = Assert.Single(await rig.Catalog.StepsAsync(ended.Id, Ct));
        Assert.Contains("objects are back with the identity that they had", step.Verification, StringComparison.Ordinal);
        Assert.Equal(IncidentState.Resolved, (await rig.Incidents.FindAsync(incident, Ct))!.State);
        await DeleteNamespaceAsync(cluster);
    }

    private static Task<RecoveryPlan> PlanAsync(InPlaceRig rig, IncidentId incident) =>
        rig.Recoveries.PlanAsync(Plan, new PlanRequest(rig.Source.Name, Disaster, incident.Value, TimeProvider.System.GetUtcNow()), Ct);

    private static async Task MakeNamespaceAsync(LabVirtualCluster cluster)
    {
        using var api = KubernetesLab.Api(cluster);
        Assert.True((await api.CreateAsync("/api/v1/namespaces", Json("""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop-front"}}"""), false, Ct)).IsSuccess);
        Assert.True((await api.CreateAsync(
            "/api/v1/namespaces/shop-front/configmaps", Json("""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings"},"data":{"colour":"blue"}}"""), false, Ct)).IsSuccess);
    }

    /// <summary>Waits until the cluster's own controllers have taken away all of it.</summary>
    private static async Task DeleteNamespaceAsync(LabVirtualCluster cluster)
    {
        using var api = KubernetesLab.Api(cluster);
        Assert.True((await api.DeleteAsync(s_paths[0], null, Ct)).IsSuccess);
        while (await api.FindAsync(s_paths[0], Ct) is not null)
        {
            await Task.Delay(100, Ct);
        }
    }

    /// <summary>A server that has just started answers for some kinds before others; a plan made then is refused later, rightly.</summary>
    private static async Task ReadyAsync(LabVirtualCluster cluster)
    {
        using var api = KubernetesLab.Api(cluster);
        await Eventually.UntilAsync(async () => (await api.SendAsync(HttpMethod.Get, "/readyz", null, null, Ct)).IsSuccess, () => "readyz", Ct);
    }

    private static readonly string[] s_paths = ["/api/v1/namespaces/shop-front", "/api/v1/namespaces/shop-front/configmaps/settings"];

    /// <summary>The identities of what was made; null for what is not there. A server that starts is waited for.</summary>
    private static async Task<IReadOnlyList<string?>> IdentitiesAsync(LabVirtualCluster cluster)
    {
        using var api = KubernetesLab.Api(cluster);
        while (true)
        {
            try
            {
                var found = new List<string?>();
                foreach (var path in s_paths)
                {
                    found.Add((await api.FindAsync(path, Ct))?["metadata"]!["uid"]!.GetValue<string>());
                }

                return found;
            }
            catch (EngineException fault) when (fault.IsTransient)
            {
                await Task.Delay(100, Ct);
            }
        }
    }

    private static JsonObject Json(string text) => (JsonObject)JsonNode.Parse(text)!;
}
