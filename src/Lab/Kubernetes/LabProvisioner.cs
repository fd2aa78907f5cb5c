using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Lab.Kubernetes;

/// <summary>
/// What the syncer and the host's provisioner of directories do for the claims of one namespace: each has a twin on the host, and the
/// twin gets a volume once a Pod of the tenant mounts the claim (WaitForFirstConsumer).
/// </summary>
/// <param name="cluster">The virtual cluster.</param>
/// <param name="api">Its API server.</param>
/// <param name="host">The host's.</param>
/// <param name="ns">The namespace in the virtual cluster.</param>
public sealed class LabProvisioner(LabVirtualCluster cluster, KubeApi api, KubeApi host, string ns)
{
    private static readonly TimeSpan s_every = TimeSpan.FromMilliseconds(100);
    private static readonly KubeResource s_claims = new("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true);
    private static readonly KubeResource s_pods = new("", "v1", "pods", "Pod", true);

    /// <summary>False: no volume is made, as where the disk is full.</summary>
    public bool MakesVolumes { get; set; } = true;

    /// <summary>The Pods that volumes were made for, in that order.</summary>
    public List<string> AskedBy { get; } = [];

    /// <summary>The directory of a claim's volume.</summary>
    public string DirectoryOf(string claim) => Path.Combine(cluster.VolumesDirectory, VolumeOf(claim));

    /// <summary>Works until it is ended.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            await StepAsync(cancellationToken).ConfigureAwait(false);
            await Task.Delay(s_every, TimeProvider.System, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async Task StepAsync(CancellationToken cancellationToken)
    {
        var pods = await KubeListing.AllAsync(api, s_pods, null, ns, CancellationToken.None).ConfigureAwait(false);
        foreach (var claim in await KubeListing.AllAsync(api, s_claims, null, ns, CancellationToken.None).ConfigureAwait(false))
        {
            var name = claim["metadata"]!["name"]!.GetValue<string>();
            var path = s_claims.PathOf(cluster.Namespace, TwinOf(name));
            if (await host.FindAsync(path, CancellationToken.None).ConfigureAwait(false) is not { } twin)
            {
                await CreateTwinAsync(name).ConfigureAwait(false);
            }
            else if (MakesVolumes && twin["spec"]?["volumeName"] is null && pods.Find(pod => Mounts(pod, name)) is { } pod)
            {
                AskedBy.Add(pod["metadata"]!["name"]!.GetValue<string>());
                await CreateVolumeAsync(name).ConfigureAwait(false);
                var bound = await host.PatchAsync(path, new JsonObject { ["spec"] = new JsonObject { ["volumeName"] = VolumeOf(name) } }, CancellationToken.None).ConfigureAwait(false);
                if (!bound.IsSuccess)
                {
                    throw new InvalidOperationException($"claim {name} was not bound: {bound.Message}");
                }
            }

            if (cancellationToken.IsCancellationRequested)
            {
                return;
            }
        }
    }

    /// <summary>Takes away what was made on the host.</summary>
    public async Task RemoveAsync(string claim)
    {
        foreach (var path in new[] { s_claims.PathOf(cluster.Namespace, TwinOf(claim)), $"/api/v1/persistentvolumes/{VolumeOf(claim)}" })
        {
            await host.DeleteAsync(path, null, CancellationToken.None).ConfigureAwait(false);
            await host.PatchAsync(path, new JsonObject { ["metadata"] = new JsonObject { ["finalizers"] = null } }, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private string TwinOf(string claim) => $"{claim}-x-{ns}-x-{cluster.Name}";

    private string VolumeOf(string claim) => $"pvc-{cluster.Name}-{ns}-{claim}";

    private Task CreateTwinAsync(string claim) => ClusterPopulation.CreateAsync(
        host, s_claims.PathOf(cluster.Namespace), TenantObjects.Object("v1", "PersistentVolumeClaim", cluster.Namespace, TwinOf(claim), null, value =>
        {
            value["metadata"]!["labels"] = new JsonObject { ["vcluster.loft.sh/managed-by"] = cluster.Name, ["vcluster.loft.sh/namespace"] = ns };
            value["metadata"]!["annotations"] = new JsonObject { ["vcluster.loft.sh/object-name"] = claim, ["vcluster.loft.sh/object-namespace"] = ns, ["vcluster.loft.sh/object-kind"] = "PersistentVolumeClaim" };
            value["spec"] = new JsonObject { ["accessModes"] = new JsonArray("ReadWriteOnce"), ["storageClassName"] = "local-path", ["resources"] = new JsonObject { ["requests"] = new JsonObject { ["storage"] = "1Gi" } } };
        }), CancellationToken.None);

    private Task CreateVolumeAsync(string claim)
    {
        LocalFolder.CreatePassage(DirectoryOf(claim));
        return ClusterPopulation.CreateAsync(host, "/api/v1/persistentvolumes", TenantObjects.Object("v1", "PersistentVolume", null, VolumeOf(claim), null, value => value["spec"] = new JsonObject
        {
            ["capacity"] = new JsonObject { ["storage"] = "1Gi" },
            ["accessModes"] = new JsonArray("ReadWriteOnce"),
            ["persistentVolumeReclaimPolicy"] = "Delete",
            ["storageClassName"] = "local-path",
            ["hostPath"] = new JsonObject { ["path"] = DirectoryOf(claim) },
            ["claimRef"] = new JsonObject { ["namespace"] = cluster.Namespace, ["name"] = TwinOf(claim) },
        }), CancellationToken.None);
    }

    private static bool Mounts(JsonObject pod, string claim) =>
        (pod["spec"]?["volumes"] as JsonArray ?? []).Any(volume => volume?["persistentVolumeClaim"]?["claimName"]?.GetValue<string>() == claim);
}
