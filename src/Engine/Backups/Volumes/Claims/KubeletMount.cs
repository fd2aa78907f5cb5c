using System.Text.Json.Nodes;

namespace Hexabase.DrConsole.Engine.Backups.Volumes.Claims;

/// <summary>Where a kubelet mounts the volumes of its Pods: <c>pods/UID/volumes/PLUGIN/VOLUME</c>, of a CSI driver with <c>/mount</c> at its end.</summary>
internal static class KubeletMount
{
    private const string Csi = "kubernetes.io~csi";

    /// <summary>
    /// The directory of a Pod's volume on this machine; null where it is not here, or not mounted: the directory is made before,
    /// and stays for a moment after, and empty it would look like a volume that lost everything.
    /// </summary>
    /// <param name="root">The kubelet's directory.</param>
    /// <param name="pod">The Pod.</param>
    /// <param name="volume">The PersistentVolume's name.</param>
    public static string? Find(string root, JsonObject pod, string volume)
    {
        var volumes = Path.Combine(root, "pods", KubeVolumes.UidOf(pod), "volumes");
        if (!Directory.Exists(volumes))
        {
            return null;
        }

        var below = VolumePlace.RealPath(volumes) + '/';
        return Directory.EnumerateDirectories(volumes)
            .Select(plugin => VolumePlace.RealPath(Path.GetFileName(plugin) == Csi ? Path.Combine(plugin, volume, "mount") : Path.Combine(plugin, volume)))
            .FirstOrDefault(path => path.StartsWith(below, StringComparison.Ordinal) && Directory.Exists(path) && VolumePlace.MountPointOf(path) == path);
    }
}
