using Hexabase.DrConsole.Dashboard.Access;

namespace Hexabase.DrConsole.Dashboard.Tests.Access;

public sealed class LocalUrlTests
{
    [Theory]
    [InlineData("/runs/R-58?tab=log")]
    [InlineData("/")]
    public void OrRoot_path_of_this_host_is_kept(string url) => Assert.Equal(url, LocalUrl.OrRoot(url));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("runs")]
    [InlineData("//evil.example")]
    [InlineData("/\\evil.example")]
    [InlineData("/\t/evil.example")]
    [InlineData("https://evil.example/")]
    [InlineData("javascript:alert(1)")]
    [InlineData("/sign-in?returnUrl=/")]
    [InlineData("/sign-out")]
    public void OrRoot_anything_else_is_the_root(string? url) => Assert.Equal("/", LocalUrl.OrRoot(url));
}
