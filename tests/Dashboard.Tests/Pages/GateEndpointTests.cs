using System.Net;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Tests.Api;

namespace Hexabase.DrConsole.Dashboard.Tests.Pages;

/// <summary>What people say at a gate's page comes as a form of theirs, with their password.</summary>
public sealed class GateEndpointTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Review_is_not_taken_without_the_password_nor_from_another_form()
    {
        await using var console = await WholeConsole.StartAsync(Ct);
        using var approver = await console.BrowseAsync(ConsoleRole.Approver, Ct);
        Dictionary<string, string> review = new() { ["review"] = "it was right to, seen in daylight", ["password"] = "a guess" };

        var guessed = await WholeConsole.SendFormAsync(approver, "/approvals/5/review", review, Ct);
        Assert.Equal((HttpStatusCode.Redirect, "/approvals/5?said=password"), (guessed.StatusCode, guessed.Headers.Location?.ToString()));
        using var foreign = new FormUrlEncodedContent(review);
        var stale = await approver.PostAsync(new Uri("/approvals/5/review", UriKind.Relative), foreign, Ct);
        Assert.Equal("/approvals/5?said=stale", stale.Headers.Location?.ToString());
    }
}
