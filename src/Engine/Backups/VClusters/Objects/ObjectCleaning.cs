using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

/// <summary>
/// Takes from an object what a server gave it and another server would give anew: identity, times, status, addresses that
/// were assigned. What a person or a controller asked for stays, finalizers and owners among it. Cleaning twice is cleaning once.
/// </summary>
public static class ObjectCleaning
{
    private static readonly string[] s_containerKeys = ["containers", "initContainers", "ephemeralContainers"];
    private const string LastApplied = "kubectl.kubernetes.io/last-applied-configuration";
    private static readonly string[] s_metadata =
    [
        "generateName", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields",
    ];

    private static readonly string[] s_claimAnnotations =
    [
        "pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller", "volume.beta.kubernetes.io/storage-provisioner",
        "volume.kubernetes.io/storage-provisioner", "volume.kubernetes.io/selected-node",
    ];

    private static readonly string[] s_scalerAnnotations =
    [
        "autoscaling.alpha.kubernetes.io/conditions", "autoscaling.alpha.kubernetes.io/current-metrics",
    ];

    private static readonly string[] s_jobLabels = ["controller-uid", "batch.kubernetes.io/controller-uid"];

    /// <summary>Cleans an object in place and returns it.</summary>
    public static JsonObject Clean(JsonObject value)
    {
        ArgumentNullException.ThrowIfNull(value);
        CleanKind(value);
        value.Remove("status");
        if (value["metadata"] is JsonObject metadata)
        {
            foreach (var key in s_metadata)
            {
                metadata.Remove(key);
            }

            RemoveIfEmpty(metadata, "annotations");
            RemoveIfEmpty(metadata, "labels");
        }

        return value;
    }

    private static void CleanKind(JsonObject value)
    {
        switch (value["kind"]?.GetValue<string>())
        {
            case "Service":
                CleanService(value);
                break;
            case "PersistentVolumeClaim":
                RemoveAnnotations(value, s_claimAnnotations);
                break;
            case "PersistentVolume":
                (value["spec"]?["claimRef"] as JsonObject)?.Remove("uid");
                (value["spec"]?["claimRef"] as JsonObject)?.Remove("resourceVersion");
                RemoveAnnotations(value, s_claimAnnotations);
                break;
            case "Job":
                CleanJob(value);
                break;
            case "Pod":
                CleanPod(value);
                break;
            case "Secret" when value["type"]?.GetValue<string>() == "kubernetes.io/service-account-token":
                (value["data"] as JsonObject)?.Remove("token");
                (value["data"] as JsonObject)?.Remove("ca.crt");
                (value["data"] as JsonObject)?.Remove("namespace");
                RemoveIfEmpty(value, "data");
                RemoveAnnotations(value, ["kubernetes.io/service-account.uid"]);
                break;
            case "ServiceAccount":
                CleanServiceAccount(value);
                break;
            case "HorizontalPodAutoscaler":
                RemoveAnnotations(value, s_scalerAnnotations);
                break;
        }
    }

    private static void CleanService(JsonObject value)
    {
        if (value["spec"] is not JsonObject spec)
        {
            return;
        }

        if (spec["clusterIP"]?.GetValue<string>() != "None")
        {
            spec.Remove("clusterIP");
            spec.Remove("clusterIPs");
        }

        foreach (var port in (spec["ports"] as JsonArray ?? []).OfType<JsonObject>().Where(port => port["nodePort"] is not null && !IsAsked(value, port)).ToList())
        {
            port.Remove("nodePort");
        }

        if (spec["healthCheckNodePort"] is not null && !Asks(value, "f:healthCheckNodePort"))
        {
            spec.Remove("healthCheckNodePort");
        }
    }

    /// <summary>A port that somebody asked for stays; one that the server chose would be chosen again.</summary>
    private static bool IsAsked(JsonObject service, JsonObject port)
    {
        if (service["metadata"]?["annotations"]?[LastApplied]?.GetValue<string>() is { } applied)
        {
            try
            {
                return (JsonNode.Parse(applied)?["spec"]?["ports"] as JsonArray ?? []).OfType<JsonObject>()
                    .Any(asked => asked["nodePort"]?.ToJsonString() == port["nodePort"]!.ToJsonString());
            }
            catch (JsonException)
            {
                // Somebody wrote over the annotation: the fields' owners still know.
            }
        }

        var number = port["port"]!.ToJsonString();
        return FieldsOf(service).Any(fields => (fields["f:spec"]?["f:ports"] as JsonObject ?? []).Any(entry =>
            entry.Key.Contains($"\"port\":{number},", StringComparison.Ordinal) && (entry.Value as JsonObject)?.ContainsKey("f:nodePort") == true))
            // Cleaned before: what was kept then was asked for.
            || service["metadata"]?["managedFields"] is null;
    }

    private static bool Asks(JsonObject value, string field) =>
        value["metadata"]?["managedFields"] is null || FieldsOf(value).Any(fields => (fields["f:spec"] as JsonObject)?.ContainsKey(field) == true);

    private static IEnumerable<JsonObject> FieldsOf(JsonObject value) =>
        (value["metadata"]?["managedFields"] as JsonArray ?? []).OfType<JsonObject>().Select(entry => entry["fieldsV1"]).OfType<JsonObject>();

    private static void CleanJob(JsonObject value)
    {
        if (value["spec"] is not JsonObject spec || spec["manualSelector"]?.GetValue<bool>() == true)
        {
            return;
        }

        foreach (var labels in new[] { spec["selector"]?["matchLabels"] as JsonObject, spec["template"]?["metadata"]?["labels"] as JsonObject, value["metadata"]?["labels"] as JsonObject })
        {
            foreach (var label in s_jobLabels)
            {
                labels?.Remove(label);
            }
        }

        if (spec["selector"] is JsonObject selector)
        {
            RemoveIfEmpty(selector, "matchLabels");
            RemoveIfEmpty(spec, "selector");
        }
    }

    private static void CleanPod(JsonObject value)
    {
        if (value["spec"] is not JsonObject spec)
        {
            return;
        }

        spec.Remove("nodeName");
        spec.Remove("priority");
        var account = spec["serviceAccountName"]?.GetValue<string>() ?? "default";
        bool IsToken(JsonNode? entry) => entry?["name"]?.GetValue<string>() is { } name
            && (name.StartsWith($"{account}-token-", StringComparison.Ordinal) || name.StartsWith("kube-api-access-", StringComparison.Ordinal));
        RemoveWhere(spec, "volumes", IsToken);
        foreach (var container in s_containerKeys.SelectMany(key => (spec[key] as JsonArray ?? []).OfType<JsonObject>()))
        {
            RemoveWhere(container, "volumeMounts", IsToken);
        }
    }

    private static void CleanServiceAccount(JsonObject value)
    {
        var name = value["metadata"]?["name"]?.GetValue<string>();
        RemoveWhere(value, "secrets", entry => entry?["name"]?.GetValue<string>().StartsWith($"{name}-token-", StringComparison.Ordinal) == true);
    }

    private static void RemoveWhere(JsonObject value, string key, Func<JsonNode?, bool> isGone)
    {
        if (value[key] is JsonArray list)
        {
            foreach (var item in list.Where(isGone).ToList())
            {
                list.Remove(item);
            }

            RemoveIfEmpty(value, key);
        }
    }

    private static void RemoveAnnotations(JsonObject value, string[] names)
    {
        foreach (var name in names)
        {
            (value["metadata"]?["annotations"] as JsonObject)?.Remove(name);
        }
    }

    private static void RemoveIfEmpty(JsonObject value, string key)
    {
        if (value[key] is JsonObject { Count: 0 } or JsonArray { Count: 0 })
        {
            value.Remove(key);
        }
    }
}
