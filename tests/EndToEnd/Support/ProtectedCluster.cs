using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Servers.Kubernetes;
using Hexabase.DrConsole.Lab;
using Hexabase.DrConsole.Lab.Kubernetes;

namespace Hexabase.DrConsole.EndToEnd.Support;

/// <summary>A virtual cluster of the lab with a tenant's objects in it, as a source of the console.</summary>
public sealed class ProtectedCluster : IAsyncDisposable
{
    /// <summary>The protected source.</summary>
    public const string Source = "tenant-a";

    private readonly LabKubernetes _lab;

    private ProtectedCluster(LabKubernetes lab) => _lab = lab;

    /// <summary>Its newest restore point.</summary>
    public string Point { get; set; } = "";

    /// <summary>What has to be typed to confirm a restore into it.</summary>
    public string Word => $"{Cluster.Namespace}/{Cluster.Name}";

    /// <summary>As the console's configuration names it.</summary>
    internal object Configuration => new
    {
        Name = Source,
        Kind = "vcluster",
        Class = "archive",
        Workspace = "shop",
        VCluster = new { Cluster.Namespace, Cluster.Name, _lab.Host.Kubeconfig },
    };

    private LabVirtualCluster Cluster => _lab.Clusters[0];

    /// <summary>Starts it; skips the test that asks where there are no programs for it, and waits while they are being built.</summary>
    public static async Task<ProtectedCluster> StartAsync(LabFolder folder, CancellationToken cancellationToken)
    {
        var marker = Path.Combine(KubernetesBinaries.BuildFolder, "build.pid");
        while (KubernetesBinaries.Find() is null && IsBuilding(marker))
        {
            await Task.Delay(500, cancellationToken);
        }

        Assert.SkipWhen(KubernetesBinaries.Find() is null, "there is no kube-apiserver or etcd on this machine; src/Lab/Kubernetes/build.sh builds them");
        var cluster = new ProtectedCluster(new LabKubernetes(folder, new LabKubernetesOptions { VirtualClusters = [Source], HasHostControllers = false }));
        try
        {
            await cluster._lab.StartAsync(cancellationToken);
            using var api = cluster.Open();
            await ClusterPopulation.FillAsync(api, PopulationSize.Small, cancellationToken);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>As an administrator of the tenant's cluster.</summary>
    public KubeApi Open() => new(KubeEndpoint.FromKubeconfig(Cluster.ControlPlane.Kubeconfig));

    public ValueTask DisposeAsync() => _lab.DisposeAsync();

    /// <summary>The marker holds the builder's process id for as long as it works.</summary>
    private static bool IsBuilding(string marker)
    {
        try
        {
            return int.TryParse(File.ReadAllText(marker).Trim(), CultureInfo.InvariantCulture, out var pid) && Directory.Exists($"/proc/{pid}");
        }
        catch (IOException)
        {
            return false;
        }
    }
}
