using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>Which objects of a restore point are put back, and where to.</summary>
public sealed record RestoreSelection
{
    /// <summary>Only these namespaces, with the Namespace objects; empty for all.</summary>
    public IReadOnlyList<string> Namespaces { get; init; } = [];

    /// <summary>Only these kinds, as <c>Kind</c> or <c>Kind.group</c>; empty for all.</summary>
    public IReadOnlyList<string> Kinds { get; init; } = [];

    /// <summary>Only objects of these names; empty for all.</summary>
    public IReadOnlyList<string> Names { get; init; } = [];

    /// <summary>Namespaces that get another name in the target.</summary>
    public IReadOnlyDictionary<string, string> NamespaceMap { get; init; } = new Dictionary<string, string>();

    /// <summary>True to change objects that are there and differ; false to leave them alone.</summary>
    public bool ChangesExisting { get; init; }

    /// <summary>True where no filter was given: objects of the whole cluster belong to it then.</summary>
    public bool IsWholeCluster => Namespaces.Count == 0 && Kinds.Count == 0 && Names.Count == 0;

    /// <summary>Whether an object is asked for.</summary>
    public bool Takes(CapturedObject one)
    {
        ArgumentNullException.ThrowIfNull(one);
        var key = one.Key;
        var kind = key.Kind + (key.Group.Length > 0 ? "." + key.Group : "");
        return (Kinds.Count == 0 || Kinds.Contains(kind, StringComparer.OrdinalIgnoreCase) || Kinds.Contains(key.Kind, StringComparer.OrdinalIgnoreCase))
            && (Names.Count == 0 || Names.Contains(key.Name))
            && (Namespaces.Count == 0 || Namespaces.Contains(key.Namespace) || (key is { Kind: "Namespace", Group: "" } && Namespaces.Contains(key.Name)));
    }

    /// <summary>Where an object goes.</summary>
    public KubeObjectKey TargetOf(KubeObjectKey key) => key switch
    {
        { Kind: "Namespace", Group: "" } => key with { Name = NamespaceMap.GetValueOrDefault(key.Name, key.Name) },
        _ => key with { Namespace = NamespaceMap.GetValueOrDefault(key.Namespace, key.Namespace) },
    };
}
