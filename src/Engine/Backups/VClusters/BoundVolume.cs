using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.Volumes;

namespace Hexabase.DrConsole.Engine.Backups.VClusters;

/// <summary>The PersistentVolume that a claim is bound to, as its API server says.</summary>
/// <param name="Name">Its name; empty where the claim is bound to none.</param>
/// <param name="Spec">Null where there is none to be read, for the reason that <paramref name="Problem"/> says.</param>
/// <param name="Problem">As the end of a sentence about the claim; empty where all is well.</param>
internal sealed record BoundVolume(string Name, JsonObject? Spec, string Problem)
{
    /// <summary>The directory of a node that it is; null where something else provides it.</summary>
    public string? Directory => Spec?["hostPath"]?["path"]?.GetValue<string>() ?? Spec?["local"]?["path"]?.GetValue<string>();

    /// <summary>What provides it where it is no directory, for messages.</summary>
    public string Driver => Spec?["csi"]?["driver"]?.GetValue<string>() ?? "another driver";

    /// <summary>What provides it, for messages.</summary>
    public string Provider => Directory is null ? Driver : $"{Directory} of a node";

    /// <summary>The names of the nodes that alone have it; empty where it does not say.</summary>
    public IReadOnlyList<string> Nodes =>
    [
        .. from term in (Spec?["nodeAffinity"]?["required"]?["nodeSelectorTerms"] as JsonArray ?? []).OfType<JsonObject>()
           from expression in (term["matchExpressions"] as JsonArray ?? []).OfType<JsonObject>()
           where expression["key"]?.GetValue<string>() == "kubernetes.io/hostname" && expression["operator"]?.GetValue<string>() == "In"
           from value in expression["values"] as JsonArray ?? []
           select value.GetValue<string>(),
    ];

    /// <summary>The name of the volume that a claim says it is bound to.</summary>
    public static string? NameIn(JsonObject claim) => claim["spec"]?["volumeName"]?.GetValue<string>() is { Length: > 0 } name ? name : null;

    /// <summary>Asks for it.</summary>
    /// <exception cref="EngineException"><c>api-forbidden</c>, <c>api-unreachable</c>.</exception>
    public static async Task<BoundVolume> FindAsync(KubeApi api, JsonObject claim, CancellationToken cancellationToken)
    {
        if (NameIn(claim) is not { } name)
        {
            return new BoundVolume("", null, "it is bound to no volume");
        }

        var found = await api.FindAsync("/api/v1/persistentvolumes/" + Uri.EscapeDataString(name), cancellationToken).ConfigureAwait(false);
        return found?["spec"] is JsonObject spec ? new BoundVolume(name, spec, "") : new BoundVolume(name, null, $"its volume {name} is missing");
    }

    /// <summary>Its directory as this machine sees it, where that lies below another and can be read; else the reason.</summary>
    /// <param name="root">Nothing outside of it is read, whatever the volume says of its path, which may be somebody else's text.</param>
    public (string? Path, string Problem) Look(string root)
    {
        var path = Directory!;
        try
        {
            var (real, below) = (VolumePlace.RealPath(path), VolumePlace.RealPath(root));
            if (!real.StartsWith(below.TrimEnd('/') + '/', StringComparison.Ordinal))
            {
                return (null, $"{path} of volume {Name} is not below {root}");
            }

            if (!System.IO.Directory.Exists(real))
            {
                return (null, $"there is no directory {path} of volume {Name} here");
            }

            // What it refuses, it refuses here.
            _ = System.IO.Directory.EnumerateFileSystemEntries(real).FirstOrDefault();
            return (real, "");
        }
        catch (Exception fault) when (fault is UnauthorizedAccessException or IOException)
        {
            return (null, $"{path} of volume {Name} cannot be read: {fault.Message}");
        }
    }
}
