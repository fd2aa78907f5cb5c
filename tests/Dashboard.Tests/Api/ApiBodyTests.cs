using System.Net;
using System.Net.Http.Json;
using Hexabase.DrConsole.Dashboard.Access;
using Hexabase.DrConsole.Dashboard.Api;
using Microsoft.Extensions.Time.Testing;

namespace Hexabase.DrConsole.Dashboard.Tests.Api;

/// <summary>What somebody sends is bounded before any of it is looked at, or written down.</summary>
public sealed class ApiBodyTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_body_that_is_too_long_is_refused()
    {
        await using var console = await WholeConsole.StartAsync(Ct);
        using var viewer = await console.BrowseAsync(ConsoleRole.Viewer, Ct);

        var refused = await viewer.PostAsJsonAsync("/api/v1/approvals/1/answer", new { act = new string('x', 300_000), subjectHash = "", reason = "", password = "" }, Ct);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, refused.StatusCode);
        Assert.Equal("the body is longer than 256 KiB", (await refused.Content.ReadFromJsonAsync<ApiProblem>(Ct))!.Title);
        var unknown = await viewer.PostAsJsonAsync("/api/v1/approvals/1/answer", new { act = "odd", subjectHash = "", reason = "", password = "" }, Ct);
        Assert.Equal((HttpStatusCode.BadRequest, "act-unknown"), (unknown.StatusCode, (await unknown.Content.ReadFromJsonAsync<ApiProblem>(Ct))!.Code));
    }

    [Fact]
    public void A_token_that_asks_in_a_loop_is_told_of_once_an_hour_for_each_thing()
    {
        var time = new FakeTimeProvider();
        var refusals = new TokenRefusals(time);

        Assert.True(refusals.IsNew("token/ci", "gate 1: approve"));
        Assert.False(refusals.IsNew("token/ci", "gate 1: approve"));
        Assert.True(refusals.IsNew("token/ci", "gate 2: approve"));
        Assert.True(refusals.IsNew("token/other", "gate 1: approve"));
        time.Advance(TimeSpan.FromHours(1));
        Assert.True(refusals.IsNew("token/ci", "gate 1: approve"));
    }
}
