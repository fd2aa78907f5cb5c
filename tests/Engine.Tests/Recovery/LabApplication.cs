using System.Globalization;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Kubernetes;
using static Hexabase.DrConsole.Engine.Tests.Support.ClusterClient;

namespace Hexabase.DrConsole.Engine.Tests.Recovery;

/// <summary>
/// An application in a namespace of the lab's virtual cluster, whose real controllers make and delete the Pods of its Deployment
/// and fill the EndpointSlices of its Service. This class plays the part of a kubelet: Pods become ready, and those that are
/// deleted go. Its <see cref="Kubeconfig"/> is of a user with the rights of docs/recovery.md and no other.
/// </summary>
internal sealed class LabApplication : IAsyncDisposable
{
    public const string Deployment = "shop";

    private readonly CancellationTokenSource _stop = new();
    private readonly ServerFolder _folder = new();
    private readonly LabVirtualCluster _cluster;
    private Task _kubelet = Task.CompletedTask;

    private LabApplication(LabVirtualCluster cluster)
    {
        _cluster = cluster;
        Api = KubernetesLab.Api(cluster);
        Kubeconfig = _folder.Combine("limited.kubeconfig");
    }

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public string Namespace { get; } = $"app-{Guid.NewGuid():n}";

    /// <summary>As an administrator.</summary>
    public KubeApi Api { get; }

    public string Kubeconfig { get; }

    /// <summary>True while Pods that are deleted do not go.</summary>
    public bool HoldsPods { get; set; }

    public ServiceSettings Service => new(ServiceDriver.Kubernetes) { Workload = Workload };

    public KubernetesWorkload Workload => new(Kubeconfig, Namespace, WorkloadKind.Deployment, Deployment, null);

    public ServiceSwitch Switch => new(Kubeconfig, Namespace, "front", new Dictionary<string, string> { ["app"] = "shop", ["site"] = "b" }) { SelectorBack = new Dictionary<string, string> { ["app"] = "shop", ["site"] = "a" } };

    private string Apps => $"/apis/apps/v1/namespaces/{Namespace}/deployments";

    private string Core => $"/api/v1/namespaces/{Namespace}";

    private string Rights => $"/apis/rbac.authorization.k8s.io/v1/namespaces/{Namespace}";

    /// <summary>Two ready replicas of site b, one Pod of site a, and a Service that leads to site a.</summary>
    public static async Task<LabApplication> StartAsync(KubernetesLab kubernetes)
    {
        var made = new LabApplication((await kubernetes.GetAsync(Ct)).Clusters[0]);
        try
        {
            await made.FillAsync();
            return made;
        }
        catch
        {
            await made.DisposeAsync();
            throw;
        }
    }

    /// <summary>The Role of docs/recovery.md.</summary>
    public Task GrantAsync() => CreateAsync(Rights + "/roles", """
        {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"drconsole-recovery"},"rules":[
          {"apiGroups":["apps"],"resources":["deployments"],"resourceNames":["shop"],"verbs":["get"]},
          {"apiGroups":["apps"],"resources":["deployments/scale"],"resourceNames":["shop"],"verbs":["patch"]},
          {"apiGroups":[""],"resources":["pods"],"verbs":["list"]},
          {"apiGroups":["autoscaling"],"resources":["horizontalpodautoscalers"],"verbs":["list"]},
          {"apiGroups":[""],"resources":["services"],"resourceNames":["front"],"verbs":["get","patch"]},
          {"apiGroups":["discovery.k8s.io"],"resources":["endpointslices"],"verbs":["list"]}]}
        """);

    public async Task CreateAsync(string path, string json)
    {
        var answer = await Api.CreateAsync(path, Json(json), false, Ct);
        Assert.True(answer.IsSuccess, $"{path}: {answer.Message}");
    }

    public async Task<(int Wanted, int Ready)> ReplicasAsync()
    {
        var found = await Api.GetAsync($"{Apps}/{Deployment}", Ct);
        return (KubeWorkload.ReplicasOf(found), KubeWorkload.ReadyOf(found));
    }

    public async Task ScaleAsync(int replicas) =>
        Assert.True((await Api.PatchAsync($"{Apps}/{Deployment}/scale", Json(string.Create(CultureInfo.InvariantCulture, $$"""{"spec":{"replicas":{{replicas}}} }""")), Ct)).IsSuccess);

    public Task WaitReadyAsync(int wanted)
    {
        var last = (0, 0);
        return Eventually.UntilAsync(async () => (last = await ReplicasAsync()) == (wanted, wanted), () => $"{wanted} ready replicas: {last}", Ct);
    }

    /// <summary>The Pods that the Deployment has now, of whatever state.</summary>
    public async Task<int> PodsAsync() => (await Api.GetAsync(Core + "/pods?labelSelector=site%3Db", Ct))["items"]!.AsArray().Count;

    public async Task<string> SelectorAsync() => (await Api.GetAsync(Core + "/services/front", Ct))["spec"]!["selector"]!.ToJsonString();

    public async Task SelectAsync(string selector) => Assert.True((await Api.PatchAsync(Core + "/services/front", Json($$"""{"spec":{"selector":{{selector}}} }"""), Ct)).IsSuccess);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _kubelet;
        await NamespaceRemoval.RemoveAsync(Api, Namespace, CancellationToken.None);
        await Api.DeleteAsync($"/api/v1/nodes/{Namespace}", null, CancellationToken.None);
        Api.Dispose();
        _stop.Dispose();
        await _folder.DisposeAsync();
    }

    private async Task FillAsync()
    {
        _folder.Hold();
        await File.WriteAllTextAsync(Kubeconfig, _cluster.LimitedKubeconfig, Ct);
        await CreateAsync("/api/v1/namespaces", $$"""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"{{Namespace}}"} }""");
        // Its controller makes it too, a moment later: Pods are refused until then.
        await Api.CreateAsync(Core + "/serviceaccounts", Json("""{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"}}"""), false, Ct);
        await CreateAsync("/api/v1/nodes", $$"""{"apiVersion":"v1","kind":"Node","metadata":{"name":"{{Namespace}}"} }""");
        await CreateAsync(Rights + "/rolebindings", """
            {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"drconsole-recovery"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"drconsole-recovery"},
             "subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"limited"}]}
            """);
        await CreateAsync(Apps, $$$"""
            {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"{{{Deployment}}}"},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"shop","site":"b"}},
             "template":{"metadata":{"labels":{"app":"shop","site":"b"}},"spec":{{{PodSpec}}}} } }
            """);
        await CreateAsync(Core + "/pods", $$$"""{"apiVersion":"v1","kind":"Pod","metadata":{"name":"former","labels":{"app":"shop","site":"a"}},"spec":{{{PodSpec}}} }""");
        await CreateAsync(Core + "/services", """{"apiVersion":"v1","kind":"Service","metadata":{"name":"front"},"spec":{"selector":{"app":"shop","site":"a"},"ports":[{"port":80}]}}""");
        _kubelet = KeepAsync();
        await WaitReadyAsync(2);
    }

    private string PodSpec => $$"""{"nodeName":"{{Namespace}}","automountServiceAccountToken":false,"containers":[{"name":"c","image":"none"}]}""";

    private async Task KeepAsync()
    {
        var address = 0;
        while (!_stop.IsCancellationRequested)
        {
            foreach (var pod in (await Api.FindAsync(Core + "/pods", CancellationToken.None))?["items"]?.AsArray() ?? [])
            {
                var path = $"{Core}/pods/{pod!["metadata"]!["name"]}";
                if (pod["metadata"]!["deletionTimestamp"] is not null && !HoldsPods)
                {
                    await Api.DeleteAsync(path + "?gracePeriodSeconds=0", null, CancellationToken.None);
                }
                else if (pod["status"]?["podIP"] is null)
                {
                    var ip = string.Create(CultureInfo.InvariantCulture, $"10.7.0.{++address}");
                    await Api.PatchAsync(path + "/status", Json($$"""
                        {"status":{"phase":"Running","podIP":"{{ip}}","podIPs":[{"ip":"{{ip}}"}],"conditions":[{"type":"Ready","status":"True"},{"type":"ContainersReady","status":"True"}]} }
                        """), CancellationToken.None);
                }
            }

            await Task.Delay(50, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
