using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Recovery.Actions;
using Hexabase.DrConsole.Engine.Recovery.Execution;
using Hexabase.DrConsole.Engine.Recovery.Plans;
using Hexabase.DrConsole.Engine.Recovery.Readiness;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Support.ClusterClient;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>Recovery plans stop and start a workload of Kubernetes, and lead clients elsewhere by a Service's selector, on real API servers and controllers.</summary>
[Collection("vcluster")]
public sealed class KubernetesServiceTests(KubernetesLab kubernetes, CatalogServer catalog)
{
    private const string Disaster = "STORAGE_FAILURE";
    private const string SiteA = """{"app":"shop","site":"a"}""";
    private const string SiteB = """{"app":"shop","site":"b"}""";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task StatefulSet_is_stopped_until_nothing_of_it_runs_and_started_with_the_replicas_that_it_had()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        var workload = new KubernetesWorkload(lab.Host.Kubeconfig, cluster.Namespace, WorkloadKind.StatefulSet, cluster.Name, null);
        IServiceControl service = new KubernetesService(workload, TimeProvider.System);
        Assert.True(await service.IsRunningAsync(Ct));
        var options = await service.ReadOptionsAsync(Ct);
        Assert.Equal(["replicas=1", "ready=1"], options);

        await service.StopAsync(_ => { }, Ct);
        try
        {
            Assert.False(cluster.ControlPlane.IsRunning);
            Assert.False(await service.IsRunningAsync(Ct));
            var again = new List<string>();
            await service.StopAsync(again.Add, Ct);
            Assert.Contains("already", Assert.Single(again), StringComparison.Ordinal);

            // Whoever finds it stopped does not know how many there were, and does not guess.
            Assert.Equal("service-replicas-unknown", (await Assert.ThrowsAsync<EngineException>(() => service.ReadOptionsAsync(Ct))).Code);
            Assert.Equal("service-replicas-unknown", (await Assert.ThrowsAsync<EngineException>(() => service.StartAsync([], _ => { }, Ct))).Code);
            Assert.Contains("no replicas", Assert.Single((await service.LookAsync(Ct)).Obstacles), StringComparison.Ordinal);
            IServiceControl told = new KubernetesService(workload with { Replicas = 1 }, TimeProvider.System);
            Assert.Equal(["replicas=0", "ready=0"], await told.ReadOptionsAsync(Ct));
            Assert.Empty((await told.LookAsync(Ct)).Obstacles);
            await told.BringBackAsync(["replicas=0", "ready=0"], _ => { }, Ct);
            Assert.False(await told.IsRunningAsync(Ct));
        }
        finally
        {
            await new KubernetesService(workload, TimeProvider.System).StartAsync(options, _ => { }, Ct);
        }

        Assert.True(cluster.ControlPlane.IsRunning);
        var lines = new List<string>();
        await service.StartAsync(options, lines.Add, Ct);
        Assert.Contains("scaled to 1 already", Assert.Single(lines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Volume_is_recovered_with_its_workload_stopped_and_its_clients_led_over_whatever_dies_in_between()
    {
        await using var app = await LabApplication.StartAsync(kubernetes);
        await using var rig = new InPlaceRig(catalog, (name, folder) => new Source(name, SourceKind.Volume, "standard", "shop")
        {
            Volume = new VolumeSettings(folder.Combine("volume")),
            Recovery = new RecoverySettings(app.Service, [], null, null) { SwitchService = app.Switch },
        });
        var file = Path.Combine(Directory.CreateDirectory(rig.Source.Volume!.Path!).FullName, "orders");
        await File.WriteAllTextAsync(file, "all of them", Ct);
        await rig.BackUpAsync();
        await rig.PersonAsync("olga", "Operator");
        await rig.PersonAsync("paul", "Approver");
        var template = $"with-a-workload-{rig.Source.Name}";
        await rig.Library.SaveAsync($$"""
            { "name": "{{template}}", "title": "Bring it back", "disasters": ["{{Disaster}}"], "kind": "volume", "gate": { "risk": "destructive" }, "onFailure": "roll-back-all", "steps": [
              { "name": "stop", "title": "Stop", "action": "stop_database_service", "estimateSeconds": 1, "timeoutSeconds": 60 },
              { "name": "restore", "title": "Restore", "action": "restore_in_place", "estimateSeconds": 1, "timeoutSeconds": 60, "parameters": { "verify": "true" } },
              { "name": "start", "title": "Start", "action": "restart_services", "estimateSeconds": 1, "timeoutSeconds": 60 },
              { "name": "switch", "title": "Switch", "action": "switch_traffic", "estimateSeconds": 1, "timeoutSeconds": 60 } ] }
            """, "adam", "for the test", 0, Ct);
        Task<RecoveryPlan> PlanAsync() => rig.Recoveries.PlanAsync(template, new PlanRequest(rig.Source.Name, Disaster), Ct);

        // Nobody has granted anything yet: what is missing is said before anything is asked for.
        var hindered = await PlanAsync();
        Assert.All(["patch on deployments/scale (apps)", "patch on services", "list on endpointslices (discovery.k8s.io)"], right =>
            Assert.Contains(hindered.Notes, note => note.Contains("a step would fail", StringComparison.Ordinal) && note.Contains(right, StringComparison.Ordinal)));
        Assert.Contains((await rig.ReadinessOfAsync(template)).Reasons, reason => reason.Cause == ReadinessCause.StepHindered && reason.Text.Contains("deployments/scale", StringComparison.Ordinal));
        var forbidden = await Assert.ThrowsAsync<EngineException>(() => new KubernetesService(app.Workload, TimeProvider.System).StopAsync(_ => { }, Ct));
        Assert.Equal(("kubernetes-forbidden", ErrorKind.Denied), (forbidden.Code, forbidden.Kind));
        Assert.Contains("cannot get resource \"deployments\"", forbidden.Message, StringComparison.Ordinal);
        await app.GrantAsync();
        await app.CreateAsync($"/apis/autoscaling/v1/namespaces/{app.Namespace}/horizontalpodautoscalers",
            """{"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler","metadata":{"name":"busy"},"spec":{"minReplicas":1,"maxReplicas":4,"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"shop"} } }""");
        RecoveryPlan plan = hindered;
        await Eventually.UntilAsync(async () => !(plan = await PlanAsync()).Notes.Any(note => note.Contains("a step would fail", StringComparison.Ordinal)), () => string.Join('\n', plan.Notes), Ct);

        Assert.Contains(plan.Notes, note => note.Contains("HorizontalPodAutoscaler busy leaves Deployment", StringComparison.Ordinal));
        Assert.Contains(plan.Notes, note => note.EndsWith("selects app=shop,site=a now, the declared SelectorBack", StringComparison.Ordinal));
        Assert.Contains("to 0 replicas", Assert.Single(plan.Steps[0].Does), StringComparison.Ordinal);
        Assert.Contains("app=shop,site=b", plan.Steps[3].Does[0], StringComparison.Ordinal);
        Assert.Equal((StepSafety.Idempotent, StepSafety.Probeable), (plan.Steps[0].Safety, plan.Steps[3].Safety));
        Assert.Equal(plan.Hash, RecoveryPlan.Parse(plan.ToJson()).Hash);
        Assert.DoesNotContain((await rig.ReadinessOfAsync(template)).Reasons, reason => reason.Cause == ReadinessCause.StepHindered);

        // Its last step fails: all of it is as before.
        await File.WriteAllTextAsync(file, "some", Ct);
        rig.Wrap = inner => inner.Name == SwitchTraffic.ActionName ? new FailingAction(inner, Fault.Act) : inner;
        var undone = await rig.RecoverAsync(plan);
        Assert.True((await rig.Catalog.FindAsync(undone.Id, Ct))!.Outcome == RecoveryOutcome.RolledBack, await rig.LogAsync(undone.Id));
        Assert.Equal((SiteA, (2, 2), "some"), (await app.SelectorAsync(), await app.ReplicasAsync(), await File.ReadAllTextAsync(file, Ct)));

        // The process dies when the workload is stopped, and again when the selector is replaced.
        RunId run = default;
        var (stops, switches) = (0, 0);
        rig.Wrap = inner => inner.Name switch
        {
            StopDatabaseService.ActionName => new HookedAction(inner, afterAct: () => stops++ == 0 ? rig.DieAsync(run) : Task.CompletedTask),
            SwitchTraffic.ActionName => new HookedAction(inner, afterAct: () => switches++ == 0 ? rig.DieAsync(run) : Task.CompletedTask),
            _ => inner,
        };
        run = (await rig.AskAsync(await PlanAsync())).Id;
        await rig.ApproveAsync(run, "paul");
        Assert.Equal(RunState.Running, (await rig.AdvanceAsync(run)).State);
        Assert.Equal(((0, 0), 0), (await app.ReplicasAsync(), await app.PodsAsync()));
        await rig.ExpireLeaseAsync(run);
        Assert.Equal(RunState.Running, (await rig.AdvanceAsync(run)).State);
        Assert.Equal((SiteB, (2, 2)), (await app.SelectorAsync(), await app.ReplicasAsync()));
        await rig.ExpireLeaseAsync(run);
        var ended = await rig.AdvanceAsync(run);

        Assert.True(ended.State == RunState.Completed, $"{ended.ErrorJson}\n{await rig.LogAsync(run)}");
        Assert.Equal((2, 1, "all of them"), (stops, switches, await File.ReadAllTextAsync(file, Ct)));
        var steps = await rig.Catalog.StepsAsync(run, Ct);
        Assert.Contains("2 ready Pods of it answer for it", steps[3].Verification, StringComparison.Ordinal);

        // The first place is repaired: its clients are led back, and nothing is restored for that.
        rig.Wrap = inner => inner;
        await rig.Library.SaveAsync($$"""
            { "name": "{{template}}-back", "title": "Lead them back", "disasters": ["UNKNOWN"], "kind": "volume", "gate": { "risk": "traffic" }, "onFailure": "roll-back-all", "steps": [
              { "name": "switch", "title": "Switch back", "action": "switch_traffic", "estimateSeconds": 1, "timeoutSeconds": 60, "parameters": { "to": "back" } } ] }
            """, "adam", "for the test", 0, Ct);
        var back = await rig.RecoverAsync(await rig.Recoveries.PlanAsync($"{template}-back", new PlanRequest(rig.Source.Name, "UNKNOWN"), Ct));
        Assert.True(back.State == RunState.Completed, $"{back.ErrorJson}\n{await rig.LogAsync(back.Id)}");
        Assert.Equal(SiteA, await app.SelectorAsync());
    }

    [Fact]
    public async Task Stop_waits_for_the_last_pod_and_names_it_where_something_else_scales_the_workload_up_again()
    {
        await using var app = await LabApplication.StartAsync(kubernetes);
        await app.GrantAsync();
        IServiceControl service = new KubernetesService(app.Workload, TimeProvider.System);
        await Eventually.UntilAsync(async () => (await service.LookAsync(Ct)).Obstacles.Count == 0, () => "the rights", Ct);
        app.HoldsPods = true;
        var lines = new List<string>();
        var stop = service.StopAsync(text => { lock (lines) { lines.Add(text); } }, Ct);
        await Eventually.UntilAsync(async () => (await app.ReplicasAsync()).Ready == 0 && Lines().Any(line => line.Contains("still there: Pod shop-", StringComparison.Ordinal)), () => string.Join('\n', Lines()), Ct);
        // A Pod that is ending is not ready any more, and writes all the same.
        Assert.False(stop.IsCompleted);
        Assert.True(await service.IsRunningAsync(Ct));

        await app.ScaleAsync(1);

        var fault = await Assert.ThrowsAsync<EngineException>(() => stop);
        Assert.Equal(("service-stop", ErrorKind.Conflict), (fault.Code, fault.Kind));
        app.HoldsPods = false;
        await service.StopAsync(_ => { }, Ct);
        Assert.Equal(0, await app.PodsAsync());
        var administrator = app.Workload with { Kubeconfig = (await kubernetes.GetAsync(Ct)).Clusters[0].ControlPlane.Kubeconfig, Name = "gone" };
        Assert.Equal("kubernetes-object-missing", (await Assert.ThrowsAsync<EngineException>(() => new KubernetesService(administrator, TimeProvider.System).StopAsync(_ => { }, Ct))).Code);

        string[] Lines()
        {
            lock (lines)
            {
                return [.. lines];
            }
        }
    }

    [Fact]
    public async Task Selector_that_somebody_else_has_set_is_left_as_it_is()
    {
        await using var app = await LabApplication.StartAsync(kubernetes);
        await app.GrantAsync();
        var way = new KubernetesSwitch(app.Switch, TimeProvider.System);
        await Eventually.UntilAsync(async () => (await way.LookAsync(Ct)).Obstacles.Count == 0, () => "the rights", Ct);
        var before = await way.CaptureAsync(Ct);
        Assert.False(await way.IsSwitchedAsync(Ct));
        await way.SwitchAsync(before, Ct);
        Assert.True(await way.IsSwitchedAsync(Ct));
        Assert.Contains("already", await way.SwitchAsync(before, Ct), StringComparison.Ordinal);
        Assert.True((await way.VerifyAsync(_ => { }, Ct)).Passed);

        const string Elsewhere = """{"app":"shop","site":"c"}""";
        var front = $"/api/v1/namespaces/{app.Namespace}/services/front";
        var read = await app.Api.GetAsync(front, Ct);
        await app.SelectAsync(Elsewhere);
        // Also where that is done between what the switch reads and what it writes.
        Assert.Equal(409, (await app.Api.PatchAsync(front, KubernetesSwitch.PatchOf(read, app.Switch.Selector, before.Selector), Ct)).Status);
        Assert.False((await way.VerifyAsync(_ => { }, Ct)).Passed);
        Assert.Equal("traffic-drifted", (await Assert.ThrowsAsync<EngineException>(() => way.SwitchBackAsync(before, Ct))).Code);
        Assert.Equal("traffic-drifted", (await Assert.ThrowsAsync<EngineException>(() => way.SwitchAsync(before, Ct))).Code);
        Assert.Equal(Elsewhere, await app.SelectorAsync());

        // No Pod answers for it: that is waited for as long as the step may take.
        await app.SelectAsync(SiteB);
        await app.ScaleAsync(0);
        await Eventually.UntilAsync(async () => await app.PodsAsync() == 0, () => "the end of all Pods", Ct);
        using var patience = new CancellationTokenSource();
        var waits = new TaskCompletionSource();
        var verify = way.VerifyAsync(line => { if (line.Contains("0 ready Pods of the new selector and 0 of others", StringComparison.Ordinal)) { waits.TrySetResult(); } }, patience.Token);
        await waits.Task.WaitAsync(TimeSpan.FromMinutes(1), Ct);
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => verify);

        await way.SwitchBackAsync(before, Ct);
        Assert.Equal(SiteA, await app.SelectorAsync());
        Assert.Contains("already", await way.SwitchBackAsync(before, Ct), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cluster_without_controllers_proves_no_endpoint_and_that_is_said()
    {
        var lab = await kubernetes.GetAsync(Ct);
        using var host = new KubeApi(KubeEndpoint.FromKubeconfig(lab.Host.Kubeconfig));
        var services = $"/api/v1/namespaces/{lab.Clusters[0].Namespace}/services";
        async Task MakeAsync(string name, string spec) =>
            Assert.True((await host.CreateAsync(services, Json($$"""{"apiVersion":"v1","kind":"Service","metadata":{"name":"{{name}}"},"spec":{ {{spec}} "ports":[{"port":80}]} }"""), false, Ct)).IsSuccess);
        KubernetesSwitch Way(string name) => new(new ServiceSwitch(lab.Host.Kubeconfig, lab.Clusters[0].Namespace, name, new Dictionary<string, string> { ["site"] = "b" }), TimeProvider.System);
        await MakeAsync("plain", """ "selector":{"site":"a","app":"shop"}, """);
        await MakeAsync("by-hand", "");
        try
        {
            var before = await Way("plain").CaptureAsync(Ct);
            await Way("plain").SwitchAsync(before, Ct);
            var (passed, found) = await Way("plain").VerifyAsync(_ => { }, Ct);
            Assert.True(passed);
            Assert.Contains("fills no EndpointSlice for it, so that whether a Pod answers was not looked at", found, StringComparison.Ordinal);
            Assert.Contains((await Way("plain").LookAsync(Ct)).Notes, note => note.Contains("is not verified", StringComparison.Ordinal));
            await Way("plain").SwitchBackAsync(before, Ct);
            Assert.Equal(before.Selector, (await Way("plain").CaptureAsync(Ct)).Selector);
            Assert.Equal("traffic-no-selector", (await Assert.ThrowsAsync<EngineException>(() => Way("by-hand").CaptureAsync(Ct))).Code);
            Assert.Equal("kubernetes-object-missing", (await Assert.ThrowsAsync<EngineException>(() => Way("gone").CaptureAsync(Ct))).Code);
        }
        finally
        {
            await host.DeleteAsync(services + "/plain", null, Ct);
            await host.DeleteAsync(services + "/by-hand", null, Ct);
        }
    }
}
