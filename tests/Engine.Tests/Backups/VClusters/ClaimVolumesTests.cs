using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Engine.Validation;
using Hexabase.DrConsole.Lab.Kubernetes;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>The data of a virtual cluster's claims, in its restore point and back.</summary>
[Collection("vcluster")]
public sealed class ClaimVolumesTests(KubernetesLab kubernetes) : IDisposable
{
    private const string Namespace = "team-0001";
    private readonly TemporaryFolder _folder = new();
    private readonly string _claim = $"c{Guid.NewGuid():n}"[..12];

    [Fact]
    public async Task Claims_data_is_in_the_restore_point_proven_and_comes_back_beside_and_in_place()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        using var api = KubernetesLab.Api(cluster);
        var directory = await cluster.AddClaimAsync(api, Namespace, _claim, Ct);
        try
        {
            await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
            var first = await CaptureAsync(lab, repository, cluster.VolumesDirectory);
            var volume = Assert.Single(first.Inventory.Volumes!);
            Assert.Equal((Namespace, _claim, directory), (volume.Namespace, volume.Claim, volume.Path));
            Assert.DoesNotContain(first.Inventory.Warnings, warning => warning.Contains(_claim, StringComparison.Ordinal));

            var validation = new RestorePointValidation(new ValidationOptions { ScratchRoot = "/var/lib/hexabase-drconsole-scratch" }, lab.Registry, TimeProvider.System);
            var result = await validation.RunAsync(repository, first.Manifest.Id, null, null, Ct);
            Assert.True(result.OverallPassed, string.Join("; ", result.Steps.Select(step => $"{step.Name} {step.Status}: {step.Reason}")));
            Assert.Contains("of 1 volume are equal", result.Steps[4].Reason, StringComparison.Ordinal);

            await File.WriteAllTextAsync(Path.Combine(directory, "files", "03.txt"), "encrypted by somebody", Ct);
            await File.WriteAllTextAsync(Path.Combine(directory, "files", "new.txt"), "new", Ct);
            var second = await CaptureAsync(lab, repository, cluster.VolumesDirectory);
            var tree = second.Manifest.Artifacts.Single(one => one.Name == volume.Artifact);
            Assert.Equal((first.Manifest.Id, 21), (second.Manifest.Parent, tree.Counts!.Files));
            // Two of them, and those whose time was that of the first backup.
            Assert.InRange(tree.Counts.ReadFiles, 2, 21);

            await RestoreAsync(repository, first.Manifest, $"dir:{_folder.Combine("beside")}?part={Namespace}/{_claim}");
            Assert.Equal(20, Directory.GetFiles(_folder.Combine("beside", "files")).Length);
            Assert.Equal($"upload 3 of {Namespace}\n", await File.ReadAllTextAsync(_folder.Combine("beside", "files", "03.txt"), Ct));

            await RestoreAsync(repository, first.Manifest, $"dir:{directory}?part={Namespace}/{_claim}&inPlace=true&delete=true&verify=true");
            Assert.Equal($"upload 3 of {Namespace}\n", await File.ReadAllTextAsync(Path.Combine(directory, "files", "03.txt"), Ct));
            Assert.False(File.Exists(Path.Combine(directory, "files", "new.txt")));
            await RestoreAsync(repository, first.Manifest, $"dir:{directory}?undo=true");
            Assert.Equal("encrypted by somebody", await File.ReadAllTextAsync(Path.Combine(directory, "files", "03.txt"), Ct));

            var fault = await Assert.ThrowsAsync<EngineException>(() => RestoreAsync(repository, first.Manifest, $"dir:{_folder.Combine("none")}?part={Namespace}/another"));
            Assert.Equal("volume-missing", fault.Code);
            Assert.Contains(volume.Artifact, fault.Hint, StringComparison.Ordinal);
        }
        finally
        {
            await cluster.RemoveClaimAsync(api, Namespace, _claim, CancellationToken.None);
        }
    }

    [Fact]
    public async Task Volumes_that_may_not_or_cannot_be_read_are_warnings_that_name_the_claim()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        using var api = KubernetesLab.Api(cluster);
        var directory = await cluster.AddClaimAsync(api, Namespace, _claim, Ct);
        try
        {
            await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
            // A tenant's volume may say any path.
            Assert.Contains("is not below", await WarningAsync(_folder.Combine("elsewhere")), StringComparison.Ordinal);
            Directory.Move(directory, directory + ".real");
            Assert.Contains("there is no directory", await WarningAsync(cluster.VolumesDirectory), StringComparison.Ordinal);
            Directory.CreateSymbolicLink(directory, "/etc");
            Assert.Contains("is not below", await WarningAsync(cluster.VolumesDirectory), StringComparison.Ordinal);
            var nobody = await CaptureAsync(lab, repository, null);
            Assert.Contains(nobody.Inventory.Warnings, warning => warning.Contains("VCluster:VolumesDirectory", StringComparison.Ordinal));
            Assert.Equal("files", Assert.Single(nobody.Inventory.MissingClaims!, one => one.Claim == _claim).BackedUpBy);
            // What a source of its own backs up has its own proof; without one this proof lacks it, whatever is equal in it.
            Assert.DoesNotContain(_claim, VClusterStructureCheck.Unread(nobody.Inventory) ?? "", StringComparison.Ordinal);
            Assert.Equal(
                nobody.Inventory.MissingClaims!.Where(one => one.BackedUpBy is null).Select(one => $"{one.Namespace}/{one.Claim}"),
                VClusterFacts.UnreadIn(nobody.Manifest.Facts.ToString()).GetValueOrDefault(VClusterFacts.Volumes) ?? []);
            var alone = nobody.Inventory with { MissingClaims = [.. nobody.Inventory.MissingClaims!.Select(one => one with { BackedUpBy = null })] };
            Assert.Contains($"the data of claim {Namespace}/{_claim} (VCluster:VolumesDirectory", VClusterStructureCheck.Unread(alone), StringComparison.Ordinal);

            async Task<string> WarningAsync(string root)
            {
                var captured = await CaptureAsync(lab, repository, root);
                Assert.Empty(captured.Inventory.Volumes!);
                Assert.Contains(captured.Inventory.MissingClaims!, one => (one.Namespace, one.Claim) == (Namespace, _claim));
                return Assert.Single(captured.Inventory.Warnings, warning => warning.Contains($"claim {Namespace}/{_claim}", StringComparison.Ordinal));
            }
        }
        finally
        {
            await cluster.RemoveClaimAsync(api, Namespace, _claim, CancellationToken.None);
        }
    }

    [Fact]
    public async Task Volume_that_has_lost_nearly_all_of_its_files_is_a_failure_and_may_be_allowed()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var cluster = lab.Clusters[0];
        using var api = KubernetesLab.Api(cluster);
        var directory = await cluster.AddClaimAsync(api, Namespace, _claim, Ct);
        try
        {
            for (var at = 0; at < 1000; at++)
            {
                await File.WriteAllTextAsync(Path.Combine(directory, "files", $"many-{at}"), "", Ct);
            }

            await using var repository = await InitializeAsync(new FileSystemStore(_folder.Combine("store")));
            await CaptureAsync(lab, repository, cluster.VolumesDirectory);
            Directory.Delete(Path.Combine(directory, "files"), recursive: true);
            await File.WriteAllTextAsync(Path.Combine(directory, "left"), "", Ct);
            Assert.Contains((await CaptureAsync(lab, repository, cluster.VolumesDirectory)).Inventory.Warnings, warning => warning.Contains("files, and had 1", StringComparison.Ordinal));

            // The disk is not mounted.
            Directory.CreateDirectory(Path.Combine(directory, "files"));
            for (var at = 0; at < 1000; at++)
            {
                await File.WriteAllTextAsync(Path.Combine(directory, "files", $"many-{at}"), "", Ct);
            }

            await CaptureAsync(lab, repository, cluster.VolumesDirectory);
            foreach (var entry in new DirectoryInfo(directory).EnumerateFileSystemInfos())
            {
                if (entry is DirectoryInfo folder)
                {
                    folder.Delete(recursive: true);
                }
                else
                {
                    entry.Delete();
                }
            }

            var fault = await Assert.ThrowsAsync<EngineException>(() => CaptureAsync(lab, repository, cluster.VolumesDirectory));

            Assert.Equal("volume-emptied", fault.Code);
            Assert.Contains($"claim {Namespace}/{_claim}", fault.Message, StringComparison.Ordinal);
            Assert.Equal(3, (await repository.ListAsync(Ct)).Points.Count);
            Assert.Single((await CaptureAsync(lab, repository, cluster.VolumesDirectory, mayBeEmptied: true)).Inventory.Volumes!);
        }
        finally
        {
            await cluster.RemoveClaimAsync(api, Namespace, _claim, CancellationToken.None);
        }
    }

    [Fact]
    public void Artifact_of_a_claim_with_a_long_name_has_a_name_that_fits()
    {
        Assert.Equal("volume.team.data", VClusterArtifacts.VolumeOf("team", "data"));
        var (one, other) = (VClusterArtifacts.VolumeOf("team", new string('a', 253)), VClusterArtifacts.VolumeOf("team", new string('a', 252) + "b"));
        Assert.True(one.Length <= 200);
        Assert.NotEqual(one, other);
    }

    public void Dispose() => _folder.Dispose();

    private Task<VClusterCaptured> CaptureAsync(LabKubernetes lab, BackupRepository repository, string? volumes, bool mayBeEmptied = false) => new VClusterBackup(TimeProvider.System).CaptureAsync(
        new VClusterBackupRequest
        {
            Description = new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind, Workspace = "shop" },
            Settings = KubernetesLab.Settings(lab, lab.Clusters[0]) with { VolumesDirectory = volumes, MayBeEmptied = mayBeEmptied },
            ClaimSources = new Dictionary<string, string> { [$"{_claim}-x-{Namespace}-x-{lab.Clusters[0].Name}"] = "files" },
        },
        repository, null, null, Ct);

    private async Task RestoreAsync(BackupRepository repository, Manifest manifest, string to)
    {
        var estate = new ProtectedEstate("test", _folder.Path, ProtectionClass.Defaults, [], [], []);
        var driver = new VolumeRestoreDriver(new VolumeRestore(TimeProvider.System), estate, DataFolder.Open(_folder.Combine("data")), TimeProvider.System);
        var target = RestoreTarget.Parse(to, "/");
        Assert.True(driver.Takes(target, manifest));
        var plan = await driver.PlanAsync(repository, manifest, target, Ct);
        await driver.ExecuteAsync(new RestoreWork(repository, manifest, plan, plan.Hash, $"R-{Guid.NewGuid():n}"), Ct);
    }
}
