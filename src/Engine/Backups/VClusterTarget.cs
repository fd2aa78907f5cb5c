using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Engine.Backups;

/// <summary>
/// A virtual cluster on a host: objects are put into it while it runs, or, with <c>store=</c>, its etcd is put back in place.
/// </summary>
/// <param name="Namespace">Its namespace on the host.</param>
/// <param name="Name">Its name.</param>
/// <param name="Kubeconfig">Absolute path of a kubeconfig for the host.</param>
/// <param name="Server">The address of its API server from here; null for the one in its Secret.</param>
/// <param name="Store">The directory of its volume, where etcd is put back in place; null where objects are restored.</param>
/// <param name="Selection">Which objects, and where to.</param>
public sealed record VClusterTarget(string Namespace, string Name, string Kubeconfig, Uri? Server, string? Store, RestoreSelection Selection) : RestoreTarget
{
    private const string UndoOption = "undo";
    internal const string Shape = "vcluster:namespace/name?kubeconfig=F";
    private static readonly string[] s_options =
    [
        "kubeconfig", "server", "store", "namespaces", "kinds", "names", "excludeNamespaces", "excludeKinds", "labels", "cluster", "nodePorts", "map", "existing", "volumes", UndoOption,
    ];

    /// <summary>Below which directory the volumes of its claims are, as this machine sees it: then their data is restored with the objects; null where it is not.</summary>
    public string? Volumes { get; init; }

    /// <summary>The run whose completed restore of objects is taken back, as <c>R-12</c>; null for a restore.</summary>
    public string? Undo { get; init; }

    /// <summary>True for a plan that nobody will carry out: all that lives in the cluster is not read for it. No target's text says it.</summary>
    public bool IsSketch { get; init; }

    /// <summary>How the cluster is reached.</summary>
    public VClusterSettings Settings => new(Namespace, Kubeconfig, false) { Name = Name, Server = Server, DataDirectory = Store, VolumesDirectory = Volumes, RunsCommands = false };

    /// <inheritdoc/>
    public override string ToText()
    {
        var options = new List<string> { $"kubeconfig={Escaped(Kubeconfig)}" };
        Add("server", Server?.OriginalString);
        Add("store", Store);
        Add("namespaces", Joined(Selection.Namespaces));
        Add("kinds", Joined(Selection.Kinds));
        Add("names", Joined(Selection.Names));
        Add("excludeNamespaces", Joined(Selection.ExcludedNamespaces));
        Add("excludeKinds", Joined(Selection.ExcludedKinds));
        Add("labels", Selection.Labels);
        Add("cluster", Selection.ClusterScoped switch { null => null, true => "with", false => "without" });
        Add("nodePorts", Selection.KeepsNodePorts ? "keep" : null);
        Add("map", Joined(Selection.NamespaceMap.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}:{pair.Value}")));
        Add("existing", Selection.ChangesExisting ? "change" : null);
        Add("volumes", Volumes);
        Add(UndoOption, Undo);
        return $"vcluster:{Namespace}/{Name}?{string.Join('&', options)}";

        void Add(string name, string? value)
        {
            if (value is not null)
            {
                options.Add($"{name}={Escaped(value)}");
            }
        }

        static string? Joined(IEnumerable<string> values) => string.Join(',', values) is { Length: > 0 } text ? text : null;
    }

    internal static VClusterTarget ParseCluster(string text, string baseFolder, List<string> faults)
    {
        var rest = text[(text.IndexOf(':', StringComparison.Ordinal) + 1)..];
        var parts = rest.Split('?', 2);
        var place = parts[0].Split('/');
        if (place.Length != 2 || place.Any(part => part.Length == 0))
        {
            faults.Add("namespace and name on the host are missing (vcluster:NAMESPACE/NAME)");
            place = ["", ""];
        }

        var options = ReadOptions(parts.Length == 2 ? parts[1] : "", s_options, faults);
        if (!options.TryGetValue("kubeconfig", out var kubeconfig))
        {
            faults.Add("kubeconfig= is missing; it names a kubeconfig for the host cluster");
        }

        Uri? server = null;
        if (options.TryGetValue("server", out var address) && !(Uri.TryCreate(address, UriKind.Absolute, out server) && server.Scheme == "https"))
        {
            faults.Add($"server {address} is not an address; use https://host:port");
        }

        var existing = Word("existing", "leave", "change");
        var cluster = Word("cluster", "", "with", "without");
        var ports = Word("nodePorts", "choose", "keep");
        var labels = options.GetValueOrDefault("labels") is { Length: > 0 } selector ? selector : null;
        if (labels is not null && LabelSelector.Parse(labels, out var fault) is null)
        {
            faults.Add($"labels has {fault}, which is no label selector; use key=value, key!=value, key in (a,b), key notin (a,b), key or !key, with commas between");
        }

        var map = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in List("map"))
        {
            // A pattern would map nothing, and what it was meant for would be restored over the original.
            if (pair.Split(':') is not [{ Length: > 0 } from, { Length: > 0 } to] || pair.AsSpan().ContainsAny('*', '?') || !map.TryAdd(from, to))
            {
                faults.Add($"map {pair} is not one namespace and its new name; use map=from:to,from:to, without patterns");
            }
        }

        var selection = new RestoreSelection
        {
            Namespaces = List("namespaces"),
            Kinds = List("kinds"),
            Names = List("names"),
            ExcludedNamespaces = List("excludeNamespaces"),
            ExcludedKinds = List("excludeKinds"),
            Labels = labels,
            ClusterScoped = cluster is "with" or "without" ? cluster == "with" : null,
            KeepsNodePorts = ports == "keep",
            NamespaceMap = map,
            ChangesExisting = existing == "change",
        };
        var store = options.GetValueOrDefault("store");
        if (store is "")
        {
            faults.Add("store= is empty; it names the directory of the cluster's volume");
        }

        var volumes = options.GetValueOrDefault("volumes");
        if (volumes is "" || (volumes is not null && store is not null))
        {
            faults.Add("volumes= names the directory below which the volumes of claims are, for a restore of objects");
        }

        if (store is not null && (!selection.IsWholeCluster || map.Count > 0))
        {
            faults.Add("store= puts the whole cluster back in place; no filter and no map goes with it");
        }

        var undo = options.GetValueOrDefault(UndoOption);
        if (undo is not null && (RunId.TryParse(undo) is null || options.Keys.Any(name => name is not ("kubeconfig" or "server" or UndoOption))))
        {
            faults.Add("undo= names the run of a restore of objects, as R-12, and nothing but kubeconfig= and server= goes with it");
        }

        return new VClusterTarget(
            place[0], place[1], Path.GetFullPath(kubeconfig ?? "kubeconfig", baseFolder), server, store is null or "" ? null : Path.GetFullPath(store, baseFolder), selection)
        {
            Volumes = volumes is null or "" ? null : Path.GetFullPath(volumes, baseFolder),
            Undo = undo,
        };

        string Word(string name, params string[] known)
        {
            var word = options.GetValueOrDefault(name, known[0]);
            if (!known.Contains(word))
            {
                faults.Add($"option {name} is {word}, not {string.Join(" or ", known.Where(one => one.Length > 0))}");
            }

            return word;
        }

        string[] List(string name) => options.GetValueOrDefault(name, "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }
}
