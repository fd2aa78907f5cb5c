using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Backups.Volumes.Claims;

/// <summary>
/// The directory by which this machine reaches a claim's volume: that of the node where the volume is one (hostPath, local), else
/// the mount that the node's kubelet made for a Pod that uses the claim.
/// </summary>
/// <param name="Path">Absolute, without symbolic links.</param>
/// <param name="Volume">The PersistentVolume's name: another one is another content, whatever the claim is called.</param>
/// <param name="Pod">The Pod whose mount it is, and with which it goes; null for a directory of the node.</param>
public sealed record ClaimPlace(string Path, string Volume, string? Pod)
{
    /// <summary>Asks the claim's cluster, and looks on this machine.</summary>
    /// <exception cref="EngineException">
    /// <c>claim-missing</c>, <c>claim-unbound</c>, <c>claim-volume-missing</c>, <c>claim-block</c>, <c>claim-path-refused</c>,
    /// <c>claim-elsewhere</c>, <c>claim-unmounted</c>; <c>api-forbidden</c> and the like.
    /// </exception>
    public static async Task<ClaimPlace> FindAsync(VolumeSettings settings, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var claim = settings.Claim!;
        using var api = new KubeApi(KubeEndpoint.FromKubeconfig(claim.Kubeconfig), time: time);
        var (_, volume) = await ReadAsync(api, claim, cancellationToken).ConfigureAwait(false);
        return await FindAsync(api, settings, volume, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The claim and the volume that it is bound to, both of which are there.</summary>
    internal static async Task<(JsonObject Claim, BoundVolume Volume)> ReadAsync(KubeApi api, ClaimSettings settings, CancellationToken cancellationToken)
    {
        var found = await api.FindAsync(KubeVolumes.Claims.PathOf(settings.Namespace, settings.Name), cancellationToken).ConfigureAwait(false)
            ?? throw new EngineException("claim-missing", ErrorKind.NotFound, $"there is no {settings} at {api.Address}", "Check Claim of the volume: its kubeconfig, namespace and name.");
        if (found["spec"]?["volumeMode"]?.GetValue<string>() == "Block")
        {
            throw new EngineException("claim-block", ErrorKind.Unsupported, $"{settings} is a raw device (volumeMode Block), which holds no files",
                "Back its device up on its node, as a source with that device as Path and the node as Node.");
        }

        var volume = await BoundVolume.FindAsync(api, found, cancellationToken).ConfigureAwait(false);
        return volume.Spec is not null ? (found, volume)
            : volume.Name.Length == 0
                ? throw new EngineException("claim-unbound", ErrorKind.Unavailable, $"{settings} is bound to no volume (it is {KubeVolumes.PhaseOf(found)})",
                    "Look at its events: its provisioner may wait for the first Pod that uses it. No restore point was made.")
                : throw new EngineException("claim-volume-missing", ErrorKind.NotFound, $"the volume {volume.Name} of {settings} is gone (the claim is {KubeVolumes.PhaseOf(found)})",
                    "Somebody deleted the PersistentVolume; its data may still be with its driver. No restore point was made.");
    }

    internal static async Task<ClaimPlace> FindAsync(KubeApi api, VolumeSettings settings, BoundVolume volume, CancellationToken cancellationToken)
    {
        var claim = settings.Claim!;
        if (volume.Directory is null)
        {
            return await FindMountAsync(api, settings, volume, cancellationToken).ConfigureAwait(false);
        }

        // Whose node it is says the host name's label, which is the node's name nearly everywhere.
        if (settings.Node is { } node && volume.Nodes is { Count: > 0 } nodes && !nodes.Contains(node) && !nodes.Contains(Environment.MachineName))
        {
            throw new EngineException("claim-elsewhere", ErrorKind.Input, $"the volume {volume.Name} of {claim} lies on {string.Join(", ", nodes)}, and not on node {node}",
                "Set Node of the volume to that node, and run its agent there. No restore point was made.");
        }

        if (claim.VolumesDirectory is not { } root)
        {
            throw new EngineException("claim-path-refused", ErrorKind.Denied, $"the volume {volume.Name} of {claim} is {volume.Directory} of a node, and nothing says that it may be read",
                "Set Claim:VolumesDirectory to the directory below which the cluster's volumes are, such as /var/lib/rancher/k3s/storage. No restore point was made.");
        }

        var (path, problem) = volume.Look(root);
        return path is not null ? new ClaimPlace(path, volume.Name, null) : throw new EngineException("claim-path-refused", ErrorKind.Denied, $"{claim}: {problem}",
            "Check Claim:VolumesDirectory, and whether this machine is the node that has the volume (Node). No restore point was made.");
    }

    /// <summary>The mount of a Pod that uses the claim. A Pod's number is its own: where its directory is here, this is its node.</summary>
    private static async Task<ClaimPlace> FindMountAsync(KubeApi api, VolumeSettings settings, BoundVolume volume, CancellationToken cancellationToken)
    {
        var claim = settings.Claim!;
        var pods = (await KubeListing.AllAsync(api, KubeVolumes.Pods, null, claim.Namespace, cancellationToken).ConfigureAwait(false))
            .Where(pod => KubeVolumes.Mounts(pod, claim.Name) && KubeVolumes.PhaseOf(pod) == "Running").OrderBy(KubeVolumes.NameOf, StringComparer.Ordinal).ToList();
        foreach (var pod in pods.Where(pod => settings.Node is null || KubeVolumes.NodeOf(pod) == settings.Node))
        {
            if (KubeletMount.Find(claim.KubeletDirectory, pod, volume.Name) is { } path)
            {
                return new ClaimPlace(path, volume.Name, KubeVolumes.NameOf(pod));
            }
        }

        var where = settings.Node is null ? "this machine" : $"node {settings.Node}";
        var used = pods.Count == 0 ? "no running Pod uses it" : $"it is used by {string.Join(", ", pods.Take(5).Select(pod => $"{KubeVolumes.NameOf(pod)} on {KubeVolumes.NodeOf(pod)}"))}";
        throw new EngineException("claim-unmounted", ErrorKind.Unavailable,
            $"the volume {volume.Name} of {claim} ({volume.Driver}) is mounted below {claim.KubeletDirectory} of {where} by no Pod; {used}",
            "Run the agent of the node where a Pod uses it and set Node to that node, or check Claim:KubeletDirectory. No restore point was made.");
    }
}
