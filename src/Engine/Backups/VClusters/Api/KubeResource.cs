namespace Hexabase.DrConsole.Engine.Backups.VClusters.Api;

/// <summary>A kind of object as an API server offers it.</summary>
/// <param name="Group">API group; empty for the core.</param>
/// <param name="Version">The version that it was asked for in.</param>
/// <param name="Plural">Its name in paths, such as <c>configmaps</c>.</param>
/// <param name="Kind">Its name in objects, such as <c>ConfigMap</c>.</param>
/// <param name="IsNamespaced">False for objects of the whole cluster.</param>
public sealed record KubeResource(string Group, string Version, string Plural, string Kind, bool IsNamespaced)
{
    /// <summary>Group and version as objects name them.</summary>
    public string ApiVersion => Group.Length == 0 ? Version : $"{Group}/{Version}";

    /// <summary>Plural and group, as <c>kubectl</c> names it: <c>ingresses.networking.k8s.io</c>.</summary>
    public string Name => Group.Length == 0 ? Plural : $"{Plural}.{Group}";

    /// <summary>The path of all of them, of one namespace's, or of one.</summary>
    public string PathOf(string? ns, string? name = null)
    {
        var root = Group.Length == 0 ? $"/api/{Version}" : $"/apis/{Group}/{Version}";
        var place = IsNamespaced && !string.IsNullOrEmpty(ns) ? $"/namespaces/{Uri.EscapeDataString(ns)}" : "";
        return $"{root}{place}/{Plural}{(name is null ? "" : "/" + Uri.EscapeDataString(name))}";
    }
}

/// <summary>What an API server offers, and what of it could not be asked.</summary>
/// <param name="KubernetesVersion">As <c>/version</c> says: <c>v1.20.2</c>.</param>
/// <param name="Resources">Every kind that can be listed, in its preferred version, by name.</param>
/// <param name="Problems">API groups that did not answer, each with the reason.</param>
public sealed record KubeCatalogue(string KubernetesVersion, IReadOnlyList<KubeResource> Resources, IReadOnlyDictionary<string, string> Problems)
{
    /// <summary>Every kind in every version that is served.</summary>
    public required IReadOnlyList<KubeResource> Served { get; init; }

    /// <summary>The resource for an object's version where it is served, else for the version that the server prefers.</summary>
    public KubeResource? Serving(string apiVersion, string kind) =>
        Served.FirstOrDefault(resource => resource.ApiVersion == apiVersion && resource.Kind == kind) ?? Find(Objects.KubeObjectKey.GroupOf(apiVersion), kind);

    /// <summary>The resource that serves a kind, in whatever version the server prefers.</summary>
    public KubeResource? Find(string group, string kind) => Resources.FirstOrDefault(resource => resource.Group == group && resource.Kind == kind);
}
