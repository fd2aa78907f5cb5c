using Hexabase.DrConsole.Engine.Backups;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

public sealed class VClusterTargetTests
{
    [Theory]
    [InlineData("vcluster:vcluster-a/a?kubeconfig=/k/host")]
    [InlineData("vcluster:vcluster-a/a?kubeconfig=/k/host&server=https://127.0.0.1:6443&namespaces=shop,billing&kinds=ConfigMap,Deployment.apps&names=web&map=billing:b2,shop:s2&existing=change")]
    [InlineData("vcluster:vcluster-a/a?kubeconfig=/k/host&namespaces=team-%2A&excludeNamespaces=team-b&excludeKinds=Secret&labels=app%20in%20%28a,b%29,%21old&cluster=without&nodePorts=keep")]
    [InlineData("vcluster:vcluster-a/a?kubeconfig=/k/host&namespaces=shop&existing=change&volumes=/srv/storage")]
    [InlineData("vcluster:vcluster-a/a?kubeconfig=/k/host&store=/srv/data-a-0")]
    public void Target_reads_back_as_it_was_written(string text)
    {
        var target = Assert.IsType<VClusterTarget>(RestoreTarget.Parse(text, "/"));
        Assert.Equal(text, target.ToText());
        Assert.False(target.Settings.RunsCommands);
    }

    [Fact]
    public void Place_without_a_directory_is_no_restore_of_objects()
    {
        var fault = Assert.Throws<EngineException>(() => RestoreTarget.Parse("vcluster:a/a?kubeconfig=/k&store=", "/"));
        Assert.Contains("store= is empty", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_mistake_is_told_at_once()
    {
        var fault = Assert.Throws<EngineException>(() => RestoreTarget.Parse("vcluster:a?server=ftp://x&existing=maybe&map=shop,team-*:copy,s?:t&store=/s&names=n&colour=red&labels=a b&cluster=maybe2&nodePorts=some", "/"));
        Assert.Equal("restore-target-invalid", fault.Code);
        foreach (var part in (string[])["NAMESPACE/NAME", "kubeconfig=", "ftp://x", "maybe", "map shop", "map team-*:copy", "map s?:t", "store=", "colour", "a b", "maybe2", "some"])
        {
            Assert.Contains(part, fault.Message, StringComparison.Ordinal);
        }
    }
}
