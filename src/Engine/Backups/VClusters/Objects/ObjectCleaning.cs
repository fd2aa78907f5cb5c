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

    /// <summary>Of a Service's ports by <see cref="PortsOf"/>: the one that asks for its health.</summary>
    internal const string HealthPort = "healthCheckNodePort";

    /// <summary>Says who leads at this instant, in kinds that older controllers elect by.</summary>
    private const string Leader = "control-plane.alpha.kubernetes.io/leader";

    /// <summary>Labels of a Job's Pods that hold its identity.</summary>
    internal static readonly string[] JobLabels = ["controller-uid", "batch.kubernetes.io/controller-uid"];

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

            (metadata["annotations"] as JsonObject)?.Remove(Leader);
            RemoveIfEmpty(metadata, "annotations");
            RemoveIfEmpty(metadata, "labels");
        }

        return value;
    }

    /// <summary>The node ports of a Service as its server has it that nobody asked for, by <c>port/protocol</c>; null where there are none.</summary>
    internal static IReadOnlyDictionary<string, int>? AssignedPorts(JsonObject service)
    {
        if (service["spec"] is not JsonObject || KubeObjectKey.Of(service) is not { Kind: "Service", Group: "" })
        {
            return null;
        }

        var all = PortsOf(service);
        var asked = PortsOf(Cleaned(service));
        var assigned = all.Where(port => !asked.ContainsKey(port.Key)).ToDictionary();
        return assigned.Count > 0 ? assigned : null;

        static JsonObject Cleaned(JsonObject value)
        {
            var copy = value.DeepClone().AsObject();
            CleanService(copy);
            return copy;
        }
    }

    /// <summary>All node ports of a Service.</summary>
    internal static Dictionary<string, int> PortsOf(JsonObject service)
    {
        var found = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var port in (service["spec"]?["ports"] as JsonArray ?? []).OfType<JsonObject>())
        {
            if (port["nodePort"]?.GetValue<int>() is { } number and > 0)
            {
                found[PortName(port)] = number;
            }
        }

        if (service["spec"]?[HealthPort]?.GetValue<int>() is { } health and > 0)
        {
            found[HealthPort] = health;
        }

        return found;
    }

    /// <summary>What tells a port of a Service from the others.</summary>
    internal static string PortName(JsonObject port) => $"{port["port"]}/{port["protocol"]?.ToString() ?? "TCP"}";

    /// <summary>Whether an account's list names a token that a controller made for it.</summary>
    internal static bool IsTokenOf(string account, JsonNode? entry) => entry?["name"]?.GetValue<string>().StartsWith($"{account}-token-", StringComparison.Ordinal) == true;

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
            foreach (var label in JobLabels)
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
        RemoveWhere(value, "secrets", entry => IsTokenOf(name ?? "", entry));
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
