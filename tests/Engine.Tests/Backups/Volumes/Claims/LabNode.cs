using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Tests.Executable;
using Hexabase.DrConsole.Lab.Kubernetes;
using static Hexabase.DrConsole.Engine.Tests.Support.ClusterClient;

namespace Hexabase.DrConsole.Engine.Tests.Backups.Volumes.Claims;

/// <summary>Scheduler and kubelet of one namespace: Pods that ask for its node by name get it, and what they claim is mounted below a folder of the test.</summary>
internal sealed class LabNode(KubeApi api, string ns, string kubelet) : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private Task _keeping = Task.CompletedTask;

    /// <summary>False: Pods are left Pending.</summary>
    public bool Runs { get; set; } = true;

    /// <summary>False: Pods run, and nothing of theirs is mounted here, as on another machine.</summary>
    public bool Mounts { get; set; } = true;

    private string Core => $"/api/v1/namespaces/{ns}";

    public static string PathOf(string kubelet, string pod, string volume) => Path.Combine(kubelet, "pods", pod, "volumes", "kubernetes.io~csi", volume, "mount");

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(kubelet);
        var answer = await api.CreateAsync("/api/v1/nodes", Json($$"""{"apiVersion":"v1","kind":"Node","metadata":{"name":"{{ns}}"} }"""), false, cancellationToken);
        Assert.True(answer.IsSuccess, answer.Message);
        _keeping = KeepAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _keeping;
        foreach (var mount in Directory.EnumerateDirectories(kubelet, "mount", SearchOption.AllDirectories).Where(path => VolumePlace.MountPointOf(path) == path).ToList())
        {
            await Shell.RunAsync("umount", mount);
        }

        await api.DeleteAsync($"/api/v1/nodes/{ns}", null, CancellationToken.None);
        _stop.Dispose();
    }

    private async Task KeepAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            foreach (var pod in ((await api.FindAsync(Core + "/pods", CancellationToken.None))?["items"] as JsonArray ?? []).OfType<JsonObject>())
            {
                await KeepAsync(pod);
            }

            await Task.Delay(50, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task KeepAsync(JsonObject pod)
    {
        var (path, uid) = ($"{Core}/pods/{pod["metadata"]!["name"]}", pod["metadata"]!["uid"]!.GetValue<string>());
        var asked = pod["spec"]!["affinity"]?["nodeAffinity"]?["requiredDuringSchedulingIgnoredDuringExecution"]?["nodeSelectorTerms"]?[0]?["matchFields"]?[0]?["values"]?[0]?.GetValue<string>();
        if (pod["metadata"]!["deletionTimestamp"] is not null)
        {
            await UnmountAsync(uid);
            await api.DeleteAsync(path + "?gracePeriodSeconds=0", null, CancellationToken.None);
        }
        else if (pod["spec"]!["nodeName"] is null && asked == ns)
        {
            await api.CreateAsync(path + "/binding", Json($$"""{"apiVersion":"v1","kind":"Binding","metadata":{"name":{{pod["metadata"]!["name"]!.ToJsonString()}}},"target":{"apiVersion":"v1","kind":"Node","name":"{{ns}}"} }"""), false, CancellationToken.None);
        }
        else if (Runs && pod["spec"]!["nodeName"]?.GetValue<string>() == ns && pod["status"]?["phase"]?.GetValue<string>() == "Pending" && await MountAsync(pod, uid))
        {
            await api.PatchAsync(path + "/status", Json("""{"status":{"phase":"Running"}}"""), CancellationToken.None);
        }
    }

    private async Task<bool> MountAsync(JsonObject pod, string uid)
    {
        foreach (var claim in (pod["spec"]!["volumes"] as JsonArray ?? []).Select(volume => volume!["persistentVolumeClaim"]?["claimName"]?.GetValue<string>()).OfType<string>())
        {
            var found = await api.FindAsync($"{Core}/persistentvolumeclaims/{claim}", CancellationToken.None);
            if (found?["status"]?["phase"]?.GetValue<string>() != "Bound")
            {
                return false;
            }

            var volume = await api.GetAsync($"/api/v1/persistentvolumes/{found["spec"]!["volumeName"]}", CancellationToken.None);
            var place = PathOf(kubelet, uid, volume["metadata"]!["name"]!.GetValue<string>());
            if (Mounts && volume["spec"]!["csi"] is not null && !Directory.Exists(place))
            {
                Directory.CreateDirectory(place);
                await Shell.RunAsync("mount", "--bind", LabSnapshots.DirectoryOf(volume)!, place);
            }
        }

        return true;
    }

    private async Task UnmountAsync(string uid)
    {
        var pods = Path.Combine(kubelet, "pods", uid);
        if (!Directory.Exists(pods))
        {
            return;
        }

        foreach (var plugin in Directory.EnumerateDirectories(Path.Combine(pods, "volumes", "kubernetes.io~csi")))
        {
            await Shell.RunAsync("umount", Path.Combine(plugin, "mount"));
            Directory.Delete(Path.Combine(plugin, "mount"));
        }

        Directory.Delete(pods, recursive: true);
    }
}
