using Bunit;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Pages.Settings;
using Hexabase.DrConsole.Dashboard.Tests.Controls;
using Hexabase.DrConsole.Engine.Catalog;
using Microsoft.Extensions.Configuration;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

public sealed class SettingsTests : ControlTests
{
    private static readonly KeyStanding Never = new("/keys/repository.key", ["hot", "warm"], CustodyState.Never, null);
    private static readonly KeyCustodyRow Word = new("/keys/repository.key", "digest", "safe in Osaka", "ito", Start.AddDays(-1));
    private readonly List<CustodyWord> _words = [];

    [Fact]
    public void Key_that_nobody_spoke_of_asks_for_the_place_and_the_comparison()
    {
        var panel = Panel(Never);
        Assert.Contains("Not confirmed", panel.Markup, StringComparison.Ordinal);
        panel.Find("form").Submit();
        Assert.NotEmpty(panel.FindAll("[role=alert]"));
        panel.Find("input.input").Input("safe in Osaka");
        panel.Find("form").Submit();
        Assert.Empty(_words);
        panel.Find("input[type=checkbox]").Change(true);
        panel.Find("form").Submit();
        Assert.Equal(new CustodyWord("/keys/repository.key", "safe in Osaka"), Assert.Single(_words));
    }

    [Fact]
    public void Confirmed_key_tells_by_whom_when_and_where_and_is_never_green()
    {
        var panel = Panel(Never with { State = CustodyState.Confirmed, Last = Word });
        Assert.Contains("by ito, Mon 23 Nov 03:12: safe in Osaka", panel.Markup, StringComparison.Ordinal);
        Assert.Empty(panel.FindAll("form"));
        Assert.DoesNotContain("tone-proven", panel.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Changed_key_is_asked_for_again_and_keeps_the_old_word()
    {
        var panel = Panel(Never with { State = CustodyState.KeyChanged, Last = Word });
        Assert.Contains("Another key now", panel.Markup, StringComparison.Ordinal);
        Assert.Contains("safe in Osaka", panel.Markup, StringComparison.Ordinal);
        Assert.Single(panel.FindAll("form"));
    }

    [Fact]
    public void Unreadable_key_tells_why_and_cannot_be_confirmed()
    {
        var panel = Panel(Never with { State = CustodyState.Unreadable, Fault = "no such file" });
        Assert.Contains("no such file", panel.Markup, StringComparison.Ordinal);
        Assert.Empty(panel.FindAll("form"));
    }

    [Fact]
    public void Kit_quotes_its_commands_for_a_shell()
    {
        var one = new KitRepository("warm", "shop", "s3://b/warm/shop?endpoint=http://127.0.0.1:7480&pathStyle=true", "/it's/key", "ab", 1, null);
        Assert.Equal(
            @"drconsole repository check --store 's3://b/warm/shop?endpoint=http://127.0.0.1:7480&pathStyle=true' --key-file '/it'\''s/key' --level L1", one.Command("check", "--level L1"));
    }

    [Fact]
    public void Setting_names_the_file_or_the_environment_that_it_comes_from()
    {
        var folder = Directory.CreateTempSubdirectory("drconsole-settings-");
        try
        {
            var file = Path.Combine(folder.FullName, "own.json");
            File.WriteAllText(file, """{ "DrConsole": { "Name": "lab", "Classes": { "critical": { "ProofDays": 9 } }, "Sources": [ { "Name": "orders" } ] } }""");
            var origin = new DeclaredIn(new ConfigurationBuilder().AddJsonFile(file).AddInMemoryCollection([new("DrConsole:DataDirectory", "/data")]).Build());
            Assert.Equal(file, origin.OriginOf("DrConsole:Name"));
            Assert.Equal(file, origin.OriginOf("DrConsole:Classes:critical"));
            Assert.Equal(DeclaredIn.Environment, origin.OriginOf("DrConsole:DataDirectory"));
            Assert.Null(origin.OriginOf("DrConsole:Tiers"));
            Assert.Equal(file, origin.OfClass("standard"));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private IRenderedComponent<CustodyPanel> Panel(KeyStanding key) => Render<CustodyPanel>(parameters => parameters
        .Add(self => self.Keys, [key])
        .Add(self => self.OnConfirm, word =>
        {
            _words.Add(word);
            return Task.FromResult(true);
        }));
}
