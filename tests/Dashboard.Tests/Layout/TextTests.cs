using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Resources;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Hexabase.DrConsole.Dashboard.Layout;
using Hexabase.DrConsole.Dashboard.Resources;

namespace Hexabase.DrConsole.Dashboard.Tests.Layout;

/// <summary>Words come from resources, colours from tokens.</summary>
public sealed partial class TextTests
{
    private static string Repository([CallerFilePath] string path = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, "..", "..", ".."));

    [Fact]
    public void Every_key_has_an_English_text_and_every_text_is_used()
    {
        var sources = string.Concat(Directory.EnumerateFiles(Path.Combine(Repository(), "src", "Dashboard"), "*.*", SearchOption.AllDirectories)
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)
                && (file.EndsWith(".razor", StringComparison.Ordinal) || file.EndsWith(".cs", StringComparison.Ordinal)))
            .Select(File.ReadAllText));
        var classes = typeof(Texts).Assembly.GetTypes().Where(type => type.Namespace == typeof(Texts).Namespace && type.Name.EndsWith("Texts", StringComparison.Ordinal));
        // The titles of plans are found by their English text (PlanWordsTests).
        foreach (var texts in classes.Where(type => type != typeof(PlanTexts)))
        {
            var manager = (ResourceManager)texts.GetProperty("ResourceManager", BindingFlags.Static | BindingFlags.NonPublic)!.GetValue(null)!;
            foreach (DictionaryEntry entry in manager.GetResourceSet(CultureInfo.InvariantCulture, true, false)!)
            {
                Assert.False(string.IsNullOrWhiteSpace((string?)entry.Value), $"{entry.Key} is empty");
                Assert.True(sources.Contains($"{texts.Name}.{entry.Key}", StringComparison.Ordinal), $"{texts.Name}.{entry.Key} is not used");
            }
        }
    }

    [Fact]
    public void No_markup_holds_words_of_its_own()
    {
        var found = new List<string>();
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Repository(), "src", "Dashboard"), "*.razor", SearchOption.AllDirectories))
        {
            var markup = Comment().Replace(File.ReadAllText(file), string.Empty);
            found.AddRange(TextBetweenTags().Matches(markup).Select(match => match.Groups[1].Value.Trim())
                .Where(text => Word().IsMatch(text) && !text.Contains('@', StringComparison.Ordinal) && !Code().IsMatch(text))
                .Select(text => $"{Path.GetFileName(file)}: {text}"));
            found.AddRange(SpokenAttribute().Matches(markup).Select(match => $"{Path.GetFileName(file)}: {match.Value}"));
        }

        Assert.Empty(found);
    }

    /// <summary>While a page reads, or cannot, <c>PageFault</c> is its only first heading: its own comes with what was read.</summary>
    [Fact]
    public void No_page_has_two_first_headings_while_it_reads()
    {
        var pages = Directory.EnumerateFiles(Path.Combine(Repository(), "src", "Dashboard"), "*.razor", SearchOption.AllDirectories)
            .Select(file => (Name: Path.GetFileName(file), Lines: File.ReadAllLines(file)))
            .Where(page => page.Lines.Any(line => line.StartsWith("<PageFault", StringComparison.Ordinal))).ToList();
        Assert.NotEmpty(pages);
        Assert.All(pages, page => Assert.DoesNotContain(page.Lines, line => line.StartsWith("<PageHeader", StringComparison.Ordinal) || line.StartsWith("<h1", StringComparison.Ordinal)));
        // A page may be drawn between two parts of one reading, when it has the first and PageFault still reads.
        Assert.All(pages, page => Assert.All(
            page.Lines.SkipWhile(line => !line.StartsWith("<PageFault", StringComparison.Ordinal)).Where(line => line.StartsWith("@if (", StringComparison.Ordinal) || line.StartsWith("else if (", StringComparison.Ordinal)),
            line => Assert.Contains("(ReadAt is not null", line, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("light")]
    [InlineData("dark")]
    public void Theme_equals_the_style_sheets_tokens(string scheme)
    {
        var css = File.ReadAllText(Path.Combine(Repository(), "wwwroot", "css", "tokens.css"));
        var block = css[css.IndexOf(scheme == "light" ? ":root {" : ":root[data-theme=\"dark\"]", StringComparison.Ordinal)..];
        var tokens = scheme == "light" ? ConsoleTheme.Tokens.Light : ConsoleTheme.Tokens.Dark;
        foreach (var property in typeof(ConsoleTheme.Tokens).GetProperties().Where(property => property.PropertyType == typeof(string)))
        {
            var name = property.Name == "OnInk" ? "on-ink" : property.Name.ToLowerInvariant();
            var value = Regex.Match(block, $"--{name}: (#[0-9A-F]{{6}});").Groups[1].Value;
            Assert.Equal(value, (string?)property.GetValue(tokens));
        }
    }

    // What the system asks for and what a person chooses must be the same dark.
    [Fact]
    public void Style_sheet_has_one_dark_only()
    {
        var css = File.ReadAllText(Path.Combine(Repository(), "wwwroot", "css", "tokens.css"));
        var blocks = Regex.Matches(css, @"data-theme=""(?:dark|system)""\] \{([^}]+)\}").Select(match => Regex.Replace(match.Groups[1].Value, @"\s+", " ")).ToList();
        Assert.Equal(2, blocks.Count);
        Assert.Equal(blocks[0], blocks[1]);
    }

    [GeneratedRegex(@"@\*.*?\*@", RegexOptions.Singleline)]
    private static partial Regex Comment();

    [GeneratedRegex(@">([^<>{}]+)<")]
    private static partial Regex TextBetweenTags();

    [GeneratedRegex(@"\p{L}{2,}")]
    private static partial Regex Word();

    [GeneratedRegex(@"[;=()]|\b(var|case|break|default|if|else|foreach|for)\b")]
    private static partial Regex Code();

    [GeneratedRegex(@"\b(title|aria-label|placeholder|alt)=""[A-Za-z][^@""]*""")]
    private static partial Regex SpokenAttribute();
}
