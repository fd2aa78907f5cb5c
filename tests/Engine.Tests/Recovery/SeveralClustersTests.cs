using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Health;
using Hexabase.DrConsole.Engine.Recovery;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Drills;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab;
using Hexabase.DrConsole.Lab.Kubernetes;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>Two tenants' clusters that lost something are recovered in one recovery, or both are as they were before.</summary>
[Collection("vcluster")]
public sealed class SeveralClustersTests(CatalogServer catalog)
{
    private const string Plan = "vclusters-failure";
    private const string Disaster = "PARTIAL_VCLUSTER_FAILURE";
    private const string Lost = "/api/v1/namespaces/default/configmaps/settings";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Both_clusters_are_back_under_one_approval_and_where_one_fails_neither_is_changed()
    {
        await KubernetesLab.WaitForBuildAsync(Ct);
        await using var folder = new ServerFolder();
        await using var lab = new LabKubernetes(new LabFolder(folder.Combine("lab")), new LabKubernetesOptions { VirtualClusters = ["tenant-b", "tenant-c"], HasHostControllers = false, HasVirtualControllers = false });
        await lab.StartAsync(Ct);
        var mark = Guid.NewGuid().ToString("n")[..8];
        string[] sources = [.. lab.Clusters.Select((_, index) => $"tenant-{index}-{mark}")];
        await using var rig = await EngineRig.StartAsync(catalog, folder, $"\"Sources\": [ {string.Join(", ", lab.Clusters.Zip(sources).Select(pair => Declared(lab, pair.First, pair.Second, $"shop-{mark}")))} ]");
        foreach (var (cluster, source) in lab.Clusters.Zip(sources))
        {
            using var api = KubernetesLab.Api(cluster);
            Assert.True((await api.CreateAsync(
                "/api/v1/namespaces/default/configmaps", (JsonObject)JsonNode.Parse("""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings"},"data":{"colour":"blue"}}""")!, false, Ct)).IsSuccess);
            await rig.BackUpAsync(source);
        }

        var before = await IdentitiesAsync(lab);
        Assert.All(before, Assert.NotNull);
        using (await DrillTurn.TakeAsync(Ct))
        {
            var drilled = await rig.AdvanceAsync((await rig.Get<DrillRequests>().RequestAsync(Plan, string.Join(',', sources), "olga", Ct)).Id);
            Assert.True(drilled.State == RunState.Completed, $"{drilled.ErrorJson}\n{await rig.LogAsync(drilled.Id)}");
            Assert.True(await rig.Get<PlanDrillCatalog>().FindAsync(drilled.Id, Ct) is { Passed: true, Cleanup.IsProven: true });
            var practised = await rig.Catalog.StepsAsync(drilled.Id, Ct);
            Assert.Equal(sources, practised.Select(step => step.Part));
            Assert.All(practised, step => Assert.Contains("equal field by field", step.Verification, StringComparison.Ordinal));
            Assert.True(practised[0].StartedAt < practised[1].EndedAt && practised[1].StartedAt < practised[0].EndedAt);
        }

        var incident = await ConfirmAsync(sources);
        foreach (var cluster in lab.Clusters)
        {
            using var api = KubernetesLab.Api(cluster);
            Assert.True((await api.DeleteAsync(Lost, null, Ct)).IsSuccess);
        }

        await rig.Get<RecoveryProposals>().ProposeAsync(Ct);
        var proposals = await rig.Get<RecoveryProposals>().ListAsync(incident, Ct);
        Assert.Equal([.. sources, SeveralPlans.SubjectOf(sources)], proposals.OrderBy(one => one.Source.Length).ThenBy(one => one.Source, StringComparer.Ordinal).Select(one => one.Source));
        Assert.All(proposals, proposal => Assert.Null(proposal.Refusal));
        var together = proposals.Single(one => one.Plan == Plan);

        // The second has been put back when it fails: both are taken back, and answer.
        rig.AfterAct = context => context.Step.Part == sources[1] ? throw new EngineException("test-fault", ErrorKind.Unavailable, "the test made it fail") : Task.CompletedTask;
        var failed = await rig.RecoverAsync(await PlanAsync(rig, together, incident));
        Assert.True(RecoveryOutcome.RolledBack == await rig.OutcomeAsync(failed.Id), await rig.LogAsync(failed.Id));
        Assert.All(await IdentitiesAsync(lab), Assert.Null);

        rig.AfterAct = _ => Task.CompletedTask;
        var plan = await PlanAsync(rig, together, incident);
        Assert.Equal((2, 2), (plan.Several!.Parallel, plan.Steps.Count(step => step.Stage == 1)));
        var ended = await rig.RecoverAsync(plan);

        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.LogAsync(ended.Id)}");
        Assert.Equal(before, await IdentitiesAsync(lab));
        var steps = await rig.Catalog.StepsAsync(ended.Id, Ct);
        Assert.All(steps, step => Assert.Contains("objects are back with the identity that they had", step.Verification, StringComparison.Ordinal));
        // Side by side: each began before the other had ended.
        Assert.True(steps[0].StartedAt < steps[1].EndedAt && steps[1].StartedAt < steps[0].EndedAt);
        Assert.Equal(IncidentState.Resolved, (await rig.Get<IncidentStore>().FindAsync(incident, Ct))!.State);
    }

    private static async Task<RecoveryPlan> PlanAsync(EngineRig rig, RecoveryProposal proposal, IncidentId incident) =>
        (await rig.Recoveries.PlanAsync(Plan, new SeveralRequest(Disaster, []) { Sources = SeveralPlans.SourcesOf(proposal.Source), Incident = incident.Value }, Ct)).Require();

    private async Task<IncidentId> ConfirmAsync(string[] sources)
    {
        await using var command = catalog.Pool.Command(
            """
            INSERT INTO incident (kind, sources, state, first_evidence_at, suspected_at, confirmed_at, evidence)
            VALUES ($1, $2, 'confirmed', clock_timestamp(), clock_timestamp(), clock_timestamp(), '{}') RETURNING id
            """, Disaster, sources);
        return new IncidentId((long)(await command.ExecuteScalarAsync(Ct))!);
    }

    private static string Declared(LabKubernetes lab, LabVirtualCluster cluster, string source, string workspace) => $$"""
        { "Name": "{{source}}", "Kind": "vcluster", "Class": "standard", "Workspace": "{{workspace}}",
          "VCluster": { "Namespace": "{{cluster.Namespace}}", "Kubeconfig": "{{lab.Host.Kubeconfig}}", "DataDirectory": "{{cluster.DataDirectory}}",
                        "Etcd": { "Endpoint": "{{cluster.ControlPlane.EtcdUrl}}", "CertificateAuthority": "{{cluster.ControlPlane.Keys.Authority}}",
                                  "Certificate": "{{cluster.ControlPlane.Keys.AdminCertificate}}", "Key": "{{cluster.ControlPlane.Keys.AdminKey}}" } } }
        """;

    /// <summary>The identity of what was made in each cluster; null where it is not there. A server that starts is waited for.</summary>
    private static async Task<IReadOnlyList<string?>> IdentitiesAsync(LabKubernetes lab)
    {
        var found = new List<string?>();
        foreach (var cluster in lab.Clusters)
        {
            using var api = KubernetesLab.Api(cluster);
            while (true)
            {
                try
                {
                    found.Add((await api.FindAsync(Lost, Ct))?["metadata"]!["uid"]!.GetValue<string>());
                    break;
                }
                catch (EngineException fault) when (fault.IsTransient)
                {
                    await Task.Delay(100, Ct);
                }
            }
        }

        return found;
    }
}
