using System.Globalization;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;

namespace Hexabase.DrConsole.Engine.Backups.Volumes.Claims;

/// <summary>The kinds of objects that have to do with volumes, and what is read in them.</summary>
internal static class KubeVolumes
{
    public const string SnapshotGroup = "snapshot.storage.k8s.io";

    public static KubeResource Claims { get; } = new("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true);

    public static KubeResource Volumes { get; } = new("", "v1", "persistentvolumes", "PersistentVolume", false);

    public static KubeResource Pods { get; } = new("", "v1", "pods", "Pod", true);

    public static KubeResource Classes { get; } = new("storage.k8s.io", "v1", "storageclasses", "StorageClass", false);

    public static KubeResource Snapshots { get; } = new(SnapshotGroup, "v1", "volumesnapshots", "VolumeSnapshot", true);

    public static KubeResource Contents { get; } = new(SnapshotGroup, "v1", "volumesnapshotcontents", "VolumeSnapshotContent", false);

    /// <summary>What a snapshot that is read consists of, each made from the one before.</summary>
    public static IReadOnlyList<KubeResource> MadeInOrder { get; } = [Snapshots, Claims, Pods];

    public static string NameOf(JsonObject one) => one["metadata"]!["name"]!.GetValue<string>();

    public static string UidOf(JsonObject one) => one["metadata"]!["uid"]!.GetValue<string>();

    /// <summary>The node that a Pod was given; empty before.</summary>
    public static string NodeOf(JsonObject pod) => pod["spec"]?["nodeName"]?.GetValue<string>() ?? "";

    /// <summary>Whether it is Pending, Running, Bound, Lost and so on.</summary>
    public static string PhaseOf(JsonObject one) => one["status"]?["phase"]?.GetValue<string>() ?? "without a phase";

    /// <summary>
    /// True where a volume was made for a claim, or a content for a snapshot: it names that very one, and is not older. A claim may also be
    /// bound to a volume that lay ready, whatever data source it asks for.
    /// </summary>
    public static bool IsMadeFor(JsonObject wanted, JsonObject found) =>
        (found["spec"]?["claimRef"] ?? found["spec"]?["volumeSnapshotRef"])?["uid"]?.GetValue<string>() == UidOf(wanted) && MadeAt(found) >= MadeAt(wanted);

    private static DateTimeOffset MadeAt(JsonObject one) => TimeOf(one["metadata"]?["creationTimestamp"]) ?? DateTimeOffset.MinValue;

    /// <summary>A moment as API servers write it; null where it is none.</summary>
    public static DateTimeOffset? TimeOf(JsonNode? text) =>
        DateTimeOffset.TryParse(text?.GetValue<string>(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : null;

    /// <summary>True where a Pod uses a claim.</summary>
    public static bool Mounts(JsonObject pod, string claim) =>
        (pod["spec"]?["volumes"] as JsonArray ?? []).Any(volume => volume?["persistentVolumeClaim"]?["claimName"]?.GetValue<string>() == claim);
}
