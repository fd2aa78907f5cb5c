using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Tests.Support;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>What other tools' tables of cases ask of a restore of objects; docs/vclusters-cases.md says which case is which test.</summary>
[Collection("vcluster")]
public sealed class RestoreCasesTests(CaseCluster cluster) : IClassFixture<CaseCluster>
{
    private const string Copy = "case-copy";

    [Fact]
    public async Task Filters_select_what_they_say()
    {
        var cases = await cluster.GetAsync(Ct);
        foreach (var (options, expected, unexpected) in ((string, string[], string[])[])[
            // Namespaces: named, by pattern, excluded.
            ("namespaces=case-first", ["ConfigMap case-first/web", "Namespace case-first"], ["ConfigMap case-second/web", "PersistentVolume case-kept"]),
            ("namespaces=case-*&excludeNamespaces=*-first", ["ConfigMap case-second/web", "Namespace case-second"], ["ConfigMap case-first/web", "Namespace case-first"]),
            ("excludeNamespaces=case-second&kinds=ConfigMap", ["ConfigMap case-first/web"], ["ConfigMap case-second/web"]),
            ("excludeNamespaces=case-second&excludeKinds=ConfigMap", ["Secret case-first/web"], ["PersistentVolume case-kept", "ConfigMap case-first/web"]),
            // Kinds, with and without their group, and those that are nobody's.
            ("namespaces=case-first&kinds=configmap,Deployment.apps,Nothing", ["ConfigMap case-first/web", "Deployment.apps case-first/web"], ["Secret case-first/web", "Namespace case-first"]),
            ("namespaces=case-first&excludeKinds=ConfigMap,Deployment", ["Secret case-first/web"], ["ConfigMap case-first/web", "Deployment.apps case-first/web"]),
            // Objects of the whole cluster: by themselves only where no namespace is named, else when they are asked for.
            ("kinds=PersistentVolume,ConfigMap", ["PersistentVolume case-kept", "ConfigMap case-first/web"], []),
            ("kinds=PersistentVolume,ConfigMap&cluster=without", ["ConfigMap case-first/web"], ["PersistentVolume case-kept"]),
            ("kinds=PersistentVolume,ConfigMap&namespaces=case-first&cluster=with", ["PersistentVolume case-kept", "ConfigMap case-first/web"], ["ConfigMap case-second/web"]),
            // Labels: equal, unequal, in a set, there or not.
            ("namespaces=case-*&labels=app=web", ["ConfigMap case-first/web", "ConfigMap case-second/web", $"Band.{CaseCluster.Group} case-second/beatles"], ["ConfigMap case-first/store", "Namespace case-first"]),
            ("namespaces=case-*&labels=app in (web,store),tier!=front", ["ConfigMap case-second/web", "ConfigMap case-first/store"], ["ConfigMap case-first/web"]),
            ("namespaces=case-first&kinds=ConfigMap&labels=!app", ["ConfigMap case-first/frozen"], ["ConfigMap case-first/web"]),
            ("namespaces=case-first&names=we*&kinds=Secret", ["Secret case-first/web"], ["Secret case-first/store"]),
        ])
        {
            var planned = (await cases.PlanAsync(options, Ct)).Objects.Select(one => one.Source.ToString()).ToHashSet();
            Assert.All(expected, one => Assert.True(planned.Contains(one), $"{options} does not take {one}"));
            Assert.All(unexpected, one => Assert.False(planned.Contains(one), $"{options} takes {one}"));
        }

        Assert.Equal("selection-empty", (await Assert.ThrowsAsync<EngineException>(() => cases.PlanAsync("namespaces=case-first&labels=app=nobody", Ct))).Code);
    }

    [Fact]
    public async Task Mistake_of_hand_in_a_map_is_refused_and_one_in_a_filter_is_said()
    {
        var cases = await cluster.GetAsync(Ct);
        foreach (var (options, code, part) in ((string, string, string)[])[
            ("namespaces=case-first&map=case-frist:case-copy", "map-unused", "case-frist"), ("namespaces=case-first&kinds=ConfigMap&map=case-second:case-copy", "map-unused", "case-second"),
            ("namespaces=case-*&map=case-first:case-copy,case-second:case-copy", "map-collides", "case-copy"), ("namespaces=case-*&map=case-first:case-second", "map-collides", "case-second")])
        {
            var fault = await Assert.ThrowsAsync<EngineException>(() => cases.PlanAsync(options, Ct));
            Assert.Equal(code, fault.Code);
            Assert.Contains(part, fault.Message, StringComparison.Ordinal);
        }

        var plan = await cases.PlanAsync("namespaces=case-first,case-frist&kinds=ConfigMap,Nothing&names=web,wbe&excludeNamespaces=case-second,case-third&excludeKinds=Secret,Secrets", Ct);
        Assert.Single(plan.Objects);
        Assert.Collection(
            plan.Notes, note => Assert.StartsWith("namespaces=case-frist takes nothing", note, StringComparison.Ordinal), note => Assert.StartsWith("kinds=Nothing takes nothing", note, StringComparison.Ordinal),
            note => Assert.StartsWith("names=wbe takes nothing", note, StringComparison.Ordinal), note => Assert.StartsWith("excludeNamespaces=case-third excludes nothing", note, StringComparison.Ordinal),
            note => Assert.StartsWith("excludeKinds=Secrets excludes nothing", note, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Restore_point_has_what_a_person_made_and_not_what_a_controller_makes()
    {
        var cases = await cluster.GetAsync(Ct);
        var keys = cases.Index.ToLookup(one => one.Key.ToString());
        Assert.NotEmpty(keys["Endpoints case-first/outside"]);
        Assert.Empty(keys["Endpoints case-first/headless"]);
        Assert.Empty(keys["Endpoints default/kubernetes"]);
        Assert.DoesNotContain(cases.Index, one => one.Kind == "EndpointSlice" && one.Namespace == CaseCluster.First);
        // One object under two groups is one object, in the version that the server prefers.
        Assert.Equal("apps/v1", Assert.Single(keys["Deployment.apps case-first/web"]).ApiVersion);
        Assert.Equal($"{CaseCluster.Group}/v1", Assert.Single(keys[$"Band.{CaseCluster.Group} case-second/beatles"]).ApiVersion);
        // A definition is with its resources.
        Assert.All(cases.Index.Where(one => one.Key.Group == CaseCluster.Group || one.Name == $"bands.{CaseCluster.Group}"), one => Assert.Equal(VClusterArtifacts.CustomResources, one.Artifact));
        Assert.Equal(["80/TCP"], Assert.Single(keys["Service case-first/chosen"]).AssignedPorts!.Keys);
        Assert.Null(Assert.Single(keys["Service case-first/asked"]).AssignedPorts);
        Assert.All(cases.Captured.Inventory.Kinds.Where(kind => kind.LeftOut is null), kind => Assert.Equal(kind.Listed, kind.Captured));
    }

    [Fact]
    public async Task Namespace_under_another_name_is_whole_and_leads_nowhere_back()
    {
        var cases = await cluster.GetAsync(Ct);
        var plan = await cases.PlanAsync($"namespaces=case-first&map=case-first:{Copy}", Ct);
        // The port that was asked for is taken by the original: that is said before anything is done, and all else goes on.
        var refused = Assert.Single(plan.Objects, one => one.Action == ObjectAction.Refuse);
        Assert.Equal("asked", refused.Target.Name);
        Assert.Contains("30771", refused.Reason, StringComparison.Ordinal);
        Assert.Contains("run again", Planned(plan, "Job.batch", "once").Reason, StringComparison.Ordinal);
        Assert.Contains("run again", Planned(plan, "Pod", "ended").Reason, StringComparison.Ordinal);
        Assert.Contains("made anew by its owner", plan.Objects.First(one => one.Target.Kind == "ReplicaSet").Reason, StringComparison.Ordinal);
        Assert.All((string[])["kept", "made"], claim => Assert.Contains("belongs to claim case-first/" + claim, Planned(plan, "PersistentVolumeClaim", claim).Reason, StringComparison.Ordinal));
        var journal = new MemoryJournal();
        try
        {
            var result = await new ObjectRestore(cases.Api, journal, TimeProvider.System).ExecuteAsync(plan, plan.Hash, null, Ct);
            Assert.Empty(result.Failed);
            Assert.Empty(result.Warnings);
            var ns = await cases.Api.GetAsync($"/api/v1/namespaces/{Copy}", Ct);
            Assert.Equal("kept", ns["metadata"]!["annotations"]!["case/note"]!.GetValue<string>());
            Assert.Equal("test", ns["metadata"]!["labels"]!["stage"]!.GetValue<string>());
            var binding = await cases.Api.GetAsync($"/apis/rbac.authorization.k8s.io/v1/namespaces/{Copy}/rolebindings/workers", Ct);
            Assert.Equal(
                [$"{Copy}/worker", "/system:serviceaccounts:" + Copy, $"/system:serviceaccount:{Copy}:worker", "elsewhere/worker"],
                binding["subjects"]!.AsArray().Select(one => $"{one!["namespace"]}/{one["name"]}"));
            // Made with its namespace by a controller, and merged with what was stored for it: its token stays.
            var account = await cases.WaitAsync(CaseCluster.Of(Copy, "serviceaccounts", "default"), found => found["secrets"] is not null, Ct);
            Assert.Equal("registry", account["imagePullSecrets"]![0]!["name"]!.GetValue<string>());
            Assert.Equal("registry", (await cases.Api.GetAsync(CaseCluster.Of(Copy, "serviceaccounts", "worker"), Ct))["imagePullSecrets"]![0]!["name"]!.GetValue<string>());
            var chosen = await cases.Api.GetAsync(CaseCluster.Of(Copy, "services", "chosen"), Ct);
            Assert.NotEqual(await PortAsync(cases, CaseCluster.First), chosen["spec"]!["ports"]![0]!["nodePort"]!.GetValue<int>());
            Assert.Equal("None", (await cases.Api.GetAsync(CaseCluster.Of(Copy, "services", "headless"), Ct))["spec"]!["clusterIP"]!.GetValue<string>());
            Assert.Equal("192.0.2.7", (await cases.Api.GetAsync(CaseCluster.Of(Copy, "endpoints", "outside"), Ct))["subsets"]![0]!["addresses"]![0]!["ip"]!.GetValue<string>());
            Assert.Null((await cases.Api.GetAsync(CaseCluster.Of(Copy, "persistentvolumeclaims", "kept"), Ct))["spec"]!["volumeName"]);
            Assert.Equal("case.example/keep", (await cases.Api.GetAsync(CaseCluster.Of(Copy, "configmaps", "store"), Ct))["metadata"]!["finalizers"]![0]!.GetValue<string>());
            var made = (await cases.Api.GetAsync($"/api/v1/namespaces/{Copy}/configmaps?labelSelector=app%3Dmade", Ct))["items"]![0]!;
            Assert.Equal(cases.Index.Single(one => one.Name.StartsWith("made-", StringComparison.Ordinal)).Name, made["metadata"]!["name"]!.GetValue<string>());
            Assert.Null(made["metadata"]!["annotations"]);
            // A Job's Pods know it by its own identity.
            var job = await cases.Api.GetAsync($"/apis/batch/v1/namespaces/{Copy}/jobs/later", Ct);
            Assert.Equal(job["metadata"]!["uid"]!.GetValue<string>(), job["spec"]!["selector"]!["matchLabels"]!["controller-uid"]!.GetValue<string>());
            Assert.Null(await cases.Api.FindAsync($"/apis/batch/v1/namespaces/{Copy}/jobs/once", Ct));

            // Planned once more there is nothing left to do but what was refused.
            var again = await cases.PlanAsync($"namespaces=case-first&map=case-first:{Copy}", Ct);
            Assert.Equal(0, again.Count(ObjectAction.Create));
            Assert.All(again.Objects, one => Assert.True(one.Differences.Count == 0, $"{one.Target}: {string.Join(", ", one.Differences)}"));
        }
        finally
        {
            await cases.DeleteAsync($"/api/v1/namespaces/{Copy}", Ct);
        }
    }

    [Fact]
    public async Task Lost_namespace_brings_along_its_definitions_and_rights()
    {
        var cases = await cluster.GetAsync(Ct);
        var (definition, binding, role) = (
            $"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bands.{CaseCluster.Group}", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/case-listeners", "/apis/rbac.authorization.k8s.io/v1/clusterroles/case-listener");
        foreach (var path in (string[])["/api/v1/namespaces/case-second", definition, binding, role])
        {
            await cases.DeleteAsync(path, Ct);
        }

        // One object alone brings its namespace; without that it could never be.
        var single = await cases.PlanAsync("namespaces=case-second&kinds=ConfigMap&names=web", Ct);
        Assert.Equal(["Namespace case-second", "ConfigMap case-second/web"], single.Objects.Select(one => one.Target.ToString()));
        Assert.All(single.Objects, one => Assert.Equal(ObjectAction.Create, one.Action));
        Assert.Contains("comes along", single.Objects[0].Reason, StringComparison.Ordinal);
        Assert.Equal(ObjectAction.Refuse, Assert.Single((await cases.PlanAsync("namespaces=case-second&kinds=ConfigMap&names=web&excludeKinds=Namespace", Ct)).Objects).Action);

        var plan = await cases.PlanAsync("namespaces=case-second", Ct);
        Assert.DoesNotContain(plan.Objects, one => one.Action is ObjectAction.Refuse or ObjectAction.Conflict);
        Assert.Equal(
            [$"CustomResourceDefinition.apiextensions.k8s.io bands.{CaseCluster.Group}", "ClusterRole.rbac.authorization.k8s.io case-listener", "ClusterRoleBinding.rbac.authorization.k8s.io case-listeners"],
            plan.Objects.Where(one => one.Reason?.Contains("comes along", StringComparison.Ordinal) == true).Select(one => one.Target.ToString()));
        // Definitions, namespaces, rights, who has them, what uses them.
        var ranks = plan.Objects.Select(one => RestoreOrder.RankOf(one.Target)).ToList();
        Assert.Equal(ranks.Order(), ranks);
        var result = await new ObjectRestore(cases.Api, new MemoryJournal(), TimeProvider.System).ExecuteAsync(plan, plan.Hash, null, Ct);
        Assert.Empty(result.Failed);
        Assert.Equal("60s rock", (await cases.Api.GetAsync($"/apis/{CaseCluster.Group}/v1/namespaces/case-second/bands/beatles", Ct))["spec"]!["genre"]!.GetValue<string>());
        Assert.NotNull(await cases.Api.FindAsync(binding, Ct));
        Assert.NotNull(await cases.Api.FindAsync(role, Ct));

        // Without objects of the whole cluster nothing of them comes along but what a resource cannot be without.
        Assert.DoesNotContain((await cases.PlanAsync("namespaces=case-second&cluster=without", Ct)).Objects, one => one.Target.Namespace.Length == 0 && one.Target.Kind != "Namespace");
    }

    [Fact]
    public async Task Node_port_that_the_server_chose_is_chosen_anew_or_kept_as_asked()
    {
        var cases = await cluster.GetAsync(Ct);
        var service = CaseCluster.Of(CaseCluster.First, "services", "chosen");
        var port = cases.Index.Single(one => one is { Kind: "Service", Name: "chosen", Namespace: CaseCluster.First }).AssignedPorts!["80/TCP"];
        await cases.DeleteAsync(service, Ct);
        const string Options = "namespaces=case-first&kinds=Service&names=chosen";
        await cases.CreateAsync("/api/v1/namespaces/default/services", $$"""{"apiVersion":"v1","kind":"Service","metadata":{"name":"thief"},"spec":{"type":"NodePort","ports":[{"port":80,"nodePort":{{port}}}]} }""", Ct);
        var taken = Assert.Single((await cases.PlanAsync(Options + "&nodePorts=keep", Ct)).Objects);
        Assert.Equal(ObjectAction.Refuse, taken.Action);
        Assert.Contains($"{port}", taken.Reason, StringComparison.Ordinal);
        Assert.Equal(ObjectAction.Create, Assert.Single((await cases.PlanAsync(Options, Ct)).Objects).Action);
        await cases.DeleteAsync("/api/v1/namespaces/default/services/thief", Ct);

        // Ports are free again a moment after their Service is gone.
        var plan = await cases.WaitPlanAsync(Options + "&nodePorts=keep", found => found.Count(ObjectAction.Create) > 0, Ct);
        await new ObjectRestore(cases.Api, new MemoryJournal(), TimeProvider.System).ExecuteAsync(plan, plan.Hash, null, Ct);
        Assert.Equal(port, await PortAsync(cases, CaseCluster.First));
        await cases.DeleteAsync(service, Ct);
        await cases.CreateAsync("/api/v1/namespaces/case-first/services", CaseCluster.Chosen, Ct);
    }

    [Fact]
    public async Task Existing_objects_are_left_or_changed_with_what_only_their_server_assigns()
    {
        var cases = await cluster.GetAsync(Ct);
        var port = await PortAsync(cases, CaseCluster.First);
        var account = CaseCluster.Of(CaseCluster.First, "serviceaccounts", "worker");
        var token = (await cases.WaitAsync(account, found => found["secrets"] is not null, Ct))["secrets"]!.ToJsonString();
        await cases.PatchAsync(account, """{"imagePullSecrets":null,"metadata":{"labels":{"new":"1"}}}""", Ct);
        await cases.PatchAsync(CaseCluster.Of(CaseCluster.First, "secrets", "web"), """{"data":{"password":"bmV3"}}""", Ct);
        await cases.PatchAsync(CaseCluster.Of(CaseCluster.First, "services", "chosen"), """{"spec":{"selector":{"app":"other"}}}""", Ct);
        await cases.PatchAsync($"/apis/batch/v1/namespaces/{CaseCluster.First}/jobs/later", """{"spec":{"backoffLimit":2},"metadata":{"labels":{"new":"1"}}}""", Ct);
        await cases.DeleteAsync(CaseCluster.Of(CaseCluster.First, "configmaps", "frozen"), Ct);
        await cases.CreateAsync($"/api/v1/namespaces/{CaseCluster.First}/configmaps", """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"frozen"},"immutable":true,"data":{"a":"2"}}""", Ct);

        var careful = await cases.PlanAsync("namespaces=case-first", Ct);
        Assert.Equal(0, careful.Count(ObjectAction.Create) + careful.Count(ObjectAction.Change));
        Assert.Contains("left alone", Planned(careful, "Secret", "web").Reason, StringComparison.Ordinal);
        Assert.Equal("is there and equal", Planned(careful, "ConfigMap", "web").Reason);

        var plan = await cases.PlanAsync("namespaces=case-first&existing=change", Ct);
        Assert.Equal(["Job.batch case-first/later", "Secret case-first/web", "Service case-first/chosen", "ServiceAccount case-first/worker"], plan.Objects.Where(one => one.Action == ObjectAction.Change).Select(one => one.Target.ToString()).Order());
        Assert.Equal(ObjectAction.Conflict, Planned(plan, "ConfigMap", "frozen").Action);
        Assert.Contains("immutable", Planned(plan, "ConfigMap", "frozen").Reason, StringComparison.Ordinal);
        var result = await new ObjectRestore(cases.Api, new MemoryJournal(), TimeProvider.System).ExecuteAsync(plan, plan.Hash, null, Ct);
        Assert.Empty(result.Failed);

        var restored = await cases.Api.GetAsync(account, Ct);
        Assert.Equal("registry", restored["imagePullSecrets"]![0]!["name"]!.GetValue<string>());
        Assert.Equal(token, restored["secrets"]!.ToJsonString());
        Assert.Equal("b2xk", (await cases.Api.GetAsync(CaseCluster.Of(CaseCluster.First, "secrets", "web"), Ct))["data"]!["password"]!.GetValue<string>());
        Assert.Equal(port, await PortAsync(cases, CaseCluster.First));
        Assert.Null((await cases.Api.GetAsync($"/apis/batch/v1/namespaces/{CaseCluster.First}/jobs/later", Ct))["metadata"]!["labels"]?["new"]);
        await cases.DeleteAsync(CaseCluster.Of(CaseCluster.First, "configmaps", "frozen"), Ct);
        await cases.CreateAsync($"/api/v1/namespaces/{CaseCluster.First}/configmaps", """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"frozen"},"immutable":true,"data":{"a":"1"}}""", Ct);
    }

    [Fact]
    public async Task Resource_goes_into_the_version_that_the_target_serves_unless_that_would_lose_some_of_it()
    {
        var cases = await cluster.GetAsync(Ct);
        var (path, band) = ($"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bands.{CaseCluster.Group}", $"/apis/{CaseCluster.Group}/v1/namespaces/case-second/bands/beatles");
        const string Options = "namespaces=case-second&kinds=Band";
        await cases.DeleteAsync(band, Ct);
        // The version of the restore point is served: it is taken, whatever is preferred beside it.
        Assert.Equal((ObjectAction.Create, (string?)null), Sole(await cases.PlanAsync(Options, Ct)));

        // Another one only, with the same fields.
        await RedefineAsync(CaseCluster.Version("v2", true, "genre", "label"));
        Assert.Equal((ObjectAction.Create, (string?)null), Sole(await cases.PlanAsync(Options, Ct)));
        // It knows the field by no name: what is not said would be lost without a word.
        await RedefineAsync(CaseCluster.Version("v3", true, "style"));
        var (action, reason) = Sole(await cases.PlanAsync(Options, Ct));
        Assert.Equal(ObjectAction.Conflict, action);
        Assert.Contains("spec.genre", reason, StringComparison.Ordinal);
        await RedefineAsync(CaseCluster.Version("v1", true, "genre"), CaseCluster.Version("v1alpha1", false, "genre"));
        var plan = await cases.PlanAsync(Options, Ct);
        await new ObjectRestore(cases.Api, new MemoryJournal(), TimeProvider.System).ExecuteAsync(plan, plan.Hash, null, Ct);
        Assert.NotNull(await cases.Api.FindAsync(band, Ct));

        async Task RedefineAsync(params string[] versions)
        {
            await cases.DeleteAsync(path, Ct);
            await cases.CreateAsync("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CaseCluster.Definition(versions), Ct);
            var served = versions.Select(version => CaseCluster.Json(version)["name"]!.GetValue<string>()).ToHashSet();
            // The list of what is served follows the definition a moment later, and its preferred version with it.
            await cases.WaitAsync($"/apis/{CaseCluster.Group}", group => served.SetEquals(group["versions"]!.AsArray().Select(version => version!["version"]!.GetValue<string>())), Ct);
            await cases.WaitAsync($"/apis/{CaseCluster.Group}/{served.Min()}/bands", _ => true, Ct);
        }

        static (ObjectAction, string?) Sole(ObjectRestorePlan plan) => Assert.Single(plan.Objects) is { } one ? (one.Action, one.Reason) : default;
    }

    [Fact]
    public async Task Claim_is_bound_again_where_its_volume_is_there_for_it_and_gets_a_new_one_where_not()
    {
        var cases = await cluster.GetAsync(Ct);
        const string Claims = "namespaces=case-first&kinds=PersistentVolumeClaim";
        await cases.DeleteAsync(CaseCluster.Of(CaseCluster.First, "persistentvolumeclaims", "kept"), Ct);
        await cases.DeleteAsync(CaseCluster.Of(CaseCluster.First, "persistentvolumeclaims", "made"), Ct);
        // The volume that outlived its claim still belongs to that one, by its identity.
        Assert.Contains("remove its claimRef", Planned(await cases.PlanAsync(Claims, Ct), "PersistentVolumeClaim", "kept").Reason, StringComparison.Ordinal);
        foreach (var volume in (string[])["case-kept", "case-made", "case-fake"])
        {
            await cases.DeleteAsync("/api/v1/persistentvolumes/" + volume, Ct);
        }

        Assert.Contains("case-kept is not in the target", Planned(await cases.PlanAsync(Claims, Ct), "PersistentVolumeClaim", "kept").Reason, StringComparison.Ordinal);

        // With its volume it is bound to that; what a provisioner or the syncer had made is left to them.
        var plan = await cases.PlanAsync("namespaces=case-first&kinds=PersistentVolumeClaim,PersistentVolume&cluster=with", Ct);
        Assert.Equal((ObjectAction.Create, (string?)null), (Planned(plan, "PersistentVolume", "case-kept").Action, Planned(plan, "PersistentVolumeClaim", "kept").Reason));
        Assert.Equal(ObjectAction.Leave, Planned(plan, "PersistentVolume", "case-made").Action);
        Assert.Contains("new volume", Planned(plan, "PersistentVolumeClaim", "made").Reason, StringComparison.Ordinal);
        Assert.Contains("syncer", Planned(plan, "PersistentVolume", "case-fake").Reason, StringComparison.Ordinal);
        var result = await new ObjectRestore(cases.Api, new MemoryJournal(), TimeProvider.System).ExecuteAsync(plan, plan.Hash, null, Ct);
        Assert.Empty(result.Failed);
        var bound = await cases.WaitAsync(CaseCluster.Of(CaseCluster.First, "persistentvolumeclaims", "kept"), found => found["status"]?["phase"]?.GetValue<string>() == "Bound", Ct);
        Assert.Equal("case-kept", bound["spec"]!["volumeName"]!.GetValue<string>());
        Assert.Null((await cases.Api.GetAsync(CaseCluster.Of(CaseCluster.First, "persistentvolumeclaims", "made"), Ct))["spec"]!["volumeName"]);

        // A mapped namespace takes its claim's volume along, where that is restored too.
        await cases.DeleteAsync(CaseCluster.Of(CaseCluster.First, "persistentvolumeclaims", "kept"), Ct);
        await cases.DeleteAsync("/api/v1/persistentvolumes/case-kept", Ct);
        var mapped = await cases.PlanAsync($"namespaces=case-first&kinds=Namespace,PersistentVolumeClaim,PersistentVolume&names=kept,case-kept,case-first&cluster=with&map=case-first:{Copy}", Ct);
        try
        {
            Assert.Empty((await new ObjectRestore(cases.Api, new MemoryJournal(), TimeProvider.System).ExecuteAsync(mapped, mapped.Hash, null, Ct)).Failed);
            await cases.WaitAsync(CaseCluster.Of(Copy, "persistentvolumeclaims", "kept"), found => found["status"]?["phase"]?.GetValue<string>() == "Bound", Ct);
        }
        finally
        {
            await cases.DeleteAsync($"/api/v1/namespaces/{Copy}", Ct);
            await cases.ResetVolumesAsync(Ct);
        }
    }

    [Fact]
    public async Task Namespace_that_is_being_deleted_takes_nothing()
    {
        var cases = await cluster.GetAsync(Ct);
        await cases.CreateAsync("/api/v1/namespaces", $$"""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"{{Copy}}"} }""", Ct);
        await cases.CreateAsync($"/api/v1/namespaces/{Copy}/configmaps", """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"held","finalizers":["case.example/keep"]}}""", Ct);
        Assert.True((await cases.Api.DeleteAsync($"/api/v1/namespaces/{Copy}", null, Ct)).IsSuccess);
        try
        {
            var plan = await cases.PlanAsync($"namespaces=case-first&kinds=Namespace,ConfigMap&map=case-first:{Copy}", Ct);
            Assert.Equal(ObjectAction.Conflict, Planned(plan, "Namespace", Copy).Action);
            Assert.All(plan.Objects.Where(one => one.Target.Kind == "ConfigMap" && one.Target.Name != "kube-root-ca.crt"), one =>
            {
                Assert.Equal(ObjectAction.Refuse, one.Action);
                Assert.Contains("being terminated", one.Reason, StringComparison.Ordinal);
            });
        }
        finally
        {
            await cases.DeleteAsync($"/api/v1/namespaces/{Copy}", Ct);
        }
    }

    private static PlannedObject Planned(ObjectRestorePlan plan, string kind, string name) =>
        plan.Objects.Single(one => one.Target.Kind + (one.Target.Group.Length > 0 ? "." + one.Target.Group : "") == kind && one.Target.Name == name);

    private static async Task<int> PortAsync(CaseCluster cases, string ns) =>
        (await cases.Api.GetAsync(CaseCluster.Of(ns, "services", "chosen"), Ct))["spec"]!["ports"]![0]!["nodePort"]!.GetValue<int>();
}
