using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;

namespace Hexabase.DrConsole.Lab.Kubernetes;

/// <summary>The kinds of <c>snapshot.storage.k8s.io</c>, which no API server has by itself, and the lab's classes.</summary>
public static class SnapshotKinds
{
    private const string Group = "snapshot.storage.k8s.io";

    /// <summary>The class that the lab's snapshots have which ask for none.</summary>
    public const string Usual = "lab";

    /// <summary>What is deleted of it, stays.</summary>
    public const string Kept = "lab-kept";

    /// <summary>Its snapshots fail, again and again.</summary>
    public const string Broken = "lab-broken";

    /// <summary>Its snapshots are never looked at.</summary>
    public const string Never = "lab-never";

    /// <summary>What the broken class says.</summary>
    public const string BrokenMessage = "rpc error: code = Internal desc = the array has no space for snapshots";

    public static KubeResource Snapshots { get; } = new(Group, "v1", "volumesnapshots", "VolumeSnapshot", true);

    public static KubeResource Contents { get; } = new(Group, "v1", "volumesnapshotcontents", "VolumeSnapshotContent", false);

    public static KubeResource Classes { get; } = new(Group, "v1", "volumesnapshotclasses", "VolumeSnapshotClass", false);

    /// <summary>Defines the kinds and makes the classes; those that are there stay.</summary>
    public static async Task InstallAsync(KubeApi api, CancellationToken cancellationToken)
    {
        foreach (var resource in new[] { Snapshots, Contents, Classes })
        {
            await ClusterPopulation.CreateAsync(api, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", Definition(resource), cancellationToken).ConfigureAwait(false);
            while (await api.FindAsync(resource.PathOf(null), cancellationToken).ConfigureAwait(false) is null)
            {
                await Task.Delay(100, cancellationToken).ConfigureAwait(false);
            }
        }

        foreach (var name in new[] { Usual, Kept, Broken, Never })
        {
            await ClusterPopulation.CreateAsync(api, Classes.PathOf(null), TenantObjects.Object(Classes.ApiVersion, Classes.Kind, null, name, null, value =>
            {
                value["driver"] = LabSnapshots.Driver;
                value["deletionPolicy"] = name == Kept ? "Retain" : "Delete";
            }), cancellationToken).ConfigureAwait(false);
        }
    }

    private static JsonObject Definition(KubeResource resource) => TenantObjects.Object("apiextensions.k8s.io/v1", "CustomResourceDefinition", null, $"{resource.Plural}.{Group}", null, value =>
    {
        // A group of Kubernetes' own is not served without it.
        value["metadata"]!["annotations"] = new JsonObject { ["api-approved.kubernetes.io"] = "https://github.com/kubernetes-csi/external-snapshotter/pull/814" };
        value["spec"] = new JsonObject
        {
            ["group"] = Group,
            ["scope"] = resource.IsNamespaced ? "Namespaced" : "Cluster",
            ["names"] = new JsonObject { ["plural"] = resource.Plural, ["singular"] = resource.Kind.ToLowerInvariant(), ["kind"] = resource.Kind, ["listKind"] = resource.Kind + "List" },
            ["versions"] = new JsonArray(new JsonObject
            {
                ["name"] = resource.Version,
                ["served"] = true,
                ["storage"] = true,
                ["schema"] = new JsonObject { ["openAPIV3Schema"] = new JsonObject { ["type"] = "object", ["x-kubernetes-preserve-unknown-fields"] = true } },
                ["subresources"] = new JsonObject { ["status"] = new JsonObject() },
            }),
        };
    });
}
