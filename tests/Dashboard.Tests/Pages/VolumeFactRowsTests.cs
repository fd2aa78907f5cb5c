using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Dashboard.Pages.Points;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

/// <summary>What the pages say of a volume: where it is, how it is read, of which instant it is.</summary>
public sealed class VolumeFactRowsTests
{
    private static readonly DateTimeOffset Cut = new(2026, 11, 24, 2, 0, 7, TimeSpan.Zero);

    [Fact]
    public void Source_says_which_claim_it_is_on_which_node_and_how_it_is_read()
    {
        var claim = new ClaimSettings("/keys/kubeconfig", "shop", "uploads");
        Assert.Equal([("Path", "/srv/uploads"), ("Node", "this machine")], Rows(new VolumeSettings("/srv/uploads")));
        Assert.Equal(
            [("Claim", "shop/uploads"), ("Read from", "its directory on the node, or the mount of a Pod that uses it"), ("Node", "worker-1")],
            Rows(new VolumeSettings(null) { Claim = claim, Node = "worker-1" }));
        var snapshot = new SnapshotSettings(TimeSpan.FromMinutes(5));
        Assert.Contains(("Read from", "a CSI snapshot of the cluster’s default class"), Rows(new VolumeSettings(null) { Claim = claim, Snapshot = snapshot }));
        Assert.Contains(("Read from", "a CSI snapshot of class csi-rbd"), Rows(new VolumeSettings(null) { Claim = claim, Snapshot = snapshot with { Class = "csi-rbd" } }));
    }

    [Fact]
    public void Restore_point_says_from_which_volume_and_directory_and_of_which_instant_it_is()
    {
        var facts = new VolumeFacts { Path = "claim shop/uploads", Form = VolumeFacts.DirectoryForm, Volume = "pvc-1", ReadAt = "/var/lib/kubelet/pods/1", FileSystem = "ext4" };
        var rows = Rows(facts with { SnapshotAt = Cut, SnapshotClass = "csi-rbd" });
        Assert.Contains(("PersistentVolume", "pvc-1"), rows);
        Assert.Contains(("Read from", "/var/lib/kubelet/pods/1"), rows);
        Assert.Contains(rows, row => row.Label == "Snapshot" && row.Value.StartsWith("csi-rbd, of ", StringComparison.Ordinal) && row.Value.Contains("02:00:07", StringComparison.Ordinal));
        Assert.Contains(("Held still", "No, but a snapshot is of one instant"), rows);
        Assert.Contains(("Read anew", "3 files, 0 B read"), Rows(facts with { SnapshotAt = Cut, Since = "0", ChangedFiles = 3 }));
        // A mount that is gone is none to compare the next backup with.
        Assert.DoesNotContain(rows, row => row.Label == "Mounted on");
        var mounted = Rows(facts with { MountPoint = "/var/lib/kubelet/pods/1" });
        Assert.Contains(("Mounted on", "/var/lib/kubelet/pods/1 (ext4)"), mounted);
        Assert.Contains(("Held still", "No, read while it was in use"), mounted);
    }

    [Fact]
    public void Line_and_standing_of_a_volume_name_how_much_could_not_be_read()
    {
        var facts = new VolumeFacts { Path = "/srv/uploads", Form = VolumeFacts.DirectoryForm, Files = 7, Since = "0", ChangedFiles = 2, Unreadable = 3 };
        var source = new Source("uploads", SourceKind.Volume, "critical", "shop");
        var proof = new Proof("a", Cut, Cut, true, 1, "hot");
        var known = new SourceFacts("a", Cut, [new TierStanding("hot", "verified", Cut, Cut), new TierStanding("warm", "stored", Cut, null)], Cut, proof, [proof]) { NewestFactsJson = facts.ToJson().GetRawText() };

        var standing = SourceStanding.Judge(source, ProtectionClass.Defaults["critical"], known, Cut);

        Assert.Equal("7 files, 2 changed, 3 unreadable", VolumeFactRows.Line(standing));
        Assert.Equal(Standing.Degraded, standing.Standing);
        Assert.Equal("3 items could not be read and are missing from the newest point", SourceRows.How(standing));
        var whole = SourceStanding.Judge(source, ProtectionClass.Defaults["critical"], known with { NewestFactsJson = (facts with { Unreadable = 0 }).ToJson().GetRawText() }, Cut);
        Assert.Equal("7 files, 2 changed", VolumeFactRows.Line(whole));
    }

    private static List<(string Label, string Value)> Rows(VolumeSettings settings) => [.. VolumeFactRows.Of(settings).Select(fact => (fact.Name, fact.Value))];

    private static List<(string Label, string Value)> Rows(VolumeFacts facts) => [.. VolumeFactRows.Of(facts, new FakeTimeProvider(Cut)).Select(fact => (fact.Name, fact.Value))];
}
