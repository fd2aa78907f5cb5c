using System.Diagnostics;
using System.Globalization;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Lab;
using Hexabase.DrConsole.Lab.Kubernetes;

namespace Hexabase.DrConsole.Benchmarks;

/// <summary>
/// A virtual cluster of 2,500 namespaces and 10,000 objects: captured into a repository, beside <c>kubectl get</c> of every
/// kind as YAML, one after the other, through zstd; captured again; put back in its place.
/// </summary>
internal static class VirtualClusterBenchmark
{
    public static async Task RunAsync(string work, int repetitions, double scale, CancellationToken ct)
    {
        var large = PopulationSize.Large with { Namespaces = (int)(PopulationSize.Large.Namespaces * scale) };
        var folder = new LabFolder(Path.Combine(work, "lab"));
        var lab = new LabKubernetes(folder, new LabKubernetesOptions { VirtualClusters = ["bench"], HasHostControllers = false, HasVirtualControllers = false });
        await using (lab)
        {
            await lab.StartAsync(ct);
            var cluster = lab.Clusters[0];
            using var api = new KubeApi(KubeEndpoint.FromKubeconfig(cluster.ControlPlane.Kubeconfig), new KubeBudget(8));
            var began = Stopwatch.GetTimestamp();
            var made = await ClusterPopulation.FillAsync(api, large, ct);
            Print($"{made} objects in {large.Namespaces} namespaces made in {Seconds(began)} s");
            var catalogue = await KubeDiscovery.DiscoverAsync(api, ct, "list", "get", "create", "delete");
            for (var round = 1; round <= repetitions; round++)
            {
                await RoundAsync(work, lab, cluster, catalogue, round, ct);
            }
        }
    }

    private static async Task RoundAsync(string work, LabKubernetes lab, LabVirtualCluster cluster, KubeCatalogue catalogue, int round, CancellationToken ct)
    {
        var began = Stopwatch.GetTimestamp();
        foreach (var resource in catalogue.Resources)
        {
            var all = resource.IsNamespaced ? "--all-namespaces" : "";
            await ShellAsync($"kubectl --kubeconfig '{cluster.ControlPlane.Kubeconfig}' get {resource.Name} {all} -o yaml | zstd -q -3 -f -o '{work}/{resource.Name}.yaml.zst'", ct);
        }

        var kubectl = Stopwatch.GetElapsedTime(began).TotalSeconds;
        var store = Path.Combine(work, $"store-{round}");
        await using var repository = await BackupRepository.InitializeAsync(new FileSystemStore(store), new RepositoryKey("benchmark"u8), null, ct);
        var settings = new VClusterSettings(cluster.Namespace, lab.Host.Kubeconfig, false)
        {
            Etcd = new EtcdSettings(new Uri(cluster.ControlPlane.EtcdUrl), cluster.ControlPlane.Keys.Authority, cluster.ControlPlane.Keys.AdminCertificate, cluster.ControlPlane.Keys.AdminKey),
        };
        began = Stopwatch.GetTimestamp();
        var objects = await CaptureAsync(settings with { Etcd = null }, repository, ct);
        var ours = Stopwatch.GetElapsedTime(began).TotalSeconds;
        var first = await CaptureAsync(settings, repository, ct);
        var second = await CaptureAsync(settings, repository, ct);
        Print($"round {round}: {objects.Inventory.Objects} objects of {objects.Inventory.Kinds.Count(kind => kind.Captured > 0)} kinds; kubectl one after the other {kubectl:0.0} s; listed, cleaned and stored {ours:0.0} s; {kubectl / ours:0.0} times faster");
        var whole = objects.Manifest.StoredBytes + first.Manifest.StoredBytes;
        Print($"round {round}: first backup stores {whole} bytes of {first.Manifest.Bytes}; unchanged again {second.Manifest.StoredBytes} bytes, {100.0 * second.Manifest.StoredBytes / whole:0.00} %");
        var driver = new VClusterInPlaceDriver(new InPlaceRestore(lab.Registry, TimeProvider.System), TimeProvider.System);
        var target = RestoreTarget.Parse($"vcluster:{cluster.Namespace}/{cluster.Name}?kubeconfig={lab.Host.Kubeconfig}&store={cluster.DataDirectory}", "/");
        var plan = await driver.PlanAsync(repository, second.Manifest, target, ct);
        var outcome = await driver.ExecuteAsync(new RestoreWork(repository, second.Manifest, plan, plan.Hash, $"benchmark {round}"), ct);
        Print($"round {round}: in place {outcome.Seconds:0.0} s: {string.Join(", ", outcome.Phases!.Select(phase => $"{phase.Name} {phase.Seconds:0.0}"))}");
    }

    private static Task<VClusterCaptured> CaptureAsync(VClusterSettings settings, BackupRepository repository, CancellationToken ct) => new VClusterBackup(TimeProvider.System).CaptureAsync(
        new VClusterBackupRequest { Description = new BackupDescription { Source = "bench", Kind = VClusterBackup.Kind }, Settings = settings }, repository, null, null, ct);

    private static async Task ShellAsync(string command, CancellationToken ct)
    {
        using var shell = Process.Start(new ProcessStartInfo("bash", ["-o", "pipefail", "-c", command]))!;
        await shell.WaitForExitAsync(ct);
        if (shell.ExitCode != 0)
        {
            throw new InvalidOperationException($"exit code {shell.ExitCode}: {command}");
        }
    }

    private static string Seconds(long began) => Stopwatch.GetElapsedTime(began).TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture);

    private static void Print(string line) => Console.WriteLine(line);
}
