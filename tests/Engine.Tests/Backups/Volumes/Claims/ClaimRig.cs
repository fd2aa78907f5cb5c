using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Kubernetes;
using static Hexabase.DrConsole.Engine.Tests.Support.ClusterClient;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Volumes.Claims;

/// <summary>
/// A namespace of the lab's virtual cluster with a node of its own, whose kubelet works in a folder of the test, with the lab's snapshot
/// controller where a test wants one, and a volume's rig for what is backed up.
/// </summary>
internal sealed class ClaimRig : IAsyncDisposable
{
    /// <summary>The claim that is backed up.</summary>
    public const string Claim = "uploads";

    private readonly LabVirtualCluster _cluster;
    private LabSnapshots? _snapshots;

    private ClaimRig(LabVirtualCluster cluster, CatalogServer catalog)
    {
        _cluster = cluster;
        Volume = new VolumeRig(catalog);
        Volume.Folder.Hold();
        Api = KubernetesLab.Api(cluster);
        Node = new LabNode(Api, Namespace, Kubelet);
    }

    public static CancellationToken Ct => TestContext.Current.CancellationToken;

    public string Namespace { get; } = $"claims-{Guid.NewGuid():n}"[..20];

    public KubeApi Api { get; }

    public VolumeRig Volume { get; }

    public LabNode Node { get; }

    /// <summary>Where the node's kubelet mounts.</summary>
    public string Kubelet => Volume.Combine("kubelet");

    /// <summary>Below it are the directories that are volumes.</summary>
    public string Volumes => Volume.Combine("volumes");

    /// <summary>The directory of the claim's volume.</summary>
    public string Data => Path.Combine(Volumes, Claim);

    public string Copies => Path.Combine(Volumes, "copies");

    public ClaimSettings Settings => new(_cluster.ControlPlane.Kubeconfig, Namespace, Claim) { VolumesDirectory = Volumes, KubeletDirectory = Kubelet };

    public static async Task<ClaimRig> StartAsync(KubernetesLab kubernetes, CatalogServer catalog)
    {
        var rig = new ClaimRig((await kubernetes.GetAsync(Ct)).Clusters[0], catalog);
        try
        {
            await rig.CreateAsync("/api/v1/namespaces", $$"""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"{{rig.Namespace}}"} }""");
            // Its controller makes it too, a moment later: Pods are refused until then.
            await rig.Api.CreateAsync($"/api/v1/namespaces/{rig.Namespace}/serviceaccounts", Json("""{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"}}"""), false, Ct);
            await rig.Node.StartAsync(Ct);
            rig.Volume.Settings = new VolumeSettings(null) { Claim = rig.Settings };
            return rig;
        }
        catch
        {
            await rig.DisposeAsync();
            throw;
        }
    }

    public async Task StartSnapshotsAsync()
    {
        _snapshots = new LabSnapshots(Api, Copies, Volume.Folder.Registry);
        await _snapshots.StartAsync(Ct);
    }

    /// <summary>The kubeconfig of a user who may do nothing in the namespace but what the rules say.</summary>
    public async Task<string> LimitedAsync(string rules)
    {
        const string Rights = "/apis/rbac.authorization.k8s.io/v1/namespaces/";
        await CreateAsync($"{Rights}{Namespace}/roles", $$"""{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"r"},"rules":{{rules}} }""");
        await CreateAsync($"{Rights}{Namespace}/rolebindings", """
            {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"r"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"r"},
             "subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"limited"}]}
            """);
        var path = Volume.Combine("limited.kubeconfig");
        await File.WriteAllTextAsync(path, _cluster.LimitedKubeconfig, Ct);
        return path;
    }

    /// <summary>The limited user may look at volumes, and at what is behind snapshots, until this is disposed of.</summary>
    public async Task<IAsyncDisposable> MayReadVolumesAsync()
    {
        const string Rights = "/apis/rbac.authorization.k8s.io/v1/";
        await CreateAsync(Rights + "clusterroles", $$"""
            {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"{{Namespace}}"},"rules":[
              {"apiGroups":[""],"resources":["persistentvolumes"],"verbs":["get","patch"]},{"apiGroups":["storage.k8s.io"],"resources":["storageclasses"],"verbs":["get"]},
              {"apiGroups":["snapshot.storage.k8s.io"],"resources":["volumesnapshotcontents"],"verbs":["get","patch"]}]}
            """);
        await CreateAsync(Rights + "clusterrolebindings", $$"""
            {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"{{Namespace}}"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"{{Namespace}}"},
             "subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"limited"}]}
            """);
        return new Removal(async () =>
        {
            await Api.DeleteAsync($"{Rights}clusterrolebindings/{Namespace}", null, CancellationToken.None);
            await Api.DeleteAsync($"{Rights}clusterroles/{Namespace}", null, CancellationToken.None);
        });
    }

    /// <summary>A claim that is bound to a volume of that directory; returns the volume's name.</summary>
    /// <param name="isMounted">True for one that only its driver can mount.</param>
    /// <param name="spec">Further members of the volume's spec.</param>
    public async Task<string> AddClaimAsync(string directory, bool isMounted = false, string name = Claim, string? spec = null)
    {
        Directory.CreateDirectory(directory);
        var volume = $"{Namespace}-{Guid.NewGuid():n}"[..32];
        var kind = isMounted ? LabSnapshots.MountedClass : "";
        var body = Json($$$"""
            {"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"{{{volume}}}"},"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"persistentVolumeReclaimPolicy":"Retain",
             "storageClassName":"{{{kind}}}","claimRef":{"namespace":"{{{Namespace}}}","name":"{{{name}}}"} } }
            """);
        LabSnapshots.SetDirectory(body["spec"]!, isMounted, directory);
        foreach (var (key, value) in Json(spec ?? "{}"))
        {
            body["spec"]![key] = value?.DeepClone();
        }

        await CreateAsync("/api/v1/persistentvolumes", body.ToJsonString());
        await CreateAsync(Of(Namespace, "persistentvolumeclaims", "").TrimEnd('/'), ClaimText(name, kind, volume));
        await WaitAsync(Of(Namespace, "persistentvolumeclaims", name), claim => claim["status"]?["phase"]?.GetValue<string>() == "Bound");
        return volume;
    }

    public static string ClaimText(string name, string kind, string? volume, string mode = "Filesystem") => $$$"""
        {"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"{{{name}}}"},"spec":{"accessModes":["ReadWriteOnce"],"volumeMode":"{{{mode}}}","storageClassName":"{{{kind}}}",
         "volumeName":"{{{volume}}}","resources":{"requests":{"storage":"1Gi"} } } }
        """;

    public Task AddPodAsync(string name, string? node = null) => CreateAsync($"/api/v1/namespaces/{Namespace}/pods", $$"""
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"{{name}}"},"spec":{"nodeName":"{{node ?? Namespace}}","automountServiceAccountToken":false,"containers":[{"name":"c","image":"none"}],
         "volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"{{Claim}}"} }] } }
        """);

    public async Task CreateAsync(string path, string json)
    {
        var answer = await Api.CreateAsync(path, Json(json), false, Ct);
        Assert.True(answer.IsSuccess, $"{path}: {answer.Message}");
    }

    public async Task<JsonObject> WaitAsync(string path, Func<JsonObject, bool> isSo)
    {
        JsonObject? last = null;
        await Eventually.UntilAsync(async () => (last = await Api.FindAsync(path, Ct)) is not null && isSo(last), () => $"{path}: {last?.ToJsonString()}", Ct);
        return last!;
    }

    /// <summary>What is in the cluster of snapshots and of what was made from them.</summary>
    public async Task<IReadOnlyList<string>> MadeAsync()
    {
        var found = new List<string>();
        foreach (var resource in new[] { SnapshotKinds.Snapshots, SnapshotKinds.Contents, new KubeResource("", "v1", "persistentvolumes", "PersistentVolume", false), new KubeResource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true), new KubeResource("", "v1", "pods", "Pod", true) })
        {
            found.AddRange(from one in await KubeListing.AllAsync(Api, resource, null, resource.IsNamespaced ? Namespace : null, Ct)
                           where resource == SnapshotKinds.Contents || one["metadata"]!["annotations"]?["pv.kubernetes.io/provisioned-by"]?.GetValue<string>() == LabSnapshots.Driver
                               || one["metadata"]!["labels"]?["app.kubernetes.io/managed-by"]?.GetValue<string>() == "drconsole"
                           select $"{resource.Kind} {one["metadata"]!["name"]}");
        }

        if (Directory.Exists(Copies))
        {
            found.AddRange(Directory.EnumerateDirectories(Copies));
        }

        return found;
    }

    /// <summary>Nothing in the cluster, on the disk or on record is left of a snapshot.</summary>
    public async Task AssertNothingLeftAsync()
    {
        Assert.Empty(await MadeAsync());
        Assert.Null(Volume.SnapshotLedger.Find(Volume.Name));
    }

    public async ValueTask DisposeAsync()
    {
        await NamespaceRemoval.RemoveAsync(Api, Namespace, CancellationToken.None);
        if (_snapshots is not null)
        {
            await _snapshots.DisposeAsync();
        }

        foreach (var volume in (await KubeListing.AllAsync(Api, new KubeResource("", "v1", "persistentvolumes", "PersistentVolume", false), null, null, CancellationToken.None))
            .Where(one => one["spec"]!["claimRef"]?["namespace"]?.GetValue<string>() == Namespace))
        {
            var path = $"/api/v1/persistentvolumes/{volume["metadata"]!["name"]}";
            await Api.DeleteAsync(path, null, CancellationToken.None);
            await Api.PatchAsync(path, Json("""{"metadata":{"finalizers":null}}"""), CancellationToken.None);
        }

        await Node.DisposeAsync();
        Api.Dispose();
        await Volume.DisposeAsync();
    }

    private sealed class Removal(Func<Task> remove) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await remove();
    }
}
