using System.Text.RegularExpressions;

namespace Hexabase.DrConsole.Engine.Estate;

/// <summary>Reads which cluster is meant and what in it, and knows what Kubernetes takes for a name.</summary>
internal static partial class KubernetesPlace
{
    /// <summary>The cluster by its kubeconfig, and a namespace in it.</summary>
    /// <param name="isElsewhere">True where another machine uses the kubeconfig: it need not be on this one.</param>
    public static (string Kubeconfig, string Namespace) Read(ConfigurationReader settings, bool isElsewhere = false)
    {
        settings.RequiredText("Kubeconfig");
        var file = settings.FilePath("Kubeconfig");
        if (file is not null && !isElsewhere && !File.Exists(file))
        {
            settings.Problem("Kubeconfig", $"there is no file {file}");
        }

        var ns = settings.RequiredText("Namespace");
        if (ns.Length > 0 && !LabelName().IsMatch(ns))
        {
            settings.Problem("Namespace", $"'{ns}' is no name of a namespace");
        }

        return (file ?? "", ns);
    }

    /// <summary>What a namespace or a Service is called.</summary>
    [GeneratedRegex(@"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\z")]
    public static partial Regex LabelName();

    /// <summary>What most objects are called.</summary>
    [GeneratedRegex(@"^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?\z")]
    public static partial Regex ObjectName();
}
