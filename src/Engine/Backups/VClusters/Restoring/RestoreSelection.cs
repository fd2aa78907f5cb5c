using System.IO.Enumeration;
using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Objects;

namespace Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;

/// <summary>Which objects of a restore point are put back, and where to. In namespaces and names <c>*</c> stands for anything.</summary>
public sealed record RestoreSelection
{
    private readonly LabelSelector? _labels;

    /// <summary>Only these namespaces, with the Namespace objects; empty for all.</summary>
    public IReadOnlyList<string> Namespaces { get; init; } = [];

    /// <summary>None of these namespaces.</summary>
    public IReadOnlyList<string> ExcludedNamespaces { get; init; } = [];

    /// <summary>Only these kinds, as <c>Kind</c> or <c>Kind.group</c>; empty for all.</summary>
    public IReadOnlyList<string> Kinds { get; init; } = [];

    /// <summary>None of these kinds.</summary>
    public IReadOnlyList<string> ExcludedKinds { get; init; } = [];

    /// <summary>Only objects of these names; empty for all.</summary>
    public IReadOnlyList<string> Names { get; init; } = [];

    /// <summary>Only objects with such labels, as <see cref="LabelSelector"/> reads it; null for all.</summary>
    public string? Labels
    {
        get;
        init
        {
            field = value;
            _labels = value is null ? null : LabelSelector.Parse(value, out _);
        }
    }

    /// <summary>Whether objects of the whole cluster are among them. Null: where no namespace is named, and what chosen namespaces cannot do without.</summary>
    public bool? ClusterScoped { get; init; }

    /// <summary>True to ask for the node ports that the server had chosen; false to let the target's choose.</summary>
    public bool KeepsNodePorts { get; init; }

    /// <summary>Namespaces that get another name in the target.</summary>
    public IReadOnlyDictionary<string, string> NamespaceMap { get; init; } = new Dictionary<string, string>();

    /// <summary>True to change objects that are there and differ; false to leave them alone.</summary>
    public bool ChangesExisting { get; init; }

    /// <summary>True where no filter was given: objects of the whole cluster belong to it then.</summary>
    public bool IsWholeCluster => TakesWholeNamespaces && Namespaces.Count == 0 && ExcludedNamespaces.Count == 0 && ExcludedKinds.Count == 0 && ClusterScoped is null;

    /// <summary>True where the chosen namespaces are taken with everything in them.</summary>
    public bool TakesWholeNamespaces => Kinds.Count == 0 && Names.Count == 0 && Labels is null;

    /// <summary>Whether an object is asked for, as far as its key says it.</summary>
    public bool Takes(CapturedObject one)
    {
        ArgumentNullException.ThrowIfNull(one);
        var key = one.Key;
        var place = PlaceOf(key);
        return (Kinds.Count == 0 || IsAmong(Kinds, key)) && !IsAmong(ExcludedKinds, key) && (Names.Count == 0 || IsLike(Names, key.Name))
            && (place.Length > 0
                ? (Namespaces.Count == 0 || IsLike(Namespaces, place)) && !IsLike(ExcludedNamespaces, place)
                : ClusterScoped ?? (Namespaces.Count == 0 && ExcludedNamespaces.Count == 0));
    }

    /// <summary>Whether a document that <see cref="Takes"/> takes has the labels that are asked for.</summary>
    public bool TakesLabels(JsonObject document) => Labels is null || _labels?.Takes(document) == true;

    /// <summary>Whether a kind was ruled out, so that it does not come along either.</summary>
    public bool Excludes(CapturedObject one) => IsAmong(ExcludedKinds, (one ?? throw new ArgumentNullException(nameof(one))).Key);

    /// <summary>Where an object goes.</summary>
    public KubeObjectKey TargetOf(KubeObjectKey key) => key switch
    {
        { Kind: "Namespace", Group: "" } => key with { Name = NamespaceMap.GetValueOrDefault(key.Name, key.Name) },
        _ => key with { Namespace = NamespaceMap.GetValueOrDefault(key.Namespace, key.Namespace) },
    };

    /// <summary>A Namespace belongs to itself.</summary>
    internal static string PlaceOf(KubeObjectKey key) => key is { Kind: "Namespace", Group: "" } ? key.Name : key.Namespace;

    private static bool IsAmong(IReadOnlyList<string> kinds, KubeObjectKey key) =>
        kinds.Count > 0 && (kinds.Contains(key.Kind + (key.Group.Length > 0 ? "." + key.Group : ""), StringComparer.OrdinalIgnoreCase) || kinds.Contains(key.Kind, StringComparer.OrdinalIgnoreCase));

    private static bool IsLike(IReadOnlyList<string> patterns, string name) => patterns.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false));
}
