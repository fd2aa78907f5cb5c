using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

/// <summary>Which objects are not captured, and which of the captured ones are never put back, each with the reason.</summary>
public static partial class ObjectRules
{
    private static readonly Dictionary<string, string> s_notCaptured = new(StringComparer.Ordinal)
    {
        ["events"] = "tells what happened, not what is wanted",
        ["events.events.k8s.io"] = "tells what happened, not what is wanted",
        ["leases.coordination.k8s.io"] = "says who leads at this instant",
        ["endpoints"] = "is made anew from Services and Pods",
        ["endpointslices.discovery.k8s.io"] = "is made anew from Services and Pods",
        ["componentstatuses"] = "is a view of the server's own state",
    };

    private static readonly Dictionary<string, string> s_neverRestored = new(StringComparer.Ordinal)
    {
        ["Node"] = "belongs to the cluster that it is in",
        ["CSINode.storage.k8s.io"] = "belongs to the cluster that it is in",
        ["VolumeAttachment.storage.k8s.io"] = "belongs to the cluster that it is in",
        ["ControllerRevision.apps"] = "is made anew by its controller",
        ["FlowSchema.flowcontrol.apiserver.k8s.io"] = "is the API server's own",
        ["PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io"] = "is the API server's own",
    };

    /// <summary>Why a kind is not captured, or null.</summary>
    public static string? NotCaptured(KubeResource resource)
    {
        ArgumentNullException.ThrowIfNull(resource);
        return s_notCaptured.GetValueOrDefault(resource.Name);
    }

    /// <summary>Why a captured object is never put back, or null.</summary>
    /// <param name="value">The cleaned object.</param>
    /// <param name="wasTerminating">True where it was being deleted when it was captured.</param>
    public static string? NeverRestored(JsonObject value, bool wasTerminating)
    {
        var key = KubeObjectKey.Of(value);
        var kind = key.Kind + (key.Group.Length > 0 ? "." + key.Group : "");
        if (wasTerminating)
        {
            return "was being deleted when it was captured";
        }

        return s_neverRestored.GetValueOrDefault(kind) ?? kind switch
        {
            "Pod" or "ReplicaSet.apps" or "Job.batch" when HasController(value) => "is made anew by its owner",
            "Pod" when value["metadata"]?["annotations"]?["kubernetes.io/config.mirror"] is not null => "mirrors a file of its node",
            "Service" when key is { Namespace: "default", Name: "kubernetes" } => "is the API server's own",
            "Namespace" when key.Name is "default" or "kube-system" or "kube-public" or "kube-node-lease" => "is in every cluster",
            "ConfigMap" when key.Name == "kube-root-ca.crt" => "is made anew in each namespace",
            "ConfigMap" when key is { Namespace: "kube-system", Name: "extension-apiserver-authentication" } => "is the API server's own",
            "ServiceAccount" when key.Name == "default" && IsBare(value) => "is made anew in each namespace",
            "Secret" when IsTokenOfController(value, key.Name) => "is made anew for its service account",
            "APIService.apiregistration.k8s.io" when value["metadata"]?["labels"]?["kube-aggregator.kubernetes.io/automanaged"] is not null => "is the API server's own",
            _ when value["metadata"]?["labels"]?["kubernetes.io/bootstrapping"] is not null => "is made by every API server",
            _ => null,
        };
    }

    private static bool HasController(JsonObject value) =>
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
