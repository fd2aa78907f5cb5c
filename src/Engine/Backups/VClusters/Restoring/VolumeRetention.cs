using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>
/// Keeps the data of volumes on the host whose claims an older store does not know. The former policy is noted on the volume
/// itself, in the same patch, so that whoever takes the restore back can put it back.
/// </summary>
internal static class VolumeRetention
{
    /// <summary>On a volume: the reclaim policy that it had.</summary>
    public const string FormerAnnotation = "drconsole.hexabase.io/former-reclaim-policy";

    /// <summary>On a volume: the operation that retained it.</summary>
    public const string OperationAnnotation = "drconsole.hexabase.io/retained-for";

    private const string Retain = "Retain";

    /// <summary>The claims on the host that the syncer made.</summary>
    public static Task<List<JsonObject>> ClaimsAsync(VClusterAccess access, CancellationToken cancellationToken) => KubeListing.AllAsync(
        access.Host, new KubeResource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true), "labelSelector=" + Uri.EscapeDataString("vcluster.loft.sh/managed-by=" + access.Name),
        access.Namespace, cancellationToken);

    /// <summary>Makes a claim's volume outlive it.</summary>
    public static async Task RetainAsync(VClusterAccess access, EndangeredClaim claim, string operation, CancellationToken cancellationToken)
    {
        var answer = await PatchAsync(access, claim.Volume, Retain, claim.ReclaimPolicy, operation, cancellationToken).ConfigureAwait(false);
        if (!answer.IsSuccess)
        {
            throw answer.ToFault($"protecting the data of claim {claim.Claim}");
        }
    }

    /// <summary>
    /// Gives the volumes of an operation the policy that they had. One whose claim is gone by now stays retained: with the former
    /// policy the host would delete at once what was to be kept.
    /// </summary>
    public static async Task PutBackAsync(VClusterAccess access, string operation, CancellationToken cancellationToken)
    {
        foreach (var claim in await ClaimsAsync(access, cancellationToken).ConfigureAwait(false))
        {
            if (claim["metadata"]?["deletionTimestamp"] is not null || claim["spec"]?["volumeName"]?.GetValue<string>() is not { Length: > 0 } volume)
            {
                continue;
            }

            var found = await access.Host.FindAsync("/api/v1/persistentvolumes/" + volume, cancellationToken).ConfigureAwait(false);
            var annotations = found?["metadata"]?["annotations"];
            if (annotations?[OperationAnnotation]?.GetValue<string>() != operation || found!["status"]?["phase"]?.GetValue<string>() is "Released" or "Failed")
            {
                continue;
            }

            var answer = await PatchAsync(access, volume, annotations[FormerAnnotation]!.GetValue<string>(), null, null, cancellationToken).ConfigureAwait(false);
            if (!answer.IsSuccess)
            {
                throw answer.ToFault($"giving volume {volume} its former reclaim policy");
            }
        }
    }

    private static Task<KubeAnswer> PatchAsync(VClusterAccess access, string volume, string policy, string? former, string? operation, CancellationToken cancellationToken) =>
        access.Host.PatchAsync(
            "/api/v1/persistentvolumes/" + volume,
            new JsonObject
            {
                ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [FormerAnnotation] = former, [OperationAnnotation] = operation } },
                ["spec"] = new JsonObject { ["persistentVolumeReclaimPolicy"] = policy },
            },
            cancellationToken);
}
