using System.Text.Json.Nodes;

namespace Hexabase.DrConsole.Engine.Tests.Support;

/// <summary>
/// One restore point of a cluster with an object of every sort that other tools have a case for, made once for the tests of a
/// class. Each test gives the cluster back as it found it.
/// </summary>
public sealed class CaseCluster(KubernetesLab kubernetes) : ClusterClient(kubernetes)
{
    public const string First = "case-first";
    public const string Second = "case-second";
    public const string Group = "music.hexabase.example";

    /// <summary>A Service whose node port its server chooses.</summary>
    public const string Chosen = """{"apiVersion":"v1","kind":"Service","metadata":{"name":"chosen"},"spec":{"type":"NodePort","selector":{"app":"web"},"ports":[{"port":80}]}}""";

    private const string Rights = "/apis/rbac.authorization.k8s.io/v1";
    private readonly SemaphoreSlim _making = new(1, 1);
    private bool _isBegun;

    public async Task<CaseCluster> GetAsync(CancellationToken cancellationToken)
    {
        await _making.WaitAsync(cancellationToken);
        try
        {
            if (Captured is null)
            {
                await OpenAsync(cancellationToken);
                _isBegun = true;
                await FillAsync(cancellationToken);
                await CaptureAsync(cancellationToken);
            }

            return this;
        }
        finally
        {
            _making.Release();
        }
    }

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

    public override async ValueTask DisposeAsync()
    {
        if (_isBegun)
        {
            foreach (var path in (string[])[
                $"/api/v1/namespaces/{First}", $"/api/v1/namespaces/{Second}", $"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bands.{Group}", $"{Rights}/clusterrolebindings/case-listeners",
                $"{Rights}/clusterroles/case-listener", "/api/v1/persistentvolumes/case-kept", "/api/v1/persistentvolumes/case-made", "/api/v1/persistentvolumes/case-fake"])
            {
                await DeleteAsync(path, CancellationToken.None);
            }
        }

        await base.DisposeAsync();
        _making.Dispose();
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
        await WaitAsync($"/apis/{Group}/v1/namespaces/{Second}/bands", _ => true, cancellationToken);
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
