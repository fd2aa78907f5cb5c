using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;
using Hexabase.DrConsole.Engine.Backups.VClusters.Restoring;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;
using Hexabase.DrConsole.Engine.Servers;
using Hexabase.DrConsole.Engine.Servers.Kubernetes;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Kubernetes;
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
    public async Task Data_of_claims_stay_as_they_are_while_the_objects_over_them_cannot_be_taken_back()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        using var api = KubernetesLab.Api(cluster);
        var name = $"c{Guid.NewGuid():n}"[..12];
        try
        {
            var (driver, plan, repository, manifest, files) = await PrepareAsync(api, name, 1);
            await using var closing = repository;
            var operation = $"R-1 of {Guid.NewGuid()}";
            await driver.ExecuteAsync(new RestoreWork(repository, manifest, plan, plan.Hash, operation), Ct);
            Assert.Equal($"upload 3 of {Namespace}\n", await File.ReadAllTextAsync(files[0], Ct));

            // The record of the objects is not found: the catalog knows no such restore point.
            var undecided = await Assert.ThrowsAsync<NeedsDecisionException>(() => driver.AbandonAsync(plan, operation, Ct));

            Assert.StartsWith("the objects could not be taken back: there is no restore point", undecided.Message, StringComparison.Ordinal);
            Assert.Contains("stays as it is", undecided.Message, StringComparison.Ordinal);
            Assert.Equal($"upload 3 of {Namespace}\n", await File.ReadAllTextAsync(files[0], Ct));
        }
        finally
        {
            await RemoveAsync(api, name, 1);
        }
    }

    [Fact]
    public async Task Data_of_claims_come_back_without_their_tier_where_no_object_was_touched_although_one_of_the_volumes_cannot()
    {
        var lab = await kubernetes.GetAsync(Ct);
        using var api = KubernetesLab.Api(lab.Clusters[0]);
        var name = $"c{Guid.NewGuid():n}"[..12];
        try
        {
            var (driver, plan, repository, manifest, files) = await PrepareAsync(api, name, 2);
            await using var closing = repository;
            // No claim is missed for another's files.
            var notes = plan.Notes.ToList();
            Assert.Equal(2, notes.Count(note => note.StartsWith("data of claim", StringComparison.Ordinal) && note.Contains("with what is replaced kept aside", StringComparison.Ordinal)));
            Assert.True(notes.FindLastIndex(note => note.Contains("with what is replaced kept aside", StringComparison.Ordinal)) < notes.FindIndex(note => note.EndsWith("~ files/03.txt", StringComparison.Ordinal)));
            var operation = $"R-2 of {Guid.NewGuid()}";
            await driver.ExecuteAsync(new RestoreWork(repository, manifest, plan, plan.Hash, operation), Ct);
            // As a process leaves it that dies between the data and the objects.
            foreach (var (position, _) in await new ObjectRestoreCatalog(catalog.Pool).ReadAsync(operation, Ct))
            {
                await new ObjectRestoreCatalog(catalog.Pool).ForgetAsync(operation, position, Ct);
            }

            var directories = files.ConvertAll(file => Path.GetDirectoryName(Path.GetDirectoryName(file))!);
            BreakJournal(VolumeUndo.FolderOf(directories[0], operation));

            var undecided = await Assert.ThrowsAsync<NeedsDecisionException>(() => driver.AbandonAsync(plan, operation, Ct));

            Assert.StartsWith("the data of 1 claim could not be taken back: ", undecided.Message, StringComparison.Ordinal);
            Assert.Contains($"{VolumeUndo.FolderOf(directories[0], operation)}/journal was not made by this console", undecided.Message, StringComparison.Ordinal);
            Assert.Contains($"{directories[1]} is again what it was before the restore", undecided.Message, StringComparison.Ordinal);
            Assert.Equal($"upload 3 of {Namespace}\n", await File.ReadAllTextAsync(files[0], Ct));
            Assert.Equal("written since", await File.ReadAllTextAsync(files[1], Ct));
        }
        finally
        {
            await RemoveAsync(api, name, 2);
        }
    }

    [Fact]
    public async Task Completed_restore_is_taken_back_but_for_what_others_changed_or_added_since_and_then_the_rest()
    {
        const string Made = "team-taken-back";
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        using var api = KubernetesLab.Api(cluster);
        var source = $"tenant-{Guid.NewGuid():n}";
        try
        {
            var (driver, repository, manifest) = await CaptureAsync(source);
            await using var closing = repository;
            var from = ClusterPopulation.NamespaceOf(3);
            var text = $"vcluster:{cluster.Namespace}/{cluster.Name}?kubeconfig={lab.Host.Kubeconfig}&namespaces={from}&map={from}:{Made}";
            var plan = await driver.PlanAsync(repository, manifest, RestoreTarget.Parse(text, "/"), Ct);
            var runs = new RunStore(catalog.Pool);
            var run = await runs.RequestAsync(RunKinds.Restore, source, null, new RestoreRequest(plan, plan.Hash), "anna", null, Ct);
            await driver.ExecuteAsync(new RestoreWork(repository, manifest, plan, plan.Hash, RestoreRun.OperationOf(run)), Ct);
            var undo = new VClusterUndoDriver(runs, driver, TimeProvider.System);
            Assert.Equal("undo-not-possible", Assert.Throws<EngineException>(() => VClusterUndoDriver.Of(run)).Code);
            await catalog.Pool.Command("UPDATE run SET state = 'completed', ended_at = now() WHERE id = $1", run.Id.Value).RunAsync(Ct);
            var (point, way) = VClusterUndoDriver.Of((await runs.FindAsync(run.Id, Ct))!);
            var back = RestoreTarget.Parse(way, "/");
            await RefusedAtAnotherClusterAsync(undo, repository, manifest, back);
            Assert.Equal((manifest.Id.Value, true, false), (point, undo.Takes(back, manifest), driver.Takes(back, manifest)));

            // People work with it: one object is changed, another one is theirs alone.
            await api.PatchAsync($"/api/v1/namespaces/{Made}/configmaps/app-0", ClusterClient.Json("""{"data":{"LOG_LEVEL":"trace"}}"""), Ct);
            Assert.True((await api.CreateAsync($"/api/v1/namespaces/{Made}/configmaps", ClusterClient.Json("""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"theirs"}}"""), false, Ct)).IsSuccess);

            var planned = await undo.PlanAsync(repository, manifest, back, Ct);
            Assert.True(planned.WritesOver);
            Assert.Contains($"deleted: Namespace {Made}", planned.Notes);
            var outcome = await undo.ExecuteAsync(Work(planned), Ct);
            Assert.Equal(2, outcome.NotRestored);
            Assert.Contains(outcome.Warnings, line => line.Contains($"ConfigMap {Made}/app-0: somebody has changed it since", StringComparison.Ordinal));
            Assert.Contains(outcome.Warnings, line => line.Contains($"Namespace {Made}: it holds what the restore did not make", StringComparison.Ordinal) && line.Contains("theirs", StringComparison.Ordinal));
            Assert.NotNull(await api.FindAsync($"/api/v1/namespaces/{Made}/configmaps/theirs", Ct));
            Assert.Null(await api.FindAsync($"/api/v1/namespaces/{Made}/secrets/app-0", Ct));

            // With that out of the way, what is left of it goes too, and then there is nothing to take back any more.
            foreach (var name in (string[])["theirs", "app-0"])
            {
                Assert.True((await api.DeleteAsync($"/api/v1/namespaces/{Made}/configmaps/{name}", null, Ct)).IsSuccess);
            }

            planned = await undo.PlanAsync(repository, manifest, back, Ct);
            Assert.Empty((await undo.ExecuteAsync(Work(planned), Ct)).Warnings);
            Assert.Null(await api.FindAsync($"/api/v1/namespaces/{Made}", Ct));
            Assert.Equal("undo-not-possible", (await Assert.ThrowsAsync<EngineException>(() => undo.PlanAsync(repository, manifest, back, Ct))).Code);

            RestoreWork Work(RestorePlan confirmed) => new(repository, manifest, confirmed, confirmed.Hash, $"R-9 of {Guid.NewGuid()}");
        }
        finally
        {
            await NamespaceRemoval.RemoveAsync(api, Made, CancellationToken.None);
        }
    }

    /// <summary>Another cluster at the same place is refused before anything of the record is forgotten: at the plan, and where one that was confirmed is carried out.</summary>
    private async Task RefusedAtAnotherClusterAsync(VClusterUndoDriver undo, BackupRepository repository, Manifest manifest, RestoreTarget back)
    {
        var lab = await kubernetes.GetAsync(Ct);
        var planned = await undo.PlanAsync(repository, manifest, back, Ct);
        using var host = new KubeApi(KubeEndpoint.FromKubeconfig(lab.Host.Kubeconfig));
        var path = $"/api/v1/namespaces/{lab.Clusters[0].Namespace}/secrets/vc-{lab.Clusters[0].Name}";
        var own = (await host.FindAsync(path, Ct))!["data"]!.DeepClone();
        // The way to it leads to the host's own API server.
        var keys = lab.Host.Keys;
        var foreign = new JsonObject { ["config"] = Data(lab.Host.Kubeconfig), ["certificate-authority"] = Data(keys.Authority), ["client-certificate"] = Data(keys.AdminCertificate), ["client-key"] = Data(keys.AdminKey) };
        await host.PatchAsync(path, new JsonObject { ["data"] = foreign }, Ct);
        try
        {
            Assert.Equal("undo-other-cluster", (await Assert.ThrowsAsync<EngineException>(() => undo.PlanAsync(repository, manifest, back, Ct))).Code);
            var work = new RestoreWork(repository, manifest, planned, planned.Hash, $"R-8 of {Guid.NewGuid()}");
            Assert.Equal("undo-other-cluster", (await Assert.ThrowsAsync<EngineException>(() => undo.ExecuteAsync(work, Ct))).Code);
        }
        finally
        {
            await host.PatchAsync(path, new JsonObject { ["data"] = own }, CancellationToken.None);
        }

        Assert.Equal(planned.Hash, (await undo.PlanAsync(repository, manifest, back, Ct)).Hash);
        static string Data(string file) => Convert.ToBase64String(File.ReadAllBytes(file));
    }

    [Fact]
    public void Restore_of_an_older_build_whose_record_names_no_cluster_is_taken_back_the_way_it_was_made_only()
    {
        ClusterIdentity.RequireSame("a", "a", isReachedAlike: false, "R-1", "https://c");
        ClusterIdentity.RequireSame(null, "a", isReachedAlike: true, "R-1", "https://c");
        foreach (var (recorded, found, isAlike) in ((string?, string?, bool)[])[("a", "b", true), (null, "a", false), ("a", null, false)])
        {
            Assert.Equal("undo-other-cluster", Assert.Throws<EngineException>(() => ClusterIdentity.RequireSame(recorded, found, isAlike, "R-1", "https://c")).Code);
        }
    }

    /// <summary>A restore point of the cluster that the catalog knows, in a tier.</summary>
    private async Task<(VClusterRestoreDriver Driver, BackupRepository Repository, Manifest Manifest)> CaptureAsync(string source)
    {
        var lab = await kubernetes.GetAsync(Ct);
        LocalFolder.WritePrivateFile(_folder.Combine("key"), "a passphrase of the test"u8);
        var tier = new StorageTier("hot", new Uri(_folder.Combine("hot")).AbsoluteUri, _folder.Combine("key"), null);
        var driver = Driver(tier);
        var repository = await _tiers!.OpenOrCreateAsync(tier, source, Ct);
        var captured = await new VClusterBackup(TimeProvider.System).CaptureAsync(
            new VClusterBackupRequest
            {
                Description = new BackupDescription { Source = source, Kind = VClusterBackup.Kind, Workspace = source },
                Settings = KubernetesLab.Settings(lab, lab.Clusters[0]) with { Etcd = null, DataDirectory = null },
            },
            repository, null, null, Ct);
        await using var connection = await catalog.Pool.OpenConnectionAsync(Ct);
        await using var transaction = await connection.BeginTransactionAsync(Ct);
        await RestorePointCatalog.RecordAsync(transaction, captured.Manifest, null, Ct);
        await RestorePointCatalog.RecordTierAsync(transaction, captured.Manifest.Id, tier.Name, "stored", null, Ct);
        await transaction.CommitAsync(Ct);
        return (driver, repository, captured.Manifest);
    }

    public void Dispose()
    {
        _tiers?.Dispose();
        _folder.Dispose();
    }

    /// <summary>Claims whose data differ from a restore point, and the plan that brings that back into them.</summary>
    private async Task<(VClusterRestoreDriver Driver, RestorePlan Plan, BackupRepository Repository, Manifest Manifest, List<string> Files)> PrepareAsync(KubeApi api, string name, int claims)
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        var files = new List<string>();
        for (var at = 0; at < claims; at++)
        {
            files.Add(Path.Combine(await cluster.AddClaimAsync(api, Namespace, $"{name}-{at}", Ct), "files", "03.txt"));
        }

        var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
        var captured = await new VClusterBackup(TimeProvider.System).CaptureAsync(
            new VClusterBackupRequest
            {
                Description = new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind },
                Settings = KubernetesLab.Settings(lab, cluster) with { Etcd = null, DataDirectory = null, VolumesDirectory = cluster.VolumesDirectory },
            },
            repository, null, null, Ct);
        foreach (var file in files)
        {
            await File.WriteAllTextAsync(file, "written since", Ct);
        }

        var driver = Driver();
        var target = RestoreTarget.Parse(
            $"vcluster:{cluster.Namespace}/{cluster.Name}?kubeconfig={lab.Host.Kubeconfig}&namespaces={Namespace}&names={name}-*&kinds=PersistentVolumeClaim&volumes={cluster.VolumesDirectory}&existing=change", "/");
        return (driver, await driver.PlanAsync(repository, captured.Manifest, target, Ct), repository, captured.Manifest, files);
    }

    private async Task RemoveAsync(KubeApi api, string name, int claims)
    {
        var cluster = (await kubernetes.GetAsync(CancellationToken.None)).Clusters[0];
        for (var at = 0; at < claims; at++)
        {
            await cluster.RemoveClaimAsync(api, Namespace, $"{name}-{at}", CancellationToken.None);
        }
    }

    /// <summary>A journal that the console did not make: nobody knows what it would bring back.</summary>
    private static void BreakJournal(string folder)
    {
        var journal = Path.Combine(folder, "journal");
        File.Delete(journal);
        Directory.CreateDirectory(journal);
    }

    private VClusterRestoreDriver Driver(params StorageTier[] tiers)
    {
        var estate = new ProtectedEstate("test", _folder.Path, ProtectionClass.Defaults, tiers, [], []);
        _tiers = new TierRepositories(estate, TimeProvider.System) { KeyDerivation = RepositoryFixture.Cheap.KeyDerivation };
        var points = new RestorePointCatalog(catalog.Pool);
        var volumes = new VolumeRestoreDriver(new VolumeRestore(TimeProvider.System), estate, DataFolder.Open(_folder.Combine("data")), TimeProvider.System);
        return new VClusterRestoreDriver(new ObjectRestoreCatalog(catalog.Pool), points, new RestorePointAccess(points, _tiers), new ClaimDataRestore(volumes), TimeProvider.System);
    }
}
