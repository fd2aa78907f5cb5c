using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Dashboard.Pages.Clusters;

/// <summary>Where the pages of a virtual cluster's restore point are, and how they name an object in their address.</summary>
internal static class ClusterAddress
{
    private const char Separator = '|';

    public static string Objects(string point) => $"/restore-points/{point}/objects";

    public static string Volume(string point, string artifact) => $"/restore-points/{point}/volumes/{Uri.EscapeDataString(artifact)}";

    public static string Difference(string point) => $"/restore-points/{point}/difference";

    public static string Restore(string point) => $"/restore-points/{point}/objects/restore";

    /// <summary>The page that restores one object, with its filters filled in.</summary>
    public static string Restore(string point, KubeObjectKey one)
    {
        var options = new List<string>();
        if (one.Namespace.Length > 0)
        {
            options.Add("namespaces=" + Uri.EscapeDataString(one.Namespace));
        }

        options.Add("kinds=" + Uri.EscapeDataString(KindOf(one)));
        options.Add("names=" + Uri.EscapeDataString(one.Name));
        return $"{Restore(point)}?{string.Join('&', options)}";
    }

    /// <summary>As filters name a kind: <c>Deployment.apps</c>.</summary>
    public static string KindOf(KubeObjectKey one) => one.Group.Length > 0 ? $"{one.Kind}.{one.Group}" : one.Kind;

    /// <summary>An object in a query; no part of a key can hold the separator.</summary>
    public static string Of(KubeObjectKey one) => string.Join(Separator, one.Group, one.Kind, one.Namespace, one.Name);

    /// <summary>The object that a query names, or null.</summary>
    public static KubeObjectKey? Read(string? text) =>
        text?.Split(Separator) is [var group, var kind, var ns, var name] ? new KubeObjectKey(group, kind, ns, name) : null;
}
