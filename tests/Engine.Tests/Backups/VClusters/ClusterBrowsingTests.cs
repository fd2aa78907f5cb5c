using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Audit;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Backups.VClusters.Browsing;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Storage;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Tests.Repository;
using Hexabase.DrConsole.Engine.Tests.Support;
using Hexabase.DrConsole.Lab.Kubernetes;
using static Hexabase.DrConsole.Engine.Tests.Repository.RepositoryFixture;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

/// <summary>Looking into restore points of a real virtual cluster, and comparing them with each other and with it.</summary>
[Collection("vcluster")]
public sealed class ClusterBrowsingTests(KubernetesLab kubernetes, CatalogServer catalog) : IDisposable
{
    private static readonly string s_namespace = ClusterPopulation.NamespaceOf(2);
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task What_was_created_changed_and_deleted_is_found_between_two_restore_points_and_against_the_cluster()
    {
        var lab = await kubernetes.GetAsync(Ct);
        var settings = KubernetesLab.Settings(lab, lab.Clusters[0]) with { Etcd = null, DataDirectory = null };
        using var api = KubernetesLab.Api(lab.Clusters[0]);
        var path = $"/api/v1/namespaces/{s_namespace}/configmaps";
        foreach (var name in (string[])["browse-changed", "browse-deleted"])
        {
            Assert.True((await api.CreateAsync(path, ConfigMap(name, "before"), false, Ct)).IsSuccess);
        }

        await using var first = await CaptureAsync(settings, "first");
        try
        {
            Assert.True((await api.PatchAsync($"{path}/browse-changed", new JsonObject { ["data"] = new JsonObject { ["key"] = "after" } }, Ct)).IsSuccess);
            Assert.True((await api.DeleteAsync($"{path}/browse-deleted", null, Ct)).IsSuccess);
            Assert.True((await api.CreateAsync(path, ConfigMap("browse-new", "new"), false, Ct)).IsSuccess);
            await using var second = await CaptureAsync(settings, "second");
            using var live = await LiveCluster.ReadAsync(settings, TimeProvider.System, null, Ct);

            foreach (var other in (IClusterContent[])[second, live])
            {
                var difference = ClusterComparison.Between(first, other);
                // The cluster's own controllers may still be at work on everything else.
                Assert.Equal(
                    ["browse-changed: Changed", "browse-deleted: OnlyFirst", "browse-new: OnlySecond"],
                    difference.Changes.Where(change => change.Key.Name.StartsWith("browse-", StringComparison.Ordinal)).Select(change => $"{change.Key.Name}: {change.Kind}"));
                Assert.True(difference.Equal > 100);
                Assert.Equal(0, difference.NotCompared);
                var field = Assert.Single(await ClusterComparison.FieldsAsync(first, other, difference.Changes.First(change => change.Key.Name == "browse-changed"), Ct));
                Assert.Equal(("data.key", "\"before\"", "\"after\""), (field.Path, field.Before, field.After));
            }

            // Whoever deletes it between the list and the look is told so.
            var gone = ClusterComparison.Between(first, live).Changes.First(change => change.Key.Name == "browse-changed");
            Assert.True((await api.DeleteAsync($"{path}/browse-changed", null, Ct)).IsSuccess);
            Assert.Equal("object-gone", (await Assert.ThrowsAsync<EngineException>(() => ClusterComparison.FieldsAsync(first, live, gone, Ct))).Code);
        }
        finally
        {
            foreach (var name in (string[])["browse-changed", "browse-deleted", "browse-new"])
            {
                await api.DeleteAsync($"{path}/{name}", null, Ct);
            }
        }
    }

    [Fact]
    public async Task Values_of_a_secret_are_masked_until_somebody_is_on_record()
    {
        var lab = await kubernetes.GetAsync(Ct);
        await using var cluster = await CaptureAsync(KubernetesLab.Settings(lab, lab.Clusters[0]) with { Etcd = null, DataDirectory = null }, "secrets");
        var secret = cluster.Objects.First(one => one.Kind == "Secret" && one.Namespace == s_namespace && !one.Name.Contains("token", StringComparison.Ordinal));
        var value = (await cluster.ReadAsync(secret, Ct))!["data"]!.AsObject().First().Value!.GetValue<string>();

        var masked = await ClusterBrowsing.DocumentAsync(cluster, secret, Ct);
        Assert.DoesNotContain(value, masked, StringComparison.Ordinal);
        Assert.Contains($"(hidden, {Convert.FromBase64String(value).Length} bytes)", masked, StringComparison.Ordinal);

        var estate = new ProtectedEstate("test", _folder.Path, ProtectionClass.Defaults, [], [], []);
        using var tiers = new TierRepositories(estate, TimeProvider.System) { KeyDerivation = RepositoryFixture.Cheap.KeyDerivation };
        var points = new RestorePointCatalog(catalog.Pool);
        var browsing = new ClusterBrowsing(points, new RestorePointAccess(points, tiers), estate, catalog.Pool, TimeProvider.System);
        var actor = "admin-" + Guid.NewGuid().ToString("N");
        Assert.Contains(value, await browsing.RevealAsync(cluster, secret, actor, Ct), StringComparison.Ordinal);
        var events = new List<AuditEvent>();
        await foreach (var one in AuditLog.ReadAsync(catalog.Pool, 0, int.MaxValue, Ct))
        {
            if (one.Actor == actor)
            {
                events.Add(one);
            }
        }

        var written = Assert.Single(events);
        Assert.Equal("restore-point.secret-shown", written.Action);
        Assert.Contains(secret.Name, written.Details, StringComparison.Ordinal);
        Assert.DoesNotContain(value, written.Details, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private static JsonObject ConfigMap(string name, string value) => new()
    {
        ["apiVersion"] = "v1",
        ["kind"] = "ConfigMap",
        ["metadata"] = new JsonObject { ["name"] = name },
        ["data"] = new JsonObject { ["key"] = value },
    };

    private async Task<StoredCluster> CaptureAsync(VClusterSettings settings, string store)
    {
        var repository = await InitializeAsync(new FileSystemStore(_folder.Combine(store)));
        var captured = await new VClusterBackup(TimeProvider.System).CaptureAsync(
            new VClusterBackupRequest { Description = new BackupDescription { Source = "tenant-a", Kind = VClusterBackup.Kind }, Settings = settings }, repository, null, null, Ct);
        return await StoredCluster.ReadAsync("hot", repository, captured.Manifest, Ct);
    }
}
