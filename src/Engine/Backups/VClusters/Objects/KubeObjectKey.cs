using System.Text.Json.Nodes;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

/// <summary>What tells an object from all others of its cluster, whatever version it is spoken of in.</summary>
/// <param name="Group">API group; empty for the core.</param>
/// <param name="Kind">For example <c>Deployment</c>.</param>
/// <param name="Namespace">Empty for objects of the whole cluster.</param>
/// <param name="Name">Its name.</param>
public readonly record struct KubeObjectKey(string Group, string Kind, string Namespace, string Name)
{
    /// <summary>The key of an object with apiVersion, kind and metadata.</summary>
    public static KubeObjectKey Of(JsonObject value)
    {
        ArgumentNullException.ThrowIfNull(value);
        var metadata = value["metadata"];
        return new KubeObjectKey(
            GroupOf(value["apiVersion"]?.GetValue<string>() ?? ""), value["kind"]?.GetValue<string>() ?? "",
            metadata?["namespace"]?.GetValue<string>() ?? "", metadata?["name"]?.GetValue<string>() ?? "");
    }

    /// <summary>The group in <c>apps/v1</c>.</summary>
    public static string GroupOf(string apiVersion) => apiVersion.Contains('/', StringComparison.Ordinal) ? apiVersion[..apiVersion.IndexOf('/', StringComparison.Ordinal)] : "";

    /// <summary>For people and messages: <c>Deployment.apps shop/web</c>.</summary>
    public override string ToString() => $"{Kind}{(Group.Length > 0 ? "." + Group : "")} {(Namespace.Length > 0 ? Namespace + "/" : "")}{Name}";
}
