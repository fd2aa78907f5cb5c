using System.Runtime.CompilerServices;

namespace Hexabase.DrConsole.Engine.Tests.Walls;

/// <summary>Limits of form that the compiler does not know.</summary>
public sealed class SourceTextTests
{
    private static readonly string[] Endings = [".cs", ".razor", ".css", ".js", ".sql"];

    [Fact]
    public void Files_stay_short()
    {
        var limits = SourceFiles().Where(file => !Lines(file, Limit(file))).Select(file => $"{file} has over {Limit(file)} lines");
        Assert.Empty(limits);
    }

    [Fact]
    public void Unfinished_words_are_absent()
    {
        // Put together here, so that this file does not find itself.
        string[] words = ["TO" + "DO", "FIX" + "ME", "NotImplemented" + "Exception", "async " + "void", "#reg" + "ion"];
        var found = from file in SourceFiles() from word in words where File.ReadAllText(file).Contains(word, StringComparison.Ordinal) select $"{file}: {word}";
        Assert.Empty(found);
    }

    private static int Limit(string file) => file.Contains("/tests/", StringComparison.Ordinal) ? 600 : 400;

    private static bool Lines(string file, int limit) => File.ReadLines(file).Take(limit + 1).Count() <= limit;

    private static IEnumerable<string> SourceFiles()
    {
        var root = Root();
        return new[] { "src", "tests", "wwwroot" }
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(root, folder), "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint }))
            .Where(file => Endings.Contains(Path.GetExtension(file)) && !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal));
    }

    private static string Root([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../.."));
}
