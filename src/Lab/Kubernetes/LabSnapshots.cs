using System.Globalization;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Servers;

namespace Hexabase.DrConsole.Lab.Kubernetes;

/// <summary>
/// A small snapshot controller with its driver, for volumes that are directories of this machine: a snapshot is a copy of the directory
/// (with shared blocks, where the file system can), and a claim made from one gets a volume that is a copy of that. As the real ones it
/// says when a snapshot is cut before it is ready, and takes away what is deleted.
/// </summary>
/// <param name="api">The cluster; whoever made it disposes of it after this.</param>
/// <param name="folder">Where the copies are; made when needed.</param>
/// <param name="registry">Knows the processes that copy.</param>
public sealed class LabSnapshots(KubeApi api, string folder, ProcessRegistry registry) : IAsyncDisposable
{
    /// <summary>The driver's name.</summary>
    public const string Driver = "lab.csi.drconsole.hexabase.io";

    /// <summary>The StorageClass of which volumes are made when a Pod asks for them; they are mounted by the kubelet.</summary>
    public const string MountedClass = "lab-mounted";

    /// <summary>The StorageClass whose volumes stay when their claims are deleted.</summary>
    public const string KeptClass = "lab-kept";

    private const string Provisioner = "pv.kubernetes.io/provisioned-by";
    private const string Finalizer = "snapshot.storage.kubernetes.io/volumesnapshot-bound-protection";
    private static readonly TimeSpan s_glance = TimeSpan.FromMilliseconds(100);
    private static readonly KubeResource s_claims = new("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true);
    private static readonly KubeResource s_volumes = new("", "v1", "persistentvolumes", "PersistentVolume", false);
    private static readonly KubeResource s_pods = new("", "v1", "pods", "Pod", true);
    private readonly CancellationTokenSource _stop = new();
    private Task _watch = Task.CompletedTask;

    /// <summary>What went wrong last in the watcher, where something did.</summary>
    public string? Fault { get; private set; }

    /// <summary>Defines what it needs in the cluster, and begins to watch.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        LocalFolder.CreatePassage(folder);
        await SnapshotKinds.InstallAsync(api, cancellationToken).ConfigureAwait(false);
        foreach (var name in new[] { MountedClass, KeptClass })
        {
            await ClusterPopulation.CreateAsync(api, "/apis/storage.k8s.io/v1/storageclasses", TenantObjects.Object("storage.k8s.io/v1", "StorageClass", null, name, null, value =>
            {
                value["provisioner"] = Driver;
                value["reclaimPolicy"] = name == KeptClass ? "Retain" : "Delete";
                value["volumeBindingMode"] = name == MountedClass ? "WaitForFirstConsumer" : "Immediate";
            }), cancellationToken).ConfigureAwait(false);
        }

        _watch = WatchAsync(_stop.Token);
    }

    /// <summary>Stops watching; what was made stays.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _watch.ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task WatchAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await LookAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception fault) when (fault is EngineException or IOException)
            {
                // A server that was stopped by a test, a directory that went: seen again at the next glance.
                Fault = fault.Message;
            }

            await Task.Delay(s_glance, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        var snapshots = await KubeListing.AllAsync(api, SnapshotKinds.Snapshots, null, null, cancellationToken).ConfigureAwait(false);
        foreach (var snapshot in snapshots)
        {
            await FollowAsync(snapshot, cancellationToken).ConfigureAwait(false);
        }

        foreach (var claim in (await KubeListing.AllAsync(api, s_claims, null, null, cancellationToken).ConfigureAwait(false)).Where(IsFromSnapshot))
        {
            var from = snapshots.Find(one => NamespaceOf(one) == NamespaceOf(claim) && NameOf(one) == claim["spec"]!["dataSource"]!["name"]!.GetValue<string>());
            if (from?["status"]?["readyToUse"]?.GetValue<bool>() == true)
            {
                await ProvideAsync(claim, from, cancellationToken).ConfigureAwait(false);
            }
        }

        foreach (var volume in (await KubeListing.AllAsync(api, s_volumes, null, null, cancellationToken).ConfigureAwait(false)).Where(IsLeft))
        {
            RemoveCopy(DirectoryOf(volume)!);
            await api.DeleteAsync(s_volumes.PathOf(null, NameOf(volume)), UidOf(volume), cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task FollowAsync(JsonObject snapshot, CancellationToken cancellationToken)
    {
        var path = SnapshotKinds.Snapshots.PathOf(NamespaceOf(snapshot), NameOf(snapshot));
        var kind = snapshot["spec"]?["volumeSnapshotClassName"]?.GetValue<string>();
        if (snapshot["metadata"]!["deletionTimestamp"] is not null)
        {
            await RemoveAsync(snapshot, path, cancellationToken).ConfigureAwait(false);
        }
        else if (kind is null)
        {
            await PatchAsync(path, new JsonObject { ["spec"] = new JsonObject { ["volumeSnapshotClassName"] = SnapshotKinds.Usual } }, cancellationToken).ConfigureAwait(false);
        }
        else if (kind == SnapshotKinds.Broken && snapshot["status"] is null)
        {
            await PatchAsync(path + "/status", new JsonObject
            {
                ["status"] = new JsonObject { ["readyToUse"] = false, ["error"] = new JsonObject { ["message"] = SnapshotKinds.BrokenMessage, ["time"] = Now() } },
            }, cancellationToken).ConfigureAwait(false);
        }
        else if (kind is not (SnapshotKinds.Broken or SnapshotKinds.Never))
        {
            await (snapshot["status"]?["creationTime"] is null ? CutAsync(snapshot, kind, path, cancellationToken) : ReadyAsync(snapshot, path, cancellationToken)).ConfigureAwait(false);
        }
    }

    /// <summary>Copies the directory, and says when that was. That it can be used is said at the next glance.</summary>
    private async Task CutAsync(JsonObject snapshot, string kind, string path, CancellationToken cancellationToken)
    {
        var claim = await api.GetAsync(s_claims.PathOf(NamespaceOf(snapshot), snapshot["spec"]!["source"]!["persistentVolumeClaimName"]!.GetValue<string>()), cancellationToken).ConfigureAwait(false);
        var volume = await api.GetAsync(s_volumes.PathOf(null, claim["spec"]!["volumeName"]!.GetValue<string>()), cancellationToken).ConfigureAwait(false);
        var content = "snapcontent-" + UidOf(snapshot);
        var copy = Path.Combine(folder, content);
        await CopyAsync(DirectoryOf(volume)!, copy, cancellationToken).ConfigureAwait(false);
        var at = Now();
        await ClusterPopulation.CreateAsync(api, SnapshotKinds.Contents.PathOf(null), TenantObjects.Object(SnapshotKinds.Contents.ApiVersion, SnapshotKinds.Contents.Kind, null, content, null, value =>
            value["spec"] = new JsonObject
            {
                ["deletionPolicy"] = kind == SnapshotKinds.Kept ? "Retain" : "Delete",
                ["driver"] = Driver,
                ["source"] = new JsonObject { ["volumeHandle"] = DirectoryOf(volume) },
                ["volumeSnapshotClassName"] = kind,
                ["volumeSnapshotRef"] = new JsonObject { ["namespace"] = NamespaceOf(snapshot), ["name"] = NameOf(snapshot), ["uid"] = UidOf(snapshot) },
            }), cancellationToken).ConfigureAwait(false);
        await PatchAsync(path, new JsonObject { ["metadata"] = new JsonObject { ["finalizers"] = new JsonArray(Finalizer) } }, cancellationToken).ConfigureAwait(false);
        await PatchAsync(path + "/status", new JsonObject
        {
            ["status"] = new JsonObject
            {
                ["boundVolumeSnapshotContentName"] = content,
                ["creationTime"] = at,
                ["readyToUse"] = false,
                ["restoreSize"] = claim["spec"]!["resources"]!["requests"]!["storage"]!.DeepClone(),
            },
        }, cancellationToken).ConfigureAwait(false);
    }

    private Task ReadyAsync(JsonObject snapshot, string path, CancellationToken cancellationToken) => snapshot["status"]!["readyToUse"]!.GetValue<bool>()
        ? Task.CompletedTask
        : PatchAsync(path + "/status", new JsonObject { ["status"] = new JsonObject { ["readyToUse"] = true } }, cancellationToken);

    private async Task RemoveAsync(JsonObject snapshot, string path, CancellationToken cancellationToken)
    {
        if (snapshot["status"]?["boundVolumeSnapshotContentName"]?.GetValue<string>() is { } content)
        {
            var found = await api.FindAsync(SnapshotKinds.Contents.PathOf(null, content), cancellationToken).ConfigureAwait(false);
            if (found?["spec"]?["deletionPolicy"]?.GetValue<string>() == "Delete")
            {
                RemoveCopy(Path.Combine(folder, content));
                await api.DeleteAsync(SnapshotKinds.Contents.PathOf(null, content), UidOf(found), cancellationToken).ConfigureAwait(false);
            }
        }

        await PatchAsync(path, new JsonObject { ["metadata"] = new JsonObject { ["finalizers"] = null } }, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes the volume of a claim, already bound to it: the cluster's own controller does the rest.</summary>
    private async Task ProvideAsync(JsonObject claim, JsonObject snapshot, CancellationToken cancellationToken)
    {
        var kind = claim["spec"]!["storageClassName"]?.GetValue<string>() ?? "";
        if (kind == MountedClass && !await HasPodAsync(claim, cancellationToken).ConfigureAwait(false))
        {
            return;
        }

        var name = "pvc-" + UidOf(claim);
        var copy = Path.Combine(folder, name);
        if (await api.FindAsync(s_volumes.PathOf(null, name), cancellationToken).ConfigureAwait(false) is not null)
        {
            return;
        }

        await CopyAsync(Path.Combine(folder, snapshot["status"]!["boundVolumeSnapshotContentName"]!.GetValue<string>()), copy, cancellationToken).ConfigureAwait(false);
        await ClusterPopulation.CreateAsync(api, s_volumes.PathOf(null), TenantObjects.Object("v1", s_volumes.Kind, null, name, null, value =>
        {
            value["metadata"]!["annotations"] = new JsonObject { [Provisioner] = Driver };
            value["spec"] = new JsonObject
            {
                ["capacity"] = claim["spec"]!["resources"]!["requests"]!.DeepClone(),
                ["accessModes"] = claim["spec"]!["accessModes"]!.DeepClone(),
                ["persistentVolumeReclaimPolicy"] = kind == KeptClass ? "Retain" : "Delete",
                ["storageClassName"] = kind,
                ["claimRef"] = new JsonObject { ["apiVersion"] = "v1", ["kind"] = s_claims.Kind, ["namespace"] = NamespaceOf(claim), ["name"] = NameOf(claim), ["uid"] = UidOf(claim) },
            };
            SetDirectory(value["spec"]!, kind == MountedClass, copy);
        }), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>How a volume says that it is a directory: as one of the node, or as one that its driver mounts.</summary>
    public static void SetDirectory(JsonNode spec, bool isMounted, string directory)
    {
        ArgumentNullException.ThrowIfNull(spec);
        if (isMounted)
        {
            spec["csi"] = new JsonObject { ["driver"] = Driver, ["volumeHandle"] = directory };
        }
        else
        {
            spec["hostPath"] = new JsonObject { ["path"] = directory };
        }
    }

    /// <summary>The directory that a volume of the lab is; null for others.</summary>
    public static string? DirectoryOf(JsonObject volume)
    {
        var spec = (volume ?? throw new ArgumentNullException(nameof(volume)))["spec"];
        return (spec?["hostPath"]?["path"] ?? spec?["local"]?["path"] ?? spec?["csi"]?["volumeHandle"])?.GetValue<string>();
    }

    private async Task<bool> HasPodAsync(JsonObject claim, CancellationToken cancellationToken) =>
        (await KubeListing.AllAsync(api, s_pods, null, NamespaceOf(claim), cancellationToken).ConfigureAwait(false)).Exists(pod => pod["spec"]!["nodeName"] is not null
            && (pod["spec"]!["volumes"] as JsonArray ?? []).Any(one => one!["persistentVolumeClaim"]?["claimName"]?.GetValue<string>() == NameOf(claim)));

    private static bool IsFromSnapshot(JsonObject claim) => claim["spec"]!["dataSource"]?["kind"]?.GetValue<string>() == SnapshotKinds.Snapshots.Kind
        && claim["spec"]!["volumeName"] is null && claim["metadata"]!["deletionTimestamp"] is null;

    /// <summary>True for a volume of the driver whose claim is gone, and that is not to be kept.</summary>
    private static bool IsLeft(JsonObject volume) => volume["metadata"]!["annotations"]?[Provisioner]?.GetValue<string>() == Driver
        && volume["status"]?["phase"]?.GetValue<string>() == "Released" && volume["spec"]!["persistentVolumeReclaimPolicy"]?.GetValue<string>() == "Delete";

    private async Task CopyAsync(string from, string to, CancellationToken cancellationToken)
    {
        // What an interrupted copy left is begun anew.
        RemoveCopy(to);
        var result = await ToolProcess.RunAsync(new ToolCommand("cp", ["-a", "--reflink=auto", from, to]) { Purpose = "a snapshot's copy" }, registry, cancellationToken).ConfigureAwait(false);
        if (result.ExitCode != 0)
        {
            throw new EngineException("lab-copy-failed", ErrorKind.Unavailable, $"{from} could not be copied: {result.ErrorTail}", "look at the lab's disk");
        }
    }

    private void RemoveCopy(string path)
    {
        if (Path.GetDirectoryName(path) == folder && Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }
    }

    private async Task PatchAsync(string path, JsonObject patch, CancellationToken cancellationToken)
    {
        var answer = await api.PatchAsync(path, patch, cancellationToken).ConfigureAwait(false);
        // Deleted meanwhile: the next glance sees that.
        if (!answer.IsSuccess && answer.Status != 404)
        {
            throw new EngineException("lab-object-refused", ErrorKind.Unavailable, $"{path} does not take a patch: {answer.Message}", "look at the API server's log");
        }
    }

    private static string Now() => TimeProvider.System.GetUtcNow().UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    private static string NameOf(JsonObject one) => one["metadata"]!["name"]!.GetValue<string>();

    private static string NamespaceOf(JsonObject one) => one["metadata"]!["namespace"]!.GetValue<string>();

    private static string UidOf(JsonObject one) => one["metadata"]!["uid"]!.GetValue<string>();
}
