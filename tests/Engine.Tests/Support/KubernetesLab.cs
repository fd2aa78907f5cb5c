using System.Globalization;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Servers.Kubernetes;
using Hexabase.DrConsole.Lab;
using Hexabase.DrConsole.Lab.Kubernetes;

namespace Hexabase.DrConsole.Engine.Tests.Support;

/// <summary>Tests that share one host cluster, one after the other; it ends with the last of them, since an idle cluster is at work too.</summary>
[CollectionDefinition("vcluster")]
public sealed class VClusterTests : ICollectionFixture<KubernetesLab>;

/// <summary>
/// A host cluster with a populated virtual cluster, shared by the tests of a collection and started by the first that asks.
/// Kubernetes is built in the background of a first test run: who needs it waits here. Where it cannot be had, the tests say
/// that they were skipped, and why.
/// </summary>
public sealed class KubernetesLab : IAsyncDisposable
{
    private readonly SemaphoreSlim _starting = new(1, 1);
    private ServerFolder? _folder;
    private LabKubernetes? _lab;

    public async Task<LabKubernetes> GetAsync(CancellationToken cancellationToken)
    {
        await WaitForBuildAsync(cancellationToken);
        await _starting.WaitAsync(cancellationToken);
        try
        {
            if (_lab is null)
            {
                await ServerFolder.RemoveAbandonedAsync();
                _folder = new ServerFolder();
                _folder.Hold();
                var lab = new LabKubernetes(new LabFolder(_folder.Combine("lab")), new LabKubernetesOptions { VirtualClusters = ["tenant-a"], HasHostControllers = false });
                _lab = lab;
                await lab.StartAsync(cancellationToken);
                using var api = Api(lab.Clusters[0]);
                await ClusterPopulation.FillAsync(api, PopulationSize.Small, cancellationToken);
                await SnapshotKinds.InstallAsync(api, cancellationToken);
            }

            // What a test before this one has killed is being started again.
            await Eventually.UntilAsync(() => AnswersAsync(_lab.Clusters[0]), () => $"the control plane{(_lab.Fault is { } fault ? ": " + fault : "")}", cancellationToken);
            return _lab;
        }
        finally
        {
            _starting.Release();
        }
    }

    /// <summary>As an administrator of the virtual cluster.</summary>
    public static KubeApi Api(LabVirtualCluster cluster, KubeBudget? budget = null) => new(KubeEndpoint.FromKubeconfig(cluster.ControlPlane.Kubeconfig), budget);

    /// <summary>How the console would be told to reach the virtual cluster.</summary>
    public static VClusterSettings Settings(LabKubernetes lab, LabVirtualCluster cluster) => new(cluster.Namespace, lab.Host.Kubeconfig, false)
    {
        Etcd = new EtcdSettings(
            new Uri(cluster.ControlPlane.EtcdUrl), cluster.ControlPlane.Keys.Authority, cluster.ControlPlane.Keys.AdminCertificate, cluster.ControlPlane.Keys.AdminKey),
        DataDirectory = cluster.DataDirectory,
    };

    /// <summary>Skips the test where there are no programs for it; waits while they are being built.</summary>
    public static async Task WaitForBuildAsync(CancellationToken cancellationToken)
    {
        var marker = Path.Combine(KubernetesBinaries.BuildFolder, "build.pid");
        while (KubernetesBinaries.Find() is null && File.Exists(marker) && await IsAliveAsync(marker, cancellationToken))
        {
            await Task.Delay(500, cancellationToken);
        }

        var failed = Path.Combine(KubernetesBinaries.BuildFolder, "failed");
        Assert.SkipWhen(
            KubernetesBinaries.Find() is null,
            $"there is no kube-apiserver or etcd on this machine{(File.Exists(failed) ? ": " + await File.ReadAllTextAsync(failed, cancellationToken) : "; src/Lab/Kubernetes/build.sh builds them")}");
    }

    public async ValueTask DisposeAsync()
    {
        if (_lab is not null)
        {
            await _lab.DisposeAsync();
        }

        if (_folder is not null)
        {
            await _folder.DisposeAsync();
        }

        _starting.Dispose();
    }

    private static async Task<bool> AnswersAsync(LabVirtualCluster cluster)
    {
        try
        {
            using var api = Api(cluster);
            return (await api.SendAsync(HttpMethod.Get, "/api/v1/namespaces/default", null, null, CancellationToken.None)).IsSuccess;
        }
        catch (EngineException fault) when (fault.IsTransient)
        {
            return false;
        }
    }

    private static async Task<bool> IsAliveAsync(string marker, CancellationToken cancellationToken)
    {
        try
        {
            var pid = (await File.ReadAllTextAsync(marker, cancellationToken)).Trim();
            return int.TryParse(pid, CultureInfo.InvariantCulture, out var number) && Directory.Exists($"/proc/{number}");
        }
        catch (FileNotFoundException)
        {
            return false;
        }
    }
}
