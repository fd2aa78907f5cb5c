using Hexabase.DrConsole.Engine.Backups;
using Hexabase.DrConsole.Engine.Backups.Volumes;
using Hexabase.DrConsole.Engine.Estate;
using Hexabase.DrConsole.Engine.Tests.Executable;
using Hexabase.DrConsole.Engine.Tests.Repository;

namespace Hexabase.DrConsole.Engine.Tests.Backups;

/// <summary>What counts as the place of a source, and what as another one.</summary>
public sealed class RestorePlacesTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("one", "two", true)]
    [InlineData("one", "one-more", true)]
    [InlineData("one", "gone", true)]
    [InlineData("one", "one", false)]
    [InlineData("one", "one/below", false)]
    [InlineData("one/below", "one", false)]
    [InlineData("one", "link", false)]
    [InlineData("link/below", "one", false)]
    public async Task Directory_is_elsewhere_where_neither_is_within_the_other(string own, string other, bool isElsewhere)
    {
        using var folder = Places();
        Assert.Equal(isElsewhere, VolumePlace.AreApart(folder.Combine(own), folder.Combine(other)));
        var volume = new Source("uploads", SourceKind.Volume, "standard", "shop") { Volume = new VolumeSettings(folder.Combine(own)) };
        var target = new DirectoryTarget(folder.Combine(other)) { InPlace = true };
        Assert.Equal(isElsewhere, await RestorePlaces.IsElsewhereAsync(volume, target, Ct));
        // Of a node's own volume nobody here knows the paths.
        Assert.False(await RestorePlaces.IsElsewhereAsync(volume with { Volume = volume.Volume! with { Node = "node-7" } }, target, Ct));
        var cluster = new Source("tenant", SourceKind.VCluster, "standard", "shop") { VCluster = new VClusterSettings("ns", "/k", false) { VolumesDirectory = folder.Combine(own) } };
        Assert.Equal(isElsewhere, await RestorePlaces.IsElsewhereAsync(cluster, target, Ct));
    }

    [Fact]
    public async Task Directory_that_is_mounted_at_a_second_place_is_the_same()
    {
        Assert.SkipUnless(Environment.UserName == "root", "mounting needs root");
        using var folder = Places();
        await Shell.RunAsync("mount", "--bind", folder.Combine("one"), folder.Combine("two"));
        try
        {
            Assert.False(VolumePlace.AreApart(folder.Combine("one"), folder.Combine("two")));
            Assert.False(VolumePlace.AreApart(folder.Combine("one/below"), folder.Combine("two")));
            Assert.True(VolumePlace.AreApart(folder.Combine("one/below"), folder.Combine("two/beside")));
        }
        finally
        {
            await Shell.RunAsync("umount", folder.Combine("two"));
        }
    }

    [Theory]
    [InlineData("vcluster:ns/a?kubeconfig=/k", false)]
    [InlineData("vcluster:ns/a?kubeconfig=/other", false)]
    [InlineData("vcluster:ns/b?kubeconfig=/k", true)]
    [InlineData("vcluster:other/a?kubeconfig=/k", true)]
    [InlineData("vcluster:other/a?kubeconfig=/k&store=/elsewhere", true)]
    [InlineData("vcluster:other/a?kubeconfig=/k&store=/data", false)]
    public async Task Cluster_is_elsewhere_by_its_namespace_and_name_and_by_the_directory_of_its_store(string target, bool isElsewhere)
    {
        var source = new Source("tenant", SourceKind.VCluster, "standard", "shop") { VCluster = new VClusterSettings("ns", "/k", false) { Name = "a", DataDirectory = "/data" } };
        Assert.Equal(isElsewhere, await RestorePlaces.IsElsewhereAsync(source, RestoreTarget.Parse(target, "/"), Ct));
    }

    private static TemporaryFolder Places()
    {
        var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.Combine("one/below"));
        Directory.CreateDirectory(folder.Combine("one/beside"));
        Directory.CreateDirectory(folder.Combine("one-more"));
        Directory.CreateDirectory(folder.Combine("two"));
        Directory.CreateSymbolicLink(folder.Combine("link"), folder.Combine("one"));
        return folder;
    }
}
