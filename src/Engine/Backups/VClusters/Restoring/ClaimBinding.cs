using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>
/// Whether a claim can have the volume that it had. One that asks by name for a volume that is away, or another's, waits for it for
/// ever: it is created without the name then, and its provisioner makes a new volume.
/// </summary>
internal static class ClaimBinding
{
    private static readonly KubeResource s_volumes = new("", "v1", "persistentvolumes", "PersistentVolume", false);

    /// <summary>True for a volume that a provisioner made for its claim and deletes with it: as an object alone it leads to nothing, or to what another claim still uses.</summary>
    public static bool WentWithItsClaim(JsonObject volume) =>
        volume["metadata"]?["annotations"]?["pv.kubernetes.io/provisioned-by"] is not null && volume["spec"]?["persistentVolumeReclaimPolicy"]?.GetValue<string>() == "Delete";

    /// <summary>Gives a claim's document the volume that the one in the target has: that is its binder's matter, and cannot be changed.</summary>
    /// <returns>True where it had another one, or none.</returns>
    public static bool TakesOver(JsonObject document, JsonObject live)
    {
        if (KubeObjectKey.Of(document) is not { Kind: "PersistentVolumeClaim", Group: "" } || document["spec"] is not JsonObject spec || JsonNode.DeepEquals(spec["volumeName"], live["spec"]?["volumeName"]))
        {
            return false;
        }

        spec.Remove("volumeName");
        if (live["spec"]?["volumeName"] is { } bound)
        {
            spec["volumeName"] = bound.DeepClone();
        }

        return true;
    }

    /// <summary>Why a claim that is not there gets a new volume; null where it asks for none, or for one that it can have.</summary>
    /// <param name="claim">Its document, mapped.</param>
    /// <param name="restored">Volumes that are restored with it.</param>
    /// <param name="findLive">Looks into the target.</param>
    /// <param name="cancellationToken">Ends the looking.</param>
    public static async Task<string?> WhyNewAsync(JsonObject claim, IReadOnlySet<string> restored, FindLive findLive, CancellationToken cancellationToken)
    {
        if (claim["spec"]?["volumeName"]?.GetValue<string>() is not { Length: > 0 } name)
        {
            return null;
        }

        if (await findLive(s_volumes, new KubeObjectKey("", "PersistentVolume", "", name), cancellationToken).ConfigureAwait(false) is not { } volume)
        {
            return restored.Contains(name) ? null : $"{name} is not in the target";
        }

        if (volume["spec"]?["claimRef"] is not JsonObject bound)
        {
            return null;
        }

        var key = KubeObjectKey.Of(claim);
        return (bound["namespace"]?.GetValue<string>(), bound["name"]?.GetValue<string>()) != (key.Namespace, key.Name) ? $"{name} belongs to claim {bound["namespace"]}/{bound["name"]}"
            // A claim of this name that is no more: the volume knows that one by its identity, and waits for a person.
            : bound["uid"] is not null ? $"{name} still belongs to the claim that was deleted; remove its claimRef first to have it again"
            : null;
    }
}
