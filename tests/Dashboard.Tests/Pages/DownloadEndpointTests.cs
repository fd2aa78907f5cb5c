using Hexabase.DrConsole.Dashboard.Pages.Points;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

public sealed class DownloadEndpointTests
{
    [Theory]
    [InlineData("a/b/plain.txt", "attachment; filename=plain.txt; filename*=UTF-8''plain.txt")]
    [InlineData("請求書.pdf", "filename*=UTF-8''%E8%AB%8B%E6%B1%82%E6%9B%B8.pdf")]
    [InlineData("x\"; filename=evil.exe", "filename*=UTF-8''x_%3B%20filename%3Devil.exe")]
    public void Header_names_the_file_and_nothing_else(string path, string expected) =>
        Assert.Contains(expected, DownloadEndpoint.Disposition(path), StringComparison.Ordinal);

    [Theory]
    [InlineData("a\r\nSet-Cookie: x=1")]
    [InlineData("gpj.\u202eexe")]
    [InlineData("caf\\xe9")]
    public void Header_holds_no_line_end_and_no_letter_that_turns_a_name_around(string path)
    {
        var header = DownloadEndpoint.Disposition(path);
        Assert.DoesNotContain(header, letter => char.IsControl(letter) || letter is '\u202e' or '\\');
        Assert.StartsWith("attachment", header, StringComparison.Ordinal);
    }
}
