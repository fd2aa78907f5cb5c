using System.Text.Json.Nodes;
using Hexabase.DrConsole.Engine.Backups.VClusters.Api;

namespace Hexabase.DrConsole.Engine.Tests.Backups.VClusters;

public sealed class LabelSelectorTests
{
    private static readonly JsonObject s_web = (JsonObject)JsonNode.Parse("""{"metadata":{"labels":{"app":"web","example.com/tier":"front","empty":""}}}""")!;

    [Theory]
    [InlineData("app=web", true)]
    [InlineData("app == web , example.com/tier!=back", true)]
    [InlineData("app=web,example.com/tier=back", false)]
    [InlineData("app in (store, web),!legacy", true)]
    [InlineData("app notin (store,web)", false)]
    [InlineData("missing notin (a),missing!=a", true)]
    [InlineData("missing=a", false)]
    [InlineData("example.com/tier", true)]
    [InlineData("! app", false)]
    [InlineData("empty=", true)]
    public void Selector_takes_what_kubernetes_takes(string text, bool expected)
    {
        var selector = LabelSelector.Parse(text, out var fault);
        Assert.Null(fault);
        Assert.Equal(expected, selector!.Takes(s_web));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("app=web,", "")]
    [InlineData("app=web,tier in front", "tier in front")]
    [InlineData("a=b=c", "a=b=c")]
    [InlineData("app in (a,b", "app in (a")]
    public void Text_that_is_none_is_told(string text, string part)
    {
        Assert.Null(LabelSelector.Parse(text, out var fault));
        Assert.Equal(part, fault);
    }
}
