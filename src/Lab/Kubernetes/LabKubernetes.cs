using Hexabase.DrConsole.Engine;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Servers.Kubernetes;

namespace Hexabase.DrConsole.Lab.Kubernetes;

/// <summary>Which clusters a lab runs.</summary>
public sealed record LabKubernetesOptions
{
    /// <summary>The virtual clusters' names.</summary>
    public IReadOnlyList<string> VirtualClusters { get; init; } = ["tenant-a", "tenant-b", "tenant-c"];

    /// <summary>True to run controllers on the host; the StatefulSets are the lab's own business either way.</summary>
    public bool HasHostControllers { get; init; } = true;

    /// <summary>True to run controllers in the virtual clusters.</summary>
    public bool HasVirtualControllers { get; init; } = true;
}

/// <summary>
/// A host cluster and virtual clusters of real API servers, etcd and controllers on loopback. It plays the part of kubelet and
/// StatefulSet controller: scaling a virtual cluster's StatefulSet starts and stops its processes.
/// </summary>
public sealed class LabKubernetes : IAsyncDisposable
{
    private static readonly TimeSpan s_glance = TimeSpan.FromMilliseconds(400);
    private readonly LabFolder _folder;
    private readonly LabKubernetesOptions _options;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<LabVirtualCluster> _clusters = [];
    private KubeApi? _api;
    private LabSnapshots? _snapshots;
    private Task _watch = Task.CompletedTask;

    /// <summary>Describes the clusters; touches nothing.</summary>
    /// <exception cref="EngineException"><c>kubernetes-missing</c>.</exception>
    public LabKubernetes(LabFolder folder, LabKubernetesOptions? options = null)
    {
        _folder = folder ?? throw new ArgumentNullException(nameof(folder));
        _options = options ?? new LabKubernetesOptions();
        Binaries = KubernetesBinaries.Find() ?? throw new EngineException(
            "kubernetes-missing", ErrorKind.Unavailable, "this machine has no kube-apiserver and etcd", "let setup.sh build them, or name a folder that has them in KUBEBUILDER_ASSETS");
        Host = new KubernetesCluster(
            new KubernetesClusterOptions
            {
                Name = "lab-host",
                Folder = folder.Combine("kubernetes", "host"),
                Binaries = Binaries,
                HasControllers = _options.HasHostControllers,
                Controllers = "*,-statefulset",
            },
            folder.Registry);
    }

    /// <summary>The programs.</summary>
    public KubernetesBinaries Binaries { get; }

    /// <summary>Knows the processes.</summary>
    public ProcessRegistry Registry => _folder.Registry;

    /// <summary>The host cluster.</summary>
    public KubernetesCluster Host { get; }

    /// <summary>The virtual clusters.</summary>
    public IReadOnlyList<LabVirtualCluster> Clusters => _clusters;

    /// <summary>The directory below which the volumes of the host's claims are.</summary>
    public string VolumesDirectory => _folder.Combine("kubernetes", "volumes");

    /// <summary>Starts everything and returns when every virtual cluster answers.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _folder.Create();
        LocalFolder.CreatePassage(VolumesDirectory);
        await Host.StartAsync(cancellationToken).ConfigureAwait(false);
        _api = new KubeApi(KubeEndpoint.FromKubeconfig(Host.Kubeconfig));
        foreach (var name in _options.VirtualClusters)
        {
            var cluster = new LabVirtualCluster(_folder, name, Binaries, _options.HasVirtualControllers, _api);
            await cluster.InstallAsync(cancellationToken).ConfigureAwait(false);
            _clusters.Add(cluster);
            await cluster.FollowAsync(cancellationToken).ConfigureAwait(false);
        }

        _watch = WatchAsync(_stop.Token);
    }

    /// <summary>Adds a claim of the host with files in it, and a snapshot controller for it; nothing without controllers, which bind claims.</summary>
    /// <returns>True where it is there.</returns>
    public async Task<bool> AddShopAsync(CancellationToken cancellationToken)
    {
        if (!_options.HasHostControllers || Binaries.ControllerManager is null)
        {
            return false;
        }

        await LabClaim.CreateAsync(_api!, VolumesDirectory, cancellationToken).ConfigureAwait(false);
        _snapshots = new LabSnapshots(_api!, Path.Combine(VolumesDirectory, "snapshots"), _folder.Registry);
        await _snapshots.StartAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>What went wrong in the watcher, where something did.</summary>
    public string? Fault { get; private set; }

    /// <summary>Stops everything, the virtual clusters first.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _watch.ConfigureAwait(false);
        if (_snapshots is not null)
        {
            await _snapshots.DisposeAsync().ConfigureAwait(false);
        }

        foreach (var cluster in _clusters)
        {
            await cluster.ControlPlane.DisposeAsync().ConfigureAwait(false);
        }

        await Host.DisposeAsync().ConfigureAwait(false);
        _api?.Dispose();
        _stop.Dispose();
    }

    private async Task WatchAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                foreach (var cluster in _clusters)
                {
                    await cluster.FollowAsync(cancellationToken).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (EngineException fault)
            {
                // A control plane that does not start, or a host that was stopped by a test: seen again at the next glance.
                Fault = fault.Message;
            }

            await Task.Delay(s_glance, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
