using Bunit;
using Hexabase.DrConsole.Dashboard.Controls;
using Hexabase.DrConsole.Dashboard.Language;
using Hexabase.DrConsole.Dashboard.Layout;
using Hexabase.DrConsole.Dashboard.Pages.Retention;
using Hexabase.DrConsole.Dashboard.Tests.Controls;
using Hexabase.DrConsole.Engine.Strategies;
using Hexabase.DrConsole.Engine.Strategies.Retention;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.DependencyInjection;
using static Hexabase.DrConsole.Dashboard.Tests.Pages.RetentionRig;

namespace Hexabase.DrConsole.Dashboard.Tests.Language;

public sealed class JapanesePageTests : ControlTests
{
    private readonly ReadingIn _japanese = new("ja");

    [Fact]
    public void Rail_and_source_table_are_in_Japanese()
    {
        Assert.Equal(
            ["概要", "保護対象", "復元点", "階層", "障害", "実行", "承認", "計画", "訓練", "報告書", "ジョブ", "監査", "設定"],
            Render<Rail>().FindAll("a").Select(entry => entry.TextContent.Trim()));

        var table = Render<SourceTable>(parameters => parameters.Add(self => self.Rows,
        [
            new SourceRow(
                "shop", "orders", "PostgreSQL、critical", IconShape.Postgres, "/sources/orders", Status.Proven, "内容を照合済み",
                new TargetFigure(Seconds(186), Seconds(300), Measure.Measured, "読戻し済み"), Seconds(900), [], "未計測", [new("hot", Status.ReadBack)]) { ProvenAt = Start },
        ]));
        Assert.Equal("shop1件、実証済み1", table.Find("tr.group").TextContent);
        Assert.Equal("試験復元 1秒前、内容を照合済み", table.Find(".badge .second").TextContent);
        Assert.Contains("3分06秒", table.Find(".rpo").TextContent, StringComparison.Ordinal);
        Assert.Contains("5分", table.Find(".rpo").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public void Removals_name_the_reason_and_the_moment_in_Japanese()
    {
        var daily = Class(new RetentionPolicy(0, 10, 0, 0, 0), TimeSpan.FromDays(1), ("hot", 5));
        var source = Source(daily, Start.AddDays(-9), ["hot"], Point(Start.AddDays(-1), ("hot", "verified")), Point(Start.AddDays(-4), ("hot", "verified")), Point(Start.AddDays(-6), ("hot", "verified")));
        var list = Render<RemovalList>(parameters => parameters.Add(self => self.Source, source));
        Assert.Contains("この階層の5日を超過", Assert.Single(list.FindAll("tbody tr")).TextContent, StringComparison.Ordinal);
        Assert.Contains("11月25日(水) 03:12", list.Find(".next").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public void Switch_leads_to_the_other_language_and_back_to_the_page_that_the_reader_is_on_now()
    {
        var toEnglish = Render<LanguageSwitch>();
        Assert.Equal("en", toEnglish.Find("[name=language]").GetAttribute("value"));
        Assert.Equal("EN English", toEnglish.Find("button").GetAttribute("aria-label"));

        Services.GetRequiredService<NavigationManager>().NavigateTo("/runs?kind=backup");
        toEnglish.WaitForAssertion(() => Assert.Equal("/runs?kind=backup", toEnglish.Find("[name=returnUrl]").GetAttribute("value")));

        using var english = new ReadingIn("en");
        Assert.Equal("ja", Render<LanguageSwitch>().Find("[name=language]").GetAttribute("value"));
    }

    [Fact]
    public async Task What_another_reader_caused_is_said_in_the_language_of_this_one()
    {
        var circuit = new CircuitLanguage();
        using var english = new ReadingIn("en");
        var said = "";
        await circuit.SpeakAsync(() =>
        {
            said = Figures.Age(Seconds(6));
            return Task.CompletedTask;
        });
        Assert.Equal("6秒前", said);
        Assert.Equal("6s ago", Figures.Age(Seconds(6)));
    }

    protected override void Dispose(bool disposing)
    {
        _japanese.Dispose();
        base.Dispose(disposing);
    }
}
