using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Pages.Clusters;
using Hexabase.DrConsole.Dashboard.Pages.Runs;
using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Drivers;
using Hexabase.DrConsole.Engine.Backups.VClusters;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Repository;
using Hexabase.DrConsole.Engine.Runs;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

/// <summary>The parts of a virtual cluster on its source's page, and the way back from a restore of its objects.</summary>
public sealed class ClusterPartRowsTests
{
    [Fact]
    public void Claim_without_data_in_the_last_backup_makes_the_volumes_incomplete()
    {
        var older = Point("0a", ["shop/files"], []);
        Assert.Empty(Volumes(older).Unread);

        Assert.Equal(["shop/db"], Volumes(Point("0b", ["shop/files"], ["shop/db"]), older).Unread);
    }

    [Fact]
    public void Backup_that_has_no_claims_data_at_all_leaves_the_older_volumes_incomplete_not_fresh()
    {
        var part = Volumes(Point("0c", [], ["shop/db", "shop/files"]), Point("0a", ["shop/files"], []));

        Assert.Equal("0a", part.Point!.Id);
        Assert.Equal(["shop/db", "shop/files"], part.Unread);
    }

    [Theory]
    [InlineData(RunState.Completed, VClusterRestoreDriver.Kind, true)]
    [InlineData(RunState.Failed, VClusterRestoreDriver.Kind, false)]
    [InlineData(RunState.Completed, VClusterUndoDriver.Kind, false)]
    public void Way_back_is_offered_from_a_completed_restore_of_objects(RunState state, string kind, bool isOffered)
    {
        var plan = new RestorePlan
        {
            FormatVersion = RestorePlan.CurrentVersion, RestorePointId = new string('0', 32), ManifestHash = "00", Source = "tenant", Kind = kind, Target = "vcluster:team/one?kubeconfig=/k&namespaces=shop", Artifacts = [], Notes = [],
        };
        var run = new Run(new RunId(7), RunKinds.Restore, "tenant", null, JsonSerializer.Serialize(new RestoreRequest(plan, plan.Hash), JsonSerializerOptions.Web), "00", state, 1, 1, "anna", null, null) { CreatedAt = DateTimeOffset.UnixEpoch };

        Assert.Equal(isOffered, TakeBack.IsFor(run));
        if (isOffered)
        {
            Assert.Equal((plan.RestorePointId, $"vcluster:team/one?kubeconfig=/k&undo={run.Id}"), VClusterUndoDriver.Of(run));
        }
    }

    private static ClusterPart Volumes(params RestorePointRow[] newestFirst) => ClusterPartRows.Of(newestFirst).Single(part => part.Name == "Volumes");

    private static RestorePointRow Point(string id, string[] stored, string[] missing)
    {
        var artifacts = stored.Select(claim => new StoredArtifact { Name = $"volume {claim}".Replace('/', ' '), Kind = "tree", Type = StoredArtifact.TreeType, Length = 10, StoredBytes = 10, Sha256 = "", Root = new ArtifactRoot(0, null, 0) }).ToList();
        return new RestorePointRow(
            id, "tenant", VClusterBackup.Kind, "standard", "shop", DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, 10, 10, JsonSerializer.Serialize(artifacts, JsonSerializerOptions.Web),
            JsonSerializer.Serialize(new { unread = new Dictionary<string, string[]> { [VClusterFacts.Volumes] = missing } }), "{}", null);
    }
}
