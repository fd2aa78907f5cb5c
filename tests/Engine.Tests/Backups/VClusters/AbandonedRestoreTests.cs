using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Npgsql;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>A restore of objects and of their claims' data that nobody goes on with.</summary>
[Collection("vcluster")]
public sealed class AbandonedRestoreTests(KubernetesLab kubernetes, CatalogServer catalog) : IDisposable
{
    private const string Namespace = "team-0002";
    private readonly TemporaryFolder _folder = new();
    private TierRepositories? _tiers;

    [Fact]
    public async Task Data_of_claims_come_back_after_the_objects_although_these_and_one_of_the_volumes_cannot()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        using var api = KubernetesLab.Api(cluster);
        var name = $"c{Guid.NewGuid():n}"[..12];
        string[] claims = [name + "-1", name + "-2"];
        try
        {
            List<string> directories = [await cluster.AddClaimAsync(api, Namespace, claims[0], Ct), await cluster.AddClaimAsync(api, Namespace, claims[1], Ct)];
            await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
            var captured = await new VClusterBackup(TimeProvider.System).CaptureAsync(
                new VClusterBackupRequest
                {
                    Description = new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind },
                    Settings = KubernetesLab.Settings(lab, cluster) with { Etcd = null, DataDirectory = null, VolumesDirectory = cluster.VolumesDirectory },
                },
                repository, null, null, Ct);
            var files = directories.ConvertAll(directory => Path.Combine(directory, "files", "03.txt"));
            foreach (var file in files)
            {
                await File.WriteAllTextAsync(file, "written since", Ct);
            }

            var driver = Driver();
            var target = RestoreTarget.Parse(
                $"vcluster:{cluster.Namespace}/{cluster.Name}?kubeconfig={lab.Host.Kubeconfig}&namespaces={Namespace}&names={name}-*&kinds=PersistentVolumeClaim&volumes={cluster.VolumesDirectory}&existing=change", "/");
            var plan = await driver.PlanAsync(repository, captured.Manifest, target, Ct);
            var operation = $"R-1 of {Guid.NewGuid()}";
            await driver.ExecuteAsync(new RestoreWork(repository, captured.Manifest, plan, plan.Hash, operation), Ct);
            Assert.All(files, file => Assert.Equal($"upload 3 of {Namespace}\n", File.ReadAllText(file)));
            BreakJournal(VolumeUndo.FolderOf(directories[0], operation));

            string? found;
            await using (var connection = await catalog.Pool.OpenConnectionAsync(Ct))
            await using (var held = await connection.BeginTransactionAsync(Ct))
            {
                // The restore point of the objects is looked up here, and never found: the catalog does not know it.
                await using var hold = new NpgsqlCommand("LOCK TABLE restore_point IN ACCESS EXCLUSIVE MODE", connection, held);
                await hold.ExecuteNonQueryAsync(Ct);
                var abandoned = driver.AbandonAsync(plan, operation, Ct);
                await using var waiting = new NpgsqlCommand("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'restore_point'::regclass", connection, held);
                await ClusterClient.UntilAsync(async () => (long)(await waiting.ExecuteScalarAsync(Ct))! > 0 || abandoned.IsCompleted, () => "the search for the restore point", Ct);
                Assert.Equal($"upload 3 of {Namespace}\n", await File.ReadAllTextAsync(files[1], Ct));
                await held.RollbackAsync(Ct);
                found = await abandoned;
            }

            Assert.StartsWith("the objects could not be taken back: there is no restore point", found, StringComparison.Ordinal);
            Assert.Contains($"{VolumeUndo.FolderOf(directories[0], operation)}/journal was not made by this console", found, StringComparison.Ordinal);
            Assert.Contains($"{directories[1]} is again what it was before the restore", found, StringComparison.Ordinal);
            Assert.Equal($"upload 3 of {Namespace}\n", await File.ReadAllTextAsync(files[0], Ct));
            Assert.Equal("written since", await File.ReadAllTextAsync(files[1], Ct));
        }
        finally
        {
            foreach (var claim in claims)
            {
                await cluster.RemoveClaimAsync(api, Namespace, claim, CancellationToken.None);
            }
        }
    }

    public void Dispose()
    {
        _tiers?.Dispose();
        _folder.Dispose();
    }

    /// <summary>A journal that the console did not make: nobody knows what it would bring back.</summary>
    private static void BreakJournal(string folder)
    {
        var journal = Path.Combine(folder, "journal");
        File.Delete(journal);
        Directory.CreateDirectory(journal);
    }

    private VClusterRestoreDriver Driver()
    {
        var estate = new ProtectedEstate("test", _folder.Path, ProtectionClass.Defaults, [], [], []);
        _tiers = new TierRepositories(estate, TimeProvider.System);
        var points = new RestorePointCatalog(catalog.Pool);
        var volumes = new VolumeRestoreDriver(new VolumeRestore(TimeProvider.System), estate, DataFolder.Open(_folder.Combine("data")), TimeProvider.System);
        return new VClusterRestoreDriver(new ObjectRestoreCatalog(catalog.Pool), points, new RestorePointAccess(points, _tiers), new ClaimDataRestore(volumes), TimeProvider.System);
    }
}
