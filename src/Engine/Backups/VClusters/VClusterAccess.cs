using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Estate;

namespace Hexabase.DrConsole.Engine.Backups.VClusters;

/// <summary>A virtual cluster as it is found on its host: its workload there, and a way to its own API server.</summary>
public sealed class VClusterAccess : IDisposable
{
    private VClusterAccess(KubeApi host, string ns, string name, KubeResource workload, JsonObject found)
    {
        Host = host;
        Namespace = ns;
        Name = name;
        Workload = workload;
        Found = found;
    }

    /// <summary>The host's API server.</summary>
    public KubeApi Host { get; }

    /// <summary>The namespace on the host.</summary>
    public string Namespace { get; }

    /// <summary>The virtual cluster's name.</summary>
    public string Name { get; }

    /// <summary>StatefulSet, or Deployment where its store is elsewhere.</summary>
    public KubeResource Workload { get; }

    /// <summary>The workload as it was found.</summary>
    public JsonObject Found { get; }

    /// <summary>Finds the virtual cluster that the settings name.</summary>
    /// <exception cref="EngineException"><c>vcluster-missing</c>, <c>vcluster-ambiguous</c>, <c>api-unreachable</c>.</exception>
    public static async Task<VClusterAccess> OpenAsync(VClusterSettings settings, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var host = new KubeApi(KubeEndpoint.FromKubeconfig(settings.Kubeconfig, settings.RunsCommands), new KubeBudget(settings.ParallelRequests), time);
        try
        {
            var found = new List<(KubeResource Resource, JsonObject Value)>();
            foreach (var resource in (KubeResource[])[KubeWorkload.StatefulSets, KubeWorkload.Deployments])
            {
                var all = await KubeListing.AllAsync(host, resource, "labelSelector=app%3Dvcluster", settings.Namespace, cancellationToken).ConfigureAwait(false);
                found.AddRange(all.Where(value => settings.Name is null || NameOf(value) == settings.Name).Select(value => (resource, value)));
            }

            return found switch
            {
                [var one] => new VClusterAccess(host, settings.Namespace, NameOf(one.Value), one.Resource, one.Value),
                [] => throw new EngineException(
                    "vcluster-missing", ErrorKind.NotFound, $"namespace {settings.Namespace} of {host.Address} has no virtual cluster{(settings.Name is null ? "" : " " + settings.Name)}",
                    "it needs a StatefulSet or Deployment with the label app=vcluster; check VCluster:Namespace and VCluster:Name"),
                _ => throw new EngineException(
                    "vcluster-ambiguous", ErrorKind.Input, $"namespace {settings.Namespace} has {found.Count} virtual clusters: {string.Join(", ", found.Select(one => NameOf(one.Value)))}",
                    "name one in VCluster:Name"),
            };
        }
        catch
        {
            host.Dispose();
            throw;
        }
    }

    /// <summary>Opens the virtual cluster's API server with the keys in its Secret.</summary>
    /// <exception cref="EngineException"><c>api-object-missing</c> where there is no such Secret; <c>vcluster-secret-unreadable</c>.</exception>
    public async Task<KubeApi> OpenVirtualAsync(VClusterSettings settings, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var secret = await Host.GetAsync($"/api/v1/namespaces/{Namespace}/secrets/vc-{Name}", cancellationToken).ConfigureAwait(false);
        var endpoint = KubeEndpoint.FromSecret(secret, settings.Server, new Uri($"https://{Name}.{Namespace}.svc"));
        return new KubeApi(endpoint, new KubeBudget(settings.ParallelRequests), time);
    }

    /// <summary>Closes the connections.</summary>
    public void Dispose() => Host.Dispose();

    private static string NameOf(JsonObject value) => value["metadata"]!["name"]!.GetValue<string>();
}
