using System.Reflection;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Pages.Runs;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Components;

namespace Hexabase.DrConsole.Dashboard.Tests.Access;

/// <summary>
/// The router asks a page's own attributes each time that it draws one, also after the session was taken away while the page was open;
/// what an HTTP request must have is asked once.
/// </summary>
public sealed class PagePolicyTests
{
    public static TheoryData<string> Pages => [.. Routed.Select(page => page.FullName!)];

    private static IEnumerable<Type> Routed => typeof(RunPage).Assembly.GetTypes().Where(type => type.IsDefined(typeof(RouteAttribute)));

    [Theory]
    [MemberData(nameof(Pages))]
    public void Page_says_who_may_see_it(string name)
    {
        var page = typeof(RunPage).Assembly.GetType(name, throwOnError: true)!;

        Assert.True(page.IsDefined(typeof(AllowAnonymousAttribute)) || page.GetCustomAttributes<AuthorizeAttribute>().Any(one => one.Policy is not null), name);
    }

    [Fact]
    public void Only_signing_in_needs_no_session() =>
        Assert.Equal([typeof(SignIn)], Routed.Where(page => page.IsDefined(typeof(AllowAnonymousAttribute))));
}
