using System.Collections;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Hexabase.DrConsole.Dashboard.Pages.Recovery;
using Hexabase.DrConsole.Dashboard.Resources;

namespace Hexabase.DrConsole.Dashboard.Tests.Language;

/// <summary>The plans that come with the console are read in the reader's language; an author's titles stay as they were written.</summary>
public sealed class PlanWordsTests
{
    [Fact]
    public void Every_title_of_a_plan_that_comes_with_the_console_has_its_text_and_no_text_is_left_over()
    {
        var texts = PlanTexts.ResourceManager.GetResourceSet(CultureInfo.InvariantCulture, true, false)!.Cast<DictionaryEntry>().Select(entry => (string)entry.Value!).ToList();
        Assert.Equal(Titles().Distinct().Order(StringComparer.Ordinal), texts.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Titles_are_said_in_the_language_of_the_reader()
    {
        var before = CultureInfo.CurrentUICulture;
        try
        {
            CultureInfo.CurrentUICulture = CultureInfo.GetCultureInfo("en");
            Assert.Equal("Stop the service: orders", PlanWords.Of("Stop the service: orders"));
            CultureInfo.CurrentUICulture = CultureInfo.GetCultureInfo("ja");
            Assert.Equal("サービスを停止", PlanWords.Of("Stop the service"));
            Assert.Equal("サービスを停止: orders", PlanWords.Of("Stop the service: orders"));
            Assert.Equal("Stop the press: at night", PlanWords.Of("Stop the press: at night"));
        }
        finally
        {
            CultureInfo.CurrentUICulture = before;
        }
    }

    private static IEnumerable<string> Titles([CallerFilePath] string path = "")
    {
        var folder = Path.Combine(Path.GetDirectoryName(path)!, "..", "..", "..", "src", "Engine", "Recovery", "Plans", "BuiltIn");
        foreach (var file in Directory.EnumerateFiles(folder, "*.json"))
        {
            using var plan = JsonDocument.Parse(File.ReadAllText(file));
            yield return plan.RootElement.GetProperty("title").GetString()!;
            foreach (var step in plan.RootElement.GetProperty("steps").EnumerateArray())
            {
                yield return step.GetProperty("title").GetString()!;
            }
        }
    }
}
