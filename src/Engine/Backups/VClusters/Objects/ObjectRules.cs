using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

/// <summary>Which objects are not captured, and which of the captured ones are never put back, each with the reason.</summary>
public static partial class ObjectRules
{
    private static readonly Dictionary<string, string> s_notCaptured = new(StringComparer.Ordinal)
    {
        ["events"] = "tells what happened, not what is wanted",
        ["events.events.k8s.io"] = "tells what happened, not what is wanted",
        ["leases.coordination.k8s.io"] = "says who leads at this instant",
        ["componentstatuses"] = "is a view of the server's own state",
    };

    private static readonly Dictionary<string, string> s_neverRestored = new(StringComparer.Ordinal)
    {
        ["Node"] = "belongs to the cluster that it is in",
        ["CSINode.storage.k8s.io"] = "belongs to the cluster that it is in",
        ["VolumeAttachment.storage.k8s.io"] = "belongs to the cluster that it is in",
        ["ControllerRevision.apps"] = "is made anew by its controller",
    };

    /// <summary>Why a kind is not captured, or null.</summary>
    /// <param name="resource">As kubectl names it: <c>events</c>, <c>leases.coordination.k8s.io</c>.</param>
    public static string? NotCaptured(string resource) => s_notCaptured.GetValueOrDefault(resource);

    /// <summary>Why a captured object is never put back, or null.</summary>
    /// <param name="value">The cleaned object.</param>
    /// <param name="wasTerminating">True where it was being deleted when it was captured.</param>
    /// <param name="wasFinished">True where it was a Pod or Job that had come to its end.</param>
    public static string? NeverRestored(JsonObject value, bool wasTerminating, bool wasFinished = false)
    {
        var key = KubeObjectKey.Of(value);
        var kind = key.Kind + (key.Group.Length > 0 ? "." + key.Group : "");
        if (wasTerminating)
        {
            return "was being deleted when it was captured";
        }

        if (wasFinished)
        {
            return "had come to its end when it was captured; made anew, it would run again";
        }

        return s_neverRestored.GetValueOrDefault(kind) ?? kind switch
        {
            "PersistentVolume" when value["metadata"]?["labels"]?["vcluster.loft.sh/fake-pv"] is not null => "is made anew by the syncer for its claim",
            "Pod" or "ReplicaSet.apps" or "Job.batch" when HasController(value) => "is made anew by its owner",
            "Pod" when value["metadata"]?["annotations"]?["kubernetes.io/config.mirror"] is not null => "mirrors a file of its node",
            "Service" when key is { Namespace: "default", Name: "kubernetes" } => "is the API server's own",
            "Namespace" when key.Name is "default" or "kube-system" or "kube-public" or "kube-node-lease" => "is in every cluster",
            "ConfigMap" when key.Name == "kube-root-ca.crt" => "is made anew in each namespace",
            "ConfigMap" when key is { Namespace: "kube-system", Name: "extension-apiserver-authentication" } => "is the API server's own",
            "ServiceAccount" when key.Name == "default" && IsBare(value) => "is made anew in each namespace",
            "Secret" when IsTokenOfController(value, key.Name) => "is made anew for its service account",
            // One that says "false" was edited by a person, and is left to them; people make others besides.
            "FlowSchema.flowcontrol.apiserver.k8s.io" or "PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io" when value["metadata"]?["annotations"]?["apf.kubernetes.io/autoupdate-spec"]?.GetValue<string>() == "true" => "is the API server's own",
            "APIService.apiregistration.k8s.io" when value["metadata"]?["labels"]?["kube-aggregator.kubernetes.io/automanaged"] is not null => "is the API server's own",
            _ when value["metadata"]?["labels"]?["kubernetes.io/bootstrapping"] is not null => "is made by every API server",
            _ => null,
        };
    }

    /// <summary>Whether an object as its server has it is a Pod or Job that has come to its end.</summary>
    public static bool IsFinished(JsonObject value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return KubeObjectKey.Of(value) switch
        {
            { Kind: "Pod", Group: "" } => value["status"]?["phase"]?.GetValue<string>() is "Succeeded" or "Failed",
            { Kind: "Job", Group: "batch" } => (value["status"]?["conditions"] as JsonArray ?? []).OfType<JsonObject>()
                .Any(one => one["type"]?.GetValue<string>() is "Complete" or "Failed" && one["status"]?.GetValue<string>() == "True"),
            _ => false,
        };
    }

    /// <summary>
    /// Whether Endpoints or a slice of them are a person's own. Those of a Service with a selector, and slices that a controller manages,
    /// are made anew from Pods.
    /// </summary>
    /// <param name="value">The object as its server has it.</param>
    /// <param name="selecting">Services with a selector, by namespace and name.</param>
    public static bool IsOwnEndpoints(JsonObject value, IReadOnlySet<(string Namespace, string Name)> selecting)
    {
        ArgumentNullException.ThrowIfNull(value);
        ArgumentNullException.ThrowIfNull(selecting);
        var key = KubeObjectKey.Of(value);
        var (labels, annotations) = (value["metadata"]?["labels"], value["metadata"]?["annotations"]);
        return key is not { Namespace: "default", Name: "kubernetes" }
            && (key.Kind == "EndpointSlice"
                ? labels?["endpointslice.kubernetes.io/managed-by"]?.GetValue<string>().EndsWith("controller.k8s.io", StringComparison.Ordinal) != true
                : !selecting.Contains((key.Namespace, key.Name)) && annotations?["endpoints.kubernetes.io/last-change-trigger-time"] is null
                    && annotations?["control-plane.alpha.kubernetes.io/leader"] is null);
    }

    /// <summary>True for an object that belongs to a controller.</summary>
    internal static bool HasController(JsonObject value) =>
        (value["metadata"]?["ownerReferences"] as JsonArray ?? []).Any(owner => owner?["controller"]?.GetValue<bool>() == true);

    private static bool IsBare(JsonObject value) => value.All(member => member.Key is "apiVersion" or "kind" or "metadata")
        && value["metadata"] is JsonObject metadata && metadata.All(member => member.Key is "name" or "namespace");

    private static bool IsTokenOfController(JsonObject value, string name) =>
        value["type"]?.GetValue<string>() == "kubernetes.io/service-account-token"
        && value["metadata"]?["annotations"]?["kubernetes.io/service-account.name"]?.GetValue<string>() is { } account
        && name.StartsWith(account + "-token-", StringComparison.Ordinal) && TokenEnd().IsMatch(name);

    [GeneratedRegex("-token-[a-z0-9]{5}$")]
    private static partial Regex TokenEnd();
}
