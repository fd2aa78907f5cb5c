using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Storage;

namespace Hexabase.DrConsole.Engine.Tests.Support;

/// <summary>
/// One restore point of a cluster with an object of every sort that other tools have a case for, made once for the tests of a
/// class. Each test gives the cluster back as it found it.
/// </summary>
public sealed class CaseCluster(KubernetesLab kubernetes) : IAsyncDisposable
{
    public const string First = "case-first";
    public const string Second = "case-second";
    public const string Group = "music.hexabase.example";
    /// <summary>A Service whose node port its server chooses.</summary>
    public const string Chosen = """{"apiVersion":"v1","kind":"Service","metadata":{"name":"chosen"},"spec":{"type":"NodePort","selector":{"app":"web"},"ports":[{"port":80}]}}""";

    private const string Rights = "/apis/rbac.authorization.k8s.io/v1";
    private readonly SemaphoreSlim _making = new(1, 1);
    private BackupRepository? _repository;
    private KubeApi? _api;

    public KubeApi Api => _api!;

    public VClusterCaptured Captured { get; private set; } = null!;

    public StoredObjects Stored { get; private set; } = null!;

    /// <summary>What the restore point says of each object.</summary>
    public IReadOnlyList<CapturedObject> Index { get; private set; } = [];

    public async Task<CaseCluster> GetAsync(CancellationToken cancellationToken)
    {
        await _making.WaitAsync(cancellationToken);
        try
        {
            if (_repository is null)
            {
                var lab = await kubernetes.GetAsync(cancellationToken);
                _api = KubernetesLab.Api(lab.Clusters[0]);
                await FillAsync(cancellationToken);
                var repository = await RepositoryFixture.InitializeAsync(new CrashStore());
                Captured = await new VClusterBackup(TimeProvider.System).CaptureAsync(
                    new VClusterBackupRequest
                    {
                        Description = new BackupDescription { Source = "cases", Kind = VClusterBackup.Kind },
                        Settings = KubernetesLab.Settings(lab, lab.Clusters[0]) with { Etcd = null, DataDirectory = null },
                    },
                    repository, null, null, cancellationToken);
                Stored = new StoredObjects(repository, Captured.Manifest);
                Index = await Stored.ReadIndexAsync(cancellationToken);
                _repository = repository;
            }

            return this;
        }
        finally
        {
            _making.Release();
        }
    }

    /// <summary>A plan for what the target's options select, as the command line has them.</summary>
    public Task<ObjectRestorePlan> PlanAsync(string options, CancellationToken cancellationToken) =>
        new RestorePlanner(Api).PlanAsync(Stored, ((VClusterTarget)RestoreTarget.Parse("vcluster:n/c?kubeconfig=/k&" + options, "/")).Selection, cancellationToken);

    public async Task CreateAsync(string path, string json, CancellationToken cancellationToken)
    {
        var answer = await Api.CreateAsync(path, Json(json), false, cancellationToken);
        Assert.True(answer.IsSuccess, $"{path}: {answer.Message}");
    }

    public async Task PatchAsync(string path, string json, CancellationToken cancellationToken)
    {
        var answer = await Api.PatchAsync(path, Json(json), cancellationToken);
        Assert.True(answer.IsSuccess, $"{path}: {answer.Message}");
    }

    /// <summary>Deletes an object, whatever holds a volume, a claim or a namespace, and returns when it is gone.</summary>
    public async Task DeleteAsync(string path, CancellationToken cancellationToken)
    {
        await Api.DeleteAsync(path, null, cancellationToken);
        while (await Api.FindAsync(path, cancellationToken) is { } found)
        {
            if (found["kind"]!.GetValue<string>() == "Namespace")
            {
                await ReleaseAsync(found["metadata"]!["name"]!.GetValue<string>(), cancellationToken);
            }
            else if (found["kind"]!.GetValue<string>().StartsWith("PersistentVolume", StringComparison.Ordinal) && found["metadata"]!["finalizers"] is not null)
            {
                await Api.PatchAsync(path, Json("""{"metadata":{"finalizers":null}}"""), cancellationToken);
            }

            await Task.Delay(50, cancellationToken);
        }
    }

    /// <summary>Waits until an object is as it should be.</summary>
    public async Task<JsonObject> WaitAsync(string path, Func<JsonObject, bool> isSo, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (await Api.FindAsync(path, cancellationToken) is { } found && isSo(found))
            {
                return found;
            }

            await Task.Delay(50, cancellationToken);
        }
    }

    public static string Of(string ns, string plural, string name) => $"/api/v1/namespaces/{ns}/{plural}/{name}";

    public static JsonObject Json(string text) => (JsonObject)JsonNode.Parse(text)!;

    /// <summary>A definition of "bands" with these versions, the first of which is stored.</summary>
    public static string Definition(params string[] versions) => $$$"""
        {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"bands.{{{Group}}}"},"spec":{"group":"{{{Group}}}","scope":"Namespaced",
         "names":{"plural":"bands","singular":"band","kind":"Band","listKind":"BandList"},"versions":[{{{string.Join(',', versions)}}}]}}
        """;

    /// <summary>A version whose specification has these fields and no others.</summary>
    public static string Version(string name, bool isStored, params string[] fields)
    {
        var properties = string.Join(',', fields.Select(field => $"\"{field}\":{{\"type\":\"string\"}}"));
        return $$"""
            {"name":"{{name}}","served":true,"storage":{{(isStored ? "true" : "false")}},"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{ {{properties}} } } } } } }
            """;
    }

    public async ValueTask DisposeAsync()
    {
        if (_api is not null)
        {
            foreach (var path in (string[])[
                $"/api/v1/namespaces/{First}", $"/api/v1/namespaces/{Second}", $"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bands.{Group}", $"{Rights}/clusterrolebindings/case-listeners",
                $"{Rights}/clusterroles/case-listener", "/api/v1/persistentvolumes/case-kept", "/api/v1/persistentvolumes/case-made", "/api/v1/persistentvolumes/case-fake"])
            {
                await DeleteAsync(path, CancellationToken.None);
            }

            _api.Dispose();
        }

        if (_repository is not null)
        {
            await _repository.DisposeAsync();
        }

        _making.Dispose();
    }

    /// <summary>What keeps a namespace that is being deleted.</summary>
    private async Task ReleaseAsync(string ns, CancellationToken cancellationToken)
    {
        foreach (var plural in (string[])["configmaps", "persistentvolumeclaims"])
        {
            foreach (var one in (await Api.FindAsync($"/api/v1/namespaces/{ns}/{plural}", cancellationToken))?["items"] as JsonArray ?? [])
            {
                if (one!["metadata"]!["finalizers"] is not null)
                {
                    await Api.PatchAsync(Of(ns, plural, one["metadata"]!["name"]!.GetValue<string>()), Json("""{"metadata":{"finalizers":null}}"""), cancellationToken);
                }
            }
        }
    }

    private async Task FillAsync(CancellationToken cancellationToken)
    {
        await CreateAsync("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", Definition(Version("v1", true, "genre"), Version("v1alpha1", false, "genre")), cancellationToken);
        foreach (var ns in (string[])[First, Second])
        {
            await CreateAsync("/api/v1/namespaces", $$"""{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"{{ns}}","labels":{"stage":"test"},"annotations":{"case/note":"kept"} } }""", cancellationToken);
        }

        await FillRightsAsync(cancellationToken);
        await FillFirstAsync(cancellationToken);
        await FillVolumesAsync(cancellationToken);
        while (await Api.FindAsync($"/apis/{Group}/v1/namespaces/{Second}/bands", cancellationToken) is null)
        {
            await Task.Delay(50, cancellationToken);
        }

        await CreateAsync($"/apis/{Group}/v1/namespaces/{Second}/bands", $$"""{"apiVersion":"{{Group}}/v1","kind":"Band","metadata":{"name":"beatles","labels":{"app":"web"} },"spec":{"genre":"60s rock"} }""", cancellationToken);
        await CreateAsync($"/api/v1/namespaces/{Second}/configmaps", """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","labels":{"app":"web"}},"data":{"a":"1"}}""", cancellationToken);
    }

    private async Task FillRightsAsync(CancellationToken cancellationToken)
    {
        await CreateAsync($"/api/v1/namespaces/{First}/serviceaccounts", """{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"worker"},"imagePullSecrets":[{"name":"registry"}]}""", cancellationToken);
        await CreateAsync($"/api/v1/namespaces/{Second}/serviceaccounts", """{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"listener"}}""", cancellationToken);
        await CreateAsync($"{Rights}/clusterroles", """{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"case-listener"},"rules":[{"apiGroups":[""],"resources":["configmaps"],"verbs":["list"]}]}""", cancellationToken);
        await CreateAsync($"{Rights}/clusterrolebindings", $$"""
            {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"case-listeners"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"case-listener"},
             "subjects":[{"kind":"ServiceAccount","name":"listener","namespace":"{{Second}}"}]}
            """, cancellationToken);
        await CreateAsync($"{Rights}/namespaces/{First}/rolebindings", $$"""
            {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"workers"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"case-listener"},
             "subjects":[{"kind":"ServiceAccount","name":"worker","namespace":"{{First}}"},{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"system:serviceaccounts:{{First}}"},
             {"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"system:serviceaccount:{{First}}:worker"},{"kind":"ServiceAccount","name":"worker","namespace":"elsewhere"}]}
            """, cancellationToken);
        await WaitAsync(Of(First, "serviceaccounts", "default"), _ => true, cancellationToken);
        await PatchAsync(Of(First, "serviceaccounts", "default"), """{"imagePullSecrets":[{"name":"registry"}]}""", cancellationToken);
    }

    private async Task FillFirstAsync(CancellationToken cancellationToken)
    {
        var core = $"/api/v1/namespaces/{First}";
        await CreateAsync(core + "/configmaps", """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","labels":{"app":"web","tier":"front"}},"data":{"a":"1"}}""", cancellationToken);
        await CreateAsync(core + "/configmaps", """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"store","labels":{"app":"store"},"finalizers":["case.example/keep"]},"data":{"a":"1"}}""", cancellationToken);
        await CreateAsync(core + "/configmaps", """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"frozen"},"immutable":true,"data":{"a":"1"}}""", cancellationToken);
        await CreateAsync(core + "/configmaps", """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"made-","labels":{"app":"made"},"annotations":{"control-plane.alpha.kubernetes.io/leader":"{}"}}}""", cancellationToken);
        await CreateAsync(core + "/secrets", """{"apiVersion":"v1","kind":"Secret","metadata":{"name":"web","labels":{"app":"web"}},"data":{"password":"b2xk"}}""", cancellationToken);
        await CreateAsync(core + "/services", Chosen, cancellationToken);
        await CreateAsync(core + "/services", """{"apiVersion":"v1","kind":"Service","metadata":{"name":"asked"},"spec":{"type":"NodePort","selector":{"app":"web"},"ports":[{"port":80,"nodePort":30771}]}}""", cancellationToken);
        await CreateAsync(core + "/services", """{"apiVersion":"v1","kind":"Service","metadata":{"name":"headless"},"spec":{"clusterIP":"None","selector":{"app":"web"},"ports":[{"port":80}]}}""", cancellationToken);
        await CreateAsync(core + "/services", """{"apiVersion":"v1","kind":"Service","metadata":{"name":"outside"},"spec":{"ports":[{"port":5432}]}}""", cancellationToken);
        await CreateAsync(core + "/endpoints", """{"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"outside"},"subsets":[{"addresses":[{"ip":"192.0.2.7"}],"ports":[{"port":5432}]}]}""", cancellationToken);
        await WaitAsync(Of(First, "endpoints", "headless"), _ => true, cancellationToken);
        var jobs = $"/apis/batch/v1/namespaces/{First}/jobs";
        foreach (var name in (string[])["once", "later"])
        {
            await CreateAsync(jobs, $$"""
                {"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"{{name}}"},"spec":{"parallelism":0,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"none"}]} } } }
                """, cancellationToken);
        }

        await PatchAsync($"{jobs}/once/status", """{"status":{"conditions":[{"type":"Complete","status":"True"}]}}""", cancellationToken);
        await CreateAsync(core + "/pods", """{"apiVersion":"v1","kind":"Pod","metadata":{"name":"ended"},"spec":{"automountServiceAccountToken":false,"containers":[{"name":"c","image":"none"}]}}""", cancellationToken);
        await PatchAsync(Of(First, "pods", "ended") + "/status", """{"status":{"phase":"Succeeded"}}""", cancellationToken);
        await CreateAsync($"/apis/apps/v1/namespaces/{First}/deployments", """
            {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","labels":{"app":"web"}},"spec":{"replicas":0,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"none"}]}}}}
            """, cancellationToken);
        await WaitAsync($"/apis/apps/v1/namespaces/{First}/replicasets", found => (found["items"] as JsonArray)!.Count > 0, cancellationToken);
    }

    /// <summary>Makes volumes and claims anew, as they were.</summary>
    public async Task ResetVolumesAsync(CancellationToken cancellationToken)
    {
        foreach (var claim in (string[])["kept", "made"])
        {
            await DeleteAsync(Of(First, "persistentvolumeclaims", claim), cancellationToken);
        }

        foreach (var volume in (string[])["case-kept", "case-made", "case-fake"])
        {
            await DeleteAsync("/api/v1/persistentvolumes/" + volume, cancellationToken);
        }

        await FillVolumesAsync(cancellationToken);
    }

    /// <summary>A volume that outlives its claim, one that a provisioner made for it, and the syncer's stand-in.</summary>
    private async Task FillVolumesAsync(CancellationToken cancellationToken)
    {
        const string Size = "\"accessModes\":[\"ReadWriteOnce\"],\"storageClassName\":\"case\"";
        foreach (var (name, claim, policy, metadata) in ((string, string, string, string)[])[
            ("case-kept", "kept", "Retain", ""), ("case-made", "made", "Delete", ",\"annotations\":{\"pv.kubernetes.io/provisioned-by\":\"case.example/provisioner\"}"),
            ("case-fake", "none", "Delete", ",\"labels\":{\"vcluster.loft.sh/fake-pv\":\"true\"}")])
        {
            await CreateAsync("/api/v1/persistentvolumes", $$$"""
                {"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"{{{name}}}"{{{metadata}}}},"spec":{"capacity":{"storage":"1Gi"},{{{Size}}},"persistentVolumeReclaimPolicy":"{{{policy}}}",
                 "claimRef":{"namespace":"{{{First}}}","name":"{{{claim}}}"},"hostPath":{"path":"/nowhere"} } }
                """, cancellationToken);
        }

        foreach (var name in (string[])["kept", "made"])
        {
            await CreateAsync($"/api/v1/namespaces/{First}/persistentvolumeclaims", $$$"""
                {"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"{{{name}}}"},"spec":{{{{Size}}},"volumeName":"case-{{{name}}}","resources":{"requests":{"storage":"1Gi"} } } }
                """, cancellationToken);
            await WaitAsync(Of(First, "persistentvolumeclaims", name), found => found["status"]?["phase"]?.GetValue<string>() == "Bound", cancellationToken);
        }
    }
}
