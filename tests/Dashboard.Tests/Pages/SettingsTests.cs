using Bunit;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Pages.Settings;
using Hexabase.DrConsole.Dashboard.Tests.Controls;
using Hexabase.DrConsole.Engine.Backups.Maintenance;
using Hexabase.DrConsole.Engine.Catalog;
using Hexabase.DrConsole.Engine.Runs;
using Microsoft.Extensions.Configuration;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

public sealed class SettingsTests : ControlTests
{
    private static readonly KeyStanding Never = new("/keys/repository.key", ["hot", "warm"], CustodyState.Never, null);
    private static readonly KeyCustodyRow Word = new("/keys/repository.key", "digest", "safe in Osaka", "ito", Start.AddDays(-1));
    private static readonly WorkspaceKeyStanding Shop = new(
        "shop", new WorkspaceKeyRow("shop", 3, Start.AddDays(-10), ["hot", "warm"], Start.AddHours(-2), null), 90, Start.AddDays(80));

    private readonly List<CustodyWord> _words = [];
    private readonly List<WorkspaceKeyStanding> _rotated = [];

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

    [Fact]
    public void Keys_of_workspaces_tell_epoch_tiers_and_both_rotations()
    {
        var row = Keys(Shop).Find("tbody tr").TextContent;
        foreach (var text in (string[])["shop", "Up to date", "looked at 2h ago", "3", "hot, warm", "10d ago", "every 90 days"])
        {
            Assert.Contains(text, row, StringComparison.Ordinal);
        }

        Assert.DoesNotContain("tone-proven", Keys(Shop).Markup, StringComparison.Ordinal);
        Assert.Contains("keys-none", Keys().Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void Keys_that_are_overdue_missing_in_a_tier_unknown_or_gone_are_said_so()
    {
        Assert.Contains("Overdue", Keys(Shop with { DueAt = Start.AddDays(-1) }).Markup, StringComparison.Ordinal);
        var behind = Keys(Shop with { Behind = ["cold"] }).Markup;
        Assert.Contains("Not everywhere", behind, StringComparison.Ordinal);
        Assert.Contains("not in cold yet", behind, StringComparison.Ordinal);
        Assert.Contains("Not known", Keys(Shop with { Key = null, DueAt = null }).Markup, StringComparison.Ordinal);
        Assert.Contains("no tier answers", Keys(Shop with { Fault = "no tier answers" }).Markup, StringComparison.Ordinal);
        var gone = Keys(Shop with { Key = Shop.Key! with { ShreddedAt = Start, Tiers = [] }, DueAt = null });
        Assert.Contains("Shredded", gone.Markup, StringComparison.Ordinal);
        Assert.Empty(gone.FindAll("button"));
    }

    [Fact]
    public void Rotate_asks_for_its_workspace_unless_a_rotation_is_open()
    {
        Keys(Shop).Find("button").Click();
        Assert.Equal("shop", Assert.Single(_rotated).Workspace);
        var open = Render<WorkspaceKeysPanel>(parameters => parameters
            .Add(self => self.Workspaces, [Shop])
            .Add(self => self.Open, new Dictionary<string, RunId> { ["shop"] = new(7) }));
        Assert.Empty(open.FindAll("button"));
        Assert.Contains("/runs/", open.Find("a.button").GetAttribute("href"), StringComparison.Ordinal);
    }

    private IRenderedComponent<WorkspaceKeysPanel> Keys(params WorkspaceKeyStanding[] workspaces) => Render<WorkspaceKeysPanel>(parameters => parameters
        .Add(self => self.Workspaces, workspaces)
        .Add(self => self.OnRotate, one => _rotated.Add(one)));

    private IRenderedComponent<CustodyPanel> Panel(KeyStanding key) => Render<CustodyPanel>(parameters => parameters
        .Add(self => self.Keys, [key])
        .Add(self => self.OnConfirm, word =>
        {
            _words.Add(word);
            return Task.FromResult(true);
        }));
}
