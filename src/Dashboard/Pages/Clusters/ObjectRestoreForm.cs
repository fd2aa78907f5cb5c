using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Dashboard.Pages.Clusters;

/// <summary>What a person enters to restore a virtual cluster. The engine judges it: its target parser reports every mistake at once.</summary>
internal sealed class ObjectRestoreForm
{
    /// <summary>True to put the whole cluster's store back in place; false to restore objects into a running cluster.</summary>
    public bool IsInPlace { get; set; }

    /// <summary>On the host.</summary>
    public string HostNamespace { get; set; } = "";

    public string Name { get; set; } = "";

    public string Kubeconfig { get; set; } = "";

    public string Server { get; set; } = "";

    public string Store { get; set; } = "";

    public string Namespaces { get; set; } = "";

    public string Kinds { get; set; } = "";

    public string Names { get; set; } = "";

    public string ExcludedNamespaces { get; set; } = "";

    public string ExcludedKinds { get; set; } = "";

    public string Labels { get; set; } = "";

    public bool KeepsNodePorts { get; set; }

    public string Map { get; set; } = "";

    public bool ChangesExisting { get; set; }

    /// <summary>True to restore the data of the claims with them.</summary>
    public bool RestoresData { get; set; }

    /// <summary>Below which directory the volumes of the claims are.</summary>
    public string Volumes { get; set; } = "";

    /// <summary>What has to be typed to confirm.</summary>
    public string Word => $"{HostNamespace.Trim()}/{Name.Trim()}";

    /// <summary>Fills in how the source's own cluster is reached.</summary>
    public void Aim(VClusterSettings settings, string? cluster)
    {
        (HostNamespace, Name, Kubeconfig) = (settings.Namespace, settings.Name ?? cluster ?? "", settings.Kubeconfig);
        (Server, Store) = (settings.Server?.OriginalString ?? "", settings.DataDirectory ?? "");
        Volumes = settings.VolumesDirectory ?? "";
    }

    /// <summary>The target's URL, as on the command line.</summary>
    public string ToTarget()
    {
        var options = new List<string>();
        Add("kubeconfig", Kubeconfig);
        Add("server", Server);
        if (IsInPlace)
        {
            // Also where it is empty: without it, something else would be planned.
            options.Add($"store={Uri.EscapeDataString(Store.Trim())}");
        }
        else
        {
            Add("namespaces", Namespaces);
            Add("kinds", Kinds);
            Add("names", Names);
            Add("excludeNamespaces", ExcludedNamespaces);
            Add("excludeKinds", ExcludedKinds);
            Add("labels", Labels);
            Add("nodePorts", KeepsNodePorts ? "keep" : "");
            Add("map", Map);
            Add("existing", ChangesExisting ? "change" : "");
            if (RestoresData)
            {
                // Also where it is empty: without it, the data would stay out without a word.
                options.Add($"volumes={Uri.EscapeDataString(Volumes.Trim())}");
            }
        }

        return $"vcluster:{Uri.EscapeDataString(HostNamespace.Trim())}/{Uri.EscapeDataString(Name.Trim())}?{string.Join('&', options)}";

        void Add(string name, string value)
        {
            if (value.Trim() is { Length: > 0 } text)
            {
                options.Add($"{name}={Uri.EscapeDataString(text)}");
            }
        }
    }
}
