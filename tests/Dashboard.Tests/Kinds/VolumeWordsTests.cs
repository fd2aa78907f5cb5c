using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Kinds;
using Hexabase.DrConsole.Dashboard.Pages.Overview;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Strategies;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Kinds;

/// <summary>What the pages say of a volume: where it is, how it is read, of which instant it is, and what reading it cost.</summary>
public sealed class VolumeWordsTests
{
    private static readonly DateTimeOffset Cut = new(2026, 11, 24, 2, 0, 7, TimeSpan.Zero);

    private static readonly VolumeFacts Directory = new()
    {
        Path = "/srv/uploads", Form = VolumeFacts.DirectoryForm, Files = 7, Directories = 2, Bytes = 5_000_000, ContentBytes = 4_000_000, Since = "0", ChangedFiles = 2, ChangedBytes = 1_200_000,
    };

    [Fact]
    public void Source_says_which_claim_it_is_on_which_node_and_how_it_is_read()
    {
        var claim = new ClaimSettings("/keys/kubeconfig", "shop", "uploads");
        Assert.Equal([("Path", "/srv/uploads"), ("Node", "this machine"), ("Left out", "none")], Rows(new VolumeSettings("/srv/uploads")));
        Assert.Equal(
            [("Claim", "shop/uploads"), ("Read from", "its directory on the node, or the mount of a Pod that uses it"), ("Node", "worker-1"), ("Left out", "none")],
            Rows(new VolumeSettings(null) { Claim = claim, Node = "worker-1" }));
        var snapshot = new SnapshotSettings(TimeSpan.FromMinutes(5));
        Assert.Contains(("Read from", "a CSI snapshot of the cluster’s default class"), Rows(new VolumeSettings(null) { Claim = claim, Snapshot = snapshot }));
        Assert.Contains(("Read from", "a CSI snapshot of class csi-rbd"), Rows(new VolumeSettings(null) { Claim = claim, Snapshot = snapshot with { Class = "csi-rbd" } }));
    }

    [Fact]
    public void Restore_point_says_from_which_volume_and_directory_and_of_which_instant_it_is()
    {
        var facts = new VolumeFacts { Path = "claim shop/uploads", Form = VolumeFacts.DirectoryForm, Volume = "pvc-1", ReadAt = "/var/lib/kubelet/pods/1", FileSystem = "ext4" };
        var rows = Rows(facts with { SnapshotAt = Cut, SnapshotClass = "csi-rbd", Node = "worker-1" });
        Assert.Contains(("PersistentVolume", "pvc-1"), rows);
        Assert.Contains(("Read from", "/var/lib/kubelet/pods/1"), rows);
        Assert.Contains(("Read", "the copy that a CSI snapshot made, by the agent of node worker-1"), rows);
        Assert.Contains(rows, row => row.Label == "Snapshot" && row.Value.StartsWith("csi-rbd, of ", StringComparison.Ordinal) && row.Value.Contains("02:00:07", StringComparison.Ordinal));
        Assert.Contains(("Held still", "No, but a snapshot is of one instant"), rows);
        Assert.Contains(("Read anew", "3 of 9 files"), Rows(facts with { SnapshotAt = Cut, Since = "0", Files = 9, ChangedFiles = 3 }));
        // A mount that is gone is none to compare the next backup with.
        Assert.DoesNotContain(rows, row => row.Label == "Mounted on");
        var mounted = Rows(facts with { MountPoint = "/var/lib/kubelet/pods/1" });
        Assert.Contains(("Mounted on", "/var/lib/kubelet/pods/1 (ext4)"), mounted);
        Assert.Contains(("Read", "the claim’s directory or mount"), mounted);
        Assert.Contains(("Held still", "No, read while it was in use"), mounted);
    }

    [Fact]
    public void Directory_shows_what_was_read_of_it_stored_changed_meanwhile_and_how_long_writers_were_held_up()
    {
        var facts = Directory with { ChangedWhileRead = 1, Unreadable = 3, HeldStill = "fsfreeze", HeldSeconds = 0.4 };
        var sheet = Sheet(facts);

        Assert.Equal("7 files, 2 changed, 3 unreadable, 1 changed while read", sheet.Holds);
        Assert.Equal("1.2 of 4.0 MB read, writers held up 0.4s", sheet.Cost);
        Assert.Contains(("Folders", "2"), Rows(facts));
        Assert.Contains(("Size of all files", "5.0 MB"), Rows(facts));
        Assert.Contains(("Unreadable", "3 items are missing from this restore point"), Rows(facts));
        Assert.Contains(("Changed while read", "1"), Rows(facts));
        Assert.Equal(
            [("Changed since the last", "2 of 7 files"), ("Bytes read", "1.2 of 4.0 MB"), ("Stored anew", "9 kB"), ("Held still", "fsfreeze, for 0.4s")],
            sheet.CostFacts.Select(fact => (fact.Name, fact.Value)));
        Assert.Equal(["7", "2", "1.2 MB", "9 kB", "3", "1", "0.4s"], sheet.Costs);
        Assert.Equal(sheet.Costs.Count, KindWords.Of(SourceKind.Volume).CostColumns.Count);
    }

    [Fact]
    public void What_an_older_point_did_not_count_is_a_dash()
    {
        var sheet = Sheet(Directory);
        Assert.Equal("7 files, 2 changed", sheet.Holds);
        Assert.Equal("1.2 of 4.0 MB read", sheet.Cost);
        Assert.Contains(("Changed while read", "–"), Rows(Directory));
        Assert.Equal(["7", "2", "1.2 MB", "9 kB", "0", "–", "–"], sheet.Costs);
    }

    [Fact]
    public void Image_and_device_show_their_size_and_how_much_of_it_is_content()
    {
        var image = new VolumeFacts { Path = "/srv/disk.raw", Form = VolumeFacts.ImageForm, Files = 1, Bytes = 1_000_000_000, ContentBytes = 30_000_000, ChangedFiles = 1, ChangedBytes = 30_000_000, ChangedWhileRead = 0 };
        Assert.Equal("image of 1.0 GB, 30 MB of it content", Sheet(image).Holds);
        Assert.Contains(("Size of the image", "1.0 GB"), Rows(image));
        Assert.Contains(("Read", "the image file"), Rows(image));
        Assert.DoesNotContain(Rows(image), row => row.Label == "Files");
        var device = image with { Form = VolumeFacts.DeviceForm, ChangedWhileRead = null };
        Assert.Contains(("Read", "the block device, all of it"), Rows(device));
        Assert.DoesNotContain(Rows(device), row => row.Label == "Changed while read");
    }

    [Fact]
    public void Row_and_standing_of_a_volume_name_how_much_could_not_be_read()
    {
        var facts = Directory with { Unreadable = 3 };
        var source = new Source("uploads", SourceKind.Volume, "critical", "shop");
        var proof = new Proof("a", Cut, Cut, true, 1, "hot");
        var known = new SourceFacts("a", Cut, [new TierStanding("hot", "verified", Cut, Cut), new TierStanding("warm", "stored", Cut, null)], Cut, proof, [proof]) { NewestFactsJson = facts.ToJson().GetRawText() };

        var standing = SourceStanding.Judge(source, ProtectionClass.Defaults["critical"], known, Cut);

        var row = SourceRows.From(standing, [], new FakeTimeProvider(Cut));
        Assert.Equal(("Volume, critical", "7 files, 2 changed, 3 unreadable"), (row.What, row.Content.Holds));
        Assert.Equal(Standing.Degraded, standing.Standing);
        Assert.Equal("3 items could not be read and are missing from the newest point", SourceRows.How(standing));
        // Nobody told what it stored.
        Assert.Contains(("Stored anew", "–"), row.Content.CostFacts.Select(fact => (fact.Name, fact.Value)));
    }

    private static List<(string Label, string Value)> Rows(VolumeSettings settings) =>
        [.. KindWords.Of(SourceKind.Volume).Of(new Source("uploads", SourceKind.Volume, "critical", "shop") { Volume = settings }).Select(fact => (fact.Name, fact.Value))];

    private static List<(string Label, string Value)> Rows(VolumeFacts facts) => [.. Sheet(facts).Facts.Concat(Sheet(facts).CostFacts).Select(fact => (fact.Name, fact.Value))];

    private static KindSheet Sheet(VolumeFacts facts) => KindWords.Of(SourceKind.Volume).Read(new PointContent(facts.ToJson(), 5_000_000, 9_000), new FakeTimeProvider(Cut));
}
