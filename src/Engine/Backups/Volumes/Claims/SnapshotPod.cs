using System.Text.Json.Nodes;

namespace Hexabase.DrConsole.Engine.Backups.Volumes.Claims;

/// <summary>The Pod that has the copy of a snapshot mounted on a node: without rights, privileges, token or work, so that any namespace takes it.</summary>
internal static class SnapshotPod
{
    private const string VolumeName = "copy";
    private const int Nobody = 65535;

    /// <summary>Its spec.</summary>
    /// <param name="claim">The claim that it mounts.</param>
    /// <param name="node">The node. By its name, and left to the scheduler: for one that is put there without it, no volume is made that waits for a Pod.</param>
    /// <param name="image">What it runs.</param>
    public static JsonObject Spec(string claim, string node, string image) => new()
    {
        ["restartPolicy"] = "Never",
        ["automountServiceAccountToken"] = false,
        ["enableServiceLinks"] = false,
        ["terminationGracePeriodSeconds"] = 1,
        // No fsGroup: with one, the kubelet would change the owners of all files of the copy.
        ["securityContext"] = new JsonObject { ["runAsNonRoot"] = true, ["runAsUser"] = Nobody, ["runAsGroup"] = Nobody, ["seccompProfile"] = new JsonObject { ["type"] = "RuntimeDefault" } },
        ["tolerations"] = new JsonArray(new JsonObject { ["operator"] = "Exists" }),
        ["affinity"] = new JsonObject
        {
            ["nodeAffinity"] = new JsonObject
            {
                ["requiredDuringSchedulingIgnoredDuringExecution"] = new JsonObject
                {
                    ["nodeSelectorTerms"] = new JsonArray(new JsonObject
                    {
                        ["matchFields"] = new JsonArray(new JsonObject { ["key"] = "metadata.name", ["operator"] = "In", ["values"] = new JsonArray(node) }),
                    }),
                },
            },
        },
        ["containers"] = new JsonArray(new JsonObject
        {
            ["name"] = "hold",
            ["image"] = image,
            ["resources"] = new JsonObject
            {
                ["requests"] = new JsonObject { ["cpu"] = "1m", ["memory"] = "8Mi" },
                ["limits"] = new JsonObject { ["cpu"] = "50m", ["memory"] = "32Mi" },
            },
            ["securityContext"] = new JsonObject
            {
                ["allowPrivilegeEscalation"] = false,
                ["readOnlyRootFilesystem"] = true,
                ["capabilities"] = new JsonObject { ["drop"] = new JsonArray("ALL") },
            },
            ["volumeMounts"] = new JsonArray(new JsonObject { ["name"] = VolumeName, ["mountPath"] = "/copy", ["readOnly"] = true }),
        }),
        ["volumes"] = new JsonArray(new JsonObject { ["name"] = VolumeName, ["persistentVolumeClaim"] = new JsonObject { ["claimName"] = claim } }),
    };
}
