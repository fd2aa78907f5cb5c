using System.Text;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Servers.Kubernetes;

namespace Hexabase.DrConsole.Lab.Kubernetes;

/// <summary>One virtual cluster: its objects on the host as vCluster's chart lays them out, and the processes of its control plane.</summary>
public sealed class LabVirtualCluster
{
    private readonly KubeApi _host;

    internal LabVirtualCluster(LabFolder folder, string name, KubernetesBinaries binaries, bool hasControllers, KubeApi host)
    {
        _host = host;
        Name = name;
        DataDirectory = folder.Combine("kubernetes", "volumes", $"data-{name}-0");
        ControlPlane = new KubernetesCluster(
            new KubernetesClusterOptions
            {
                Name = "lab-" + name,
                Folder = DataDirectory,
                Binaries = binaries,
                HasControllers = hasControllers,
                Tokens = [$"{LimitedToken},limited,limited,\"\""],
            },
            folder.Registry);
    }

    /// <summary>The token of a user "limited" without any right but what a test gives it.</summary>
    public const string LimitedToken = "lab-limited-token";

    /// <summary>The kubeconfig of that user.</summary>
    public string LimitedKubeconfig => $$"""
        apiVersion: v1
        kind: Config
        clusters: [ { name: c, cluster: { server: "{{ControlPlane.Server}}", certificate-authority: "{{ControlPlane.Keys.Authority}}" } } ]
        users: [ { name: u, user: { token: {{LimitedToken}} } } ]
        contexts: [ { name: x, context: { cluster: c, user: u } } ]
        current-context: x

        """;

    /// <summary>Its name; StatefulSet and Service bear it.</summary>
    public string Name { get; }

    /// <summary>Its namespace on the host.</summary>
    public string Namespace => "vcluster-" + Name;

    /// <summary>The directory of its volume on this machine.</summary>
    public string DataDirectory { get; }

    /// <summary>The directory below which the volumes of its claims are.</summary>
    public string VolumesDirectory => Path.GetDirectoryName(DataDirectory)!;

    /// <summary>Its processes.</summary>
    public KubernetesCluster ControlPlane { get; }

    private string StatefulSet => $"/apis/apps/v1/namespaces/{Namespace}/statefulsets/{Name}";

    /// <summary>Lays the host's objects out; those that are there stay.</summary>
    internal async Task InstallAsync(CancellationToken cancellationToken)
    {
        LocalFolder.CreatePassage(DataDirectory);
        await CreateAsync("/api/v1/namespaces", "v1", "Namespace", null, Namespace, _ => { }, cancellationToken).ConfigureAwait(false);
        await CreateAsync("/api/v1/persistentvolumes", "v1", "PersistentVolume", null, $"pv-{Name}-data", value => value["spec"] = new JsonObject
        {
            ["capacity"] = new JsonObject { ["storage"] = "5Gi" },
            ["accessModes"] = new JsonArray("ReadWriteOnce"),
            ["persistentVolumeReclaimPolicy"] = "Delete",
            ["hostPath"] = new JsonObject { ["path"] = DataDirectory },
            ["claimRef"] = new JsonObject { ["namespace"] = Namespace, ["name"] = $"data-{Name}-0" },
        }, cancellationToken).ConfigureAwait(false);
        await CreateAsync($"/api/v1/namespaces/{Namespace}/persistentvolumeclaims", "v1", "PersistentVolumeClaim", Namespace, $"data-{Name}-0", value => value["spec"] = new JsonObject
        {
            ["accessModes"] = new JsonArray("ReadWriteOnce"),
            ["resources"] = new JsonObject { ["requests"] = new JsonObject { ["storage"] = "5Gi" } },
            ["volumeName"] = $"pv-{Name}-data",
            ["storageClassName"] = "",
        }, cancellationToken).ConfigureAwait(false);
        await CreateAsync($"/api/v1/namespaces/{Namespace}/services", "v1", "Service", Namespace, Name, value => value["spec"] = new JsonObject
        {
            ["selector"] = Labels(),
            ["ports"] = new JsonArray(new JsonObject { ["name"] = "https", ["port"] = 443, ["targetPort"] = 8443, ["protocol"] = "TCP" }),
        }, cancellationToken).ConfigureAwait(false);
        await CreateAsync($"/api/v1/namespaces/{Namespace}/secrets", "v1", "Secret", Namespace, $"sh.helm.release.v1.{Name}.v1", value =>
        {
            value["type"] = "helm.sh/release.v1";
            value["metadata"]!["labels"] = new JsonObject { ["owner"] = "helm", ["name"] = Name, ["status"] = "deployed", ["version"] = "1" };
            value["stringData"] = new JsonObject { ["release"] = $"{{\"name\":\"{Name}\",\"chart\":\"vcluster-0.30.0\",\"values\":{{\"controlPlane\":{{\"backingStore\":{{\"etcd\":{{\"embedded\":{{\"enabled\":true}}}}}}}}}}}}" };
        }, cancellationToken).ConfigureAwait(false);
        await CreateAsync($"/api/v1/namespaces/{Namespace}/secrets", "v1", "Secret", Namespace, $"vc-config-{Name}", value =>
            value["stringData"] = new JsonObject { ["config.yaml"] = "controlPlane:\n  backingStore:\n    etcd:\n      embedded:\n        enabled: true\n" }, cancellationToken).ConfigureAwait(false);
        await CreateAsync($"/apis/apps/v1/namespaces/{Namespace}/statefulsets", "apps/v1", "StatefulSet", Namespace, Name, value => value["spec"] = new JsonObject
        {
            ["replicas"] = 1,
            ["serviceName"] = Name + "-headless",
            ["selector"] = new JsonObject { ["matchLabels"] = Labels() },
            ["template"] = new JsonObject
            {
                ["metadata"] = new JsonObject { ["labels"] = Labels() },
                ["spec"] = new JsonObject { ["containers"] = new JsonArray(new JsonObject { ["name"] = "syncer", ["image"] = "ghcr.io/loft-sh/vcluster-pro:0.30.0" }) },
            },
        }, cancellationToken).ConfigureAwait(false);
        await SyncAsync("default", "web", cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A Pod's twin on the host, as the syncer makes it.</summary>
    public Task SyncAsync(string ns, string name, CancellationToken cancellationToken) =>
        CreateAsync($"/api/v1/namespaces/{Namespace}/configmaps", "v1", "ConfigMap", Namespace, $"{name}-x-{ns}-x-{Name}", value =>
        {
            value["metadata"]!["labels"] = new JsonObject { ["vcluster.loft.sh/managed-by"] = Name, ["vcluster.loft.sh/namespace"] = ns };
            value["metadata"]!["annotations"] = new JsonObject { ["vcluster.loft.sh/object-name"] = name, ["vcluster.loft.sh/object-namespace"] = ns, ["vcluster.loft.sh/object-kind"] = "ConfigMap" };
            value["data"] = new JsonObject { ["synced"] = "true" };
        }, cancellationToken);

    /// <summary>A claim of the tenant with its twin on the host, bound to a directory with files in it. Returns the directory.</summary>
    public async Task<string> AddClaimAsync(KubeApi api, string ns, string name, CancellationToken cancellationToken)
    {
        var (twin, volume) = ($"{name}-x-{ns}-x-{Name}", $"pv-{Name}-{ns}-{name}");
        var directory = Path.Combine(VolumesDirectory, volume);
        if (!Directory.Exists(directory))
        {
            LocalFolder.CreatePassage(directory);
            Directory.CreateDirectory(Path.Combine(directory, "files"));
            for (var at = 0; at < 20; at++)
            {
                await File.WriteAllTextAsync(Path.Combine(directory, "files", $"{at:00}.txt"), $"upload {at} of {ns}\n", cancellationToken).ConfigureAwait(false);
            }
        }

        JsonObject Spec(string? bound)
        {
            var spec = new JsonObject { ["accessModes"] = new JsonArray("ReadWriteOnce"), ["storageClassName"] = "", ["resources"] = new JsonObject { ["requests"] = new JsonObject { ["storage"] = "1Gi" } } };
            if (bound is not null)
            {
                spec["volumeName"] = bound;
            }

            return spec;
        }

        await ClusterPopulation.CreateAsync(
            api, $"/api/v1/namespaces/{ns}/persistentvolumeclaims", TenantObjects.Object("v1", "PersistentVolumeClaim", ns, name, null, value => value["spec"] = Spec(null)), cancellationToken).ConfigureAwait(false);
        await CreateAsync("/api/v1/persistentvolumes", "v1", "PersistentVolume", null, volume, value => value["spec"] = new JsonObject
        {
            ["capacity"] = new JsonObject { ["storage"] = "1Gi" },
            ["accessModes"] = new JsonArray("ReadWriteOnce"),
            ["persistentVolumeReclaimPolicy"] = "Delete",
            ["hostPath"] = new JsonObject { ["path"] = directory },
            ["claimRef"] = new JsonObject { ["namespace"] = Namespace, ["name"] = twin },
        }, cancellationToken).ConfigureAwait(false);
        await CreateAsync($"/api/v1/namespaces/{Namespace}/persistentvolumeclaims", "v1", "PersistentVolumeClaim", Namespace, twin, value =>
        {
            value["metadata"]!["labels"] = new JsonObject { ["vcluster.loft.sh/managed-by"] = Name, ["vcluster.loft.sh/namespace"] = ns };
            value["metadata"]!["annotations"] = new JsonObject { ["vcluster.loft.sh/object-name"] = name, ["vcluster.loft.sh/object-namespace"] = ns, ["vcluster.loft.sh/object-kind"] = "PersistentVolumeClaim" };
            value["spec"] = Spec(volume);
        }, cancellationToken).ConfigureAwait(false);
        return directory;
    }

    /// <summary>Takes a claim away with its twin and volume; the directory stays.</summary>
    public async Task RemoveClaimAsync(KubeApi api, string ns, string name, CancellationToken cancellationToken)
    {
        foreach (var (server, path) in new[]
        {
            (_host, $"/api/v1/namespaces/{Namespace}/persistentvolumeclaims/{name}-x-{ns}-x-{Name}"), (_host, $"/api/v1/persistentvolumes/pv-{Name}-{ns}-{name}"),
            (api, $"/api/v1/namespaces/{ns}/persistentvolumeclaims/{name}"),
        })
        {
            await server.DeleteAsync(path, null, cancellationToken).ConfigureAwait(false);
            await server.PatchAsync(path, new JsonObject { ["metadata"] = new JsonObject { ["finalizers"] = null } }, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Starts or stops the processes as the StatefulSet says, and says so in its status.</summary>
    internal async Task FollowAsync(CancellationToken cancellationToken)
    {
        if (await _host.FindAsync(StatefulSet, cancellationToken).ConfigureAwait(false) is not { } found)
        {
            return;
        }

        var wanted = found["spec"]?["replicas"]?.GetValue<int>() ?? 1;
        if (wanted > 0 && !ControlPlane.IsRunning)
        {
            await ControlPlane.StartAsync(cancellationToken).ConfigureAwait(false);
            await WriteSecretAsync(cancellationToken).ConfigureAwait(false);
        }
        else if (wanted == 0 && ControlPlane.IsRunning)
        {
            await ControlPlane.StopAsync(cancellationToken).ConfigureAwait(false);
        }

        var running = ControlPlane.IsRunning ? 1 : 0;
        if ((found["status"]?["readyReplicas"]?.GetValue<int>() ?? 0) != running || found["status"]?["observedGeneration"]?.ToJsonString() != found["metadata"]!["generation"]!.ToJsonString())
        {
            await _host.PatchAsync(StatefulSet + "/status", new JsonObject
            {
                ["status"] = new JsonObject { ["replicas"] = running, ["readyReplicas"] = running, ["currentReplicas"] = running, ["updatedReplicas"] = running, ["observedGeneration"] = found["metadata"]!["generation"]!.DeepClone() },
            }, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task WriteSecretAsync(CancellationToken cancellationToken)
    {
        static string Data(string file) => Convert.ToBase64String(File.ReadAllBytes(file));
        var data = new JsonObject
        {
            ["config"] = Data(ControlPlane.Kubeconfig),
            ["certificate-authority"] = Data(ControlPlane.Keys.Authority),
            ["client-certificate"] = Data(ControlPlane.Keys.AdminCertificate),
            ["client-key"] = Data(ControlPlane.Keys.AdminKey),
        };
        var body = TenantObjects.Object("v1", "Secret", Namespace, "vc-" + Name, new JsonObject { ["app"] = "vcluster", ["vcluster-name"] = Name }, value => value["data"] = data);
        var path = $"/api/v1/namespaces/{Namespace}/secrets";
        var answer = await _host.CreateAsync(path, body, false, cancellationToken).ConfigureAwait(false);
        if (answer.Reason == "AlreadyExists")
        {
            await _host.PatchAsync($"{path}/vc-{Name}", new JsonObject { ["data"] = data.DeepClone() }, cancellationToken).ConfigureAwait(false);
        }
    }

    private JsonObject Labels() => new() { ["app"] = "vcluster", ["release"] = Name };

    private async Task CreateAsync(string path, string apiVersion, string kind, string? ns, string name, Action<JsonObject> fill, CancellationToken cancellationToken) =>
        await ClusterPopulation.CreateAsync(_host, path, TenantObjects.Object(apiVersion, kind, ns, name, ns is null ? null : Labels(), fill), cancellationToken).ConfigureAwait(false);
}
